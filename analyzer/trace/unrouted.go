package trace

import (
	"sync/atomic"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A packet of the node is routed before output: that to an address which may be
// the node's own leaves by lo or by another link. Rules at output seldom look at
// the link, nor ask whose that address is, and routing decides anew behind them.
// So such a packet goes through output as one until a rule does: then the walk
// begins again, with two. If what made it do so was a question and not the link,
// each chain is still gone through once: by the packet that leaves by lo.

// output takes packets of the node, routed to itself and to others, through
// output.
func (w *walk) output(start, here, there []particle) []particle {
	if len(here) == 0 || len(there) == 0 || w.tracer.balancer.table != nil || w.tracer.balancer.likely || w.linkMatters().Load() {
		return w.hook(netfilter.Output, append(here, there...))
	}
	if w.routedFirst {
		w.byTwoLinks = true
		sent := w.hook(netfilter.Output, append(here, there...))
		w.byTwoLinks = false
		return sent
	}
	w.unrouted = true
	sent := w.hook(netfilter.Output, start)
	w.unrouted = false
	return sent
}

// linkMatters says that a rule at output looks at the link, so that nobody
// needs to find out again.
func (w *walk) linkMatters() *atomic.Bool {
	return &w.tracer.linkMatters[familyIndex(w.flow.Destination)]
}

// out is the link that the packet leaves by.
func (q *asking) out() link {
	q.seesLink()
	return q.packet.out
}

// itself is a packet's number, for questions that are about nothing but this
// very packet.
func (w *walk) itself(number int32) int32 {
	w.seesLink()
	return number
}

// seesLink notes that packets with different links do not fare alike.
func (w *walk) seesLink() {
	if w.unrouted || w.byTwoLinks {
		w.linkMatters().Store(true)
	}
	if w.unrouted {
		w.mustRoute()
	}
}

// knownByLo is what becomes of a packet in a base chain, if that is known of the
// one that differs from it only in that it leaves by lo, and no rule looked at
// the link. The exits are those of the other packet.
func (w *walk) knownByLo(chain *netfilter.Chain, number int32) (exits []exit, ok bool) {
	if !w.byTwoLinks || w.packet(number).out == loopback || w.linkMatters().Load() {
		return nil, false
	}
	w.draft = *w.packet(number)
	w.draft.out = loopback
	byLo, ok := w.packets.find(&w.draft, w.draft.hash())
	if !ok {
		return nil, false
	}
	v := visit{chain, byLo}
	n, ok := w.visits.find(&v, v.hash())
	if !ok || !w.fates[n].done {
		return nil, false
	}
	return w.fates[n].exits, true
}

// mustRoute ends a way that is to begin again.
func (w *walk) mustRoute() { w.routedFirst, w.spent = true, true }

// startAgain forgets the way so far.
func (w *walk) startAgain() {
	w.clear()
	w.begin(w.flow, w.detail)
	w.routedFirst, w.spent = true, false
}
