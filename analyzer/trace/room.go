package trace

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// room is memory of a walk that its steps use again and again, and the next
// walk after it.
type room struct {
	exits  slab[exit]
	trails slab[trail]
	events slab[event]
	// lastPolicy is of the chain the policy of which was applied last.
	lastPolicy *event
	pickeds    slab[picked]
	doing      netfilter.Statement
	picked     picked // by the statement that is being done
	values     []pick // of statements other than verdict maps
	particles  slab[particle]
	answers    slab[answer]

	// Of try and judge: the parts of a particle that a rule does not match,
	// those that its next match is tried on, and what comes of the others.
	misses, left []particle
	acted        []exit
	// Of warm.
	warmed     int
	lastWarmed *netfilter.Chain
	// Of fate and straight.
	oneExit       [1]exit
	straightExits []exit
	straightJumps int
	// Of deal.
	dealing packet
	// Of merged and base.
	merging gathered
	fellows []fellow
	// Of recent.
	client     netip.Addr
	clientName string
	// Of nat.
	undecided, decided []particle
	chosen             []choiceOfAddress
	ports              []shareOfPort

	// Of outcomes.
	byFate numbering[fate]
	ended  []endings
	found  []found
	order  []int32 // in which those are told
	unseen []notSeen
	// toldUnseen are by the number of lists.
	toldUnseen [maxToldUnseen]toldUnseen
	// writtenSteps are those of the trace, steps one path's.
	writtenSteps []Step // its rest is free
	steps        []*Step
	todo         []tail
	shared       []*Step // by the paths of the trace that is being written; its rest is free
	words        words
}

// maxKeptEffort is the effort of a walk up to which its room is kept.
const maxKeptEffort = 1 << 16

// over gives a walk's room to the next one.
func (w *walk) over() {
	if w.isKept() {
		w.clear()
		w.tracer.walks.Put(w)
	}
}

// isKept reports whether a walk's room is of a size that is worth keeping.
func (w *walk) isKept() bool {
	return w.effort <= maxKeptEffort && !w.spent && len(w.nodes.things) <= maxKeptEffort
}

// clear forgets all but the room.
func (w *walk) clear() {
	w.diagrams.reset()
	w.terms.reset()
	w.packets.reset()
	w.facts.reset()
	clear(w.ttls)
	w.questions = w.questions[:0]
	w.asked.reset()
	clear(w.askedOwn)
	w.particles.reset()
	w.answers.reset()
	w.visits.reset()
	w.fates = w.fates[:0]
	w.depth = 0
	w.ahead, w.numAhead = [maxStraightDepth]rulesAhead{}, 0
	w.effort = 0
	w.schedulings = w.schedulings[:0]
	clear(w.scheduledAt)
	clear(w.serversOf)
	w.sentByIPVS = w.sentByIPVS[:0]
	w.endings = w.endings[:0]
	clear(w.found)
	w.found = w.found[:0]
	w.shared, w.writtenSteps = nil, nil
	clear(w.steps[:cap(w.steps)])
	clear(w.unseen)
	clear(w.toldUnseen[:])
	w.remarks = nil
	w.unrouted, w.routedFirst, w.byTwoLinks, w.anySource = false, false, false, false
	w.exits.reset()
	w.trails.reset()
	w.events.reset()
	w.lastPolicy = nil
	w.pickeds.reset()
}
