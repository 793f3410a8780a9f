package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unknown are matches the truth of which no capture tells, as iptables-save
// prints them: modules that are not modelled, and modelled ones that look at
// what a packet's description does not hold.
var unknown = []string{
	`-m bpf --bytecode "1,6 0 0 65535"`,
	`-m string --string "GET" --algo bm`,
	`-m u32 --u32 0x0>>0x16&0x3c@0xc=0x1`,
	`-m time --timestart 08:00:00 --timestop 18:00:00`,
	`-m cpu --cpu 0`,
	`-m policy --dir in --pol ipsec`,
	`-m quota --quota 1000`,
	`-m cgroup --path a/b`,
	`-m connlabel --label 3`,
	`-m nosuchmodule --with option`,
	`-m length --length 40:100`,
	`-m ttl --ttl-lt 5`,
	`-m tos --tos 0x10/0x3f`,
	`-m dscp --dscp 0x0a`,
	`-m mac --mac-source 02:00:00:00:00:01`,
	`-m limit --limit 5/sec`,
	`-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name a`,
	`-m connlimit --connlimit-above 10 --connlimit-mask 32 --connlimit-saddr`,
	`-m connbytes --connbytes 100:200 --connbytes-mode bytes --connbytes-dir both`,
	`-m set --match-set allowed src`,
	`-m socket --transparent`,
	`-m rpfilter --loose`,
	`-m ipvs --ipvs`,
	`-m conntrack --ctexpire 10`,
	`-p tcp -m tcp --sport 1024:65535`,
	`-p tcp -m tcp --tcp-option 5`,
	`-p tcp -m multiport --sports 1,2`,
	`-m physdev --physdev-in veth1`,
}

// TestUnknown puts every unknown match into the first, a middle and the last
// place of a rule, and the rule into the first, a middle and the last place of
// a chain: both ways are followed, and each says what it assumes.
func TestUnknown(t *testing.T) {
	for _, match := range unknown {
		for place, format := range []string{
			"-A FORWARD %s -m mark --mark 0x0 -m conntrack --ctstate NEW -j DROP",
			"-A FORWARD -m mark --mark 0x0 %s -m conntrack --ctstate NEW -j DROP",
			"-A FORWARD -m mark --mark 0x0 -m conntrack --ctstate NEW %s -j DROP",
		} {
			rule := fmt.Sprintf(format, match)
			const pass, never = "-A FORWARD -m mark --mark 0x0\n", "-A FORWARD -s 10.9.9.9/32 -j REJECT --reject-with icmp-port-unreachable\n"
			for _, chain := range []string{rule + "\n" + pass + never, pass + rule + "\n" + never, pass + never + rule} {
				tr := follow(t, read(t, save("*filter\n"+chain)+node), pod("203.0.113.5:80"))
				got := summary(tr)
				if len(got) != 2 || !strings.HasPrefix(got[0], "drop if ") || !strings.HasPrefix(got[1], "accept if ") ||
					len(tr.Outcomes[0].Assumptions) != 1 || len(tr.Outcomes[1].Assumptions) != 1 {
					t.Errorf("%s in place %d: got %q, want both ways with an assumption each", match, place, got)
					continue
				}
				a := tr.Outcomes[0].Assumptions[0]
				if a.Rule == nil || a.Rule.Text() != rule {
					t.Errorf("%s in place %d: the assumption does not name the rule %q", match, place, rule)
				}
			}
		}
	}
}

// TestUnknownTwice asks for the same thing at two places, and for two things.
func TestUnknownTwice(t *testing.T) {
	const a, b = "-m string --string a --algo bm", "-m string --string b --algo bm"
	for _, test := range []struct {
		about, rules string
		want         []string
	}{
		{"the same", "-A FORWARD " + a + " -j DROP\n-A FORWARD " + a + " -j REJECT --reject-with icmp-port-unreachable", []string{
			"drop if " + a + " matches", "accept if " + a + " does not match"}},
		{"two things", "-A FORWARD " + a + " -j DROP\n-A FORWARD " + b + " -j DROP", []string{
			"drop if " + a + " matches",
			"drop if " + a + " does not match; " + b + " matches",
			"accept if " + a + " does not match; " + b + " does not match"}},
		{"in one rule", "-A FORWARD " + a + " " + b + " -j DROP", []string{
			"drop if " + a + " matches; " + b + " matches",
			"accept if " + a + " matches; " + b + " does not match",
			"accept if " + a + " does not match"}},
		{"beside chance", "-A FORWARD " + a + " -m statistic --mode random --probability 0.25000000000 -j DROP", []string{
			"accept 3/4 if " + a + " matches", "drop 1/4 if " + a + " matches",
			"accept if " + a + " does not match"}},
		{"that does not matter in the end", "-A FORWARD " + a + " -j MARK --set-xmark 0x1/0x1\n-A FORWARD -m mark --mark 0x1/0x1 -j DROP\n-A FORWARD -j DROP", []string{"drop"}},
	} {
		t.Run(test.about, func(t *testing.T) {
			got := summary(follow(t, read(t, save("*filter\n"+test.rules)+node), pod("203.0.113.5:80")))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownNode follows packets on a node of which nothing was captured but
// its rules.
func TestUnknownNode(t *testing.T) {
	dump := save("*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.1.0.9:80\n-A POSTROUTING -o eth0 -j MASQUERADE")
	const own, pod = "192.0.2.10 is one of the node's addresses", "10.1.0.9 is one of the node's addresses"
	const notOwn, notPod = "192.0.2.10 is none of the node's addresses", "10.1.0.9 is none of the node's addresses"
	got := summary(follow(t, read(t, dump), outside("192.0.2.10:80")))
	want := []string{
		"dnat 10.1.0.9:80 local if " + own + "; " + pod,
		"dnat 10.1.0.9:80 masquerade if " + own + "; " + notPod + "; -o eth0 matches",
		"dnat 10.1.0.9:80 if " + own + "; " + notPod + "; -o eth0 does not match",
		"accept masquerade if " + notOwn + "; -o eth0 matches",
		"accept if " + notOwn + "; -o eth0 does not match",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestFragment follows a packet through rules that somebody pasted: what is
// missing is said, and the policies are open.
func TestFragment(t *testing.T) {
	tr := follow(t, read(t, "-A INPUT -s 10.9.9.9/32 -j DROP\n-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW\n"+node), outside("192.0.2.10:80"))
	want := []string{
		"accept local if the policy of chain INPUT in table filter is ACCEPT",
		"drop if the policy of chain INPUT in table filter is DROP",
	}
	if diff := cmp.Diff(want, summary(tr)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if len(tr.Diagnostics) != 1 || tr.Diagnostics[0].Code != "incomplete-table" {
		t.Errorf("got %v, want a remark on the table", tr.Diagnostics)
	}
}

// TestNATAlone follows a packet through a dump of table nat: whether table
// filter would let it pass is an assumption.
func TestNATAlone(t *testing.T) {
	dump := strings.Split(save("*nat\n-A PREROUTING -j DNAT --to-destination 10.1.0.9:80"), "*filter")[0]
	want := []string{"dnat 10.1.0.9:80 if table filter, which was not captured, lets the packet pass"}
	if diff := cmp.Diff(want, summary(follow(t, read(t, dump+node), outside("192.0.2.10:80")))); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
