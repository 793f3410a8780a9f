package inventory

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// compare evaluates a comparison that only nftables has.
func (c *client) compare(m *netfilter.Compare, cond *condition) ternary {
	if m.Op > netfilter.IsNot {
		return maybe
	}
	switch m.Left {
	case netfilter.MetaIif:
		// No outside client's packet comes in by an interface of pods, and no
		// other is told apart.
		cond.detector = true
		return max(maybe, ternaryOf(m.Op == netfilter.IsNot))
	case netfilter.IPSaddr, netfilter.IP6Saddr:
		return c.sourceIn(m, cond)
	}
	if m.Set == nil {
		value := c.key(m.Left, c.firstAddress())
		if value == "" || len(c.to) > 1 && dependsOnAddress(m.Left) {
			return maybe
		}
		return ternaryOf(m.Holds(value))
	}
	if answer, from, ok := c.sourcesIn(m); ok {
		if answer == yes && m.Op == netfilter.Is {
			cond.sources = append(cond.sources, from...)
		} else if answer == yes {
			cond.except, cond.detector = append(cond.except, from...), true
		}
		return answer
	}
	return c.in(m.Left, m.Set).xor(m.Op == netfilter.IsNot)
}

// in tells whether a set has what is dialled.
func (c *client) in(e netfilter.Expr, set *netfilter.Set) ternary {
	if len(c.to) < 2 || !dependsOnAddress(e) {
		_, answer := c.find(e, set)
		return answer
	}
	answer := maybe
	for i, a := range c.to {
		one := *c
		one.to = []netip.Addr{a}
		_, in := one.find(e, set)
		if i > 0 && in != answer {
			return maybe
		}
		answer = in
	}
	return answer
}

// sourceIn evaluates a test of the source address: a set of networks is a limit
// like any other, and a set that rules fill holds clients that were here before.
func (c *client) sourceIn(m *netfilter.Compare, cond *condition) ternary {
	if m.Set == nil {
		return maybe
	}
	if m.Set.Changes() {
		cond.seen = true
		return maybe
	}
	if !c.pay(m.Set.Len()) {
		return maybe
	}
	list, whole := prefixesOf(m.Set)
	switch {
	case !whole:
		return maybe
	case m.Op == netfilter.IsNot:
		cond.detector = true
		cond.except = append(cond.except, list...)
		return yes
	case len(list) == 0:
		return no
	}
	cond.sources = append(cond.sources, list...)
	return yes
}

// pay takes from the budget for a look through so many elements.
func (c *client) pay(elements int) bool {
	if c.budget == nil {
		return true
	}
	*c.budget -= elements
	return *c.budget > 0
}

// sourcesIn evaluates a lookup of the source address together with what is
// dialled: the networks that stand with it in the set. ok is false for any
// other lookup.
func (c *client) sourcesIn(m *netfilter.Compare) (answer ternary, from []netip.Prefix, ok bool) {
	concat, isConcat := m.Left.(*netfilter.Concat)
	if !isConcat || len(concat.Parts) != len(m.Set.Key) {
		return no, nil, false
	}
	at := slices.IndexFunc(concat.Parts, isSource)
	if at < 0 {
		return no, nil, false
	}
	if m.Set.Vague() || m.Set.Changes() || len(c.to) != 1 || !c.pay(m.Set.Len()) {
		return maybe, nil, true
	}
	known := make([]netfilter.Key, len(concat.Parts))
	for i, part := range concat.Parts {
		if i == at {
			continue
		}
		if known[i] = c.key(part, c.to[0]); known[i] == "" {
			return maybe, nil, true
		}
	}
	for i := range m.Set.Candidates(known) {
		e := m.Set.Element(i)
		first, last := e.First.Split(m.Set.Key), e.Last.Split(m.Set.Key)
		p, ok := netfilter.RangePrefix(first[at], last[at])
		if !ok {
			return maybe, nil, true
		}
		from = append(from, p)
	}
	if len(from) == 0 {
		return ternaryOf(m.Op == netfilter.IsNot), nil, true
	}
	return yes, from, true
}

// find looks what is dialled up in a set: the number of the element, and
// whether it is found. Where a client may dial several addresses that differ in
// it, the answer is open.
func (c *client) find(e netfilter.Expr, set *netfilter.Set) (element int, answer ternary) {
	if !set.Readable() || set.Changes() {
		return -1, maybe
	}
	to := c.to
	if len(to) == 0 {
		if dependsOnAddress(e) {
			return -1, no.orVague(set) // an address that no set names
		}
		to = []netip.Addr{{}}
	}
	var room [32]byte
	for i, a := range to {
		key := c.appendKey(room[:0], e, a)
		if len(key) == 0 {
			return -1, maybe
		}
		found := set.Find(netfilter.Key(key))
		if i > 0 && found != element {
			return -1, maybe
		}
		element = found
	}
	if element < 0 {
		return -1, no.orVague(set)
	}
	return element, yes
}

// orVague is the answer no, open where the set may hold more than is known.
func (t ternary) orVague(set *netfilter.Set) ternary {
	if set.Vague() {
		return maybe
	}
	return t
}

func dependsOnAddress(e netfilter.Expr) bool {
	if concat, ok := e.(*netfilter.Concat); ok {
		return slices.ContainsFunc(concat.Parts, dependsOnAddress)
	}
	return isDestination(e)
}

func (c *client) firstAddress() netip.Addr {
	if len(c.to) == 0 {
		return netip.Addr{}
	}
	return c.to[0]
}

// key is the value that an expression has for the client's packet to an
// address, "" where that is not known.
func (c *client) key(e netfilter.Expr, to netip.Addr) netfilter.Key {
	return netfilter.Key(c.appendKey(nil, e, to))
}

// appendKey is key, appended to what it is given; nil where that is not known.
func (c *client) appendKey(key []byte, e netfilter.Expr, to netip.Addr) []byte {
	switch e := e.(type) {
	case *netfilter.Concat:
		for _, part := range e.Parts {
			length := len(key)
			if key = c.appendKey(key, part, to); len(key) <= length {
				return nil
			}
		}
		return key
	case *netfilter.Constant:
		if e.First == e.Last {
			return append(key, e.First...)
		}
	case netfilter.Field:
		switch e {
		case netfilter.IPDaddr, netfilter.IP6Daddr:
			if to.IsValid() && to.Is4() == (e == netfilter.IPDaddr) {
				return netfilter.AppendAddr(key, to)
			}
		case netfilter.MetaL4Proto, netfilter.IPProtocol:
			return append(key, c.protocol)
		case netfilter.THDport:
			return binary.BigEndian.AppendUint16(key, c.port)
		case netfilter.TCPDport, netfilter.UDPDport, netfilter.SCTPDport:
			of := map[netfilter.Field]uint8{netfilter.TCPDport: netfilter.TCP, netfilter.UDPDport: netfilter.UDP, netfilter.SCTPDport: netfilter.SCTP}
			if of[e] == c.protocol {
				return binary.BigEndian.AppendUint16(key, c.port)
			}
		}
	}
	return nil
}
