package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// journey takes the packet through the hooks.
func (w *walk) journey() {
	if w.flow.From != FromNode {
		w.receive(w.start())
		return
	}
	w.send(w.start())
	if w.routedFirst {
		w.startAgain()
		w.send(w.start())
	}
}

// start is the packet before the first hook.
func (w *walk) start() []particle {
	f := w.flow
	first := packet{
		kind: kind{
			src:     f.Source,
			srcPort: port{f.SourcePort, f.SourcePort != 0},
			mark:    knownBits(0),
			in:      noLink,
			out:     noLink,
		},
		dst:     f.Destination,
		dstPort: port{f.Port, true},
		ttl:     unknownTTL,
	}
	if f.From == FromNode {
		first.hook = netfilter.Output
	} else {
		first.hook, first.in = netfilter.Prerouting, w.tracer.node.cameBy(f)
	}
	if f.State == netfilter.StateNew || f.State == netfilter.StateUntracked {
		first.connMark = knownBits(0)
	}
	w.origin = first
	p := particle{packet: w.number(&first), mass: wholeMass}
	if w.family.unfiltered {
		p = w.granted(p, "table filter, which was not captured, lets the packet pass")
	}
	if w.family.untranslated {
		p = w.granted(p, "table nat, which was not captured or not whole, leaves the packet as it is")
	}
	return append(w.particles.take(1)[:0], p)
}

// granted is the particle under an assumption the opposite of which is not
// followed.
func (w *walk) granted(p particle, text string) particle {
	p.mass = w.only(p.mass, w.question(text, question{yes: text, granted: true}))
	return p
}

// receive is the way of a packet that comes in by a link.
func (w *walk) receive(start []particle) {
	if a, impossible := w.loopbackOnWire(); impossible {
		for _, p := range start {
			// net/ipv6/ip6_input.c, ip6_rcv_core: before any hook.
			p.trail = w.note(nil, p.packet, fmt.Sprintf("dropped on arrival: %s never comes by a link", a))
			w.end(p, Drop, "", false)
		}
		return
	}
	start = w.atLink(netfilter.Ingress, start)
	here, there := w.routeIn(w.hook(netfilter.Prerouting, start))
	if w.endExplained(arriveHere, here, arriveThere, there) {
		return
	}
	w.arrive(w.endKnown(arriveHere, here), w.endKnown(arriveThere, there))
}

// arrive is the way of packets that came in by a link and are routed.
func (w *walk) arrive(here, there []particle) {
	w.deliver(here)
	there = w.hook(netfilter.Forward, there)
	w.leave(w.hook(netfilter.Postrouting, there))
}

