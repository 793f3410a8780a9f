package inventory

import (
	"math/big"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// shares turns the chances of rules that are tried one after another into the
// share of connections that each gets. Chains with as many endpoints have the
// same chances, so each sequence is computed once.
type shares struct {
	known map[string][]*big.Rat
}

// of gives the share of each rule, and of what is left when none is taken.
// chances are in units of 2⁻³¹.
func (s *shares) of(chances []uint32) (each []*big.Rat, left *big.Rat) {
	key := make([]byte, 0, 4*len(chances))
	for _, c := range chances {
		key = append(key, byte(c), byte(c>>8), byte(c>>16), byte(c>>24))
	}
	all, ok := s.known[string(key)]
	if !ok {
		left := big.NewRat(1, 1)
		for _, c := range chances {
			share := new(big.Rat).Mul(left, big.NewRat(int64(c), netfilter.ProbabilityOne))
			left = new(big.Rat).Sub(left, share)
			all = append(all, share)
		}
		all = append(all, left)
		if s.known == nil {
			s.known = map[string][]*big.Rat{}
		}
		s.known[string(key)] = all
	}
	return all[:len(chances)], all[len(chances)]
}

// one is the share of an endpoint that gets every connection.
var one = big.NewRat(1, 1)

func sum(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(a, b) }
