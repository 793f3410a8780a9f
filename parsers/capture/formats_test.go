package capture_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/capture"
)

// Texts of the formats that are known by sight only. Those of recordings are
// cut to a few lines.
const (
	nftText = `table ip kube-proxy {
	comment "rules for kube-proxy"

	set cluster-ips { # handle 37
		type ipv4_addr
		comment "Active ClusterIPs {"
		elements = { 10.96.0.1, 10.96.0.10,
			     10.96.1.1 }
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}
}
# Warning: table ip6 nat is managed by iptables-nft, do not touch!
table ip6 nat {
	chain KUBE-KUBELET-CANARY {
	}
}
`
	nftJSON     = `{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "ip", "name": "kube-proxy", "handle": 9}}]}` + "\n"
	ipvsadmSave = `-A -t 172.18.0.3:30080 -s rr
-a -t 172.18.0.3:30080 -r 10.244.1.10:8080 -m -w 1
-A -u 10.96.0.10:53 -s rr
-A --sctp-service 10.96.70.2:3868 -s rr
-A -t [fd00:10:96::1]:443 -s rr -p 10800
`
	ipvsadmList = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  172.18.0.3:8088 rr
  -> 10.244.1.41:8080             Masq    1      0          0         
UDP  10.96.0.10:53 rr
TCP  [fd00:10:96::1]:443 rr persistent 10800
`
	ipvsadmStats = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  172.18.0.3:8088                     0        0        0        0        0
  -> 10.244.1.41:8080                    0        0        0        0        0
`
	procIPVS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  0A604601:0202 rr  
  -> 0AF40147:05EA      Masq    1      0          1         
`
	ipvsConnections = `IPVS connection entries
pro expire state       source             virtual            destination
TCP 01:36  TIME_WAIT   10.244.1.10:57164  10.96.20.1:80      10.244.3.21:8080
UDP 04:43  UDP         10.244.1.10:42916  10.96.0.10:53      10.244.1.2:53
`
	procIPVSConn = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0AF4010A DF4C 0A601401 0050 0AF40315 1F90 TIME_WAIT        96
`
	ipsetSave = `create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9068a6e7
add KUBE-CLUSTER-IP 10.96.50.2,tcp:6379
create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
add KUBE-NODE-PORT-TCP 30080
`
	ipsetList = `Name: KUBE-CLUSTER-IP
Type: hash:ip,port
Revision: 6
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9068a6e7
Size in memory: 1736
References: 2
Number of entries: 2
Members:
10.96.0.10,udp:53
10.96.0.1,tcp:443

Name: KUBE-NODE-PORT-TCP
Type: bitmap:port
Number of entries: 1
Members:
31543
`
	ipsetXML = `<ipsets>
  <ipset name="KUBE-CLUSTER-IP">
    <type>hash:ip,port</type>
  </ipset>
</ipsets>
`
	listing = `Chain INPUT (policy ACCEPT)
target     prot opt source               destination         
KUBE-FIREWALL  all  --  0.0.0.0/0            0.0.0.0/0           

Chain KUBE-FIREWALL (2 references)
target     prot opt source               destination         
DROP       all  -- !127.0.0.0/8          127.0.0.0/8          /* block incoming localnet connections */ ! ctstate RELATED,ESTABLISHED,DNAT
`
	listingV = `Chain KUBE-SERVICES (2 references)
num   pkts bytes target     prot opt in     out     source               destination         
1        0     0 KUBE-SVC-NPX46M4PTMTKRN6Y  6    --  *      *       0.0.0.0/0            10.96.0.1            /* default/kubernetes:https cluster IP */ tcp dpt:443
2       7   420            all  --  *      *       0.0.0.0/0            0.0.0.0/0           
`
	listing6 = `Chain KUBE-FORWARD (1 references)
target     prot opt source               destination         
ACCEPT     all      anywhere             anywhere             mark match 0x4000/0x4000
DROP       tcp      ::/0                 fd00::/8            
`
	conntrack = `tcp      6 431956 ESTABLISHED src=172.18.0.100 dst=172.18.0.3 sport=39380 dport=30080 src=10.244.1.10 dst=10.244.1.1 sport=8080 dport=20756 [ASSURED] mark=0 use=1
udp      17 14 src=10.244.1.10 dst=10.96.0.10 sport=42916 dport=53 [UNREPLIED] src=10.244.1.2 dst=10.244.1.10 sport=53 dport=42916 mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.
`
	procConntrack = `ipv4     2 tcp      6 86395 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 zone=0 use=2
`
	manifests = `---
# what runs where
apiVersion: v1
kind: ConfigMap
metadata:
  name: rules
data:
  save: |
    *nat
    -A INPUT -j DROP
    2: eth0: <UP> mtu 1500
    COMMIT
---
kind: Service
apiVersion: v1
`
	manifestList = `apiVersion: v1
items:
- apiVersion: v1
  kind: Service
kind: List
`
	manifestJSON = `{
    "apiVersion": "v1",
    "items": [
        {
            "kind": "Service", "note": "a } and a \" in it"
        }
    ]
}
`
	addrJSON  = `[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]}]` + "\n"
	routes    = "default via 172.18.0.1 dev eth0 \n172.18.0.0/16 dev eth0 proto kernel scope link src 172.18.0.3 \n"
	routeJSON = "[ {\n        \"dst\": \"default\",\n        \"gateway\": \"172.18.0.1\",\n        \"dev\": \"eth0\"\n    } ]\n"
)

