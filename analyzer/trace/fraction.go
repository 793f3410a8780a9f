package trace

import "math/big"

// fraction is the value of a Chance: num / (den · 2^shift). num and den are
// odd, shift is as small as it can be, so that equal fractions have equal
// parts. nil: num is 0, den is 1.
//
// Kept so, products of numbers over powers of two cost no division; a big.Rat
// would look for common divisors at every step.
type fraction struct {
	num, den *big.Int
	shift    uint
}

// chance is the fraction as a Chance.
func (f fraction) chance() Chance {
	switch {
	case f.num == nil:
		return Chance{}
	case f.den == nil && f.shift == 0 && isOne(f.num):
		return Certain
	}
	v := new(value)
	v.exact.Store(&f)
	return Chance{v}
}

// reduced makes a fraction of its parts, which it takes over.
func reduced(num, den *big.Int, shift uint) fraction {
	if num.Sign() == 0 {
		return fraction{}
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
	return fraction{num: num, den: den, shift: shift}
}

func isOne(x *big.Int) bool { return x.IsUint64() && x.Uint64() == 1 }

func (f fraction) equal(g fraction) bool {
	return f.shift == g.shift && equalInts(f.num, g.num) && equalInts(f.den, g.den)
}

func equalInts(x, y *big.Int) bool {
	return x == y || x != nil && y != nil && x.Cmp(y) == 0
}

// over is the numerator of f over the common denominator of f and g.
func (f fraction) over(g fraction) *big.Int {
	n := new(big.Int)
	if f.num == nil {
		return n
	}
	n.Lsh(f.num, max(f.shift, g.shift)-f.shift)
	if g.den != nil {
		n.Mul(n, g.den)
	}
	return n
}

func (f fraction) times(g fraction) fraction {
	return reduced(new(big.Int).Mul(f.num, g.num), product(f.den, g.den), f.shift+g.shift)
}

func (f fraction) plus(g fraction) fraction {
	sum := f.over(g)
	return reduced(sum.Add(sum, g.over(f)), product(f.den, g.den), max(f.shift, g.shift))
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

// complement is 1 - f.
func (f fraction) complement() fraction {
	num := fraction{num: big.NewInt(1)}.over(f)
	return reduced(num.Sub(num, f.num), product(f.den, nil), f.shift)
}

func (f fraction) rat() *big.Rat {
	if f.num == nil {
		return new(big.Rat)
	}
	return new(big.Rat).SetFrac(f.num, f.denominator())
}

func (f fraction) denominator() *big.Int {
	den := f.den
	if den == nil {
		den = big.NewInt(1)
	}
	return new(big.Int).Lsh(den, f.shift)
}

func (f fraction) float64() float64 {
	if f.num == nil {
		return 0
	}
	x := new(big.Float).SetInt(f.num)
	x.SetMantExp(x, -int(f.shift))
	if f.den != nil {
		x.Quo(x, new(big.Float).SetInt(f.den))
	}
	near, _ := x.Float64()
	return near
}
