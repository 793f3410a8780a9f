package trace_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/parsers/capture"
)

// node is what "ip addr" and "ip route" print on the node of the small tests:
// eth0 leads outside, cni0 to the pods.
const node = `
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
    inet6 ::1/128 scope host
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 5e:d8:fe:f7:1b:39 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0
    inet6 2001:db8:1::10/64 scope global
3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 2a:90:8b:7d:7c:3c brd ff:ff:ff:ff:ff:ff
    inet 10.1.0.1/24 brd 10.1.0.255 scope global cni0
    inet6 fd00:1::1/64 scope global
default via 192.0.2.1 dev eth0
10.1.0.0/24 dev cni0 proto kernel scope link src 10.1.0.1
10.2.0.0/24 via 192.0.2.11 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10
default via 2001:db8:1::1 dev eth0 metric 1024 pref medium
2001:db8:1::/64 dev eth0 proto kernel metric 256 pref medium
fd00:1::/64 dev cni0 proto kernel metric 256 pref medium
`

// read parses what iptables-save and other commands print.
func read(t testing.TB, text string) *snapshot.Snapshot {
	t.Helper()
	s, err := capture.Open([]string{"-"}, capture.Options{Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Diagnostics {
		if d.Unread > 0 {
			t.Fatalf("the test's text is not understood: %s", d)
		}
	}
	return s
}

// save is an iptables-save dump: each table's name, its chain declarations and
// rules. A built-in chain that is not declared has the policy ACCEPT. Every
// dump has a table filter.
func save(tables ...string) string {
	var b strings.Builder
	hasFilter := false
	for _, table := range tables {
		name, rules, _ := strings.Cut(strings.TrimSpace(table), "\n")
		hasFilter = hasFilter || name == "*filter"
		b.WriteString(name + "\n")
		for _, chain := range builtin[name] {
			if !strings.Contains(rules, ":"+chain+" ") {
				b.WriteString(":" + chain + " ACCEPT [0:0]\n")
			}
		}
		for line := range strings.SplitSeq(rules, "\n") {
			b.WriteString(strings.TrimSpace(line) + "\n")
		}
		b.WriteString("COMMIT\n")
	}
	if !hasFilter {
		b.WriteString("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
	}
	return b.String()
}

var builtin = map[string][]string{
	"*raw":      {"PREROUTING", "OUTPUT"},
	"*mangle":   {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
	"*nat":      {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"},
	"*filter":   {"INPUT", "FORWARD", "OUTPUT"},
	"*security": {"INPUT", "FORWARD", "OUTPUT"},
}

// The packets of the small tests.
func outside(to string) trace.Flow { return flow(trace.FromExternal, "198.51.100.7", to) }
func pod(to string) trace.Flow     { return flow(trace.FromPod, "10.1.0.5", to) }
func local(to string) trace.Flow   { return flow(trace.FromNode, "", to) }

// flow makes a flow: to is "10.0.0.1:80", with "/udp" behind it if not TCP.
func flow(from trace.Origin, source, to string) trace.Flow {
	f := trace.Flow{From: from}
	if source != "" {
		f.Source = netip.MustParseAddr(source)
	}
	to, protocol, _ := strings.Cut(to, "/")
	switch protocol {
	case "udp":
		f.Protocol = netfilter.UDP
	case "sctp":
		f.Protocol = netfilter.SCTP
	case "icmp":
		f.Protocol = netfilter.ICMP
		f.Destination = netip.MustParseAddr(to)
		return f
	case "icmpv6":
		f.Protocol = netfilter.ICMPv6
		f.Destination = netip.MustParseAddr(to)
		return f
	}
	at := netip.MustParseAddrPort(to)
	f.Destination, f.Port = at.Addr(), at.Port()
	return f
}

// follow traces a flow and checks what is true of every trace.
func follow(t testing.TB, s *snapshot.Snapshot, f trace.Flow) *trace.Trace {
	t.Helper()
	tracer := trace.New(s)
	tr, err := tracer.Trace(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.CheckSum(f); err != nil {
		t.Errorf("%v: %v", f, err)
	}
	return tr
}

// summary is a trace's outcomes, a line each: "dnat 10.0.0.1:80 masquerade 1/2
// if -m bpf matches; …".
func summary(tr *trace.Trace) []string {
	out := []string{}
	for _, o := range tr.Outcomes {
		s := string(o.Verdict)
		if o.Endpoint.IsValid() {
			s += " " + o.Endpoint.String()
		} else if o.Verdict == trace.DNAT {
			s += " ?"
		}
		if o.Masquerade {
			s += " masquerade"
		}
		if o.Local {
			s += " local"
		}
		if o.RejectWith != "" {
			s += " " + o.RejectWith
		}
		if !o.Probability.IsCertain() {
			s += " " + o.Probability.String()
		}
		for i, a := range o.Assumptions {
			if i == 0 {
				s += " if "
			} else {
				s += "; "
			}
			s += a.Text
		}
		out = append(out, s)
	}
	return out
}

// recording reads a recording that the samples keep for tests.
func recording(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	return openDirectory(t, filepath.Join("../../samples/testdata/recordings", name))
}

func sample(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	return openDirectory(t, filepath.Join("../../samples", name))
}

func openDirectory(t testing.TB, dir string) *snapshot.Snapshot {
	t.Helper()
	s, err := capture.Open([]string{dir}, capture.Options{})
	if s == nil {
		t.Fatal(err)
	}
	return s
}

// readDamaged is read for texts that are not understood throughout.
func readDamaged(t testing.TB, text string) *snapshot.Snapshot {
	t.Helper()
	s, err := capture.Open([]string{"-"}, capture.Options{Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
