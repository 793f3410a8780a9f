package trace

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A service's chain deals packets out: each of its rules takes some by chance
// alone and jumps to the chain of an endpoint, which has rules for packets of
// other kinds, such as those of the endpoint itself, and translates the
// destination of all others (kube-proxy, pkg/proxy/iptables/proxier.go,
// writeServiceToEndpointRules). Most of what a walk looks at are such rules.

// deal takes a frame's only particle past those of them that come next: what
// try does, for this one thing. There are no paths.
func (w *walk) deal(f *frame) {
	past := f.chain.NumRules()
	hit, miss, jump := w.dealt(f.chain.Rule(f.rule))
	if jump == nil {
		return
	}
	p := f.live[0]
	w.dealing = *w.packet(p.packet)
	q := asking{walk: w, packet: &w.dealing}
	for jump != nil && len(w.packets.things) <= maxPackets {
		addr, port, ok := q.translated(jump.Chain)
		if !ok {
			break
		}
		w.draft = w.dealing
		w.bindTo(&w.draft, addr, port)
		n, isNew := w.packets.number(&w.draft, w.draft.hash())
		e := exit{particle: particle{packet: n, mass: w.share(p.mass, hit)}, way: accepted}
		if isNew {
			f.out.exits = append(f.out.exits, e)
		} else {
			f.out.add(&w.masses, e)
		}
		w.effort++
		f.rule++
		f.tested = false
		if p.mass = w.share(p.mass, miss); len(p.mass) == 0 {
			f.live = f.live[:0]
			return
		}
		if f.rule == past {
			break
		}
		hit, miss, jump = w.dealt(f.chain.Rule(f.rule))
	}
	f.live[0] = p
}

// dealt is a rule that takes packets by chance alone, or all of them, and jumps
// to a chain; nil for another rule, and for one that takes none.
func (w *walk) dealt(rule *netfilter.Rule) (hit, miss Chance, jump *netfilter.Jump) {
	jump, ok := rule.Jump()
	if !ok || jump.Chain == nil || len(rule.Statements()) != 1 {
		return hit, miss, nil
	}
	hit = Certain
	for _, m := range rule.Matches() {
		switch m := m.(type) {
		case *netfilter.Comment:
		case *netfilter.Statistic:
			if !hit.IsCertain() {
				return hit, miss, nil
			}
			hit, miss = w.oddsOf(m)
		default:
			return hit, miss, nil
		}
	}
	if hit.IsZero() {
		return hit, miss, nil
	}
	return hit, miss, jump
}

// mostDealt is how many rules a chain of an endpoint has at most: with session
// affinity three.
const mostDealt = 4

// translated is where the packet is sent in a chain that surely does this with
// it, and nothing else.
func (q *asking) translated(c *netfilter.Chain) (to netip.Addr, at port, ok bool) {
	if c.NumRules() > mostDealt || changesSource(q.packet.hook) || q.isWalked(c) {
		return to, at, false
	}
	for i := range c.NumRules() {
		q.effort++
		rule := c.Rule(i)
		switch q.test(rule) {
		case no:
			continue
		case maybe:
			return to, at, false
		}
		statements := rule.Statements()
		if len(statements) != 1 || !q.native && c.Table.Name != "nat" {
			return to, at, false
		}
		if d, ok := statements[0].(*netfilter.DNAT); ok {
			return q.soleTarget(d)
		}
		return to, at, false
	}
	return to, at, false
}

// soleTarget is the one destination that a translation chooses.
func (q *asking) soleTarget(d *netfilter.DNAT) (to netip.Addr, at port, ok bool) {
	r := d.To()
	switch {
	case !r.First.IsValid() || r.First != r.Last || r.First.Is4() != q.flow.Destination.Is4():
		return to, at, false
	case !r.HasPorts:
		return r.First, q.packet.dstPort, true
	case r.Ports.IsSingle():
		return r.First, port{r.Ports.First, true}, true
	}
	return to, at, false
}
