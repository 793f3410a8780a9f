package netfilter

import (
	"strconv"
	"time"
)

// A Relation is how a Compare holds a value against what the rule has.
type Relation uint8

// The relations. IsAnyOf is nft's way with flags ("ct state new,established",
// "tcp flags syn"): some of these bits are set; IsNoneOf is "!".
const (
	Is Relation = iota
	IsNot
	IsLess
	IsGreater
	IsAtMost
	IsAtLeast
	IsAnyOf
	IsNoneOf
)

// relationNames are as nft prints them: it leaves "==" out where it can.
var relationNames = [...]string{" ", " != ", " < ", " > ", " <= ", " >= ", " ", " ! "}

// Compare matches by a value of the packet in the ways of nft. Tests that
// iptables has too, and that mean the same there, are the matches of iptables
// instead: Addr, Protocol, Mark, …
type Compare struct {
	Left  Expr
	Op    Relation
	Set   *Set // the value is looked up here, with Is and IsNot; else nil
	Right Constant
	// Bare means that Is is written "==": nft does so after an operation.
	Bare bool
}

func (m *Compare) String() string {
	op := relationNames[m.Op]
	if m.Op == Is && m.Bare {
		op = " == "
	}
	if m.Set != nil {
		return m.Left.String() + op + m.Set.Ref()
	}
	return m.Left.String() + op + m.Right.String()
}

// Holds compares a value that is known. It does not look into a Set.
func (m *Compare) Holds(value Key) bool {
	a, z := m.Right.First, m.Right.Last
	in := a == z && value == a
	if a != z {
		in = m.Right.holds(value)
	}
	switch m.Op {
	case Is:
		return in
	case IsNot:
		return !in
	case IsLess:
		return value < a
	case IsGreater:
		return value > a
	case IsAtMost:
		return value <= a
	case IsAtLeast:
		return value >= a
	case IsAnyOf:
		return value.Uint()&a.Uint() != 0
	}
	return value.Uint()&a.Uint() == 0
}

// holds reports whether a key is one of the constant's, part by part.
func (e *Constant) holds(key Key) bool {
	if len(key) != len(e.First) {
		return false
	}
	k, a, z := key.Split(e.Type), e.First.Split(e.Type), e.Last.Split(e.Type)
	for i := range k {
		if k[i] < a[i] || k[i] > z[i] {
			return false
		}
	}
	return true
}

// RateLimit matches up to a rate of packets or bytes, or above it with Over. It
// is what Limit cannot say.
type RateLimit struct {
	Over  bool
	Bytes bool // else packets
	Rate  uint64
	Per   time.Duration
	Burst uint64 // 0 when not said
}

func (m *RateLimit) String() string {
	s := "limit rate "
	if m.Over {
		s += "over "
	}
	if !m.Bytes {
		s += strconv.FormatUint(m.Rate, 10) + "/" + rateUnit(m.Per)
		if m.Burst != 0 && m.Burst != DefaultLimitBurst {
			s += " burst " + strconv.FormatUint(m.Burst, 10) + " packets"
		}
		return s
	}
	s += byteCount(m.Rate) + "/" + rateUnit(m.Per)
	if m.Burst != 0 {
		s += " burst " + byteCount(m.Burst)
	}
	return s
}

func rateUnit(per time.Duration) string {
	switch per {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return "week"
}

// byteCount is "5 kbytes", as nft's statement.c, get_rate, has it.
func byteCount(n uint64) string {
	units := [...]string{" bytes", " kbytes", " mbytes"}
	i := 0
	for ; i < len(units)-1 && n > 0 && n%1024 == 0; i++ {
		n /= 1024
	}
	return strconv.FormatUint(n, 10) + units[i]
}

// Quota matches until so many bytes were seen, or from then on with Over.
type Quota struct {
	Over        bool
	Bytes, Used uint64
}

func (m *Quota) String() string {
	s := "quota "
	if m.Over {
		s += "over "
	}
	s += byteCount(m.Bytes)
	if m.Used != 0 {
		s += " used " + byteCount(m.Used)
	}
	return s
}

// ConnCount matches up to a number of connections that pass here, or above it
// with Over ("ct count over 5").
type ConnCount struct {
	Over  bool
	Count uint32
}

func (m *ConnCount) String() string {
	if m.Over {
		return "ct count over " + strconv.FormatUint(uint64(m.Count), 10)
	}
	return "ct count " + strconv.FormatUint(uint64(m.Count), 10)
}

// ObjectTest matches as a stateful object of the table says: a quota or limit.
type ObjectTest struct {
	Kind string // "quota", "limit"
	Name string // "" with By
	By   *MapValue
}

func (m *ObjectTest) String() string { return objectText(m.Kind+" name ", m.Name, m.By) }

func objectText(what, name string, by *MapValue) string {
	if by != nil {
		return what + by.String()
	}
	return what + `"` + name + `"`
}

func (*Compare) isMatch()    {}
func (*RateLimit) isMatch()  {}
func (*Quota) isMatch()      {}
func (*ConnCount) isMatch()  {}
func (*ObjectTest) isMatch() {}
