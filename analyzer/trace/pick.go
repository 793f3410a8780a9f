package trace

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A pick is a part of a particle with what it finds in a map.
type pick struct {
	particle
	element int // of the map; nothing or beyond for those below 0
	// chance is that of the element where dice choose it.
	chance Chance
}

const (
	notThere = -1 // the map has nothing for it: the rule ends
	beyond   = -2 // something that the input does not show
)

// maxCandidates is how many elements are told apart that a packet may find.
const maxCandidates = 64

// picks appends what a particle finds in a map for the value of an expression.
func (w *walk) picks(rule *netfilter.Rule, e netfilter.Expr, s *netfilter.Set, p particle, out []pick) []pick {
	if d, ok := diceOf(e); ok && s.Readable() && len(s.Key) == 1 {
		return w.cast(d, s, p, out)
	}
	q := w.asks(rule, w.packet(p.packet))
	var room [64]byte
	key, have := q.appendKey(room[:0], e)
	switch have {
	case absent:
		return append(out, pick{particle: p, element: notThere})
	case known:
		i, found := q.find(s, key)
		switch {
		case found == yes:
			return append(out, pick{particle: p, element: i})
		case found == no:
			return append(out, pick{particle: p, element: notThere})
		case q.isMatterOfPast(s, i):
			if removed, ok := w.setFact(q.packet, s, key); ok && !removed {
				return append(out, pick{particle: p, element: beyond})
			}
			there, gone := p, p
			is := w.member(rule, s, key)
			there.mass, gone.mass = w.only(p.mass, is), w.only(p.mass, w.not(is))
			if i < 0 {
				i = beyond
			}
			return append(out, pick{particle: there, element: i}, pick{particle: gone, element: notThere})
		}
		return w.pickUnseen(&q, e, s, p, out)
	}
	return w.pickOpen(&q, e, s, p, out)
}

// cast has dice choose the element.
func (w *walk) cast(d dice, s *netfilter.Set, p particle, out []pick) []pick {
	left := d.whole()
	wildcard := notThere
	for i := range s.Len() {
		first, last := s.Keys(i)
		if first == "" {
			wildcard = i
			continue
		}
		if hits := d.hits(first.Uint(), last.Uint()); hits > 0 && hits <= left {
			part := pick{particle: p, element: i, chance: d.chance(hits)}
			part.mass = w.share(p.mass, part.chance)
			out = append(out, part)
			left -= hits
		}
	}
	if left > 0 {
		if s.Vague() && wildcard < 0 {
			wildcard = beyond
		}
		part := pick{particle: p, element: wildcard, chance: d.chance(left)}
		part.mass = w.share(p.mass, part.chance)
		out = append(out, part)
	}
	return out
}

// pickOpen is picks of a value that is not known, or not all of it.
func (w *walk) pickOpen(q *asking, e netfilter.Expr, s *netfilter.Set, p particle, out []pick) []pick {
	parts, _ := q.parts(e)
	if !s.Readable() || len(parts) != len(s.Key) {
		return append(out, pick{particle: p, element: beyond})
	}
	hash, isHash := e.(*netfilter.Hash)
	var all []int
	for i := range s.Candidates(parts) {
		first, last := s.Keys(i)
		if isHash && first != "" && (last.Uint() < uint64(hash.Offset) || first.Uint() >= uint64(hash.Offset)+uint64(hash.Mod)) {
			continue
		}
		if all = append(all, i); len(all) > maxCandidates {
			return append(out, pick{particle: p, element: beyond})
		}
	}
	rest := p
	covered := uint64(0)
	for _, i := range all {
		first, last := s.Keys(i)
		if first == "" {
			return append(out, pick{particle: rest, element: i}) // "*" stands for all that is left
		}
		if isHash {
			if covered += last.Uint() - first.Uint() + 1; covered >= uint64(hash.Mod) {
				return append(out, pick{particle: rest, element: i})
			}
		}
		text := e.String() + " is "
		is := netfilter.FormatKeys(s.Key, first, last)
		q.key = q.appendScope(append(append(q.key[:0], text...), is...), max(scopeOfExpr(e), byHeaders))
		if isHash && scopeOfExpr(e) == byRule {
			q.key = q.appendScope(q.key, byHeaders)
		}
		var this particle
		this, rest = w.fork(rest, string(q.key), question{rule: q.rule, yes: text + is, no: e.String() + " is not " + is})
		if len(this.mass) > 0 {
			out = append(out, pick{particle: this, element: i})
		}
	}
	if len(rest.mass) == 0 {
		return out
	}
	if s.Vague() || q.tracer.changes.of(s).grows {
		return w.pickUnseen(q, e, s, rest, out)
	}
	return append(out, pick{particle: rest, element: notThere})
}

