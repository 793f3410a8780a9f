package trace

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// indexedRules is how many rules a chain must have for an index to pay.
const indexedRules = 24

// An index finds the rules of a chain that a packet may match, where most of
// them test for one destination: what KUBE-SERVICES and KUBE-NODEPORTS are. It
// is exact: a rule that it passes over has a match that does not hold.
type index struct {
	// Rules by what they test for, each list in the chain's order; rules that
	// test for no single destination stand under the zero dial.
	byDial map[dial][]int32
}

// A dial is what a rule wants to be the packet's destination: an address, a
// port of a protocol, or both. What it does not test is zero.
type dial struct {
	address  netip.Addr
	protocol uint8
	port     uint16
}

func newIndex(c *netfilter.Chain) *index {
	x := &index{byDial: make(map[dial][]int32, c.NumRules())}
	i := int32(0)
	for r := range c.Rules() {
		d := dialOf(r)
		x.byDial[d] = append(x.byDial[d], i)
		i++
	}
	return x
}

// dialOf is the destination that a rule cannot do without.
func dialOf(r *netfilter.Rule) dial {
	var d dial
	for _, m := range r.Matches() {
		switch m := m.(type) {
		case *netfilter.Addr:
			if m.Side == netfilter.Destination && !m.Not && !m.Net.Mask.IsValid() && m.Net.Prefix.IsSingleIP() {
				d.address = m.Net.Prefix.Addr()
			}
		case *netfilter.Transport:
			if t := m.DstPort; t.Set && !t.Not && t.Range.IsSingle() {
				d.protocol, d.port = m.Protocol, t.Range.First
			}
		}
	}
	return d
}

// next is the first rule from the i-th on that a packet to the destination may
// match, or past if there is none.
func (x *index) next(to dial, i, past int) int {
	best := past
	for _, d := range [...]dial{
		{},
		{address: to.address},
		{protocol: to.protocol, port: to.port},
		to,
	} {
		rules := x.byDial[d]
		if at, _ := slices.BinarySearch(rules, int32(i)); at < len(rules) {
			best = min(best, int(rules[at]))
		}
	}
	return best
}

// indexes are the indexes of a snapshot's chains, each made when a packet first
// comes to its chain.
type indexes struct {
	made sync.Map // of *index by *netfilter.Chain
	from int      // chains with fewer rules have none
}

// of is the chain's index; nil for a chain that is walked rule by rule.
func (x *indexes) of(c *netfilter.Chain) *index {
	if c.NumRules() < x.from {
		return nil
	}
	if known, ok := x.made.Load(c); ok {
		return known.(*index)
	}
	made, _ := x.made.LoadOrStore(c, newIndex(c))
	return made.(*index)
}
