package inventory_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/big"

	"github.com/svcpath/svcpath/analyzer/inventory"
)

// A share is num/2^exp of new connections, in lowest terms. Chances are
// multiples of 2^-31, so no share needs another denominator, and a thousand endpoints
// need no reduction of fractions with ten thousand digits.
type share struct {
	num *big.Int
	exp uint
}

// shares are the parts that n endpoints get, in kube-proxy's order: the i-th
// (from 0) gets 1/(n-i) of what the ones before it left. kube-proxy prints that
// with "%0.10f" (pkg/proxy/iptables/proxier.go, computeProbability), iptables rounds it to
// a multiple of 2^-31 (extensions/libxt_statistic.c, lround), and the kernel draws
// 31 random bits (net/netfilter/xt_statistic.c). The last one gets the rest.
func shares(n int) []share {
	all := make([]share, n)
	rest, exp := big.NewInt(1), uint(0)
	for i := range all {
		left := n - i
		if left == 1 {
			all[i] = lowest(rest, exp)
			break
		}
		var printed float64
		if _, err := fmt.Sscan(fmt.Sprintf("%0.10f", 1/float64(left)), &printed); err != nil {
			panic(err)
		}
		chance := int64(math.Round(printed * (1 << 31)))
		exp += 31
		all[i] = lowest(new(big.Int).Mul(rest, big.NewInt(chance)), exp)
		rest = new(big.Int).Mul(rest, big.NewInt(1<<31-chance))
	}
	return all
}

func lowest(num *big.Int, exp uint) share {
	shift := min(num.TrailingZeroBits(), exp)
	return share{new(big.Int).Rsh(num, shift), exp - shift}
}

// shareOf is the inventory's share in the same form.
func shareOf(s *inventory.Share) share {
	rat := s.Rat()
	return share{new(big.Int).Set(rat.Num()), rat.Denom().TrailingZeroBits()}
}

func powerOfTwo(n *big.Int) bool { return n.TrailingZeroBits() == uint(n.BitLen()-1) }

// String is "1", "715827883/2^31", or for a long fraction its size and a digest
// of all of it.
func (s share) String() string {
	switch {
	case s.exp == 0:
		return s.num.String()
	case s.exp <= 124:
		return fmt.Sprintf("%s/2^%d", s.num, s.exp)
	}
	digest := fnv.New64a()
	digest.Write(s.num.Bytes())
	size, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(s.num), -int(s.exp)).Float64()
	return fmt.Sprintf("%.9f(%x/2^%d)", size, digest.Sum64(), s.exp)
}
