package trace

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Trace is what can become of a packet.
type Trace struct {
	// Flow is the packet, with its defaults filled in.
	Flow Flow
	// Outcomes are the ends that the packet can meet. Those alike in verdict,
	// endpoint, masquerading and assumptions are one.
	//
	// Assumptions are no chances: nothing says how likely they are. The
	// probability of an outcome is the one that it has if its assumptions
	// hold. For every way in which the open questions can be answered, the
	// outcomes whose assumptions agree with it have probabilities that sum to
	// exactly 1; they are never counted twice. Where an assumption has no
	// opposite among the outcomes, the packet's way without it is not told.
	Outcomes    []Outcome
	Diagnostics []source.Diagnostic
}

// A Verdict says how a packet ended.
type Verdict string

// The verdicts.
const (
	DNAT    Verdict = "dnat"    // sent to an endpoint, by IPVS even untranslated, and not refused later
	Accept  Verdict = "accept"  // went on untranslated
	Reject  Verdict = "reject"  // refused with an answer
	Drop    Verdict = "drop"    // refused without
	Unknown Verdict = "unknown" // nobody can tell: the path ends with why
)

// An Outcome is one end that a packet can meet.
type Outcome struct {
	Verdict Verdict
	// Endpoint is where the packet now goes; set for DNAT only. Its port is 0
	// for protocols without ports, and for a port that is not known; its
	// address is invalid when that is not known.
	Endpoint netip.AddrPort
	// Masquerade says that postrouting translates the source, if only to what
	// it was. Not set for packets that are refused.
	Masquerade bool
	// Local says that a process in the node's own network namespace gets the
	// packet, instead of a link. Not set where that depends.
	Local bool
	// RejectWith is the answer to a rejected packet: "icmp-port-unreachable".
	// "" also where that depends.
	RejectWith string
	// Probability is exact; see Trace.Outcomes for what it means beside
	// assumptions.
	Probability Chance
	// Assumptions are in the order in which the packet met them.
	Assumptions []Assumption
	// Path is one way to the outcome: the steps that decided something. Paths
	// share their steps, also those of other traces: nobody may change them.
	Path []*Step
}

// ending is a part of the packet's chance that has come to its end.
type ending struct {
	particle
	fate
	local bool
	with  string
	path  []*Step // once it is written
}

// fate is what endings are told apart by.
type fate struct {
	verdict    Verdict
	endpoint   netip.AddrPort
	masquerade bool
}

// end notes that particles have ended.
func (w *walk) end(p particle, verdict Verdict, with string, local bool) {
	w.endAs(p, verdict, with, local, w.packet(p.packet).has(masqueraded))
}

func (w *walk) endAs(p particle, verdict Verdict, with string, local, isMasqueraded bool) {
	e := ending{particle: p, fate: fate{verdict: verdict}, with: with, local: local}
	packet := w.packet(p.packet)
	if verdict == Accept && packet.has(translated) {
		e.verdict = DNAT
		port := packet.dstPort.number
		if !packet.dstPort.known {
			port = 0
		}
		e.endpoint = netip.AddrPortFrom(packet.dst, port)
	}
	if s := w.scheduled(packet); e.verdict == Accept && !local && s.server != nil && s.server.Method != ipvs.LocalNode && !packet.has(translated) {
		// Sent to a real server as it is, or wrapped in another packet.
		e.verdict = DNAT
		e.endpoint = netip.AddrPortFrom(s.server.Address, s.to.Port())
	}
	e.masquerade = (e.verdict == Accept || e.verdict == DNAT) && isMasqueraded
	w.endings = append(w.endings, e)
}

// The limits of what is told apart by assumptions.
const (
	maxOutcomes = 1 << 13
	maxAnswers  = 1 << 22 // of all outcomes together
)

