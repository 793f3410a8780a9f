package netfilter

import (
	"iter"

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
type Chain struct {
	// jump is "-j Name", which all rules that jump here share. It stands first
	// because a name is compared with that in it: then one line of the
	// processor's cache has all that reading such a rule needs.
	jump Jump

	Table *Table
	Name  string
	index int32 // in the same line of the cache
	// Implied says that no line declares the chain; it is known from its
	// rules only.
	Implied bool

	Base *Base // nil for a regular chain, which runs when a rule jumps to it
	// Pos is the line that declares the chain; of a chain that a pasted
	// fragment never declares, its first rule.
	Pos      source.Position
	Counters *Counters // of the policy; nil when the dump has none
	Comment  string    // of nftables; "" without one
	rules    []Rule
}

// Index is the chain's place among its table's Chains, from 0, so that
// analyses can keep what they know of chains in slices.
func (c *Chain) Index() int { return int(c.index) }

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
