package trace_test

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestMatches tries matches that a packet's description decides, in FORWARD or
// another chain.
func TestMatches(t *testing.T) {
	forwarded := flow(trace.FromExternal, "198.51.100.7", "10.1.0.9:80")
	forwarded.SourcePort = 40000
	six := flow(trace.FromExternal, "2001:db8::7", "[fd00:1::9]:80")
	input, output := outside("192.0.2.10:80"), local("203.0.113.5:80")
	for _, test := range []struct {
		chain string
		flow  trace.Flow
		match string
		want  bool
	}{
		{"FORWARD", forwarded, "-s 198.51.0.7/255.255.0.255", true},
		{"FORWARD", forwarded, "! -s 198.51.0.7/255.255.0.255", false},
		{"FORWARD", forwarded, "-i eth+ -o cni+", true},
		{"FORWARD", forwarded, "-i +", true},
		{"FORWARD", forwarded, "-p all", true},
		{"FORWARD", forwarded, "! -p udp", true},
		{"FORWARD", forwarded, "-f", false},
		{"FORWARD", forwarded, "-p tcp -m tcp --sport 1024:65535", true},
		{"FORWARD", forwarded, "-p tcp -m tcp ! --sport 1024:65535", false},
		{"FORWARD", forwarded, "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", true},
		{"FORWARD", forwarded, "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", false},
		{"FORWARD", with(forwarded, netfilter.StateEstablished), "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", false},
		{"FORWARD", forwarded, "-p tcp -m multiport --dports 70:79,80", true},
		{"FORWARD", forwarded, "-p tcp -m multiport --sports 80", false},
		{"FORWARD", forwarded, "-p tcp -m multiport --ports 40000", true},
		{"FORWARD", forwarded, "-p tcp -m multiport ! --ports 80", false},
		{"FORWARD", forwarded, "-m iprange --src-range 198.51.100.1-198.51.100.9", true},
		{"FORWARD", forwarded, "-m iprange ! --dst-range 10.1.0.1-10.1.0.8", true},
		{"FORWARD", flow(trace.FromExternal, "198.51.100.7", "10.1.0.9/icmp"), "-p icmp -m icmp --icmp-type 8", true},
		{"FORWARD", flow(trace.FromExternal, "198.51.100.7", "10.1.0.9/icmp"), "-p icmp -m icmp --icmp-type 3/4", false},
		{"FORWARD", flow(trace.FromExternal, "198.51.100.7", "10.1.0.9/icmp"), "-p icmp -m icmp --icmp-type any", true},
		{"FORWARD", forwarded, "-m pkttype --pkt-type unicast", true},
		{"INPUT", outside("192.0.2.255:80/udp"), "-m pkttype --pkt-type broadcast", true},

		{"FORWARD", forwarded, "-m conntrack --ctproto 6 --ctorigsrc 198.51.100.0/24 --ctrepldst 198.51.100.7 --ctdir ORIGINAL", true},
		{"FORWARD", forwarded, "-m conntrack --ctdir REPLY", false},
		{"FORWARD", forwarded, "-m conntrack --ctorigsrcport 40000 --ctreplsrcport 80", true},
		{"FORWARD", forwarded, "-m conntrack --ctstatus NONE", false},
		{"FORWARD", forwarded, "-m conntrack ! --ctstatus SEEN_REPLY", true},
		{"FORWARD", forwarded, "-m state --state NEW,RELATED", true},
		{"FORWARD", with(forwarded, netfilter.StateRelated), "-m state --state RELATED", true},
		{"FORWARD", with(forwarded, netfilter.StateInvalid), "-m conntrack --ctstate INVALID", true},
		{"FORWARD", with(forwarded, netfilter.StateInvalid), "-m conntrack --ctdir ORIGINAL", false},
		{"FORWARD", with(forwarded, netfilter.StateInvalid), "-m conntrack --ctstate INVALID --ctdir REPLY", true},
		{"FORWARD", forwarded, "-m connmark --mark 0x0", true},
		{"FORWARD", forwarded, "-m helper ! --helper ftp", true},
		{"FORWARD", forwarded, "-m owner --uid-owner 0", false},
		{"FORWARD", forwarded, "-m owner ! --uid-owner 0", true},
		{"OUTPUT", output, "-m owner --socket-exists", true},
		{"FORWARD", forwarded, "-m physdev --physdev-is-bridged", false},
		{"FORWARD", forwarded, "-m physdev ! --physdev-is-in", true},
		{"FORWARD", pod("203.0.113.5:80"), "-m physdev --physdev-is-bridged", false},
		{"FORWARD", forwarded, "-m nfacct --nfacct-name x", true},
		{"FORWARD", forwarded, "-m statistic --mode random --probability 1.00000000000", true},
		{"FORWARD", forwarded, "-m statistic --mode random --probability 0.00000000000", false},
		{"FORWARD", forwarded, "-m statistic --mode nth --every 1 --packet 0", true},

		{"INPUT", input, "-m addrtype --dst-type LOCAL", true},
		{"INPUT", input, "-m addrtype --dst-type UNICAST", false},
		{"INPUT", input, "-m addrtype ! --src-type LOCAL", true},
		{"INPUT", input, "-m addrtype --src-type UNICAST,LOCAL", true},
		{"INPUT", input, "-m addrtype --dst-type LOCAL --limit-iface-in", true},
		{"INPUT", outside("10.1.0.1:80"), "-m addrtype --dst-type LOCAL --limit-iface-in", false},
		{"INPUT", outside("192.0.2.255:80/udp"), "-m addrtype --dst-type BROADCAST", true},
		{"FORWARD", forwarded, "-m addrtype --dst-type UNICAST", true},
		{"OUTPUT", output, "-m addrtype --src-type LOCAL", true},
		{"OUTPUT", local("127.0.0.1:80"), "-m addrtype --src-type LOCAL --dst-type LOCAL", true},
		{"FORWARD", six, "-m addrtype --dst-type UNICAST", true},
		{"FORWARD", six, "-m addrtype --dst-type LOCAL", false},
		{"INPUT", outside6("[2001:db8:1::10]:80"), "-m addrtype --dst-type UNICAST", true},
		{"INPUT", outside6("[2001:db8:1::10]:80"), "-m addrtype --dst-type LOCAL", true},
		{"INPUT", outside6("[2001:db8:1::10]:80"), "-m addrtype --dst-type MULTICAST,LOCAL", false},
	} {
		dump := save("*filter\n-A " + test.chain + " " + test.match + " -j DROP")
		if test.flow.Destination.Is6() {
			dump = "# Generated by ip6tables-save v1.8.9 on Mon\n" + dump
		}
		tr := follow(t, read(t, dump+node), test.flow)
		want := "accept"
		switch {
		case test.want:
			want = "drop"
		case test.chain == "INPUT":
			want = "accept local"
		}
		if got := summary(tr); len(got) != 1 || got[0] != want {
			t.Errorf("%s %s: got %q, want %s", test.chain, test.match, got, want)
		}
	}
}