// result gathers the endings.
func (w *walk) result() *Trace {
	t := &Trace{Flow: w.flow}
	if !w.spent {
		t.Outcomes = w.outcomes()
		w.spent = w.spent || w.full() // telling them apart took too much
	}
	if w.spent {
		w.remark(source.Warning, "too-many-branches", source.Position{},
			"the packet's way forks into more branches than are followed; what becomes of it is unknown")
		t.Outcomes = []Outcome{{
			Verdict: Unknown, Probability: Certain,
			Assumptions: []Assumption{},
		}}
		if w.paths {
			t.Outcomes[0].Path = []*Step{{Effect: "too many branches", Matched: Yes}}
		}
	}
	t.Diagnostics = w.remarks
	return t
}

// endings are those of one fate.
type endings struct {
	fate
	all []ending
}

// found is an outcome with the answers that it rests on.
type found struct {
	Outcome
	answers []answer
}

func (w *walk) outcomes() []Outcome {
	told := 0
	for _, f := range w.endingsByFate() {
		var m mass
		for _, e := range f.all {
			m = w.plus(m, e.mass)
		}
		for _, t := range m {
			ok := w.cubes(t.when, func(answers []answer) bool {
				kept := w.answers.take(len(answers))
				copy(kept, answers)
				answers = kept
				o := Outcome{Verdict: f.verdict, Endpoint: f.endpoint, Masquerade: f.masquerade, Probability: t.chance}
				o.Assumptions = w.assumptions(answers)
				w.fill(&o, f.all, answers)
				w.found = append(w.found, found{o, answers})
				told += len(answers)
				return len(w.found) < maxOutcomes && told < maxAnswers
			})
			if !ok {
				w.spent = true
				return nil
			}
		}
	}
	w.order = w.order[:0]
	for i := range w.found {
		w.order = append(w.order, int32(i))
	}
	slices.SortStableFunc(w.order, func(i, j int32) int {
		a, b := &w.found[i], &w.found[j]
		if by := slices.CompareFunc(a.answers, b.answers, compareAnswers); by != 0 {
			return by
		}
		return cmp.Or(
			cmp.Compare(slices.Index(verdictOrder, a.Verdict), slices.Index(verdictOrder, b.Verdict)),
			a.Endpoint.Compare(b.Endpoint),
			compareBools(a.Masquerade, b.Masquerade))
	})
	out := make([]Outcome, len(w.found))
	for i, place := range w.order {
		out[i] = w.found[place].Outcome
	}
	return out
}

// endingsByFate brings endings of the same fate together, in the order in
// which the fates came.
func (w *walk) endingsByFate() []endings {
	w.byFate.reset()
	w.ended = w.ended[:0]
	for i := range w.endings {
		e := &w.endings[i]
		n, isNew := w.byFate.number(&e.fate, e.fate.hash())
		if isNew {
			w.ended = slices.Grow(w.ended, 1)[:n+1]
			w.ended[n].fate, w.ended[n].all = e.fate, w.ended[n].all[:0]
		}
		w.ended[n].all = append(w.ended[n].all, *e)
	}
	return w.ended
}

func (f *fate) hash() uint32 {
	return uint32(mixed(hashOfAddr(f.endpoint.Addr()), uint64(f.endpoint.Port())<<8|uint64(flag(f.masquerade))))
}

var verdictOrder = []Verdict{DNAT, Accept, Reject, Drop, Unknown}

// compareAnswers puts the older question first, and yes before no.
func compareAnswers(a, b answer) int {
	if a.question != b.question {
		return cmp.Compare(a.question, b.question)
	}
	return compareBools(b.yes, a.yes)
}

// compareBools puts false first.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// fill takes path and particulars from the endings that lie under the answers.
func (w *walk) fill(o *Outcome, endings []ending, answers []answer) {
	first := true
	for i := range endings {
		e := &endings[i]
		if len(endings) > 1 && !slices.ContainsFunc(e.mass, func(t term) bool { return w.agrees(t.when, answers) }) {
			continue
		}
		if first {
			o.RejectWith, o.Local = e.with, e.local
			if w.paths {
				if e.path == nil {
					e.path = w.path(e.trail)
				}
				o.Path = e.path
			}
		}
		o.Local = o.Local && e.local
		if o.RejectWith != e.with {
			o.RejectWith = ""
		}
		first = false
	}
}
