package trace_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	objects "github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// Connections that were made on the node of ipvs-service-zoo, and what became of
// them by the kernel's own account: conntrack shows by the reply's source which
// real server a connection went to, and by the reply's destination whether its
// source was masqueraded.
func TestIPVSAgainstConntrack(t *testing.T) {
	text, err := os.ReadFile("../../samples/testdata/ipvs/service-zoo/conntrack.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := sample(t, "ipvs-service-zoo")
	n := 0
	for line := range strings.Lines(string(text)) {
		orig, reply := tuples(line)
		n++
		f := flow(trace.FromExternal, orig.src.Addr().String(), orig.dst.String())
		if strings.HasPrefix(line, "udp") {
			f.Protocol = netfilter.UDP
		}
		f.SourcePort = orig.src.Port()
		switch {
		case orig.src.Addr() == orig.dst.Addr(): // what the node sends to an address of its own
			f.From = trace.FromNode
		case podNetworks[0].Contains(f.Source) || podNetworks[1].Contains(f.Source):
			f.From = trace.FromPod
		}
		// MASQUERADE --random-fully takes another port, or another address
		// where the reply is not the client's.
		want := fmt.Sprintf("%s masquerade %v", reply.src, reply.dst != orig.src)
		tr := follow(t, s, f)
		var got []string
		for _, o := range tr.Outcomes {
			end := o.Endpoint
			if o.Verdict == trace.Accept {
				end = orig.dst
			}
			got = append(got, fmt.Sprintf("%s masquerade %v", end, o.Masquerade))
		}
		if !slices.Contains(got, want) {
			t.Errorf("%s%v: the kernel sent it to %s; traced to %v", line, f.From, want, got)
		}
	}
	if n < 30 {
		t.Errorf("%d connections", n)
	}
}

var podNetworks = [2]netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/56")}

type tuple struct{ src, dst netip.AddrPort }

// tuples are a connection's first packet and the answer to it.
func tuples(line string) (orig, reply tuple) {
	var addrs []netip.Addr
	var ports []uint16
	for _, word := range strings.Fields(line) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "src", "dst":
			addrs = append(addrs, netip.MustParseAddr(value))
		case "sport", "dport":
			n, _ := strconv.ParseUint(value, 10, 16)
			ports = append(ports, uint16(n))
		}
	}
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(addrs[i], ports[i]) }
	return tuple{at(0), at(1)}, tuple{at(2), at(3)}
}

// What the same node refused, as its notes and counters tell.
func TestIPVSRefusals(t *testing.T) {
	s := sample(t, "ipvs-service-zoo")
	for _, test := range []struct {
		about        string
		from         trace.Origin
		source, to   string
		want         string
		wantAssuming int
	}{
		{"a source that is in no range is dropped at INPUT", trace.FromExternal, "172.18.0.100", "203.0.113.11:80", "drop", 0},
		{"one that is in a range", trace.FromExternal, "198.51.100.9", "203.0.113.11:80", "10.244.1.32:8080 m, 10.244.2.32:8080 m", 1},
		{"the node, which is in no range, behind IPVS at OUTPUT: 2 packets were counted", trace.FromNode, "", "203.0.113.11:80", "drop", 1},
		{"the node where it is in a range", trace.FromNode, "", "203.0.113.12:8080", "10.244.2.33:8080 m", 1},
	} {
		tr := follow(t, s, flow(test.from, test.source, test.to))
		if got := fates(tr); got != test.want {
			t.Errorf("%s: got %s, expected %s", test.about, got, test.want)
		}
		for _, o := range tr.Outcomes {
			if len(o.Assumptions) != test.wantAssuming {
				t.Errorf("%s: %v", test.about, o.Assumptions)
			}
		}
	}
}