// loopbackOnWire finds an address of the flow that IPv6 takes from no link.
func (w *walk) loopbackOnWire() (netip.Addr, bool) {
	for _, a := range []netip.Addr{w.flow.Source, w.flow.Destination} {
		if a.Is6() && a.IsLoopback() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// send is the way of a packet that a process of the node sends. What is meant
// for the node itself leaves by lo and comes in again, with its connection and
// its marks; nat has decided on it by then.
func (w *walk) send(start []particle) {
	for i, p := range start {
		p.packet = w.changed(p.packet, func(p *packet) {
			if !p.src.IsValid() {
				p.src = w.tracer.node.addressFor(p.dst, w.tracer.node.route(p.dst).link)
			}
		})
		start[i] = p
	}
	w.origin = *w.packet(start[0].packet)
	here, there := w.routeOut(start, false)
	sent := w.output(start, here, there)
	w.transmit()
	here, there = w.routeOut(sent, true)
	if w.endExplained(departThere, there, departHere, here) {
		return
	}
	w.depart(w.endKnown(departHere, here), w.endKnown(departThere, there))
}

// depart is the way of packets of the node once output is behind them.
func (w *walk) depart(here, there []particle) {
	here, there = w.hook(netfilter.Postrouting, here), w.hook(netfilter.Postrouting, there)
	w.leave(there)
	here = w.atLink(netfilter.Egress, here)
	for i, p := range here {
		here[i].packet = w.changed(p.packet, func(p *packet) {
			p.in, p.out = loopback, noLink
			p.done |= looping
		})
	}
	here = w.atLink(netfilter.Ingress, here)
	w.deliver(w.hook(netfilter.Prerouting, here))
}

// deliver hands packets to a process of the node.
func (w *walk) deliver(ps []particle) {
	for i, p := range ps {
		ps[i].packet = w.changed(p.packet, func(p *packet) { p.out = noLink })
	}
	for _, p := range w.hook(netfilter.Input, ps) {
		w.end(p, Accept, "", true)
	}
	w.transmit()
}

// leave lets packets go by a link.
func (w *walk) leave(ps []particle) {
	for _, p := range w.atLink(netfilter.Egress, ps) {
		w.end(p, Accept, "", false)
	}
}

// hook runs what is registered at a hook. It gives back what goes on.
func (w *walk) hook(h netfilter.Hook, ps []particle) []particle {
	for i, p := range ps {
		ps[i].packet = w.changed(p.packet, func(p *packet) { p.hook = h })
	}
	ps = w.merged(ps)
	for _, s := range w.family.hooks[h] {
		switch s.what {
		case conntrackStage:
			for i, p := range ps {
				ps[i].packet = w.changed(p.packet, w.track)
			}
		case natStage:
			ps = w.nat(s.chains, ps)
		case ipvsStage:
			ps = w.balance(ps)
		default:
			ps = w.base(s.chains[0], ps)
		}
	}
	return ps
}

// merged adds up particles that are equal.
func (w *walk) merged(ps []particle) []particle {
	if len(ps) < 2 {
		return ps
	}
	w.merging.reset()
	for _, p := range ps {
		w.merging.add(&w.masses, exit{particle: p})
	}
	return w.merging.appendTo(ps[:0])
}

// track has conntrack find the packet's connection.
func (w *walk) track(p *packet) {
	if p.tracking != notYet {
		return
	}
	switch w.flow.State {
	case netfilter.StateInvalid:
		p.tracking = invalid
	case netfilter.StateUntracked:
		p.tracking = untracked
	default:
		p.tracking = tracked
	}
}

// base runs packets through a base chain. Those that it refuses end there; the
// others take their place.
func (w *walk) base(chain *netfilter.Chain, ps []particle) []particle {
	if chain.NumRules() == 0 && chain.Base.Policy == netfilter.Accept {
		return ps
	}
	w.merging.reset()
	rules := w.gatherFellows(chain, len(ps))
	for _, p := range ps {
		exits, byLo := w.knownByLo(chain, p.packet)
		if !byLo {
			exits = w.runAsFellow(chain, rules, p.packet)
		}
		for _, e := range exits {
			e.mass = w.through(p.mass, e.mass)
			if len(e.mass) == 0 {
				continue
			}
			if byLo {
				out := w.packet(p.packet).out
				e.packet = w.changed(e.packet, func(p *packet) { p.out = out })
			}
			e.trail = w.joined(p.trail, e.trail)
			switch e.way {
			case returns:
				if left, ok := w.policy(chain, e.particle); ok {
					w.merging.add(&w.masses, exit{particle: left})
				}
			case accepted:
				w.merging.add(&w.masses, exit{particle: e.particle})
			case dropped:
				w.end(e.particle, Drop, "", false)
			case rejected:
				w.end(e.particle, Reject, e.with, false)
			default:
				w.end(e.particle, Unknown, "", false)
			}
		}
	}
	return w.merging.appendTo(ps[:0])
}

// joined is one trail after another.
func (w *walk) joined(before, after *trail) *trail {
	switch {
	case after == nil:
		return before
	case before == nil:
		return after
	}
	t := w.trails.one()
	*t = trail{before: before, inner: after}
	return t
}

// policy is what becomes of packets at a base chain's end. ok is false when
// none go on.
func (w *walk) policy(chain *netfilter.Chain, p particle) (left particle, ok bool) {
	verdict := chain.Base.Policy
	if verdict == netfilter.NoVerdict {
		if chain.Base.Type == netfilter.NATType || chain.Table.Name == "raw" || chain.Table.Name == "mangle" {
			return p, true // nobody gives these another policy than ACCEPT
		}
		name := fmt.Sprintf("the policy of chain %s in table %s", chain.Name, chain.Table.Name)
		accepts, refuses := w.fork(p, fmt.Sprintf("\x00policy %p", chain), question{
			yes: name + " is ACCEPT", no: name + " is DROP",
		})
		if len(refuses.mass) > 0 {
			w.end(refuses, Drop, "", false)
		}
		return accepts, len(accepts.mass) > 0
	}
	if w.paths && (chain.NumRules() > 0 || verdict == netfilter.Drop) {
		if w.lastPolicy == nil || w.lastPolicy.chain != chain {
			w.lastPolicy = w.events.one()
			*w.lastPolicy = event{hook: chain.Base.Hook, effect: policy, chain: chain}
		}
		p.trail = w.behind(p.trail, w.lastPolicy)
	}
	if verdict == netfilter.Drop {
		w.end(p, Drop, "", false)
		return p, false
	}
	return p, true
}

// nat runs the hook's nat chains for a connection's first packet, until one of
// them binds the connection; a connection that none binds is bound to stay as
// it is (nf_nat_core.c, nf_nat_inet_fn).
func (w *walk) nat(chains []*netfilter.Chain, ps []particle) []particle {
	out := w.decided[:0]
	for _, p := range ps {
		at := w.packet(p.packet)
		bound := destinationBound
		if changesSource(at.hook) {
			bound = sourceBound
		}
		switch {
		case at.tracking != tracked || at.has(bound):
			out = append(out, p)
			continue
		case w.flow.State == netfilter.StateEstablished:
			if w.family.translates {
				p = w.granted(p, "the connection is not translated")
			}
			out = append(out, p)
			continue
		}
		undecided := append(w.undecided[:0], p)
		for _, c := range chains {
			undecided = w.base(c, undecided)
			next := undecided[:0]
			for _, q := range undecided {
				if w.packet(q.packet).has(bound) {
					out = append(out, q)
				} else {
					next = append(next, q)
				}
			}
			undecided = next
		}
		for _, q := range undecided {
			q.packet = w.changed(q.packet, func(p *packet) { p.done |= bound })
			out = append(out, q)
		}
		w.undecided = undecided
	}
	w.decided = out
	if len(out) > cap(ps) {
		ps = w.particles.take(len(out))
	}
	return w.merged(append(ps[:0], out...))
}
