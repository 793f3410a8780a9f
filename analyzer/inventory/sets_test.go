package inventory

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// TestAskedSets compares clients that keep what sets have answered with clients
// that ask anew each time.
func TestAskedSets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 8))
	address := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(6))}) }
	names := []string{"A", "B", "C", "missing"}
	sides := [][]netfilter.Side{
		{netfilter.Destination, netfilter.Destination}, {netfilter.Source, netfilter.Destination},
		{netfilter.Destination, netfilter.Source}, {netfilter.Destination},
	}
	answers := map[ternary]int{}
	for range 300 {
		sets := map[string]*netfilter.IPSet{}
		for _, name := range names[:3] {
			set := netfilter.NewIPSet(name, netfilter.HashIPPort, netfilter.IPv4)
			set.Complete = r.IntN(4) > 0
			for range r.IntN(12) {
				set.Add(netfilter.IPSetElement{
					Nets: [2]netip.Prefix{netip.PrefixFrom(address(), 32)}, Protocol: netfilter.TCP,
					Ports: netfilter.PortRange{First: 80, Last: 80},
				})
			}
			sets[name] = set
		}
		keeps := client{protocol: netfilter.TCP, port: 80, sets: sets}
		for range r.IntN(3) {
			keeps.to = append(keeps.to, address())
		}
		for range 40 {
			m := &netfilter.InSet{Not: r.IntN(3) == 0, ReturnNoMatch: r.IntN(9) == 0}
			m.Set = netfilter.SetRef{Name: names[r.IntN(len(names))], Sides: sides[r.IntN(len(sides))]}
			asks := client{protocol: keeps.protocol, port: keeps.port, sets: sets, to: keeps.to}
			got, want := keeps.inSet(m), asks.inSet(m)
			if got != want {
				t.Fatalf("%s: %v after others, %v by itself", m, got, want)
			}
			answers[want]++
		}
	}
	if len(answers) != 3 {
		t.Errorf("answers %v: the test does not ask what it should", answers)
	}
}
