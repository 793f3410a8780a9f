package trace

import "math/big"

// A Chance is an exact probability. The zero Chance is 0.
//
// "-m statistic --mode random" leaves n endpoints products of up to n numbers
// of 31 bits, over a power of two. Kept as such a product and a power, they
// cost n words each and no division; a big.Rat would look for common divisors
// at every step.
type Chance struct {
	// The value is num / (den · 2^shift). num and den are odd, shift is as
	// small as it can be, so that equal chances have equal parts. nil: num is
	// 0, den is 1.
	num, den *big.Int
	shift    uint
}

// Certain is the chance of 1.
var Certain = Chance{num: big.NewInt(1)}

// newChance is num / 2^shift.
func newChance(num uint64, shift uint) Chance {
	return reduced(new(big.Int).SetUint64(num), nil, shift)
}

// ratioChance is num / den; den is not 0.
func ratioChance(num, den uint64) Chance {
	return reduced(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den), 0)
}

// reduced makes a Chance of its parts, which it takes over.
func reduced(num, den *big.Int, shift uint) Chance {
	if num.Sign() == 0 {
		return Chance{}
	}
	if den != nil {
		if zeros := den.TrailingZeroBits(); zeros > 0 {
			den, shift = den.Rsh(den, zeros), shift+zeros
		}
		if common := new(big.Int).GCD(nil, nil, num, den); !isOne(common) {
			num, den = num.Quo(num, common), den.Quo(den, common)
		}
		if isOne(den) {
			den = nil
		}
	}
	if zeros := min(num.TrailingZeroBits(), shift); zeros > 0 {
		num, shift = num.Rsh(num, zeros), shift-zeros
	}
	return Chance{num: num, den: den, shift: shift}
}

func isOne(x *big.Int) bool { return x.IsUint64() && x.Uint64() == 1 }

// IsZero reports whether the chance is 0.
func (c Chance) IsZero() bool { return c.num == nil }

// IsCertain reports whether the chance is 1.
func (c Chance) IsCertain() bool { return c.num != nil && c.den == nil && c.shift == 0 && isOne(c.num) }

// Equal reports whether two chances are exactly equal.
func (c Chance) Equal(d Chance) bool {
	return c.shift == d.shift && equalInts(c.num, d.num) && equalInts(c.den, d.den)
}

func equalInts(x, y *big.Int) bool {
	return x == y || x != nil && y != nil && x.Cmp(y) == 0
}

// Compare is -1, 0 or +1 as c is less than, equal to or greater than d.
func (c Chance) Compare(d Chance) int {
	x, y := c.over(d), d.over(c)
	return x.Cmp(y)
}

// over is the numerator of c over the common denominator of c and d.
func (c Chance) over(d Chance) *big.Int {
	n := new(big.Int)
	if c.num == nil {
		return n
	}
	n.Lsh(c.num, max(c.shift, d.shift)-c.shift)
	if d.den != nil {
		n.Mul(n, d.den)
	}
	return n
}

func (c Chance) times(d Chance) Chance {
	switch {
	case c.num == nil || d.num == nil:
		return Chance{}
	case c.IsCertain():
		return d
	case d.IsCertain():
		return c
	}
	return reduced(new(big.Int).Mul(c.num, d.num), product(c.den, d.den), c.shift+d.shift)
}

func (c Chance) plus(d Chance) Chance {
	switch {
	case c.num == nil:
		return d
	case d.num == nil:
		return c
	}
	sum := c.over(d)
	return reduced(sum.Add(sum, d.over(c)), product(c.den, d.den), max(c.shift, d.shift))
}

// product is a fresh integer, nil for 1.
func product(x, y *big.Int) *big.Int {
	switch {
	case x == nil && y == nil:
		return nil
	case x == nil:
		return new(big.Int).Set(y)
	case y == nil:
		return new(big.Int).Set(x)
	}
	return new(big.Int).Mul(x, y)
}

// complement is 1 - c.
func (c Chance) complement() Chance {
	if c.num == nil {
		return Certain
	}
	one := Certain.over(c)
	return reduced(one.Sub(one, c.num), product(c.den, nil), c.shift)
}

// Rat is the chance as a fraction in lowest terms.
func (c Chance) Rat() *big.Rat {
	if c.num == nil {
		return new(big.Rat)
	}
	return new(big.Rat).SetFrac(c.num, c.denominator())
}

func (c Chance) denominator() *big.Int {
	den := c.den
	if den == nil {
		den = Certain.num
	}
	return new(big.Int).Lsh(den, c.shift)
}

// Float64 is the nearest floating-point number.
func (c Chance) Float64() float64 {
	if c.num == nil {
		return 0
	}
	f := new(big.Float).SetInt(c.num)
	f.SetMantExp(f, -int(c.shift))
	if c.den != nil {
		f.Quo(f, new(big.Float).SetInt(c.den))
	}
	x, _ := f.Float64()
	return x
}

// String is the fraction in lowest terms: "1/2", "1".
func (c Chance) String() string { return c.Rat().RatString() }
