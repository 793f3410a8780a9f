package trace

import (
	"net/netip"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// indexedRules is how many rules a chain must have for an index to pay.
const indexedRules = 24

// An index finds the rules of a chain that a packet may match, where most of
// them test for one destination: what KUBE-SERVICES and KUBE-NODEPORTS are. It
// is exact: a rule that it passes over has a match that does not hold.
type index struct {
	// Rules by what they test for, each list in the chain's order.
	byDial map[dial][]int32
	// anywhere are those that test for no single destination.
	anywhere []int32
	// The kinds of dials there are.
	byAddress, byPort, byBoth bool
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
		switch d := dialOf(r); {
		case d == dial{}:
			x.anywhere = append(x.anywhere, i)
		default:
			x.byDial[d] = append(x.byDial[d], i)
			x.byAddress = x.byAddress || d.protocol == 0
			x.byPort = x.byPort || !d.address.IsValid()
			x.byBoth = x.byBoth || d.protocol != 0 && d.address.IsValid()
		}
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

// candidates are the rules of a chain that packets to a destination may match.
type candidates struct {
	of      *index // nil for all
	address netip.Addr
	port    port
	lists   [4][]int32 // what the chain has before the rule last asked for is left out
}

// choose finds the candidates for a packet, unless they are those already.
func (c *candidates) choose(p *packet, protocol uint8) {
	if c.of == nil || c.address == p.dst && c.port == p.dstPort {
		return
	}
	c.address, c.port, c.lists = p.dst, p.dstPort, [4][]int32{c.of.anywhere}
	if c.of.byAddress {
		c.lists[1] = c.of.byDial[dial{address: p.dst}]
	}
	if c.of.byPort {
		c.lists[2] = c.of.byDial[dial{protocol: protocol, port: p.dstPort.number}]
	}
	if c.of.byBoth {
		c.lists[3] = c.of.byDial[dial{p.dst, protocol, p.dstPort.number}]
	}
}

// next is the first rule from the i-th on that may match, past if there is
// none. What is asked for does not go back.
func (c *candidates) next(i, past int) int {
	if c.of == nil || !c.address.IsValid() || !c.port.known {
		return i
	}
	best := past
	for l, rules := range c.lists {
		for len(rules) > 0 && int(rules[0]) < i {
			rules = rules[1:]
		}
		if c.lists[l] = rules; len(rules) > 0 {
			best = min(best, int(rules[0]))
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
