package netfilter

import (
	"fmt"
	"strconv"
	"strings"
)

// An Expr is what nft rules compute a value from. The set of implementations is
// closed: Field, *Constant, *Concat, *Masked, *Shifted, *Numgen, *Hash, *FIB,
// *MapValue, *OpaqueExpr.
type Expr interface {
	isExpr()
	// Types are the types of the values: more than one for a concatenation.
	Types() []DataType
	// String is the expression as nft prints it.
	String() string
}

// A Constant is a value of the rule's own, or a range of them to choose from.
type Constant struct {
	Type        []DataType
	First, Last Key // equal for one value
}

// Concat is several values at once: "ip daddr . meta l4proto . th dport".
type Concat struct {
	Parts []Expr
}

// Masked is (Of & And) ^ Xor of a value of up to 64 bits: what "&", "|" and "^"
// in a row come to, and how the kernel keeps them (net/netfilter/nft_bitwise.c).
type Masked struct {
	Of       Expr
	And, Xor uint64
}

// Shifted is a number shifted by so many bits, to the right if negative.
type Shifted struct {
	Of   Expr
	Left int8
}

// Numgen is a number from Offset on, less than Offset+Mod: a random one, or one
// that is counted up with each packet (net/netfilter/nft_numgen.c).
type Numgen struct {
	Random      bool
	Mod, Offset uint32
}

// Hash is a number from Offset on, less than Offset+Mod, that is the same for
// packets with the same values ("jhash ip saddr mod 4"), or of the same
// connection ("symhash mod 4": Of is nil).
type Hash struct {
	Of          Expr
	Mod, Offset uint32
	HasSeed     bool
	Seed        uint32
}

// A FIBResult is what a FIB expression asks for.
type FIBResult uint8

// The results.
const (
	FIBOif     FIBResult = iota // the interface that the route leaves by
	FIBOifName                  // its name
	FIBType                     // the address's type: local, unicast, …
)

var fibResultNames = [...]string{"oif", "oifname", "type"}

// FIB asks the routing tables about the packet's source or destination address
// ("fib daddr type", "fib saddr . iif oif").
type FIB struct {
	Side           Side // of the address
	Mark, Iif, Oif bool // these are used to look it up
	Result         FIBResult
	Presence       bool // whether there is a route ("exists", "missing")
}

// MapValue is the value that a map has for a key ("ip saddr map @m"). Where it
// has none, the rule ends here (net/netfilter/nft_lookup.c, nft_lookup_eval).
type MapValue struct {
	Key Expr
	Map *Set
}

// OpaqueExpr is an expression whose value nobody here can tell. It keeps its
// text: "tcp option maxseg size", "@th,16,16".
type OpaqueExpr struct {
	Text string
	Type DataType // TypeBoolean when its presence is asked for
}

func (e *Constant) Types() []DataType { return e.Type }

func (e *Constant) String() string { return FormatKeys(e.Type, e.First, e.Last) }

func (e *Concat) Types() []DataType {
	types := make([]DataType, 0, len(e.Parts))
	for _, p := range e.Parts {
		types = append(types, p.Types()...)
	}
	return types
}

func (e *Concat) String() string {
	var b strings.Builder
	for i, p := range e.Parts {
		if i > 0 {
			b.WriteString(" . ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

func (e *Masked) Types() []DataType { return e.Of.Types() }

// String has the operations that nft shows for the mask and value which the
// kernel keeps (nft 1.0.6, netlink_delinearize.c, netlink_parse_bitwise_bool).
func (e *Masked) String() string {
	return e.Of.String() + maskedText(e.Types()[0], e.And, e.Xor)
}

func maskedText(t DataType, and, xor uint64) string {
	full := ^uint64(0)
	if w := t.Width(); w > 0 && w < 8 {
		full = 1<<(8*w) - 1
	}
	value := func(n uint64) string {
		if t == TypeTCPFlags {
			return "(" + formatFlags(dataTypes[t].symbols, n, " | ") + ")"
		}
		return FormatValue(t, UintKey(t, n))
	}
	or := ^and & xor & full
	s := ""
	if and = (and | or) & full; and != full {
		s += " & " + value(and)
	}
	if xor &^= or; xor&full != 0 {
		s += " ^ " + value(xor&full)
	}
	if or != 0 {
		s += " | " + value(or)
	}
	return s
}

func (e *Shifted) Types() []DataType { return e.Of.Types() }

func (e *Shifted) String() string {
	if e.Left < 0 {
		return e.Of.String() + " >> " + strconv.Itoa(-int(e.Left))
	}
	return e.Of.String() + " << " + strconv.Itoa(int(e.Left))
}

var integerTypes = []DataType{TypeInteger}

func (e *Numgen) Types() []DataType { return integerTypes }

func (e *Numgen) String() string {
	how := "inc"
	if e.Random {
		how = "random"
	}
	return fmt.Sprintf("numgen %s mod %d", how, e.Mod) + offset(e.Offset)
}

func offset(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" offset %d", n)
}

func (e *Hash) Types() []DataType { return integerTypes }

func (e *Hash) String() string {
	if e.Of == nil {
		return fmt.Sprintf("symhash mod %d", e.Mod) + offset(e.Offset)
	}
	s := fmt.Sprintf("jhash %s mod %d", e.Of, e.Mod)
	if e.HasSeed {
		s += fmt.Sprintf(" seed %#x", e.Seed)
	}
	return s + offset(e.Offset)
}

func (e *FIB) Types() []DataType {
	switch {
	case e.Presence:
		return []DataType{TypeBoolean}
	case e.Result == FIBType:
		return []DataType{TypeAddrType}
	case e.Result == FIBOifName:
		return []DataType{TypeIfName}
	}
	return []DataType{TypeIfIndex}
}

func (e *FIB) String() string {
	s := "fib saddr"
	if e.Side == Destination {
		s = "fib daddr"
	}
	// Order of nft's fib.c, fib_expr_print_f.
	if e.Mark {
		s += " . mark"
	}
	if e.Iif {
		s += " . iif"
	}
	if e.Oif {
		s += " . oif"
	}
	return s + " " + fibResultNames[e.Result]
}

func (e *MapValue) Types() []DataType { return e.Map.Data }

func (e *MapValue) String() string { return e.Key.String() + " map " + e.Map.Ref() }

func (e *OpaqueExpr) Types() []DataType { return []DataType{e.Type} }

func (e *OpaqueExpr) String() string { return e.Text }

func (*Constant) isExpr()   {}
func (*Concat) isExpr()     {}
func (*Masked) isExpr()     {}
func (*Shifted) isExpr()    {}
func (*Numgen) isExpr()     {}
func (*Hash) isExpr()       {}
func (*FIB) isExpr()        {}
func (*MapValue) isExpr()   {}
func (*OpaqueExpr) isExpr() {}
