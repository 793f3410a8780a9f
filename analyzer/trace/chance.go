package trace

import (
	"math/big"
	"sync/atomic"
)

// A Chance is an exact probability. The zero Chance is 0.
//
// "-m statistic --mode random" leaves n endpoints products of up to n numbers
// of 31 bits, over a power of two. A product is multiplied out when somebody
// asks for its value, which mostly nobody does.
type Chance struct {
	v *value // nil for 0 and nothing else, one for 1
}

// value is a product, a fraction of small numbers, or a fraction of any.
type value struct {
	a, b     *value // of a product
	num, den uint64 // num / (den · 2^shift), num 0 for other values
	shift    uint
	hash     uint64
	exact    atomic.Pointer[fraction] // nil until somebody asks
}

var one = &value{num: 1, den: 1}

// Certain is the chance of 1.
var Certain = Chance{one}

// newChance is num / 2^shift, at most 1.
func newChance(num uint64, shift uint) Chance {
	switch {
	case num == 0:
		return Chance{}
	case shift < 64 && num == 1<<shift:
		return Certain
	}
	return Chance{&value{num: num, den: 1, shift: shift, hash: mixed(num, uint64(shift))}}
}

// ratioChance is num / den, at most 1; den is not 0.
func ratioChance(num, den uint64) Chance {
	switch num {
	case 0:
		return Chance{}
	case den:
		return Certain
	}
	return Chance{&value{num: num, den: den, hash: mixed(num, den)}}
}

// IsZero reports whether the chance is 0.
func (c Chance) IsZero() bool { return c.v == nil }

// IsCertain reports whether the chance is 1.
func (c Chance) IsCertain() bool { return c.v == one }

func (c Chance) times(d Chance) Chance {
	switch {
	case c.v == nil || d.v == nil:
		return Chance{}
	case c.v == one:
		return d
	case d.v == one:
		return c
	}
	return Chance{&value{a: c.v, b: d.v, hash: mixed(c.v.hash, d.v.hash)}}
}

func (c Chance) plus(d Chance) Chance {
	switch {
	case c.v == nil:
		return d
	case d.v == nil:
		return c
	}
	return c.fraction().plus(d.fraction()).chance()
}

// complement is 1 - c.
func (c Chance) complement() Chance {
	switch v := c.v; {
	case v == nil:
		return Certain
	case v.num != 0 && v.shift == 0:
		return ratioChance(v.den-v.num, v.den)
	case v.num != 0 && v.den == 1 && v.shift < 64:
		return newChance(1<<v.shift-v.num, v.shift)
	}
	return c.fraction().complement().chance()
}

// Equal reports whether two chances are exactly equal.
func (c Chance) Equal(d Chance) bool {
	switch {
	case c.v == d.v:
		return true
	case c.v == nil || d.v == nil || c.v == one || d.v == one:
		return false
	}
	return c.fraction().equal(d.fraction())
}

// Compare is -1, 0 or +1 as c is less than, equal to or greater than d.
func (c Chance) Compare(d Chance) int {
	if c.v == d.v {
		return 0
	}
	x, y := c.fraction(), d.fraction()
	return x.over(y).Cmp(y.over(x))
}

// Rat is the chance as a fraction in lowest terms.
func (c Chance) Rat() *big.Rat { return c.fraction().rat() }

// Float64 is the nearest floating-point number.
func (c Chance) Float64() float64 { return c.fraction().float64() }

// String is the fraction in lowest terms: "1/2", "1".
func (c Chance) String() string { return c.Rat().RatString() }

// fraction is the chance's value. Products are nested as deep as a chain has
// rules, so they are not multiplied out by recursion.
func (c Chance) fraction() fraction {
	if c.v == nil {
		return fraction{}
	}
	for todo := []*value{c.v}; len(todo) > 0; {
		v := todo[len(todo)-1]
		var f fraction
		switch {
		case v.exact.Load() != nil:
			todo = todo[:len(todo)-1]
			continue
		case v.num != 0:
			f = reduced(new(big.Int).SetUint64(v.num), new(big.Int).SetUint64(v.den), v.shift)
		default:
			a, b := v.a.exact.Load(), v.b.exact.Load()
			if a == nil {
				todo = append(todo, v.a)
			}
			if b == nil {
				todo = append(todo, v.b)
			}
			if a == nil || b == nil {
				continue
			}
			f = a.times(*b)
		}
		v.exact.Store(&f)
	}
	return *c.v.exact.Load()
}
