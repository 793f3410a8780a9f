package trace

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Step is one thing that happened to a packet.
type Step struct {
	Hook netfilter.Hook
	// Matched is No only for steps of TraceAllSteps; then Missed is the match
	// that does not hold. Assumed is a rule that was taken to match, by one of
	// the outcome's assumptions.
	Matched Matched
	Missed  netfilter.Match
	// Chain is where it happened; nil for what the kernel does by itself,
	// which is routing.
	Chain *netfilter.Chain
	// Rule is nil for a chain's policy, and without a Chain.
	Rule *netfilter.Rule
	// Service is the virtual server when IPVS did it, Server the real server
	// that the packet was sent to; nil if it was refused.
	Service *ipvs.VirtualServer
	Server  *ipvs.RealServer
	// Effect says in a few words what it came to: "jump KUBE-SERVICES", "mark
	// is 0x4000", "dnat to 10.0.0.1:80", "policy ACCEPT", "routed to eth0".
	// Words of the dump in it are as the dump has them.
	Effect string
	// Chance is the probability with which the rule's random matches hold,
	// and with which the element was chosen; the zero Chance for a rule
	// without.
	Chance Chance
	// Set is the map of nftables that the step looked the packet up in, and
	// Element which of its elements was found; nil if it did not.
	Set     *netfilter.Set
	Element int
}

// Evidence is the line of the input that a step rests on, a rule or what names
// the real or virtual server, and where it stands. It is "" for what the kernel
// does by itself, and for a policy.
func (s *Step) Evidence() (pos source.Position, text string) {
	switch {
	case s.Rule != nil:
		return s.Rule.Pos(), s.Rule.Text()
	case s.Server != nil:
		return s.Server.Pos(), s.Server.Text()
	case s.Service != nil:
		return s.Service.Pos(), s.Service.Text()
	}
	return source.Position{}, ""
}

// MissedText is the match that does not hold, in the words of who wrote the
// rule; "" if there is none.
func (s *Step) MissedText() string {
	switch {
	case s.Missed == nil:
		return ""
	case s.Rule != nil && isNative(s.Rule):
		return netfilter.NFTMatch(s.Rule.Chain().Table.Family, s.Missed)
	}
	return s.Missed.String()
}

// ElementText is the element of Set that was found, "" if none was.
func (s *Step) ElementText() string {
	if s.Set == nil || s.Element < 0 {
		return ""
	}
	return s.Set.FormatElement(s.Set.Element(s.Element))
}

// ElementPos is where the element stands that was found, or else its map; not
// valid for a map that the rule has for itself.
func (s *Step) ElementPos() source.Position {
	if s.Set == nil || s.Set.Name == "" || s.Element < 0 {
		return source.Position{}
	}
	pos := s.Set.Pos
	if e := s.Set.Element(s.Element); e.Line != 0 {
		pos.Line = e.Line
	}
	return pos
}

// Matched says whether a rule matched.
type Matched uint8

// The ways to match.
const (
	No Matched = iota
	Assumed
	Yes
)

// effect is what a step came to.
type effect uint8

const (
	missed effect = iota
	passes
	jumped
	comesBack
	accepts
	drops
	rejects
	marked
	edited
	notTracked
	endsHere
	sendsTo
	hidesSource
	diverted
	queued
	unknownTarget
	policy
	told // by the words in note
	sentByIPVS
	refusedByIPVS
)

// A trail is the way of a particle: its last step, the steps inside the chain
// that this one jumped to, and the trail before. Particles share trails, and a
// trail is written out only for an outcome.
type trail struct {
	before, inner *trail
	*event        // of the last step; nil where the trail is but one behind another
}

// An event is what happened at a step. Trails that part only behind it share it:
// all that come back from one jump.
type event struct {
	hook      netfilter.Hook
	effect    effect
	rule      *netfilter.Rule
	statement netfilter.Statement // that was done, or the verdict of a map's element; nil for others
	chain     *netfilter.Chain    // of a policy
	missed    netfilter.Match
	packet    int32   // after the step
	picked    *picked // that led to it; nil for none
	written   *Step   // nil if it is not written yet
	note      string
}

