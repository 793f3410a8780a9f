package trace

import (
	"encoding/binary"
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
	// The first rule of each dial, and behind each rule of the chain the next
	// one of the same dial, counted from 1; 0 where there is none. Dials that
	// have no IPv6 address fit into one word.
	first  map[uint64]int32
	first6 map[dial]int32
	after  []int32
	// anywhere is the first of those that test for no single destination.
	anywhere int32
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
	x := &index{first: make(map[uint64]int32, c.NumRules()), first6: map[dial]int32{}, after: make([]int32, c.NumRules())}
	for i := c.NumRules() - 1; i >= 0; i-- {
		d := dialOf(c.Rule(i))
		if d == (dial{}) {
			x.after[i], x.anywhere = x.anywhere, int32(i+1)
			continue
		}
		x.byAddress = x.byAddress || d.protocol == 0
		x.byPort = x.byPort || !d.address.IsValid()
		x.byBoth = x.byBoth || d.protocol != 0 && d.address.IsValid()
		if word, ok := d.word(); ok {
			x.after[i], x.first[word] = x.first[word], int32(i+1)
		} else {
			x.after[i], x.first6[d] = x.first6[d], int32(i+1)
		}
	}
	return x
}

// word is the dial as one number; ok is false for an IPv6 address.
func (d dial) word() (word uint64, ok bool) {
	word = uint64(d.port)<<16 | uint64(d.protocol)<<8
	switch {
	case !d.address.IsValid():
		return word, true
	case d.address.Is4():
		a := d.address.As4()
		return word | uint64(binary.BigEndian.Uint32(a[:]))<<32 | 1, true
	}
	return 0, false
}

// of is the first rule of a dial.
func (x *index) of(d dial) int32 {
	if word, ok := d.word(); ok {
		return x.first[word]
	}
	return x.first6[d]
}

// dialOf is the destination that a rule cannot do without.
func dialOf(r *netfilter.Rule) dial {
	var d dial
	for _, m := range r.Matches() {
		if acts(m) {
			break // whatever stands behind it
		}
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
	in      *index // nil for all
	address netip.Addr
	port    port
	heads   [4]int32 // of each kind the first that is not before the rule last asked for, as in index
}

// choose finds the candidates for a packet, unless they are those already.
func (c *candidates) choose(p *packet, protocol uint8) {
	if c.in == nil || c.address == p.dst && c.port == p.dstPort {
		return
	}
	c.address, c.port, c.heads = p.dst, p.dstPort, [4]int32{c.in.anywhere}
	if c.in.byAddress {
		c.heads[1] = c.in.of(dial{address: p.dst})
	}
	if c.in.byPort {
		c.heads[2] = c.in.of(dial{protocol: protocol, port: p.dstPort.number})
	}
	if c.in.byBoth {
		c.heads[3] = c.in.of(dial{p.dst, protocol, p.dstPort.number})
	}
}

// next is the first rule from the i-th on that may match, past if there is
// none. What is asked for does not go back.
func (c *candidates) next(i, past int) int {
	if c.in == nil || !c.address.IsValid() || !c.port.known {
		return i
	}
	best := past
	for k, head := range c.heads {
		for head != 0 && int(head-1) < i {
			head = c.in.after[head-1]
		}
		if c.heads[k] = head; head != 0 {
			best = min(best, int(head-1))
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
