package inventory

import (
	"encoding/binary"
	"math/big"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A Share is a part of new connections, exactly as the kernel deals them out:
// num/2^bits in lowest terms. Netfilter knows chances as multiples of 2⁻³¹ only,
// so no other denominator comes up there, and a thousand endpoints need no
// reduction of fractions with ten thousand digits. IPVS counts: its shares are
// num/parts. The nil Share is an unknown one.
type Share struct {
	num   big.Int
	bits  uint
	parts uint64  // 0 where num is divided by 2^bits alone
	float float64 // the nearest; renderers ask for it over and over
}

func newShare(num *big.Int, bits uint) *Share {
	zeros := min(num.TrailingZeroBits(), bits)
	s := &Share{bits: bits - zeros}
	s.num.Rsh(num, zeros)
	if s.num.Sign() == 0 {
		s.bits = 0
	}
	// Round once: the quotient of two float64s would have rounded twice.
	s.float, _ = new(big.Float).SetMantExp(new(big.Float).SetInt(&s.num), -int(s.bits)).Float64()
	return s
}

// NewShare is the share num/2^bits.
func NewShare(num int64, bits uint) *Share { return newShare(big.NewInt(num), bits) }

// newRatio is the share num/parts.
func newRatio(num, parts uint64) *Share {
	s := &Share{}
	if num == 0 || num == parts {
		s.num.SetUint64(min(num, 1))
	} else {
		s.num.SetUint64(num)
		s.parts = parts
	}
	s.float = float64(num) / float64(parts)
	return s
}

// Rat is the share as a fraction.
func (s *Share) Rat() *big.Rat {
	den := new(big.Int).Lsh(big.NewInt(1), s.bits)
	if s.parts != 0 {
		den.SetUint64(s.parts)
	}
	return new(big.Rat).SetFrac(&s.num, den)
}

// Float64 is the nearest float64, from 0 to 1.
func (s *Share) Float64() float64 { return s.float }

// IsOne reports whether the share is all connections.
func (s *Share) IsOne() bool {
	return s.bits == 0 && s.parts == 0 && s.num.IsInt64() && s.num.Int64() == 1
}

// IsZero reports whether the share is none.
func (s *Share) IsZero() bool { return s.num.Sign() == 0 }

// plus is the sum of two shares.
func (s *Share) plus(t *Share) *Share {
	bits := max(s.bits, t.bits)
	a := new(big.Int).Lsh(&s.num, bits-s.bits)
	b := new(big.Int).Lsh(&t.num, bits-t.bits)
	return newShare(a.Add(a, b), bits)
}

// all is the share of an endpoint that gets every connection.
var all = NewShare(1, 0)

// exactRules is how many rules of chance in one chain are computed exactly. The
// fractions grow by 31 bits a rule; what further rules get is so little that
// it is rounded down at 2⁻⁶⁵⁵³⁶, lest a hostile chain fill the memory.
const exactRules = 2114

// A dealer turns the chances of rules that are tried one after another into
// the share of connections that each gets. Chains with as many endpoints have
// the same chances, so each sequence is computed once.
type dealer struct {
	known map[string][]*Share
	key   []byte // of the last sequence
}

// deal gives the share of each rule, and of what is left when none is taken.
// chances are in units of 2⁻³¹.
func (d *dealer) deal(chances []uint32) (each []*Share, left *Share) {
	d.key = d.key[:0]
	for _, c := range chances {
		d.key = binary.LittleEndian.AppendUint32(d.key, c)
	}
	shares, ok := d.known[string(d.key)]
	if !ok {
		shares = deal(chances)
		if d.known == nil {
			d.known = map[string][]*Share{}
		}
		d.known[string(d.key)] = shares
	}
	return shares[:len(chances)], shares[len(chances)]
}

func deal(chances []uint32) []*Share {
	shares := make([]*Share, 0, len(chances)+1)
	left, bits := big.NewInt(1), uint(0)
	for i, c := range chances {
		bits += 31
		shares = append(shares, newShare(new(big.Int).Mul(left, big.NewInt(int64(c))), bits))
		left.Mul(left, big.NewInt(netfilter.ProbabilityOne-int64(c)))
		if i >= exactRules {
			left.Rsh(left, 31)
			bits -= 31
		}
	}
	return append(shares, newShare(left, bits))
}
