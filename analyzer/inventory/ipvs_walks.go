package inventory

import "github.com/svcpath/svcpath/analyzer/netfilter"

// A walked is what kube-proxy's rules do to the first packet of an outside
// client's connection to an entry.
type walked struct {
	path     []*netfilter.Rule // those of nat and, if they decide something, of filter
	marked   ternary
	detector bool
	refused  ternary
}

// walks are what walks came to. kube-proxy's rules ask sets for an entry, and
// look at nothing else that tells one from another: which they ask next depends
// on the answers before, and so does the end. So the answers lead to it through a
// tree, and the rules are gone through once for each place of it.
type walks struct {
	begins map[walkBegin]*walkPlace
}

// A walkBegin is what is known of an entry before a set is asked.
type walkBegin struct {
	protocol uint8
	local    ternary
	nodePort bool
}

// A walkPlace is where some answers lead: to the set that is asked next, or to
// the end.
type walkPlace struct {
	set   *netfilter.IPSet
	sides []netfilter.Side
	kind  *kindSet            // the set, where it is asked for a destination; nil for another
	next  [yes + 1]*walkPlace // by its answer

	// ended is the end; nil where that is not known yet, or rests on more than
	// the answers, as alone says.
	ended *walked
	alone bool
}

// behind is the place that an answer leads to.
func (p *walkPlace) behind(answer ternary) *walkPlace {
	if p.next[answer] == nil {
		p.next[answer] = &walkPlace{}
	}
	return p.next[answer]
}

// walk is what the rules do to the packet to an entry.
func (b *balancer) walk(e *ipvsDraft, c *client) walked {
	begin := walkBegin{c.protocol, c.local, e.entry.Kind == NodePort}
	first := b.walks.begins[begin]
	if first == nil {
		first = &walkPlace{}
		if b.walks.begins == nil {
			b.walks.begins = map[walkBegin]*walkPlace{}
		}
		b.walks.begins[begin] = first
	}
	p := first
	for p.set != nil {
		answer, known := maybe, false
		if p.kind != nil {
			answer, known = p.kind.has(e.entry.Virtual)
		}
		if !known {
			answer = c.askSet(p.set, p.sides)
		}
		p = p.behind(answer)
	}
	if p.ended != nil {
		return *p.ended
	}
	w := b.walkAlone(e, c)
	switch {
	case p.alone:
	case c.looked, c.unkept:
		p.alone = true
	default:
		p = first
		for _, a := range c.asked {
			p.set, p.sides, p.kind = a.set, a.sides, b.kindSet(a.set, a.sides)
			p = p.behind(a.answer)
		}
		p.ended = &w
	}
	return w
}

// kindSet is a set of those that hold kinds of entries, asked by these sides for
// a destination's address and port; nil for another.
func (b *balancer) kindSet(set *netfilter.IPSet, sides []netfilter.Side) *kindSet {
	for _, k := range b.kinds {
		if k.set == set && len(sides) > 1 && sides[0] == netfilter.Destination && sides[1] == netfilter.Destination {
			return k
		}
	}
	return nil
}

// walkAlone goes through the rules for one entry.
func (b *balancer) walkAlone(e *ipvsDraft, c *client) walked {
	refusal, marking := b.refuse(e, c), b.mark(c)
	path := marking.path
	if len(refusal.path) > 1 {
		path = append(path, refusal.path...)
	}
	marking.path = path
	return walked{b.memory.paths.keep(path), marking.marked, marking.detector, refusal.refused}
}