// pickUnseen is picks where the map may have an element that the input does
// not show.
func (w *walk) pickUnseen(q *asking, e netfilter.Expr, s *netfilter.Set, p particle, out []pick) []pick {
	name := s.Name
	if name == "" {
		name = "of the rule"
	}
	text := fmt.Sprintf("map %s has an element for %s", name, e)
	q.key = q.appendScope(append(q.key[:0], text...), byHeaders)
	some, none := w.fork(p, string(q.key), question{
		rule: q.rule, yes: text + ", which the input does not show", no: fmt.Sprintf("map %s has no element for %s, which the input does not show", name, e),
	})
	if len(some.mass) > 0 {
		out = append(out, pick{particle: some, element: beyond})
	}
	if len(none.mass) > 0 {
		out = append(out, pick{particle: none, element: notThere})
	}
	return out
}

// verdictMap does what the element says that the packet finds. It is tried
// again each time that another chain had to be known first; what was found is
// kept until then.
func (w *walk) verdictMap(rule *netfilter.Rule, m *netfilter.VerdictMap, p particle, out []exit) (_ []exit, next int32, needed bool) {
	f := &w.frames[w.depth-1]
	l := &f.lookup
	if l.of != m || l.rule != f.rule || l.turn != f.turn || l.hit != f.hit || l.packet != p.packet || !sameMass(l.mass, p.mass) {
		*l = mapLookup{of: m, rule: f.rule, turn: f.turn, hit: f.hit, packet: p.packet, mass: p.mass, picks: l.picks[:0]}
		l.picks = w.picks(rule, m.Key, m.Map, p, l.picks)
		w.effort += len(l.picks)
	}
	for ; l.ready < len(l.picks); l.ready++ {
		at := &l.picks[l.ready]
		if at.element < 0 {
			continue
		}
		if jump, ok := m.Map.Verdict(at.element).(*netfilter.Jump); ok && jump.Chain != nil {
			if _, to, known := w.fate(jump.Chain, at.packet); !known {
				return out, to, true
			}
		}
	}
	for i := range l.picks {
		at := &l.picks[i]
		at.trail = p.trail // steps that led here may have been written anew
		w.picked = picked{set: m.Map, element: at.element, chance: at.chance}
		out = w.obey(rule, m, at, out)
		w.picked = picked{}
	}
	return out, 0, false
}

// obey is a particle that has found an element, or none.
func (w *walk) obey(rule *netfilter.Rule, m *netfilter.VerdictMap, at *pick, out []exit) []exit {
	switch {
	case len(at.mass) == 0:
		return out
	case at.element == notThere:
		return w.endsRule(rule, at.particle, out)
	case at.element == beyond:
		return w.unknowable(rule, at.particle, "an element of the map that the input does not show decides", out)
	}
	w.doing = m.Map.Verdict(at.element)
	switch v := w.doing.(type) {
	case *netfilter.Jump:
		out, _, _ = w.jump(rule, v, at.particle, out)
	case netfilter.Verdict:
		out = w.verdict(rule, v, at.particle, out)
	case nil:
		out = w.unknowable(rule, at.particle, "the element's verdict is not known", out)
	default:
		out = w.apply(rule, v, at.particle, out)
	}
	return out
}

// A mapLookup is what a particle found in a verdict map, while the chains that
// this leads to are followed.
type mapLookup struct {
	of         *netfilter.VerdictMap
	rule, turn int
	hit        int
	packet     int32
	mass       mass
	picks      []pick
	ready      int // the picks before it lead to chains that are known
}

func sameMass(a, b mass) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// picked is the element that a step follows from.
type picked struct {
	set     *netfilter.Set // nil for none
	element int
	chance  Chance
}

// endsRule is a particle for which the rule ends here: the next one is its
// business.
func (w *walk) endsRule(rule *netfilter.Rule, p particle, out []exit) []exit {
	if w.all {
		p.trail = w.step(p.trail, rule, p.packet, endsHere)
	}
	return append(out, exit{particle: p, way: breaks})
}

// unknowable is a particle of which nobody can tell what becomes of it.
func (w *walk) unknowable(rule *netfilter.Rule, p particle, why string, out []exit) []exit {
	if p.trail = w.step(p.trail, rule, p.packet, told); p.trail != nil {
		p.trail.note = why
	}
	return append(out, exit{particle: p, way: lost})
}