// Each text is recognised wherever it stands: alone, and after and before any
// other, with nothing, blank lines or prose between them.
func TestEveryTextBesideEveryOther(t *testing.T) {
	texts := []struct{ name, text, format, what string }{
		{"nft", nftText, "nft-list", ""},
		{"nft JSON", nftJSON, "nft-json", ""},
		{"ipvsadm-save", ipvsadmSave, "ipvsadm-save", ""},
		{"ipvsadm -L", ipvsadmList, "ipvsadm-list", ""},
		{"ipvsadm -L --stats", ipvsadmStats, "ipvsadm-list", ""},
		{"ip_vs", procIPVS, "proc-net-ip_vs", ""},
		{"ipvsadm -Lc", ipvsConnections, "ipvs-connections", "a list of IPVS connections"},
		{"ip_vs_conn", procIPVSConn, "ipvs-connections", "a list of IPVS connections"},
		{"ipset save", ipsetSave, "ipset-save", ""},
		{"ipset list", ipsetList, "ipset-list", ""},
		{"ipset XML", ipsetXML, "ipset-list", ""},
		{"iptables -L", listing, "iptables-list", "iptables -L output"},
		{"iptables -L -v", listingV, "iptables-list", "iptables -L output"},
		{"ip6tables -L", listing6, "iptables-list", "iptables -L output"},
		{"conntrack", conntrack, "conntrack", "conntrack -L output"},
		{"nf_conntrack", procConntrack, "conntrack", "conntrack -L output"},
		{"manifests", manifests, "manifests", ""},
		{"manifest list", manifestList, "manifests", ""},
		{"manifests, JSON", manifestJSON, "manifests", ""},
		{"ip addr", addr, "ip-addr", ""},
		{"ip -j addr", addrJSON, "ip-addr-json", ""},
		{"ip route", routes, "ip-route", ""},
		{"ip -j route", routeJSON, "ip-route-json", ""},
		{"iptables-save", dump, "iptables-save", ""},
	}
	// One text gives one source and, if it is not read, one remark.
	add := func(want *recognition, text, format, what string) {
		n := strings.Count(text, "\n")
		source := fmt.Sprintf("%s, %d lines", format, n)
		if what != "" {
			source += ", not read"
			lines := fmt.Sprintf("%d lines", n)
			if n == 1 {
				lines = "1 line"
			}
			want.reads = append(want.reads, what+" is recognised but not read yet: "+lines)
		}
		if format == "iptables-save" {
			source = "iptables-save, IPv4 [nat], 2 chains, 1 rules"
		}
		want.formats = append(want.formats, source)
	}
	dir := t.TempDir()
	check := func(name, text string, want recognition) {
		t.Helper()
		if diff := cmp.Diff(want, recognised(t, dir, text), cmp.AllowUnexported(recognition{})); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
	for i, a := range texts {
		var alone recognition
		add(&alone, a.text, a.format, a.what)
		check(a.name, a.text, alone)
		for j, b := range texts {
			if i == j || a.what != "" && a.what == b.what || a.format == "manifests" && b.format == a.format {
				continue // two of a kind can be one text
			}
			var both recognition
			add(&both, a.text, a.format, a.what)
			add(&both, b.text, b.format, b.what)
			name := a.name + " and " + b.name
			check(name, a.text+b.text, both)
			check(name+", blank", a.text+"\n\n"+b.text, both)
			both.skipped = 1
			check(name+", prompt", a.text+"root@kind-worker:/# cat it\n"+b.text, both)
			both.skipped = 6
			check(name+", fences", "Rules:\n\n```\n"+a.text+"```\n\nMore:\n\n```console\n"+b.text+"```\n", both)
		}
	}
}

// What looks like a format and is none, or like another.
func TestLookalikes(t *testing.T) {
	tests := []struct {
		name, text string
		want       recognition
	}{
		{"a rule is no virtual server", "-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-X\n", recognition{formats: []string{"iptables-save, IPv4 [nat], 1 chains, 1 rules"}}},
		{"YAML that is no Kubernetes object", "---\nfault: x\nkind: fruit\nitems:\n- a\n", recognition{skipped: 5}},
		{"JSON of something else", "{\"version\": 2}\n[1, 2]\n[\"a\"]\n{\n  \"a\": 1\n}\n[0.1, \"o\", \"x\"]\n", recognition{skipped: 7}},
		{"prompts and logs", "[root@gv187 ~]# iptables -L\n{a}\n[info] up\n# comment\n> quote\nTCP  is a protocol\nName: x\nType: y\n", recognition{skipped: 8}},
		{"prose about it all", "Chain of thought\nIP Virtual Server is IPVS\ntable ip of contents\ncreate a set\nadd a b\ndefault via dev\nall the pods\n", recognition{skipped: 7}},
		{"a diff of two dumps", "diff -u a b\n--- a\n+++ b\n@@ -1,3 +1,4 @@\n -N KUBE-SERVICES\n+-N KUBE-NODEPORTS\n -A KUBE-SERVICES -j RETURN\n--A X -j DROP\n+-A X -j ACCEPT\n@@ -9 +10 @@\n-a\n+b\n" + addr, recognition{formats: []string{"ip-addr, 4 lines"}, skipped: 12}},
		{"a wrapped row of a listing is no row", listing + " match dst-type LOCAL\n", recognition{
			formats: []string{"iptables-list, 7 lines, not read"}, reads: []string{"iptables -L output is recognised but not read yet: 7 lines"}, skipped: 1}},
		{"rows of a listing without its chain", "DOCKER     all  --  0.0.0.0/0           !127.0.0.0/8          ADDRTYPE match dst-type LOCAL\n--\n    0     0 RETURN     all  --  docker0 *       0.0.0.0/0            0.0.0.0/0\n", recognition{
			formats: []string{"iptables-list, 3 lines, not read"}, reads: []string{"iptables -L output is recognised but not read yet: 3 lines"}}},
		{"a chain of nft without its table", "\tchain KUBE-SERVICES {\n\t\tcounter packets 0 bytes 0 jump X\n\t}\nend\n", recognition{
			formats: []string{"nft-list, 3 lines"}, skipped: 1}},
		{"nft cut short before another text", nftText[:100] + "\n" + addr, recognition{
			formats: []string{"nft-list, 5 lines", "ip-addr, 4 lines"}}},
		{"three nodes in one paste", ">>> a\n" + ipvsadmList + ">>> b\n" + ipvsadmList + ipvsadmList, recognition{
			formats: []string{"ipvsadm-list, 7 lines", "ipvsadm-list, 7 lines", "ipvsadm-list, 7 lines"}, skipped: 2}},
		{"members of a set go on to a blank line if it has no count", "Name: X\nType: hash:ip\nMembers:\n10.0.0.1\n10.0.0.2\n\n10.0.0.3\n", recognition{
			formats: []string{"ipset-list, 5 lines"}, skipped: 1}},
	}
	dir := t.TempDir()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, recognised(t, dir, test.text), cmp.AllowUnexported(recognition{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Old and new node in one, so that reports of a folder name each file once.
func TestSourcesCountWhatIsSkippedAroundThem(t *testing.T) {
	dir := write(t, "paste", "first\n\nsecond\n"+addr+"third\n"+routes+"fourth\n")
	want := []string{
		"paste:4: ip-addr, 4 lines, 3 skipped",
		"paste:9: ip-route, 2 lines, 1 skipped",
		`warning: paste:1: skipped 2 lines, first: "first"`,
		`warning: paste:8: skipped 1 line: "third"`,
		`warning: paste:11: skipped 1 line: "fourth"`,
	}
	if diff := cmp.Diff(want, open(t, dir, capture.Options{}, "paste")); diff != "" {
		t.Error(diff)
	}
}
