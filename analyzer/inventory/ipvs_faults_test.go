package inventory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/capture"
)

// A change is made to a file of the recording ipvs-service-zoo.
type change struct {
	file     string
	old, new string // the file's whole text if old is ""
}

// edited analyzes the recording with some edits; files that are set to "" are
// left out.
func edited(t *testing.T, edits ...change) *analyzer.Analysis {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for _, name := range []string{"iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ipvsadm-save.txt", "ip-addr.txt", "manifests.yaml", "node.yaml"} {
		files[name] = string(readFile(t, filepath.Join(samplesDir, "ipvs-service-zoo", name)))
	}
	for _, e := range edits {
		if e.old == "" {
			files[e.file] = e.new
			continue
		}
		if !strings.Contains(files[e.file], e.old) {
			t.Fatalf("%s has no %q", e.file, e.old)
		}
		files[e.file] = strings.ReplaceAll(files[e.file], e.old, e.new)
	}
	for name, text := range files {
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	snapshot, err := capture.Open([]string{dir}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return analyzer.Analyze(snapshot)
}

// entryAt is the entry of the family IPv4 that is dialled at an address and
// port, or at a node port.
func entryAt(t *testing.T, inv *inventory.Inventory, dial string) *inventory.Entry {
	t.Helper()
	for _, s := range inv.Services {
		for _, e := range s.Entries {
			name := fmt.Sprintf(":%d", e.Port)
			if e.Kind != inventory.NodePort {
				name = e.Addresses[0].Addr().String() + name
			}
			if name+"/"+netfilter.ProtocolName(s.Protocol) == dial {
				return e
			}
		}
	}
	t.Fatalf("no entry %s", dial)
	return nil
}

func TestIPVSFaults(t *testing.T) {
	type entry struct {
		dial    string
		verdict inventory.Verdict
		masq    inventory.Masquerading
		says    []string // parts of the explanation
	}
	noSets := change{"ipset-save.txt", "", ""}
	noTable := change{"ipvsadm-save.txt", "", ""}
	noObjects := []change{{"manifests.yaml", "", ""}, {"node.yaml", "", ""}}
	tests := []struct {
		name     string
		edits    []change
		want     []entry
		findings []string
	}{
		{"a cluster IP in no set", []change{{"ipset-save.txt", "add KUBE-CLUSTER-IP 10.96.20.1,tcp:80\n", ""}},
			[]entry{{"10.96.20.1:80/tcp", inventory.Broken, inventory.MasqueradeNever, []string{"KUBE-IPVS-FILTER"}}, {":30080/tcp", inventory.SameBackends, inventory.MasqueradeAlways, nil}},
			[]string{"KP5002"}},
		{"a node port in no set", []change{{"ipset-save.txt", "add KUBE-NODE-PORT-TCP 30080\n", ""}},
			[]entry{{":30080/tcp", inventory.SameBackends, inventory.MasqueradeHairpin, nil}},
			[]string{"KP5002"}},
		{"an address missing on kube-ipvs0", []change{{"ip-addr.txt", "    inet 10.96.20.1/32 scope global kube-ipvs0\n", ""}},
			[]entry{{"10.96.20.1:80/tcp", inventory.Broken, inventory.MasqueradeNever, []string{"kube-ipvs0"}}},
			[]string{"KP5004"}},
		{"a virtual server that is gone", []change{
			{"ipvsadm-save.txt", "-A -t 203.0.113.13:80 -s rr\n", ""}, {"ipvsadm-save.txt", "-a -t 203.0.113.13:80 -r 10.244.1.34:8080 -m -w 1\n", ""}},
			[]entry{{"203.0.113.13:80/tcp", inventory.Broken, inventory.MasqueradeNever, []string{"KUBE-LOAD-BALANCER", "no virtual server"}}},
			[]string{"KP5003", "KP5005"}},
		{"a virtual server gone at one address", []change{
			{"ipvsadm-save.txt", "-A -t 10.244.1.1:30081 -s rr\n", ""}, {"ipvsadm-save.txt", "-a -t 10.244.1.1:30081 -r 10.244.1.11:8080 -m -w 1\n", ""}},
			[]entry{{":30081/tcp", inventory.LocalEndpoints, inventory.MasqueradeHairpin, nil}},
			[]string{"KP5006"}},
		{"a virtual server of nobody", []change{{"ipvsadm-save.txt", "-A -t 10.96.0.1:443 -s rr\n", "-A -t 10.96.0.99:443 -s rr\n-a -t 10.96.0.99:443 -r 10.244.1.11:8080 -m -w 1\n-A -t 10.96.0.1:443 -s rr\n"}},
			[]entry{{"10.96.0.99:443/tcp", inventory.Broken, inventory.MasqueradeNever, nil}},
			[]string{"KP5001", "KP5002", "KP5004"}},
		{"another weight", []change{{"ipvsadm-save.txt", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 1", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 3"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.DifferentBackends, inventory.MasqueradeAlways, []string{"10.244.2.81:8080 has weight 3 here and 1 there"}}}, nil},
		{"weight 0", []change{{"ipvsadm-save.txt", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 1", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 0"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.DifferentBackends, inventory.MasqueradeAlways, []string{"it lacks 10.244.2.81:8080 (weight 0 here)"}}}, []string{"KP2013"}},
		{"an endpoint that drains", []change{{"ipvsadm-save.txt", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 1", "-a -t 203.0.113.80:80 -r 10.244.2.81:8080 -m -w 1\n-a -t 203.0.113.80:80 -r 10.244.2.82:8080 -m -w 0"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.SameBackends, inventory.MasqueradeAlways, []string{"10.244.2.82:8080 with weight 0 keeps its connections"}}}, nil},
		{"all weights 0", []change{{"ipvsadm-save.txt", "-a -t 10.96.0.1:443 -r 172.18.0.2:6443 -m -w 1", "-a -t 10.96.0.1:443 -r 172.18.0.2:6443 -m -w 0"}},
			[]entry{{"10.96.0.1:443/tcp", inventory.NoEndpoints, inventory.MasqueradeNever, []string{"takes new connections"}}}, []string{"KP2013"}},
		{"another scheduler", []change{{"ipvsadm-save.txt", "-A -t 203.0.113.80:80 -s rr", "-A -t 203.0.113.80:80 -s sh"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.DifferentBackends, inventory.MasqueradeAlways, []string{"its scheduler is sh, that of the cluster IP rr"}}}, nil},
		{"schedulers that leave shares open", []change{{"ipvsadm-save.txt", "-s rr", "-s lc"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.SameBackends, inventory.MasqueradeAlways, []string{"scheduler lc: which one depends on load"}}}, nil},
		{"schedulers that go by the source", []change{{"ipvsadm-save.txt", "-s rr", "-s sh"}},
			[]entry{{"203.0.113.80:80/tcp", inventory.SameBackends, inventory.MasqueradeAlways, []string{"scheduler sh: which one is fixed per source address"}}}, nil},
		{"a local entry that lacks a local endpoint", []change{{"ipvsadm-save.txt", "-a -t 203.0.113.13:80 -r 10.244.1.34:8080 -m -w 1", "-a -t 203.0.113.13:80 -r 10.244.2.34:8080 -m -w 1"}},
			[]entry{{"203.0.113.13:80/tcp", inventory.DifferentBackends, inventory.MasqueradeNever, []string{"it lacks 10.244.1.34:8080"}}}, []string{"KP2007"}},
		{"a cluster CIDR that is not told", []change{{"iptables-save.txt", "-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment \"Kubernetes service cluster ip + port for masquerade purpose\" -m set --match-set KUBE-CLUSTER-IP dst,dst", "-A KUBE-SERVICES -m comment --comment \"Kubernetes service cluster ip + port for masquerade purpose\" -m set --match-set KUBE-CLUSTER-IP src,dst"}},
			[]entry{{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeHairpin, nil}}, nil},
		{"masquerade all", []change{{"iptables-save.txt", "-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment", "-A KUBE-SERVICES -m comment"}},
			[]entry{{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeAlways, nil}}, nil},
		{"a rule that takes the packets first", []change{{"iptables-save.txt", "[32:1830] -A PREROUTING", "[0:0] -A PREROUTING -d 10.96.20.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.9.9:8080\n[32:1830] -A PREROUTING"}},
			nil, []string{"KP2001"}},
		{"a rule that drops what IPVS sends on", []change{{"iptables-save.txt", "[123:6919] -A OUTPUT", "[0:0] -A OUTPUT -d 10.244.2.91/32 -j DROP\n[123:6919] -A OUTPUT"}},
			nil, []string{"KP2001", "KP2001"}},
		{"kube-proxy up to 1.24", []change{{"iptables-save.txt", "", upTo124}},
			[]entry{
				{"203.0.113.11:80/tcp", inventory.Filtered, inventory.MasqueradeAlways, []string{"192.0.2.7/32, 198.51.100.0/24", "KUBE-LOAD-BALANCER"}},
				{"203.0.113.13:80/tcp", inventory.LocalEndpoints, inventory.MasqueradeHairpin, nil},
				{":30081/tcp", inventory.LocalEndpoints, inventory.MasqueradeHairpin, nil},
				{":30080/tcp", inventory.SameBackends, inventory.MasqueradeAlways, nil},
				{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeConditional, nil},
			}, nil},
		{"without the sets", []change{noSets},
			[]entry{
				{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeUnknown, nil},
				{":30080/tcp", inventory.SameBackends, inventory.MasqueradeUnknown, nil},
				{":30081/tcp", inventory.LocalEndpoints, inventory.MasqueradeUnknown, nil},
				{"203.0.113.11:80/tcp", inventory.Filtered, inventory.MasqueradeUnknown, []string{"192.0.2.7/32"}},
				{"10.96.10.3:80/tcp", inventory.NoEndpoints, inventory.MasqueradeNever, nil},
			}, nil},
		{"without the sets and names", append([]change{noSets}, noObjects...),
			[]entry{
				{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeUnknown, nil},
				{":30080/tcp", inventory.SameBackends, inventory.MasqueradeUnknown, []string{"a guess"}},
				{":30081/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"cluster's Services as an input would tell"}},
			}, nil},
		{"without the IPVS table", []change{noTable},
			[]entry{
				{"10.96.20.1:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"ipvsadm-save -n"}},
				{":30080/tcp", inventory.Unknown, inventory.MasqueradeUnknown, nil},
				{"203.0.113.11:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, nil},
			}, nil},
		{"without the IPVS table and names", append([]change{noTable}, noObjects...),
			[]entry{{"10.96.20.1:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, nil}, {":30080/tcp", inventory.Unknown, inventory.MasqueradeUnknown, nil}}, nil},
		{"the table alone", append([]change{noSets, {"iptables-save.txt", "", ""}, {"ip6tables-save.txt", "", ""}, {"ip-addr.txt", "", ""}}, noObjects...),
			[]entry{{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeUnknown, nil}, {":30080/tcp", inventory.SameBackends, inventory.MasqueradeUnknown, nil}}, nil},
		{"one virtual server's listing", []change{{"ipvsadm-save.txt", "", "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  10.96.20.1:80 rr\n  -> 10.244.1.10:8080             Masq    1      0          0         \n"}},
			[]entry{{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeConditional, nil}, {":30080/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"not the whole IPVS table"}}}, nil},
		{"no real server at one address", []change{{"ipvsadm-save.txt", "-a -t 10.244.1.1:30081 -r 10.244.1.11:8080 -m -w 1\n", ""}},
			[]entry{{":30081/tcp", inventory.DifferentBackends, inventory.MasqueradeNever, []string{"TCP 10.244.1.1:30081 differs from TCP 172.18.0.3:30081: it lacks 10.244.1.11:8080"}}}, []string{"KP2001"}},
		{"names for addresses", []change{{"ipvsadm-save.txt", "-t 172.18.0.3:30080 ", "-t zoo-worker:30080 "}, {"ipvsadm-save.txt", "-t 10.244.1.1:30080 ", "-t gateway:30080 "}, {"ipvsadm-save.txt", "-t 10.96.20.1:80 ", "-t web.default.svc:http "}},
			[]entry{
				{"10.96.20.1:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"by names that are not resolved"}},
				{":30080/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"by names that are not resolved"}},
			}, nil},
		{"names for ports", []change{{"ipvsadm-save.txt", "-t 10.96.20.1:80 ", "-t 10.96.20.1:one "}, {"ipvsadm-save.txt", "-t 203.0.113.13:80 ", "-t 10.96.20.1:two "}},
			[]entry{
				{"10.96.20.1:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"by names that are not resolved"}},
				{"203.0.113.13:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, nil},
			}, nil},
		{"addresses that are cut", []change{{"ip-addr.txt", "", "1: lo: <UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n2: eth0: <UP> mtu 1500\n    inet 172.18.0.3/16 scope global eth0\n3: kube-ipvs0: <BROADCAST,NOARP> mtu 1500\n    inet 10.96.0.1/32 scope global kube-ipvs0\n    inet 10.9"}},
			[]entry{{"10.96.20.1:80/tcp", inventory.IsClusterIP, inventory.MasqueradeConditional, nil}, {"10.96.0.1:443/tcp", inventory.IsClusterIP, inventory.MasqueradeConditional, nil}}, nil},
		{"a table that is cut in a weight", []change{
			{"ipset-save.txt", "", "create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536\nadd KUBE-CLUSTER-IP 10.96.20.1,tcp:80\nadd KUBE-CLUSTER-IP 10.96.20.2,tcp:80\n"},
			{"ipvsadm-save.txt", "", "-A -t 10.96.20.1:80 -s rr\n-a -t 10.96.20.1:80 -r 10.244.1.10:8080 -m -w 1"}},
			[]entry{{"10.96.20.1:80/tcp", inventory.Unknown, inventory.MasqueradeConditional, nil}, {"10.96.20.2:80/tcp", inventory.Unknown, inventory.MasqueradeUnknown, []string{"not the whole IPVS table"}}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := edited(t, tt.edits...)
			for _, want := range tt.want {
				e := entryAt(t, a.Inventory, want.dial)
				if e.Verdict != want.verdict || e.Masquerade != want.masq {
					t.Errorf("%s: %s, masquerade %s; want %s, %s: %s", want.dial, e.Verdict, e.Masquerade, want.verdict, want.masq, e.Explanation())
				}
				for _, part := range want.says {
					if !strings.Contains(e.Explanation(), part) {
						t.Errorf("%s: %q does not say %q", want.dial, e.Explanation(), part)
					}
				}
			}
			var ids []string
			for _, f := range a.Findings {
				ids = append(ids, f.ID)
			}
			slices.Sort(ids)
			if diff := cmp.Diff(tt.findings, ids); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, a.Findings)
			}
		})
	}
}

// upTo124 is what kube-proxy wrote before it had KUBE-PROXY-FIREWALL (1.25) and
// KUBE-IPVS-FILTER (1.26): source ranges in nat, where packets are marked for
// kubelet's KUBE-FIREWALL of filter to drop.
const upTo124 = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-MARK-DROP - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN
-A KUBE-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
-A KUBE-FIREWALL -j KUBE-MARK-DROP
-A KUBE-LOAD-BALANCER -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-FIREWALL
-A KUBE-LOAD-BALANCER -m set --match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN
-A KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ
-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER
-A KUBE-SERVICES ! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
COMMIT
`

// The recorded fault names both servers, with names and without.
func TestDriftNamesBothServers(t *testing.T) {
	dir := filepath.Join(samplesDir, "ipvs-fault-nodeport-drift")
	for _, inputs := range [][]string{
		{dir},
		{filepath.Join(dir, "ipvsadm-save.txt"), filepath.Join(dir, "ipset-save.txt"), filepath.Join(dir, "iptables-save.txt"), filepath.Join(dir, "ip-addr.txt")},
		{filepath.Join(dir, "ipvsadm-save.txt")},
	} {
		e := entryAt(t, ipvsInventory(t, inputs...).Inventory, ":30080/tcp")
		for _, server := range []string{"10.244.3.21:8080", "10.244.9.99:8080", "172.18.0.3:30080"} {
			if e.Verdict != inventory.DifferentBackends || !strings.Contains(e.Explanation(), server) {
				t.Errorf("%v: %s, without %s: %s", inputs, e.Verdict, server, e.Explanation())
			}
		}
	}
}

func TestRemarksOnVirtualServers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		inputs map[string]string
		want   []string
	}{
		{"by mark and by name", map[string]string{"table": "-A -t 10.96.0.1:443 -s rr\n-A -f 5 -s rr\n-A -f 6 -s rr\n-A -t kubernetes.default:https -s rr\n"},
			[]string{
				"virtual servers that go by a firewall mark are not kube-proxy's, and no entries are made of them (2, first FWM 5)",
				"virtual servers whose address or port is a name, or cut off, cannot be told: ipvsadm -L -n prints numbers (1, first TCP kubernetes.default:https)",
			}},
		{"beside another mode", map[string]string{
			"table": "-A -t 10.96.0.1:443 -s rr\n",
			"rules": "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y\nCOMMIT\n"},
			[]string{"virtual servers stand beside rules of iptables mode: left behind by another mode, or somebody else's; they take what comes to their addresses at INPUT, if the node has those (1, first TCP 10.96.0.1:443)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.inputs {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, d := range ipvsInventory(t, dir).Inventory.Diagnostics {
				if strings.HasPrefix(d.Code, "virtual-server") {
					got = append(got, d.Message)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("remarks (-want +got):\n%s", diff)
			}
		})
	}
}
