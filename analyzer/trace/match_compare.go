package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// compare tests a value in the ways of nft. A packet that lacks the value does
// not match, whatever the relation is (net/netfilter/nf_tables_core.c,
// NFT_BREAK).
func (q *asking) compare(m *netfilter.Compare) ternary {
	if d, ok := diceFor(m); ok {
		switch odds := d.odds(m); {
		case odds.IsZero():
			return no
		case odds.IsCertain():
			return yes
		}
		return maybe // split knows more
	}
	negated := m.Op == netfilter.IsNot || m.Op == netfilter.IsNoneOf
	if m.Set != nil {
		return q.lookUp(m, negated)
	}
	if fib, ok := m.Left.(*netfilter.FIB); ok && fib.Result == netfilter.FIBType && !fib.Presence &&
		(m.Op == netfilter.Is || m.Op == netfilter.IsNot) && m.Right.First == m.Right.Last {
		return q.fibType(fib, m.Right.First, negated, m)
	}
	var room [64]byte
	key, have := q.appendKey(room[:0], m.Left)
	switch have {
	case absent:
		return no
	case known:
		return ternaryOf(m.Holds(netfilter.Key(key)))
	}
	if t := q.compareParts(m); t != maybe {
		return t
	}
	return q.unsure(negated, scopeOfExpr(m.Left), func() string { return without(m, negated).String() })
}

// without is the test without its negation.
func without(m *netfilter.Compare, negated bool) *netfilter.Compare {
	if !negated {
		return m
	}
	plain := *m
	plain.Op = netfilter.Is
	if m.Op == netfilter.IsNoneOf {
		plain.Op = netfilter.IsAnyOf
	}
	return &plain
}

// compareParts is compare of a value that is known in part.
func (q *asking) compareParts(m *netfilter.Compare) ternary {
	a, z := m.Right.First, m.Right.Last
	if len(m.Right.Type) == 1 && a == z && len(a) <= 8 {
		n, have := q.number(m.Left)
		if have == absent {
			return no
		}
		want := a.Uint()
		switch m.Op {
		case netfilter.Is, netfilter.IsNot:
			if (n.value^want)&n.known != 0 {
				return ternaryOf(m.Op == netfilter.IsNot)
			}
		case netfilter.IsAnyOf, netfilter.IsNoneOf:
			some := maybe
			switch {
			case n.value&n.known&want != 0:
				some = yes
			case want&^n.known == 0:
				some = no
			}
			return some.xor(m.Op == netfilter.IsNoneOf)
		}
		return maybe
	}
	if m.Op != netfilter.Is && m.Op != netfilter.IsNot || len(m.Right.Type) < 2 {
		return maybe
	}
	parts, _ := q.parts(m.Left)
	first, last := a.Split(m.Right.Type), z.Split(m.Right.Type)
	if len(parts) != len(first) {
		return maybe
	}
	for i, part := range parts {
		if part != "" && (part < first[i] || part > last[i]) {
			return ternaryOf(m.Op == netfilter.IsNot)
		}
	}
	return maybe
}

// lookUp looks a value up in a set.
func (q *asking) lookUp(m *netfilter.Compare, negated bool) ternary {
	var room [64]byte
	key, have := q.appendKey(room[:0], m.Left)
	switch have {
	case absent:
		return no
	case known:
		i, found := q.find(m.Set, key)
		switch {
		case found != maybe:
			return found.xor(negated)
		case q.isMatterOfPast(m.Set, i):
			if q.want {
				q.require(negated, q.member(q.rule, m.Set, key))
			}
			return maybe
		}
	default:
		if found := q.mayFind(m.Set, m.Left); found != maybe {
			return found.xor(negated)
		}
	}
	return q.unsure(negated, max(scopeOfExpr(m.Left), byHeaders), func() string { return without(m, negated).String() })
}

// mayFind is no if the set has nothing for what is known of a value.
func (q *asking) mayFind(s *netfilter.Set, e netfilter.Expr) ternary {
	if s.Vague() || !s.Readable() || q.tracer.changes.of(s).grows {
		return maybe
	}
	parts, have := q.parts(e)
	if have == absent {
		return no
	}
	for range s.Candidates(parts) {
		return maybe
	}
	if len(parts) != len(s.Key) {
		return maybe
	}
	return no
}
