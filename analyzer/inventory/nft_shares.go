package inventory

import "github.com/svcpath/svcpath/analyzer/netfilter"

// draws is how many 32-bit numbers there are.
const draws = 1 << 32

// shareOf is the share of new connections that an element of a map gets which
// is asked with the expression, and how many draws hit it. A random number
// modulo n is x*n>>32 of a random x of 32 bits (net/netfilter/nft_numgen.c,
// nft_ng_random_gen; include/linux/kernel.h, reciprocal_scale). Shares by
// other expressions rest on the packet or on those before it, and are not
// known.
func (b *nftReader) shareOf(e netfilter.Expr, set *netfilter.Set, element int) (share *Share, hits uint64) {
	dice, ok := e.(*netfilter.Numgen)
	if !ok || !dice.Random || dice.Mod == 0 {
		return nil, 0
	}
	first, last, ok := set.Numbers(element)
	if !ok {
		return nil, 0
	}
	mod, offset := uint64(dice.Mod), uint64(dice.Offset)
	first, last = max(first, offset), min(last, offset+mod-1)
	if first <= last {
		hits = before(last-offset+1, mod) - before(first-offset, mod)
	}
	key := [2]uint32{uint32(hits), uint32(hits >> 32)}
	if share = b.shares[key]; share == nil {
		share = NewShare(int64(hits), 32)
		b.shares[key] = share
	}
	return share, hits
}

// before is how many draws come to one of the first n numbers.
func before(n, mod uint64) uint64 {
	if n == mod {
		return draws
	}
	return (n<<32 + mod - 1) / mod
}

// isAll reports whether the elements get all connections, or nothing speaks
// against it.
func isAll(e netfilter.Expr, hits uint64) bool {
	dice, ok := e.(*netfilter.Numgen)
	return !ok || !dice.Random || hits >= draws
}
