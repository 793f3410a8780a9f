package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// judge tells which part of a particle a rule matches, holds being what test
// says. Its matches are tried in order, for some of them do something when they
// are reached. The parts are appended to hits and misses.
func (w *walk) judge(q *asking, p particle, holds ternary, hits, misses []particle) (_, _ []particle) {
	rule := q.rule
	if holds == maybe && !w.all && passive(rule) {
		holds = no // nothing depends on it
	}
	if holds == no {
		if w.all {
			p.trail = w.stepMissed(p.trail, rule, p.packet, q.why)
		}
		return hits, append(misses, p)
	}
	hits = append(hits, p)
	if holds == yes {
		return hits, misses
	}
	for _, m := range rule.Matches() {
		if _, ok := m.(*netfilter.Comment); ok {
			continue
		}
		left := w.left[:0]
		for _, hit := range hits {
			left, misses = w.split(rule, m, hit, left, misses)
		}
		hits, w.left = left, hits
	}
	return hits, misses
}

// test tells whether the rule matches, without taking any branch: maybe also
// when that is a matter of chance, or when a match does something.
func (q *asking) test(rule *netfilter.Rule) ternary {
	q.rule, q.native = rule, isNative(rule)
	holds, acted := yes, false
	for _, m := range rule.Matches() {
		if _, ok := m.(*netfilter.Comment); ok {
			continue
		}
		if acts(m) {
			holds, acted = maybe, true
			continue
		}
		t := q.match(m)
		if t == no {
			if !acted {
				q.why = m
				return no
			}
			t = maybe
		}
		holds = min(holds, t)
	}
	return holds
}

// acts reports whether a match does something when it is tried.
func acts(m netfilter.Match) bool {
	switch m := m.(type) {
	case *netfilter.Recent:
		return m.Action != netfilter.RecentCheck
	case *netfilter.Socket:
		return m.RestoreSKMark
	}
	return false
}

// passive reports whether nothing becomes of a packet that the rule matches.
func passive(rule *netfilter.Rule) bool {
	if _, ok := rule.Jump(); ok {
		return false
	}
	for _, m := range rule.Matches() {
		if acts(m) {
			return false
		}
	}
	for _, s := range rule.Statements() {
		if !goesPast(s) {
			return false
		}
	}
	return true
}

// split tells which part of a particle a match holds for.
func (w *walk) split(rule *netfilter.Rule, m netfilter.Match, p particle, hits, misses []particle) (_, _ []particle) {
	q := w.asks(rule, w.packet(p.packet))
	switch m := m.(type) {
	case *netfilter.Compare:
		if d, ok := diceFor(m); ok {
			odds := d.odds(m)
			hit, miss := w.withMass(p, w.share(p.mass, odds)), w.missed(p, rule, m, w.share(p.mass, odds.complement()))
			return keep(hits, hit), keep(misses, miss)
		}
	case *netfilter.Statistic:
		odds, against := w.oddsOf(m)
		hit, miss := w.withMass(p, w.share(p.mass, odds)), w.missed(p, rule, m, w.share(p.mass, against))
		return keep(hits, hit), keep(misses, miss)
	case *netfilter.Recent:
		hit, miss := w.recent(rule, m, p)
		return keep(hits, hit), keep(misses, miss)
	}
	switch q.match(m) {
	case yes:
		return append(hits, w.learned(m, p, yes)), misses
	case no:
		return hits, keep(misses, w.missed(p, rule, m, p.mass))
	}
	hit, miss := w.withMass(p, w.only(p.mass, q.holds)), w.missed(p, rule, m, w.only(p.mass, w.not(q.holds)))
	return keep(hits, w.learned(m, hit, maybe)), keep(misses, miss)
}

// keep appends a particle that has mass.
func keep(ps []particle, p particle) []particle {
	if len(p.mass) == 0 {
		return ps
	}
	return append(ps, p)
}

func (w *walk) withMass(p particle, m mass) particle {
	p.mass = m
	return p
}

// missed is the part of a particle that a match does not hold for.
func (w *walk) missed(p particle, rule *netfilter.Rule, m netfilter.Match, mass mass) particle {
	p.mass = mass
	if w.all && len(mass) > 0 {
		p.trail = w.stepMissed(p.trail, rule, p.packet, m)
	}
	return p
}

// learned is the particle with what a match that holds tells about it.
func (w *walk) learned(m netfilter.Match, p particle, how ternary) particle {
	switch m := m.(type) {
	case *netfilter.Interface:
		if how == maybe && !m.Not && !m.Prefix {
			p.packet = w.changed(p.packet, func(p *packet) {
				if m.Side == netfilter.Source {
					p.in = link{m.Name, true}
				} else {
					p.out = link{m.Name, true}
				}
			})
		}
	case *netfilter.Socket:
		if m.RestoreSKMark {
			p.packet = w.changed(p.packet, func(p *packet) { p.mark = bits{} })
		}
	}
	return p
}

// oddsOf is the chance with which a Statistic match holds. In mode nth it is
// decided by a counter that all packets advance; for a packet that comes at
// any time that is a chance as well.
func oddsOf(m *netfilter.Statistic) Chance {
	if !m.Nth {
		// xt_statistic.c, statistic_mt: 31 random bits below the number.
		c := newChance(uint64(min(m.Probability, netfilter.ProbabilityOne)), 31)
		if m.Not {
			return c.complement()
		}
		return c
	}
	c := Certain
	if m.Every > 1 {
		c = ratioChance(1, uint64(m.Every))
	}
	if m.Not {
		return c.complement()
	}
	return c
}

// chanceOf is the chance with which a match holds that is a matter of chance.
func (w *walk) chanceOf(m netfilter.Match) (odds Chance, ok bool) {
	switch m := m.(type) {
	case *netfilter.Statistic:
		odds, _ = w.oddsOf(m)
		return odds, true
	case *netfilter.Compare:
		if d, ok := diceFor(m); ok {
			return d.odds(m), true
		}
	}
	return Chance{}, false
}