func outside6(to string) trace.Flow { return flow(trace.FromExternal, "2001:db8::7", to) }

// TestAllSteps shows what did not match, and why.
func TestAllSteps(t *testing.T) {
	s := read(t, save("*filter\n:A - [0:0]\n-A FORWARD -s 10.9.9.9/32 -j DROP\n-A FORWARD -j LOG\n-A FORWARD -j A\n-A A -m mark --mark 0x1 -j DROP")+node)
	tr, err := trace.New(s).TraceAllSteps(outside("203.0.113.5:80"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, step := range tr.Outcomes[0].Path {
		line := step.Effect
		if step.Missed != nil {
			line += ": " + step.Missed.String()
		}
		got = append(got, line)
	}
	want := []string{"routed to eth0", "no match: -s 10.9.9.9/32", "LOG, goes on", "jump A", "no match: -m mark --mark 0x1", "policy ACCEPT"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

// TestTwoBackends has the legacy and the nft back end on one node: both run,
// and the first translation wins.
func TestTwoBackends(t *testing.T) {
	legacy := "# Generated by iptables-save v1.8.9 on Mon\n" + save("*nat\n-A PREROUTING -p udp -j DNAT --to-destination 10.1.0.7:53", "*filter\n-A FORWARD -s 198.51.100.7/32 -d 10.1.0.8/32 -j DROP")
	nft := "# Generated by iptables-nft-save v1.8.9 (nf_tables) on Mon\n" + save("*nat\n-A PREROUTING -d 192.0.2.10/32 -j DNAT --to-destination 10.1.0.8:8080", "*filter\n-A FORWARD -m mark --mark 0x1 -j DROP")
	s := read(t, legacy+nft+node)
	for _, test := range []struct {
		flow trace.Flow
		want string
	}{
		{outside("192.0.2.10:53/udp"), "dnat 10.1.0.7:53"},
		{outside("192.0.2.10:80"), "drop"},
		{flow(trace.FromExternal, "198.51.100.8", "192.0.2.10:80"), "dnat 10.1.0.8:8080"},
	} {
		tr := follow(t, s, test.flow)
		if got := summary(tr); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s %d: got %q, want %s", test.flow.Source, test.flow.Port, got, test.want)
		}
		if len(tr.Diagnostics) == 0 || tr.Diagnostics[0].Code != "same-priority" {
			t.Errorf("got %v, want a remark on the order of the back ends", tr.Diagnostics)
		}
	}
}

// TestConcurrent follows one packet many times at once.
func TestConcurrent(t *testing.T) {
	tracer := trace.New(sample(t, "service-zoo"))
	f := outside("172.18.0.3:30080")
	want, err := tracer.Trace(f)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			got, err := tracer.Trace(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Outcomes) != len(want.Outcomes) {
				t.Errorf("got %d outcomes, want %d", len(got.Outcomes), len(want.Outcomes))
			}
			for i := range want.Outcomes {
				if story(got.Outcomes[i]) != story(want.Outcomes[i]) {
					t.Errorf("outcome %d: got %s, want %s", i, story(got.Outcomes[i]), story(want.Outcomes[i]))
				}
			}
		})
	}
}