// Edits of a node's tables whose effect was measured with packets.
func TestIPVSMeasured(t *testing.T) {
	const clusterIP = "add KUBE-CLUSTER-IP 10.96.20.1,tcp:80\n"
	const ends = "10.244.1.10:8080%s, 10.244.2.21:8080%s, 10.244.3.21:8080%s"
	to := func(mark string) string { return fmt.Sprintf(ends, mark, mark, mark) }
	for _, test := range []struct {
		about  string
		edit   func(file, text string) string
		from   trace.Origin
		source string
		to     string
		want   string
	}{
		{"a pair that is missing in KUBE-CLUSTER-IP breaks pods", without("ipset-save.txt", clusterIP), trace.FromPod, "10.244.1.200", "10.96.20.1:80", "reject"},
		{"and not the node, which is masqueraded no more", without("ipset-save.txt", clusterIP), trace.FromNode, "", "10.96.20.1:80", to("")},
		{"an address that is missing on kube-ipvs0 breaks pods", without("ip-addr.txt", "    inet 10.96.20.1/32 scope global kube-ipvs0\n"), trace.FromPod, "10.244.1.200", "10.96.20.1:80", "accept"},
		{"and not the node", without("ip-addr.txt", "    inet 10.96.20.1/32 scope global kube-ipvs0\n"), trace.FromNode, "172.18.0.3", "10.96.20.1:80", to(" m")},
		{"a node port that is missing in its set is not masqueraded", without("ipset-save.txt", "add KUBE-NODE-PORT-TCP 30080\n"), trace.FromExternal, "172.18.0.100", "172.18.0.3:30080", to("")},
	} {
		got := fates(follow(t, edited(t, "ipvs-service-zoo", test.edit), flow(test.from, test.source, test.to)))
		if got != test.want {
			t.Errorf("%s: got %s, expected %s", test.about, got, test.want)
		}
	}
}

// without takes a line out of a file.
func without(name, line string) func(file, text string) string {
	return func(file, text string) string {
		if file == name {
			return strings.Replace(text, line, "", 1)
		}
		return text
	}
}

// edited is a sample with changes made to its files.
func edited(t *testing.T, name string, edit func(file, text string) string) *snapshot.Snapshot {
	t.Helper()
	var all strings.Builder
	for _, file := range []string{"iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ipvsadm-save.txt", "ip-addr.txt"} {
		text, err := os.ReadFile("../../samples/" + name + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		after := edit(file, string(text))
		all.WriteString(after)
	}
	return read(t, all.String())
}

// The fault's foreign real server gets a third of what comes by the one node
// port, and nothing by others.
func TestIPVSFaultIsFollowed(t *testing.T) {
	s := sample(t, "ipvs-fault-nodeport-drift")
	for to, want := range map[string]string{
		"172.18.0.3:30080": "10.244.1.10:8080 m, 10.244.2.21:8080 m, 10.244.9.99:8080 m",
		"10.244.1.1:30080": "10.244.1.10:8080 m, 10.244.2.21:8080 m, 10.244.3.21:8080 m",
		"10.96.20.1:80":    "10.244.1.10:8080 m, 10.244.2.21:8080 m, 10.244.3.21:8080 m",
	} {
		if got := fates(follow(t, s, flow(trace.FromExternal, "172.18.0.100", to))); got != want {
			t.Errorf("%s: got %s, expected %s", to, got, want)
		}
	}
}

// Every entry of every Service of the recordings, from outside, from a pod and
// from the node, with the right and a wrong port and protocol, goes where the
// manifests promise. What they promise in IPVS mode is worked out here, from
// the objects alone.
func TestIPVSKeepsWhatManifestsPromise(t *testing.T) {
	for _, name := range []string{"ipvs-service-zoo", "ipvs-myth2-loadbalancer"} {
		s := sample(t, name)
		p := promises{t: t, snapshot: s, kube: s.Cluster, pods: podNetworks[:]}
		if name == "ipvs-myth2-loadbalancer" {
			p.pods = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), podNetworks[1]}
		}
		for _, service := range s.Cluster.Services {
			for _, port := range service.Ports {
				p.service(service, port)
			}
		}
		if p.flows < 50 {
			t.Errorf("%s: %d flows", name, p.flows)
		}
		t.Logf("%s: %d flows", name, p.flows)
	}
}

const nodeName = "kind-worker"

type promises struct {
	t        *testing.T
	snapshot *snapshot.Snapshot
	kube     *objects.Objects
	pods     []netip.Prefix // cluster CIDRs
	flows    int
}

