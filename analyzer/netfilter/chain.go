package netfilter

import (
	"iter"
	"slices"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Base makes a chain one that the kernel runs by itself.
type Base struct {
	Type     ChainType
	Hook     Hook
	Priority int // lower runs first
	// Policy is the verdict for packets that reach the chain's end: Accept or
	// Drop. NoVerdict when the text does not tell it.
	Policy Verdict
	// Devices are the interfaces whose packets an ingress or egress chain of
	// nftables sees.
	Devices []string
}

// A Chain is an ordered list of rules.
//
// A table has up to hundreds of thousands of them, so what few chains have lies
// in the table.
type Chain struct {
	jump  Jump // "-j Name", which all rules that jump here share
	Table *Table
	Name  string
	Base  *Base // nil for a regular chain, which runs when a rule jumps to it
	// Implied says that no line declares the chain; it is known from its
	// rules only.
	Implied bool

	moved    bool // the rules have a room of their own, see Chain.add
	index    int32
	line     int32  // place number in Table.places, negated, where that is below 0
	counters uint32 // of the policy, see Table.keepCounters
	rules    uint32 // number in Table.rules
	numRules int32
}

// number is the chain's number in Table.named.
func (c *Chain) number() uint32 { return c.jump.list &^ isJump }

// Pos is the line that declares the chain; of a chain that a pasted fragment
// never declares, its first rule.
func (c *Chain) Pos() source.Position {
	if c.line < 0 {
		return c.Table.places[-c.line-1]
	}
	return source.Position{File: c.Table.file, Line: int(c.line)}
}

// SetPos is for a line that declares the chain behind its first rule.
func (c *Chain) SetPos(pos source.Position) {
	t := c.Table
	if t.file == nil {
		t.file = pos.File
	}
	c.line = int32(pos.Line)
	if pos.File == nil || pos.File != t.file || int(c.line) != pos.Line || pos.Line < 0 {
		t.places = append(t.places, pos)
		c.line = -int32(len(t.places))
	}
}

// Counters are those of the policy. ok is false when the dump has none.
func (c *Chain) Counters() (n Counters, ok bool) { return c.Table.counted(c.counters) }

// SetCounters sets the policy's counters.
func (c *Chain) SetCounters(n Counters) { c.counters = c.Table.keepCounters(n) }

// Comment is the comment that nftables keeps with a chain; "" without one.
func (c *Chain) Comment() string { return c.Table.comments[c] }

// SetComment sets the comment.
func (c *Chain) SetComment(text string) {
	t := c.Table
	if t.comments == nil {
		t.comments = map[*Chain]string{}
	}
	t.comments[c] = text
}

// Index is the chain's place among its table's Chains, from 0, so that
// analyses can keep what they know of chains in slices.
func (c *Chain) Index() int { return int(c.index) }

// Arrange puts the chain's rules into another order: the rule that is i-th now
// becomes places[i]-th, counted from 0. places must name each place once.
func (c *Chain) Arrange(places []int32) {
	all := c.all()
	for i, rule := range slices.Clone(all) {
		all[places[i]] = rule
		all[places[i]].number = places[i] + 1
	}
}

// NumRules counts the chain's rules.
func (c *Chain) NumRules() int { return int(c.numRules) }

func (c *Chain) all() []Rule { return c.Table.rules.list(c.rules, int(c.numRules)) }

// Rule is the i-th rule, from 0.
func (c *Chain) Rule(i int) *Rule { return &c.all()[i] }

// Rules runs over the chain's rules in the order in which the kernel tries them.
func (c *Chain) Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		all := c.all()
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
}

// leastRoom is for how many rules the smallest room of one chain alone is.
const leastRoom = 4

// add appends an empty rule. The rules of one chain stand in a row in memory,
// and those of many chains in one piece of it: most have two or three. A chain
// that others came after gets more rules in another room, which is for twice as
// many each time.
func (c *Chain) add() *Rule {
	t, n := c.Table, int(c.numRules)
	switch {
	case c.moved && (n < leastRoom || n&(n-1) != 0): // there is room up to the next power of two
	case !c.moved && n > 0 && t.rules.extend(c.rules, n):
	case n == 0:
		c.rules = t.rules.room(1)
	default:
		size := leastRoom
		for size <= n {
			size *= 2
		}
		old := c.all()
		c.rules, c.moved = t.rules.room(size), true
		copy(t.rules.list(c.rules, n), old)
	}
	c.numRules++
	t.numRules++
	r := c.Rule(n)
	r.chain, r.number = c, c.numRules
	return r
}

// Counters are what passed a rule or a policy until the dump was taken.
type Counters struct {
	Packets, Bytes uint64
}

// notCounted and countedNothing stand for the numbers of counters in
// Table.counters, which begin behind them: most that are counted are zero.
const (
	notCounted = iota
	countedNothing
	firstCounters
)

func (t *Table) keepCounters(n Counters) uint32 {
	if n == (Counters{}) {
		return countedNothing
	}
	return firstCounters + t.counters.add(n)
}

func (t *Table) counted(number uint32) (n Counters, ok bool) {
	if number < firstCounters {
		return n, number == countedNothing
	}
	return *t.counters.at(number - firstCounters), true
}
