package trace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// vips are addresses of virtual servers, as kube-proxy gives them to the node.
const vips = `4: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default
    link/ether 36:fd:83:03:95:99 brd ff:ff:ff:ff:ff:ff
    inet 10.96.0.1/32 scope global kube-ipvs0
    inet6 fd00:96::1/128 scope global kube-ipvs0
`

// nodeWithVIPs puts the addresses before the routes.
var nodeWithVIPs = strings.Replace(node, "default via 192.0.2.1", vips+"default via 192.0.2.1", 1)

// masquerading is what kube-proxy does after marking.
const masquerading = "*nat\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n"

const (
	version  = "IP Virtual Server version 1.2.1 (size=4096)\n"
	noFilter = "table filter, which was not captured, lets the packet pass"
	ctOn     = "net.ipv4.vs.conntrack is 1, as kube-proxy sets it"
)

func TestIPVS(t *testing.T) {
	const two = "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.1.0.5:8080 -m -w 1\n-a -t 10.96.0.1:80 -r 10.2.0.5:8080 -m -w 1\n"
	one := func(service, server string) string {
		return "-A " + service + "\n-a " + service[:strings.Index(service, " -s")] + " -r " + server + "\n"
	}
	for _, test := range []struct {
		name  string
		rules string
		ipvs  string
		flow  trace.Flow
		want  []string
	}{
		{"shares of rr, from outside", "", two, outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"from a pod", "", two, pod("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"from the node", "", two, local("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"another port", "", two, outside("10.96.0.1:81"), []string{"accept local"}},
		{"another protocol", "", two, outside("10.96.0.1:80/udp"), []string{"accept local"}},
		{"a ping", "", two, outside("10.96.0.1/icmp"), []string{"accept local"}},
		{"a virtual server whose address the node lacks, from outside", "", one("-t 10.96.0.2:80 -s rr", "10.1.0.5:80 -m"), outside("10.96.0.2:80"), []string{"accept"}},
		{"the same from the node", "", one("-t 10.96.0.2:80 -s rr", "10.1.0.5:80 -m"), local("10.96.0.2:80"), []string{"dnat 10.1.0.5:80"}},
		{"shares of wrr", "", "-A -t 10.96.0.1:80 -s wrr\n-a -t 10.96.0.1:80 -r 10.1.0.5:80 -m -w 3\n-a -t 10.96.0.1:80 -r 10.1.0.6:80 -m -w 0\n-a -t 10.96.0.1:80 -r 10.1.0.7:80 -m -w 1\n",
			outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:80 3/4", "dnat 10.1.0.7:80 1/4"}},
		{"a choice by load", "", strings.Replace(two, "rr", "wlc", 1), outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 if scheduler wlc chooses 10.1.0.5:8080 (depends on load)",
			"dnat 10.2.0.5:8080 if scheduler wlc chooses 10.2.0.5:8080 (depends on load)"}},
		{"a choice by hash, which can name a server of weight 0", "", strings.Replace(strings.Replace(two, "rr", "sh", 1), "10.2.0.5:8080 -m -w 1", "10.2.0.5:8080 -m -w 0", 1), outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 if scheduler sh chooses 10.1.0.5:8080 (fixed per source address)",
			"reject icmp-port-unreachable if scheduler sh finds no real server that takes a connection (fixed per source address)"}},
		{"a scheduler that the kernel does not ship", "", one("-t 10.96.0.1:80 -s homemade", "10.1.0.5:80 -m") + "-a -t 10.96.0.1:80 -r 10.1.0.6:80 -m\n", outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:80 if scheduler homemade chooses 10.1.0.5:80", "dnat 10.1.0.6:80 if scheduler homemade chooses 10.1.0.6:80"}},
		{"no real servers", "", "-A -t 10.96.0.1:80 -s rr\n", outside("10.96.0.1:80"), []string{"reject icmp-port-unreachable"}},
		{"no real servers, from the node", "", "-A -t 10.96.0.1:80 -s rr\n", local("10.96.0.1:80"), []string{"reject icmp-port-unreachable"}},
		{"no real servers, IPv6", "", "-A -t [fd00:96::1]:80 -s rr\n", flow(trace.FromExternal, "2001:db8::7", "[fd00:96::1]:80"), []string{"reject icmp6-port-unreachable if " + noFilter}},
		{"weight 0 alone", "", one("-t 10.96.0.1:80 -s lc", "10.1.0.5:80 -m -w 0"), outside("10.96.0.1:80"), []string{"reject icmp-port-unreachable"}},
		{"IPv6", "", "-A -t [fd00:96::1]:80 -s rr\n-a -t [fd00:96::1]:80 -r [fd00:1::5]:8080 -m -w 1\n", flow(trace.FromExternal, "2001:db8::7", "[fd00:96::1]:80"), []string{"dnat [fd00:1::5]:8080 if " + noFilter}},
		{"the real server is the node itself", "", one("-t 10.96.0.1:80 -s rr", "192.0.2.10:6443 -m"), pod("10.96.0.1:80"), []string{"dnat 192.0.2.10:6443 local"}},
		{"the same from the node", "", one("-t 10.96.0.1:80 -s rr", "192.0.2.10:6443 -m"), local("10.96.0.1:80"), []string{"dnat 192.0.2.10:6443 local"}},
		{"direct routing to the node itself", "", one("-t 10.96.0.1:80 -s rr", "192.0.2.10:80 -g"), pod("10.96.0.1:80"), []string{"accept local"}},
		{"direct routing", "", one("-t 10.96.0.1:80 -s rr", "10.2.0.5:80 -g"), outside("10.96.0.1:80"), []string{"dnat 10.2.0.5:80"}},
		{"a tunnel", "", one("-t 10.96.0.1:80 -s rr", "10.2.0.5:80 -i --tun-type ipip"), outside("10.96.0.1:80"), []string{
			"dnat 10.2.0.5:80 if the packet that it is wrapped in gets to the real server"}},
		{"to loopback from outside", "", one("-t 10.96.0.1:80 -s rr", "127.0.0.1:80 -m"), outside("10.96.0.1:80"), []string{"drop"}},
		{"from loopback to another host", "", one("-t 127.0.0.1:80 -s rr", "10.1.0.5:80 -m"), local("127.0.0.1:80"), []string{"drop"}},

		{"persistence", "", strings.Replace(two, "-s rr", "-s rr -p 10800", 1), outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 if persistence of IPVS TCP 10.96.0.1:80 remembers 10.1.0.5:8080 for 198.51.100.7 within the last 10800 s",
			"dnat 10.2.0.5:8080 if persistence of IPVS TCP 10.96.0.1:80 remembers 10.2.0.5:8080 for 198.51.100.7 within the last 10800 s",
			"dnat 10.1.0.5:8080 1/2 if persistence of IPVS TCP 10.96.0.1:80 remembers no real server for 198.51.100.7 within the last 10800 s",
			"dnat 10.2.0.5:8080 1/2 if persistence of IPVS TCP 10.96.0.1:80 remembers no real server for 198.51.100.7 within the last 10800 s"}},
		{"persistence of networks, and a server that drains", "", "-A -t 10.96.0.1:80 -s rr -p 60 -M 255.255.255.0\n-a -t 10.96.0.1:80 -r 10.1.0.5:80 -m -w 0\n", outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:80 if persistence of IPVS TCP 10.96.0.1:80 remembers 10.1.0.5:80 for 198.51.100.0 within the last 60 s",
			"reject icmp-port-unreachable if persistence of IPVS TCP 10.96.0.1:80 remembers no real server for 198.51.100.0 within the last 60 s"}},
		{"persistence without real servers", "", "-A -t 10.96.0.1:80 -s rr -p 60\n", outside("10.96.0.1:80"), []string{"reject icmp-port-unreachable"}},
		{"any port", "", one("-t 10.96.0.1:0 -s rr -p 60", "10.1.0.5:0 -m"), outside("10.96.0.1:777"), []string{
			"dnat 10.1.0.5:777"}},
		{"an FTP server leaves other ports alone", "", one("-t 10.96.0.1:21 -s rr", "10.1.0.5:21 -m"), outside("10.96.0.1:8080"), []string{"accept local"}},
		{"a firewall mark", "*mangle\n-A PREROUTING -p tcp -m tcp --dport 80 -j MARK --set-mark 5\n", one("-f 5 -s rr", "10.1.0.5:0 -m"), outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:80"}},
		{"a firewall mark that the packet lacks", "*mangle\n-A PREROUTING -p tcp -m tcp --dport 80 -j MARK --set-mark 5\n", one("-f 5 -s rr", "10.1.0.5:0 -m"), outside("10.96.0.1:81"), []string{"accept local"}},
		{"a firewall mark has the first word", "*mangle\n-A PREROUTING -j MARK --set-mark 5\n", two + one("-f 5 -s rr", "10.1.0.9:9 -m"), outside("10.96.0.1:80"), []string{"dnat 10.1.0.9:9"}},

		// What rules see before and behind.
		{"filter's INPUT comes first", "*filter\n-A INPUT -d 10.96.0.1 -j DROP\n", two, outside("10.96.0.1:80"), []string{"drop"}},
		{"FORWARD is never seen", "*filter\n:FORWARD DROP [0:0]\n", two, outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"OUTPUT is, with the real server's address", "*filter\n-A OUTPUT -d 10.1.0.5 -j DROP\n", two, outside("10.96.0.1:80"), []string{"dnat 10.2.0.5:8080 1/2", "drop 1/2"}},
		{"OUTPUT is seen once by what the node sends", "*filter\n-A OUTPUT -d 10.96.0.1 -j DROP\n", two, local("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"no INPUT for what the node sends", "*filter\n:INPUT DROP [0:0]\n", two, local("10.96.0.1:80"), []string{"dnat 10.1.0.5:8080 1/2", "dnat 10.2.0.5:8080 1/2"}},
		{"no interface to come in by at OUTPUT", "*filter\n-A OUTPUT -o cni0 -j DROP\n", two, outside("10.96.0.1:80"), []string{"dnat 10.2.0.5:8080 1/2", "drop 1/2"}},
		{"masquerading by mark", masquerading + "-A PREROUTING -d 10.96.0.1 -j MARK --set-xmark 0x4000/0x4000\n", two, outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 masquerade 1/2 if " + ctOn, "dnat 10.2.0.5:8080 masquerade 1/2 if " + ctOn}},
		{"masquerading by the real server", "*nat\n-A POSTROUTING -s 10.1.0.5 -d 10.1.0.5 -j MASQUERADE\n", two, pod("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 masquerade 1/2 if " + ctOn, "dnat 10.2.0.5:8080 1/2 if " + ctOn}},
		{"the node's own packets are masqueraded", masquerading + "-A OUTPUT -d 10.96.0.1 -j MARK --set-xmark 0x4000/0x4000\n", two, local("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:8080 masquerade 1/2 if " + ctOn, "dnat 10.2.0.5:8080 masquerade 1/2 if " + ctOn}},
		{"to conntrack it is no DNAT", "*filter\n-A OUTPUT -m conntrack --ctstate DNAT -j DROP\n-A OUTPUT -m conntrack --ctorigdst 10.96.0.1 -m conntrack --ctreplsrc 10.1.0.5 -j REJECT\n", two, outside("10.96.0.1:80"), []string{
			"dnat 10.2.0.5:8080 1/2", "reject icmp-port-unreachable 1/2"}},
		{"DNAT before IPVS", "*nat\n-A PREROUTING -p tcp -m tcp --dport 8000 -j DNAT --to-destination 10.96.0.1:80\n", one("-t 10.96.0.1:80 -s rr", "10.1.0.5:80 -m"), outside("192.0.2.10:8000"), []string{"dnat 10.1.0.5:80 if " + ctOn}},

		// -m ipvs.
		{"vaddr, vport and vproto", "*filter\n-A OUTPUT -m ipvs --vproto 6 --vaddr 10.96.0.1 --vport 80 -j DROP\n", two, outside("10.96.0.1:80"), []string{"drop"}},
		{"another vport", "*filter\n-A OUTPUT -m ipvs --vaddr 10.96.0.1 --vport 81 -j DROP\n", one("-t 10.96.0.1:80 -s rr", "10.1.0.5:80 -m"), outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:80"}},
		{"vdir and vmethod", "*filter\n-A OUTPUT -m ipvs --vdir ORIGINAL --vmethod MASQ -j DROP\n", two, outside("10.96.0.1:80"), []string{"drop"}},
		{"not before IPVS", "*filter\n-A INPUT -m ipvs --ipvs -j DROP\n-A INPUT -m ipvs --vaddr 10.96.0.1 -j DROP\n", two, outside("10.96.0.1:81"), []string{"accept local"}},
		{"what IPVS left alone", "*filter\n-A INPUT -m ipvs ! --ipvs -j DROP\n", two, outside("10.96.0.1:81"), []string{"drop"}},
		{"--ipvs holds for direct routing, --vaddr does not", "*filter\n-A OUTPUT -m ipvs --vaddr 10.96.0.1 -j DROP\n-A OUTPUT -m ipvs --ipvs -j REJECT\n", one("-t 10.96.0.1:80 -s rr", "10.2.0.5:80 -g"), outside("10.96.0.1:80"), []string{"reject icmp-port-unreachable"}},
		{"one-packet scheduling keeps no connection", "*filter\n-A OUTPUT -m ipvs --vaddr 10.96.0.1 -j DROP\n", one("-u 10.96.0.1:80 -s rr -o", "10.2.0.5:80 -m"), outside("10.96.0.1:80/udp"), []string{"dnat 10.2.0.5:80"}},

		// What is not in the text.
		{"a part of the table", "", "TCP  10.96.0.1:80 rr\n  -> 10.1.0.5:80 Masq 1 0 0\n", outside("10.96.0.1:81"), []string{
			"unknown if IPVS, a part of whose table was captured, has a virtual server for 10.96.0.1:81/tcp",
			"accept local if IPVS, a part of whose table was captured, has no virtual server for 10.96.0.1:81/tcp"}},
		{"names", "", one("-t web.example:81 -s rr", "10.1.0.5:80 -m"), outside("10.96.0.1:81"), []string{
			"unknown if IPVS has a virtual server for 10.96.0.1:81/tcp under a name that is not resolved",
			"accept local if IPVS has no virtual server for 10.96.0.1:81/tcp under a name that is not resolved"}},
		{"a real server without a name for its address", "", one("-t 10.96.0.1:80 -s rr", "pod-1.example:80 -m"), outside("10.96.0.1:80"), []string{
			"dnat ?"}},
		{"forwarding methods", "", version + "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn\n  -> RemoteAddress:Port\nTCP  10.96.0.1:80 rr\n  -> 10.1.0.5:80 1 0 0 0\n  -> 10.1.0.6:80 1 0 0 0\n", outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:80 1/2 if real servers of IPVS TCP 10.96.0.1:80, the forwarding method of which was not captured, are masqueraded to",
			"dnat 10.1.0.6:80 1/2 if real servers of IPVS TCP 10.96.0.1:80, the forwarding method of which was not captured, are masqueraded to"}},
		{"tunnels and others", "", "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.1.0.5:80 -i -w 1\n-a -t 10.96.0.1:80 -r 10.1.0.6:80 -m -w 1\n", outside("10.96.0.1:80"), []string{
			"dnat 10.1.0.5:80 1/2 if the packet that it is wrapped in gets to the real server",
			"dnat 10.1.0.6:80 1/2 if the packet that it is wrapped in gets to the real server"}},
		{"a real server before its virtual server", "", "TCP  10.96.0.1:80 rr\n  -> 10.1.0.5:80 Masq 1 0 0\n", outside("10.96.0.1:80"), []string{"dnat 10.1.0.5:80"}},
		{"no table, and nothing of IPVS", "", "", outside("192.0.2.10:80"), []string{"accept local"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			with := nodeWithVIPs
			if test.ipvs == "" {
				with = node
			}
			tables := strings.Split(strings.TrimPrefix(test.rules, "\n"), "\n\n")
			if test.rules == "" {
				tables = nil
			}
			s := read(t, save(tables...)+with+test.ipvs)
			if diff := cmp.Diff(test.want, summary(follow(t, s, test.flow))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the scheduler, weights and persistence: what the outcomes get sums
// to 1, and no real server that takes nothing gets a new client.
func TestIPVSSums(t *testing.T) {
	weights := [][]int{{}, {1}, {0}, {1, 1}, {3, 0, 2}, {0, 0}, {5, 5, 5, 1}}
	for _, scheduler := range append(ipvs.Schedulers(), "homemade") {
		for _, flags := range []string{"", " -b flag-1"} {
			for _, persistent := range []string{"", " -p 60"} {
				for _, w := range weights {
					var table strings.Builder
					fmt.Fprintf(&table, "-A -t 10.96.0.1:80 -s %s%s%s\n", scheduler, persistent, flags)
					for i, weight := range w {
						fmt.Fprintf(&table, "-a -t 10.96.0.1:80 -r 10.1.0.%d:80 -m -w %d\n", i+5, weight)
					}
					s := read(t, save()+nodeWithVIPs+table.String())
					for _, o := range follow(t, s, outside("10.96.0.1:80")).Outcomes { // which checks the sum
						isNew := !slices.ContainsFunc(o.Assumptions, func(a trace.Assumption) bool { return strings.Contains(a.Text, "remembers 10.") })
						if o.Verdict == trace.DNAT && isNew && w[o.Endpoint.Addr().As4()[3]-5] == 0 {
							t.Errorf("%s%s", table.String(), summary(follow(t, s, outside("10.96.0.1:80"))))
						}
					}
				}
			}
		}
	}
}

// An established connection goes where its first packet went.
func TestIPVSKnowsConnections(t *testing.T) {
	s := read(t, save()+nodeWithVIPs+"-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.1.0.5:80 -m -w 1\n")
	f := outside("10.96.0.1:80")
	f.State = netfilter.StateEstablished
	if got := summary(follow(t, s, f)); !slices.Equal(got, []string{"unknown"}) {
		t.Error(got)
	}
	f = outside("10.96.0.1:80")
	f.SourcePort = 20 // FTP's data connections are made by the server
	if got := summary(follow(t, s, f)); !slices.Equal(got, []string{"accept local"}) {
		t.Error(got)
	}
}

// Rules of IPVS mode without the table say nothing of where packets go.
func TestIPVSNotCaptured(t *testing.T) {
	s := read(t, save("*nat\n:KUBE-NODE-PORT - [0:0]\n")+nodeWithVIPs)
	tr := follow(t, s, outside("10.96.0.1:80"))
	want := []string{
		"unknown if IPVS, whose table was not captured (run ipvsadm-save -n), has a virtual server for 10.96.0.1:80/tcp",
		"accept local if IPVS, whose table was not captured (run ipvsadm-save -n), has no virtual server for 10.96.0.1:80/tcp",
	}
	if diff := cmp.Diff(want, summary(tr)); diff != "" {
		t.Error(diff)
	}
	hinted := slices.ContainsFunc(tr.Diagnostics, func(d source.Diagnostic) bool {
		return d.Code == "ipvs-not-captured" && strings.Contains(d.Message, "run ipvsadm-save -n")
	})
	if !hinted {
		t.Errorf("no hint: %v", tr.Diagnostics)
	}
	if got := summary(follow(t, s, outside("10.1.0.7:80"))); !slices.Equal(got, []string{"accept"}) {
		t.Errorf("what is for another host is not IPVS's: %v", got)
	}
}

// The steps say what IPVS did, with the line that proves it.
func TestIPVSSteps(t *testing.T) {
	s := read(t, save()+nodeWithVIPs+"-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.1.0.5:8080 -m -w 1\n-A -u 10.96.0.1:80 -s rr\n")
	for flow, want := range map[string][2]string{
		"10.96.0.1:80":     {"IPVS TCP 10.96.0.1:80 rr: destination rewritten to 10.1.0.5:8080", "-a -t 10.96.0.1:80 -r 10.1.0.5:8080 -m -w 1"},
		"10.96.0.1:80/udp": {"IPVS UDP 10.96.0.1:80: refused, for it has no real servers", "-A -u 10.96.0.1:80 -s rr"},
	} {
		path := follow(t, s, outside(flow)).Outcomes[0].Path
		i := slices.IndexFunc(path, func(s *trace.Step) bool { return s.Service != nil })
		if i < 0 || path[i].Effect != want[0] {
			t.Errorf("%s: %v", flow, path)
			continue
		}
		if pos, text := path[i].Evidence(); text != want[1] || !pos.IsValid() {
			t.Errorf("%s: %s: %q", flow, pos, text)
		}
	}
}

// Without "ip addr" a real server may be the node itself, which changes nothing in
// where packets go.
func TestIPVSWithoutAddresses(t *testing.T) {
	s := read(t, save(masquerading)+"-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.1.0.5:8080 -m -w 1\n-a -t 10.96.0.1:80 -r 10.2.0.5:8080 -m -w 1\n")
	// Not with follow: what is granted is granted for what IPVS takes only.
	tr, err := trace.New(s).Trace(pod("10.96.0.1:80"))
	if err != nil {
		t.Fatal(err)
	}
	got := summary(tr)
	const here = "10.96.0.1 is one of the node's addresses; " + ctOn
	want := []string{
		"dnat 10.1.0.5:8080 1/2 if " + here,
		"dnat 10.2.0.5:8080 1/2 if " + here,
		"accept if 10.96.0.1 is none of the node's addresses",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