// endpoints are where a Service port's connections of one family go.
func (p *promises) endpoints(s *objects.Service, port objects.Port, f netfilter.Family) (all, here []netip.AddrPort) {
	ready, draining := []netip.AddrPort{}, []netip.AddrPort{}
	local := map[netip.AddrPort]bool{}
	for _, slice := range p.kube.SlicesOf(s) {
		if slice.Family != f {
			continue
		}
		for _, sp := range slice.Ports {
			if sp.Name != port.Name || sp.Protocol != port.Protocol {
				continue
			}
			for _, e := range slice.Endpoints {
				at := netip.AddrPortFrom(e.Address, sp.Port)
				local[at] = e.NodeName == nodeName
				switch {
				case e.Ready && !slices.Contains(ready, at):
					ready = append(ready, at)
				case !e.Ready && e.Serving && e.Terminating && !slices.Contains(draining, at):
					draining = append(draining, at)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = draining
	}
	for _, at := range ready {
		if local[at] {
			here = append(here, at)
		}
	}
	return ready, here
}

func (p *promises) service(s *objects.Service, port objects.Port) {
	for _, family := range s.Families {
		all, here := p.endpoints(s, port, family)
		internal, external := all, all
		if s.InternalPolicy == objects.Local {
			internal = here
		}
		if s.ExternalPolicy == objects.Local && len(here) > 0 {
			external = here // without one here: all of them
		}
		keeps := s.ExternalPolicy == objects.Local
		of := func(addrs []netip.Addr) (mine []netip.Addr) {
			for _, a := range addrs {
				if a.Is4() == (family == netfilter.IPv4) {
					mine = append(mine, a)
				}
			}
			return mine
		}
		for _, a := range of(s.ClusterIPs) {
			p.entry(s, port, entry{at: netip.AddrPortFrom(a, port.Port), ends: internal, vip: true})
		}
		for _, a := range of(s.ExternalIPs) {
			p.entry(s, port, entry{at: netip.AddrPortFrom(a, port.Port), ends: external, keeps: keeps, all: !keeps, vip: !p.isNode(a)})
		}
		for _, i := range s.Ingress {
			if i.Address.IsValid() && !i.Proxy && i.Address.Is4() == (family == netfilter.IPv4) {
				p.entry(s, port, entry{at: netip.AddrPortFrom(i.Address, port.Port), ends: external, keeps: keeps, all: !keeps, vip: true, ranges: s.SourceRanges})
			}
		}
		if port.NodePort == 0 {
			continue
		}
		for _, own := range p.snapshot.Addresses {
			if a := own.Prefix.Addr(); (own.Interface == "eth0" || own.Interface == "cni0") && !a.IsLinkLocalUnicast() && a.Is4() == (family == netfilter.IPv4) {
				p.entry(s, port, entry{at: netip.AddrPortFrom(a, port.NodePort), ends: external, keeps: keeps, all: !keeps})
			}
		}
	}
}

func (p *promises) isNode(a netip.Addr) bool {
	return slices.ContainsFunc(p.snapshot.Addresses, func(own snapshot.Address) bool {
		return own.Prefix.Addr() == a && own.Interface != "kube-ipvs0"
	})
}

// An entry is an address and port that clients dial.
type entry struct {
	at     netip.AddrPort
	ends   []netip.AddrPort
	keeps  bool // nobody is masqueraded
	all    bool // everybody is; else all but pods, if the entry is a cluster IP
	vip    bool // the address stands on kube-ipvs0
	ranges []netip.Prefix
}

type ipvsClient struct {
	from   trace.Origin
	source netip.Addr
}

func (p *promises) entry(s *objects.Service, port objects.Port, e entry) {
	clients := []ipvsClient{{trace.FromExternal, netip.MustParseAddr("172.18.0.100")}, {trace.FromExternal, netip.MustParseAddr("198.51.100.9")}, {trace.FromPod, netip.MustParseAddr("10.244.1.200")}, {trace.FromNode, e.at.Addr()}}
	if e.at.Addr().Is6() {
		clients = []ipvsClient{{trace.FromExternal, netip.MustParseAddr("fc00:f853:ccd:e793::4")}, {trace.FromPod, netip.MustParseAddr("fd00:10:244:1::c8")}, {trace.FromNode, e.at.Addr()}}
	} else if p.pods[0].Contains(netip.MustParseAddr("192.168.1.1")) {
		clients[2].source = netip.MustParseAddr("192.168.1.200")
	}
	// Pods of this node that are endpoints reach themselves as well.
	for _, end := range e.ends {
		if p.onNode(end.Addr()) {
			clients = append(clients, ipvsClient{trace.FromPod, end.Addr()})
		}
	}
	for _, c := range clients {
		p.promised(s, port, e, c)
		p.wrong(s, port, e, c)
	}
}

// onNode reports whether an address is that of a pod of the node.
func (p *promises) onNode(a netip.Addr) bool {
	for _, own := range p.snapshot.Addresses {
		if own.Interface == "cni0" && own.Prefix.Contains(a) && own.Prefix.Addr() != a {
			return true
		}
	}
	return false
}

// promised checks the entry itself.
func (p *promises) promised(s *objects.Service, port objects.Port, e entry, c ipvsClient) {
	var want []string
	allowed := len(e.ranges) == 0
	for _, r := range e.ranges {
		source := c.source
		if c.from == trace.FromNode {
			source = netip.MustParseAddr("172.18.0.3")
		}
		allowed = allowed || r.Contains(source)
	}
	switch {
	case !allowed:
		want = []string{"drop"}
		if c.from == trace.FromNode && len(e.ends) == 0 {
			want = []string{"reject"}
		}
	case len(e.ends) == 0:
		want = []string{"reject"}
	default:
		for _, end := range e.ends {
			inCluster := c.from == trace.FromPod
			masquerade := !e.keeps && (e.all || !inCluster)
			if end.Addr() == c.source && c.from == trace.FromPod { // hairpin
				masquerade = true
			}
			if p.isNode(end.Addr()) {
				masquerade = false
			}
			text := end.String()
			if masquerade {
				text += " m"
			}
			want = append(want, text)
		}
	}
	p.check(s, e.at, port.Protocol, c, want)
}

// wrong checks a port and a protocol that nobody offers.
func (p *promises) wrong(s *objects.Service, port objects.Port, e entry, c ipvsClient) {
	want := []string{"accept local"}
	if e.vip {
		want = []string{"reject"} // KUBE-IPVS-FILTER
	}
	p.check(s, netip.AddrPortFrom(e.at.Addr(), 9), port.Protocol, c, want)
	p.check(s, netip.AddrPortFrom(e.at.Addr(), e.at.Port()), netfilter.SCTP, c, func() []string {
		if port.Protocol == netfilter.SCTP {
			return nil
		}
		return want
	}())
}

func (p *promises) check(s *objects.Service, to netip.AddrPort, protocol uint8, c ipvsClient, want []string) {
	p.t.Helper()
	if want == nil {
		return
	}
	f := trace.Flow{From: c.from, Source: c.source, Destination: to.Addr(), Port: to.Port(), Protocol: protocol}
	if c.from == trace.FromNode {
		f.Source = netip.Addr{}
	}
	p.flows++
	got := strings.Split(fates(follow(p.t, p.snapshot, f)), ", ")
	for i, g := range got {
		if g != "accept local" {
			got[i] = strings.TrimSuffix(g, " local")
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		p.t.Errorf("%s, %s/%s from %s %s:\n%s", s, to, netfilter.ProtocolName(protocol), c.from, c.source, diff)
	}
}

// Whichever text the IPVS table comes from, packets go the same way.
func TestIPVSFromEveryText(t *testing.T) {
	texts := map[string]*snapshot.Snapshot{}
	for _, name := range []string{"ipvsadm-Ln.txt", "proc-net-ip_vs.txt"} {
		text, err := os.ReadFile("../../samples/testdata/ipvs/service-zoo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = edited(t, "ipvs-service-zoo", func(file, whole string) string {
			if file == "ipvsadm-save.txt" {
				return string(text)
			}
			return whole
		})
	}
	saved := sample(t, "ipvs-service-zoo")
	ends := func(s *snapshot.Snapshot, f trace.Flow) []string {
		var all []string
		for _, o := range follow(t, s, f).Outcomes {
			all = append(all, fmt.Sprint(o.Verdict, o.Endpoint, o.Masquerade, o.Probability))
		}
		slices.Sort(all) // the kernel's own listing has another order
		return all
	}
	for _, v := range saved.IPVS.Services() {
		f := trace.Flow{From: trace.FromExternal, Source: netip.MustParseAddr("172.18.0.100"), Destination: v.Address, Port: v.Port, Protocol: v.Protocol}
		if v.Address.Is6() {
			f.Source = netip.MustParseAddr("fc00:f853:ccd:e793::4")
		}
		want := ends(saved, f)
		for name, s := range texts {
			if diff := cmp.Diff(want, ends(s, f)); diff != "" {
				t.Errorf("%s, %s:\n%s", name, v, diff)
			}
		}
	}
}
