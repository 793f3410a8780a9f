package drift

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/svcpath/svcpath/analyzer/cluster"
)

// TestSettle compares endpoints that are sorted with a map of them: of each
// address and port the last counts, and it floats if its states differ.
func TestSettle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 3000 {
		var all pools
		last := map[netip.AddrPort]*cluster.Endpoint{}
		floating := map[netip.AddrPort]bool{}
		for range r.IntN(40) {
			e := &cluster.Endpoint{
				Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(12))}), Ready: r.IntN(4) > 0, Serving: r.IntN(2) > 0, Terminating: r.IntN(2) > 0,
				NodeName: []string{"", "a", "b"}[r.IntN(20)/9],
			}
			at := netip.AddrPortFrom(e.Address, uint16(r.IntN(2)))
			b := backend{at: at, Endpoint: e}
			if before := last[at]; before != nil {
				was := backend{Endpoint: before}
				if before.Ready != e.Ready || was.draining() != b.draining() || before.NodeName != e.NodeName {
					floating[at] = true
				}
			}
			last[at] = e
			all.all = append(all.all, b)
		}
		all.settle()
		if !maps.Equal(all.floating, floating) {
			t.Fatalf("floating are %v, expected %v", all.floating, floating)
		}
		if want := slices.SortedFunc(maps.Keys(last), netip.AddrPort.Compare); !slices.Equal(all.filter(func(*backend) bool { return true }), want) {
			t.Fatalf("the endpoints are %v, expected %v", all.filter(func(*backend) bool { return true }), want)
		}
		for at, e := range last {
			if b := all.find(at); b == nil || b.Endpoint != e {
				t.Fatalf("%s is not the last one that was given", at)
			}
		}
		if all.find(netip.MustParseAddrPort("10.0.0.1:9")) != nil {
			t.Fatal("found what is not there")
		}
	}
}
