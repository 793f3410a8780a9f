package netfilter

import (
	"iter"
	"slices"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Table is a family's named collection of chains. The same name may stand in
// a snapshot more than once: for each family, and for each back end.
type Table struct {
	Family  Family
	Name    string
	Backend Backend
	Pos     source.Position // its first line in the dump
	// Complete says that the dump holds the table from its first line to its
	// last. Only then is what it does not hold missing on the node as well.
	Complete bool
	// Inferred says that no line of the text names the table: it was told
	// from the chains and targets of the rules. Rules pasted without their
	// table are like that.
	Inferred bool

	chains []*Chain
	byName map[string]*chainEntry
	rules  int
}

// chainEntry is what a table knows of a chain's name: the chain, once it is
// declared, and the statements that lead to it, shared by all rules that do.
type chainEntry struct {
	chain      *Chain
	jump, goTo *Jump
}

// NewTable makes an empty table.
func NewTable(family Family, name string) *Table {
	return &Table{Family: family, Name: name, byName: map[string]*chainEntry{}}
}

func (t *Table) entry(name string) *chainEntry {
	e := t.byName[name]
	if e == nil {
		e = new(chainEntry)
		t.byName[name] = e
	}
	return e
}

// AddChain declares a chain. A name that is declared already gives the chain
// there is, with added false.
func (t *Table) AddChain(name string, pos source.Position) (chain *Chain, added bool) {
	e := t.entry(name)
	if e.chain != nil {
		return e.chain, false
	}
	e.chain = &Chain{Table: t, Name: name, Pos: pos, index: int32(len(t.chains))}
	t.chains = append(t.chains, e.chain)
	for _, jump := range []*Jump{e.jump, e.goTo} {
		if jump != nil {
			jump.Chain = e.chain
		}
	}
	return e.chain, true
}

// Chain finds a declared chain, nil if there is none of that name.
func (t *Table) Chain(name string) *Chain {
	if e := t.byName[name]; e != nil {
		return e.chain
	}
	return nil
}

// Chains are the table's chains in the dump's order. The caller must not
// change the slice.
func (t *Table) Chains() []*Chain { return t.chains }

// Jump is the statement "-j name", Goto "-g name": one of each for a name, so
// that a table with a million rules holds as many jumps as it has chains. A
// jump to a chain that is declared later finds it then.
func (t *Table) Jump(name string) *Jump {
	e := t.entry(name)
	if e.jump == nil {
		e.jump = &Jump{Name: name, Chain: e.chain}
	}
	return e.jump
}

// Goto is Jump for "-g".
func (t *Table) Goto(name string) *Jump {
	e := t.entry(name)
	if e.goTo == nil {
		e.goTo = &Jump{Name: name, Chain: e.chain, Goto: true}
	}
	return e.goTo
}

// NumRules counts the rules of all chains.
func (t *Table) NumRules() int { return t.rules }

// Rules runs over the rules of all chains, chain by chain.
func (t *Table) Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		for _, c := range t.chains {
			for r := range c.Rules() {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// A Base makes a chain one that the kernel runs by itself.
type Base struct {
	Type     ChainType
	Hook     Hook
	Priority int // lower runs first
	// Policy is the verdict for packets that reach the chain's end: Accept or
	// Drop. NoVerdict when the text does not tell it.
	Policy Verdict
}

// A Chain is an ordered list of rules.
type Chain struct {
	Table *Table
	Name  string
	Base  *Base // nil for a regular chain, which runs when a rule jumps to it
	// Pos is the line that declares the chain; of a chain that a pasted
	// fragment never declares, its first rule.
	Pos source.Position
	// Implied says that no line declares the chain; it is known from its
	// rules only.
	Implied  bool
	Counters *Counters // of the policy; nil when the dump has none

	index int32
	rules []Rule
}

// Index is the chain's place among its table's Chains, from 0, so that
// analyses can keep what they know of chains in slices.
func (c *Chain) Index() int { return int(c.index) }

// AddRule appends a rule. Pointers to the chain's rules that were handed out
// before are no longer good: build first, then read.
func (c *Chain) AddRule(r Rule) {
	r.chain = c
	r.number = int32(len(c.rules) + 1)
	c.rules = append(c.rules, r)
	c.Table.rules++
}

// AddRules appends rules, as AddRule does with one. A chain's first rules get
// exactly the room that they need.
func (c *Chain) AddRules(rules []Rule) {
	first := len(c.rules)
	c.rules = append(slices.Grow(c.rules, len(rules)), rules...)
	for i := first; i < len(c.rules); i++ {
		c.rules[i].chain = c
		c.rules[i].number = int32(i + 1)
	}
	c.Table.rules += len(rules)
}

// Arrange puts the chain's rules into another order: the rule that is i-th now
// becomes places[i]-th, counted from 0. places must name each place once.
func (c *Chain) Arrange(places []int32) {
	rules := make([]Rule, len(c.rules))
	for i, place := range places {
		rules[place] = c.rules[i]
		rules[place].number = place + 1
	}
	c.rules = rules
}

// NumRules counts the chain's rules.
func (c *Chain) NumRules() int { return len(c.rules) }

// Rule is the i-th rule, from 0.
func (c *Chain) Rule(i int) *Rule { return &c.rules[i] }

// Rules runs over the chain's rules in the order in which the kernel tries them.
func (c *Chain) Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		for i := range c.rules {
			if !yield(&c.rules[i]) {
				return
			}
		}
	}
}

// Counters are what passed a rule or a policy until the dump was taken.
type Counters struct {
	Packets, Bytes uint64
}