// behind is a trail with an event added.
func (w *walk) behind(before *trail, e *event) *trail {
	t := w.trails.one()
	*t = trail{before: before, event: e}
	return t
}

// happened is a trail with a new event added.
func (w *walk) happened(before *trail, e event) *trail {
	kept := w.events.one()
	*kept = e
	return w.behind(before, kept)
}

// step is a trail with a rule's step added; nil if nobody asks for paths, as
// are all trails then.
func (w *walk) step(before *trail, rule *netfilter.Rule, packet int32, e effect) *trail {
	if !w.paths {
		return nil
	}
	return w.behind(before, w.event(rule, packet, e))
}

// event is what a rule does to a packet.
func (w *walk) event(rule *netfilter.Rule, packet int32, e effect) *event {
	kept := w.events.one()
	*kept = event{hook: w.packet(packet).hook, effect: e, rule: rule, statement: w.doing, packet: packet}
	if w.picked.set != nil {
		kept.picked = w.pickeds.one()
		*kept.picked = w.picked
	}
	return kept
}

func (w *walk) stepMissed(before *trail, rule *netfilter.Rule, packet int32, why netfilter.Match) *trail {
	t := w.step(before, rule, packet, missed)
	t.missed = why
	return t
}

// note is a trail with a remark about what the kernel did by itself.
func (w *walk) note(before *trail, packet int32, text string) *trail {
	if !w.paths {
		return nil
	}
	return w.happened(before, event{hook: w.packet(packet).hook, effect: told, packet: packet, note: text})
}

// maxSteps bounds how much of a path is written out; jumps that fork like a
// tree can make one of any length.
const maxSteps = 1 << 14

// maxTogether is for how many outcomes room is made at once, where there are as
// many.
const maxTogether = 16

// keepStep keeps a step for all paths that it is a part of. A path has some
// steps of its own and others in common with all.
func (w *walk) keepStep(s Step) *Step {
	if len(w.writtenSteps) == cap(w.writtenSteps) {
		w.writtenSteps = make([]Step, 0, 4+4*min(len(w.ended)+1, maxTogether))
	}
	w.writtenSteps = append(w.writtenSteps, s)
	return &w.writtenSteps[len(w.writtenSteps)-1]
}

// A tail is what of a trail is still to be written.
type tail struct {
	*trail
	entered bool // its inner trail is written, or about to be
}

// path writes a trail out, oldest step first. With more than maxSteps of them,
// the oldest are left out, and a first step says so. A step is written once for
// all paths that it is a part of.
func (w *walk) path(t *trail) []*Step {
	out, todo := w.steps[:0], append(w.todo[:0], tail{trail: t})
	for len(todo) > 0 && len(out) < maxSteps {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if t.trail == nil {
			continue
		}
		// Backwards: what the chain did comes before the jump to it.
		switch {
		case t.inner != nil && !t.entered:
			todo = append(todo, tail{t.trail, true}, tail{trail: t.inner})
		default:
			if e := t.event; e != nil {
				if e.written == nil {
					e.written = w.keepStep(w.written(e))
				}
				out = append(out, e.written)
			}
			todo = append(todo, tail{trail: t.before})
		}
	}
	if len(out) == maxSteps {
		out = append(out, w.keepStep(Step{Effect: "more steps than can be shown", Matched: Yes}))
	}
	w.steps, w.todo = out, todo
	if len(out) == 0 {
		return nil
	}
	// The paths of one trace share their memory.
	if cap(w.shared)-len(w.shared) < len(out) {
		w.shared = make([]*Step, 0, len(out)*min(len(w.ended)+1, maxTogether))
	}
	start := len(w.shared)
	for i := range out {
		w.shared = append(w.shared, out[len(out)-1-i])
	}
	return w.shared[start:len(w.shared):len(w.shared)]
}

