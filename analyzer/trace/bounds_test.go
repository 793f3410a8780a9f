package trace_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestDoublingChains has a thousand chains that each jump twice to the next:
// 2^1000 paths.
func TestDoublingChains(t *testing.T) {
	for _, test := range []struct {
		about, first, last string
		want               []string
	}{
		{"that do nothing", "", "-A C1000 -s 10.9.9.9/32 -j DROP", []string{"accept"}},
		{"that return", "", "-A C1000 -j RETURN", []string{"accept"}},
		{"that count", "", "-A C1000 -j MARK --set-xmark 0x1/0x0", []string{"accept"}},
		{"that leave a question open", "", "-A C1000 -m string --string a --algo bm -j DROP", []string{
			"drop if -m string --string a --algo bm matches", "accept if -m string --string a --algo bm does not match"}},
	} {
		t.Run(test.about, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("*filter\n")
			for i := range 1001 {
				fmt.Fprintf(&b, ":C%d - [0:0]\n", i)
			}
			b.WriteString("-A FORWARD -j C0\n")
			for i := range 1000 {
				fmt.Fprintf(&b, "-A C%d -j C%d\n-A C%d -j C%d\n", i, i+1, i, i+1)
			}
			b.WriteString(test.last)
			tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
			if diff := cmp.Diff(test.want, summary(tr)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestChancyDoubling adds chance to it: 64 draws with 2^64 courses.
func TestChancyDoubling(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n")
	for i := range 7 {
		fmt.Fprintf(&b, ":C%d - [0:0]\n", i)
	}
	b.WriteString("-A FORWARD -j C0\n")
	for i := range 6 {
		fmt.Fprintf(&b, "-A C%d -j C%d\n-A C%d -j C%d\n", i, i+1, i, i+1)
	}
	b.WriteString("-A C6 -m statistic --mode random --probability 0.50000000000 -j DROP\n")
	tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	pass := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 64))
	if got := tr.Outcomes[0]; got.Verdict != trace.Accept || got.Probability.Rat().Cmp(pass) != 0 {
		t.Errorf("got %s with %s, want accept with 1/2^64", got.Verdict, got.Probability)
	}
}

// TestDeepChains has a path of 100,000 jumps.
func TestDeepChains(t *testing.T) {
	const depth = 100_000
	var b strings.Builder
	b.WriteString("*filter\n")
	for i := range depth + 1 {
		fmt.Fprintf(&b, ":C%d - [0:0]\n", i)
	}
	b.WriteString("-A FORWARD -j C0\n")
	for i := range depth {
		fmt.Fprintf(&b, "-A C%d -j C%d\n", i, i+1)
	}
	fmt.Fprintf(&b, "-A C%d -j DROP\n", depth)
	tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	if diff := cmp.Diff([]string{"drop"}, summary(tr)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	path := tr.Outcomes[0].Path
	if first, last := path[0], path[len(path)-1]; first.Effect != "more steps than can be shown" || last.Effect != "drop" {
		t.Errorf("the path begins with %q and ends with %q", first.Effect, last.Effect)
	}
}

func TestLoops(t *testing.T) {
	for _, rules := range []string{
		":A - [0:0]\n-A FORWARD -j A\n-A A -j A",
		":A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A A -g B\n-A B -j A",
		":A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A A -j MARK --set-xmark 0x1/0x0\n-A A -j B\n-A B -g A",
	} {
		tr := follow(t, read(t, save("*filter\n"+rules)+node), pod("203.0.113.5:80"))
		if got := summary(tr); !cmp.Equal(got, []string{"unknown"}) {
			t.Errorf("%q: got %q, want unknown", rules, got)
		}
		if len(tr.Diagnostics) != 1 || tr.Diagnostics[0].Code != "loop" {
			t.Errorf("%q: got %v, want a remark on the loop", rules, tr.Diagnostics)
		}
		if last := tr.Outcomes[0].Path; !strings.Contains(last[len(last)-1].Effect, "loop") {
			t.Errorf("%q: the path does not end in the loop: %s", rules, story(tr.Outcomes[0]))
		}
	}
	// A loop that the packet does not come to is no matter.
	tr := follow(t, read(t, save("*filter\n:A - [0:0]\n-A FORWARD -s 10.9.9.9/32 -j A\n-A A -j A")+node), pod("203.0.113.5:80"))
	if got := summary(tr); !cmp.Equal(got, []string{"accept"}) {
		t.Errorf("beside a loop: got %q, want accept", got)
	}
}

// TestTooManyBranches asks 30 questions that all matter in every combination.
func TestTooManyBranches(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n")
	for i := range 30 {
		fmt.Fprintf(&b, "-A FORWARD -m string --string q%d --algo bm -j MARK --set-xmark 0x%x/0x%x\n", i, 1<<i, 1<<i)
	}
	tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	if got := summary(tr); !cmp.Equal(got, []string{"unknown"}) {
		t.Errorf("got %q, want unknown", got)
	}
	if len(tr.Diagnostics) != 1 || tr.Diagnostics[0].Code != "too-many-branches" {
		t.Errorf("got %v, want a remark on the branches", tr.Diagnostics)
	}
}

// TestTooManyOutcomes has few branches, which take too many words: each of 16 answers
// has a chance of its own.
func TestTooManyOutcomes(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n")
	for i := range 16 {
		fmt.Fprintf(&b, "-A FORWARD -m statistic --mode random --probability 0.5 -m string --string q%d --algo bm -j DROP\n", i)
	}
	tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	if got := summary(tr); !cmp.Equal(got, []string{"unknown"}) {
		t.Errorf("got %q, want unknown", got)
	}
	if len(tr.Diagnostics) != 1 || tr.Diagnostics[0].Code != "too-many-branches" {
		t.Errorf("got %v, want a remark on the branches", tr.Diagnostics)
	}
}

// TestTooManySums has one outcome of each kind, whose chances depend on which of 24
// endpoints are the node itself: each set of them has a chance of its own.
func TestTooManySums(t *testing.T) {
	var nat, endpoints strings.Builder
	nat.WriteString("*nat\n-A PREROUTING -d 10.96.0.1/32 -j SVC\n")
	for i := range 24 {
		fmt.Fprintf(&nat, "-A SVC -m statistic --mode random --probability %.5f -j SEP%d\n", 1/float64(24-i), i)
		fmt.Fprintf(&endpoints, "-A SEP%d -p tcp -j DNAT --to-destination 10.1.0.%d:80\n", i, i+1)
	}
	dump := nat.String() + endpoints.String() + "COMMIT\n*filter\n-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n"
	tr := follow(t, read(t, save(dump)), flow(trace.FromExternal, "198.51.100.7", "10.96.0.1:80"))
	if got := summary(tr); !cmp.Equal(got, []string{"unknown"}) {
		t.Errorf("got %q, want unknown", got)
	}
}

// TestManyQuestions asks questions that do not multiply.
func TestManyQuestions(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "-A FORWARD -m string --string q%d --algo bm -j DROP\n", i)
	}
	tr := follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	if got := len(tr.Outcomes); got != 2001 {
		t.Errorf("got %d outcomes, want 2001", got)
	}
	// Two by two they make 2^500 combinations, but packets all alike.
	b.Reset()
	b.WriteString("*filter\n")
	for i := range 500 {
		fmt.Fprintf(&b, ":C%d - [0:0]\n-A FORWARD -m string --string q%d --algo bm -j C%d\n-A C%d -m string --string r%d --algo bm -j DROP\n", i, i, i, i, i)
	}
	b.WriteString("-A FORWARD -j DROP\n")
	tr = follow(t, read(t, save(b.String())+node), pod("203.0.113.5:80"))
	if got := summary(tr); !cmp.Equal(got, []string{"drop"}) {
		t.Errorf("got %d outcomes, want drop", len(got))
	}
}

// TestEndpoints deals packets out to up to a hundred endpoints, and holds the
// chances against the kernel's arithmetic with numbers of 31 bits.
func TestEndpoints(t *testing.T) {
	for n := 1; n <= 100; n++ {
		var b strings.Builder
		b.WriteString("*nat\n")
		want := map[string]*big.Rat{}
		left := big.NewRat(1, 1)
		for i := range n {
			to := fmt.Sprintf("10.1.0.%d:80", i+1)
			if i == n-1 {
				fmt.Fprintf(&b, "-A PREROUTING -p tcp -j DNAT --to-destination %s\n", to)
				want[to] = left
				break
			}
			// kube-proxy writes "%0.10f" of 1/(n-i); iptables keeps lround of
			// that times 2^31 and prints it with 11 places.
			written := fmt.Sprintf("%0.10f", 1/float64(n-i))
			var p float64
			fmt.Sscan(written, &p)
			kept := int64(p*(1<<31) + 0.5)
			fmt.Fprintf(&b, "-A PREROUTING -p tcp -m statistic --mode random --probability %.11f -j DNAT --to-destination %s\n", float64(kept)/(1<<31), to)
			want[to] = new(big.Rat).Mul(left, big.NewRat(kept, 1<<31))
			left = new(big.Rat).Mul(left, big.NewRat(1<<31-kept, 1<<31))
		}
		tr := follow(t, read(t, save(b.String())+node), outside("192.0.2.10:80"))
		sum := new(big.Rat)
		if len(tr.Outcomes) != n {
			t.Fatalf("%d endpoints: got %d outcomes", n, len(tr.Outcomes))
		}
		for _, o := range tr.Outcomes {
			got := o.Probability.Rat()
			if want := want[o.Endpoint.String()]; want == nil || got.Cmp(want) != 0 {
				// 10.1.0.1 is the node's own address in these tests.
				t.Errorf("%d endpoints: %s has %s, want %s", n, o.Endpoint, got.RatString(), want.RatString())
			}
			sum.Add(sum, got)
		}
		if sum.Cmp(big.NewRat(1, 1)) != 0 {
			t.Errorf("%d endpoints: the chances sum to %s", n, sum.RatString())
		}
	}
}
