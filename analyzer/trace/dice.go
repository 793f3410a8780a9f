package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// Dice give one of mod numbers from offset on.
type dice struct {
	mod, offset uint64
	// counted says that the numbers come in turn. For a packet that comes at
	// any time each of them is as likely as the others.
	counted bool
}

// draws is how many 32-bit numbers there are.
const draws = 1 << 32

// diceOf is how the value of an expression falls, if that is a matter of
// chance.
func diceOf(e netfilter.Expr) (d dice, ok bool) {
	switch e := e.(type) {
	case *netfilter.Numgen:
		return dice{uint64(e.Mod), uint64(e.Offset), !e.Random}, e.Mod > 1
	case netfilter.Field:
		return dice{mod: draws}, e == netfilter.MetaRandom
	case *netfilter.Masked:
		// The low bits of a random number.
		return dice{mod: e.And + 1}, e.Of == netfilter.Expr(netfilter.MetaRandom) && e.Xor == 0 && e.And > 0 && e.And < draws && e.And&(e.And+1) == 0
	}
	return dice{}, false
}

// diceFor is diceOf for a comparison that they decide.
func diceFor(m *netfilter.Compare) (d dice, ok bool) {
	d, ok = diceOf(m.Left)
	return d, ok && d.decides(m)
}

// before is how many of the 32-bit numbers come to one of the first n numbers:
// those x for which x*mod>>32 < n (net/netfilter/nft_numgen.c,
// nft_ng_random_gen; include/linux/kernel.h, reciprocal_scale).
func (d dice) before(n uint64) uint64 {
	if n == d.mod {
		return draws
	}
	return (n<<32 + d.mod - 1) / d.mod
}

// hits is how many of the draws give a number from first to last, and whole is
// how many draws there are.
func (d dice) hits(first, last uint64) uint64 {
	first, last = max(first, d.offset), min(last, d.offset+d.mod-1)
	switch {
	case first > last:
		return 0
	case d.counted:
		return last - first + 1
	}
	return d.before(last-d.offset+1) - d.before(first-d.offset)
}

func (d dice) whole() uint64 {
	if d.counted {
		return d.mod
	}
	return draws
}

// chance is that of so many hits.
func (d dice) chance(hits uint64) Chance {
	if d.counted {
		return ratioChance(hits, d.mod)
	}
	return newChance(hits, 32)
}

// odds is the chance that a comparison holds.
func (d dice) odds(m *netfilter.Compare) Chance {
	hits, negated := uint64(0), false
	a, z := m.Right.First.Uint(), m.Right.Last.Uint()
	switch {
	case m.Set != nil:
		for i := range m.Set.Len() {
			first, last := m.Set.Keys(i)
			hits += d.hits(first.Uint(), last.Uint())
		}
		negated = m.Op == netfilter.IsNot
	case m.Op == netfilter.Is || m.Op == netfilter.IsNot:
		hits, negated = d.hits(a, z), m.Op == netfilter.IsNot
	case m.Op == netfilter.IsLess || m.Op == netfilter.IsAtLeast:
		if a > 0 {
			hits = d.hits(0, a-1)
		}
		negated = m.Op == netfilter.IsAtLeast
	default:
		hits, negated = d.hits(0, a), m.Op == netfilter.IsGreater
	}
	if negated {
		hits = d.whole() - hits
	}
	return d.chance(hits)
}

// decides reports whether the comparison is one that odds has.
func (d dice) decides(m *netfilter.Compare) bool {
	switch {
	case m.Set != nil:
		return m.Set.Readable() && len(m.Set.Key) == 1 && !m.Set.Vague() && !m.Set.Changes()
	case m.Op == netfilter.IsAnyOf || m.Op == netfilter.IsNoneOf:
		return false
	}
	return len(m.Right.Type) == 1
}