func (w *walk) written(e *event) Step {
	s := Step{Hook: e.hook, Chain: e.chain, Rule: e.rule, Effect: w.describe(e), Matched: Yes, Missed: e.missed}
	if e.effect == missed {
		s.Matched = No
	}
	if e.effect == sentByIPVS || e.effect == refusedByIPVS {
		by := w.scheduled(w.packet(e.packet))
		s.Service, s.Server = by.service, by.server
	}
	if e.rule == nil {
		return s
	}
	s.Chain = e.rule.Chain()
	q := asking{walk: w, rule: e.rule, native: isNative(e.rule), packet: w.packet(e.packet)}
	if e.picked != nil {
		s.Set, s.Element = e.picked.set, e.picked.element
		s.Chance = e.picked.chance
	}
	for _, m := range e.rule.Matches() {
		if odds, ok := w.chanceOf(m); ok {
			if s.Chance.IsZero() {
				s.Chance = Certain
			}
			s.Chance = s.Chance.times(odds)
			continue
		}
		recent, ok := m.(*netfilter.Recent)
		if ok && recent.Action == netfilter.RecentSet {
			continue // holds whatever the list has
		}
		if s.Matched == Yes && (ok || q.match(m) == maybe) {
			s.Matched = Assumed
		}
	}
	return s
}

func (w *walk) describe(e *event) string {
	p := w.packet(e.packet)
	switch e.effect {
	case missed:
		return "no match"
	case passes:
		if e.statement != nil {
			return statementText(e.rule, e.statement) + ", goes on"
		}
		return "goes on"
	case jumped:
		if j, ok := e.statement.(*netfilter.Jump); ok && j.Goto {
			return w.words.joined("goto ", j.Name)
		} else if ok {
			return w.words.joined("jump ", j.Name)
		}
	case comesBack:
		return "return"
	case accepts:
		return "accept"
	case drops:
		return "drop"
	case rejects:
		if r, ok := e.statement.(*netfilter.Reject); ok && isNative(e.rule) {
			return w.words.joined("reject with ", w.rejection(r.With))
		} else if ok {
			return w.words.joined("reject with ", r.With)
		}
	case marked:
		return w.describeMark(e.statement, p)
	case notTracked:
		return "connection not tracked"
	case endsHere:
		return "the rule ends here"
	case sendsTo:
		return w.words.endpoint("dnat to ", p.dst, p.dstPort, w.flow.Protocol)
	case hidesSource:
		if !p.src.IsValid() {
			return "source rewritten"
		}
		return w.words.addr("source rewritten to ", p.src)
	case diverted:
		return "given to a transparent socket"
	case queued:
		return "given to a program"
	case unknownTarget:
		return "unknown effect"
	case policy:
		return w.words.joined("policy ", e.chain.Base.Policy.Name())
	case told:
		return e.note
	case sentByIPVS, refusedByIPVS:
		return w.describeIPVS(e.effect, p)
	}
	if e.rule != nil && e.statement != nil {
		return statementText(e.rule, e.statement)
	}
	return ""
}

// statementText is a statement in the words of who wrote the rule, as an
// effect.
func statementText(r *netfilter.Rule, s netfilter.Statement) string {
	if isNative(r) {
		return netfilter.NFTStatement(r.Chain().Table.Family, s)
	}
	return strings.TrimPrefix(s.String(), "-j ")
}

func (w *walk) describeMark(s netfilter.Statement, p *packet) string {
	what, b := "mark", p.mark
	switch s := s.(type) {
	case *netfilter.SetConnMark, *netfilter.SaveMark:
		what, b = "connection mark", p.connMark
	case *netfilter.Assign:
		if s.To == netfilter.CTMark {
			what, b = "connection mark", p.connMark
		}
	}
	if b != knownBits(b.value) {
		return what + " changed"
	}
	return w.words.hex(what+" is 0x", b.value)
}
