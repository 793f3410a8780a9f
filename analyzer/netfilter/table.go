package netfilter

import (
	"iter"
	"slices"
	"strings"

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

	// Omits says how much the text leaves out of what the kernel has.
	Omits Omission

	// What only tables of nftables have.
	Comment    string
	Dormant    bool // its chains are not run
	Objects    []Object
	Flowtables []Flowtable

	chains []*Chain // those that are declared, in the dump's order
	// Those from number ordered on have names in ascending order, and are not
	// among names yet: they get there at once, see settle. Most tables declare
	// all of their chains so.
	ordered int
	// named are the chains of all names that the table has heard of, declared
	// or merely jumped to, in the order in which it did. The jump to each has
	// the same number among jumps.
	named   slab[Chain]
	astray  bool // some declared chain has another place among chains than among named
	jumps   slab[Statement]
	names   names
	waiting []waitingJump // no more than together
	asked   struct {      // a jump that many rules have: every other one of kube-proxy's
		name string
		list uint32 // 0 before the first
	}
	gotos []*Jump // to chains, by their numbers among named; nil for none
	sets  []*Set  // those that are declared, in the dump's order
	// setNames are the sets of all names that the table has heard of.
	setNames map[string]*Set

	numRules   int
	rules      slab[Rule]
	matches    slab[Match]
	statements slab[Statement]
	counters   slab[Counters]
	file       *source.File // that the texts of rules are parts of
	odd        []oddText
	places     []source.Position // of chains, in other files
	comments   map[*Chain]string
}

// NewTable makes an empty table.
func NewTable(family Family, name string) *Table {
	return &Table{Family: family, Name: name}
}

// notDeclared is the index of a chain that is only known by name.
const notDeclared = -1

// hear makes the chain of a name that the table has not heard of.
func (t *Table) hear(name string) *Chain {
	number := t.named.add(Chain{Table: t, Name: name, index: notDeclared, jump: Jump{Name: name}})
	c := t.named.at(number)
	c.jump.list = isJump | t.jumps.add(&c.jump)
	return c
}

// find finds the chain of a name that the table has heard of, else nil. It
// changes nothing, for many goroutines may ask at the end.
func (t *Table) find(name string) *Chain {
	if number, found := t.names.find(name); found {
		return t.named.at(number)
	}
	if t.follows(name) {
		return nil
	}
	some := t.chains[t.ordered:]
	i, found := slices.BinarySearchFunc(some, name, func(c *Chain, name string) int { return strings.Compare(c.Name, name) })
	if !found {
		return nil
	}
	return some[i]
}

// follows reports whether a name stands behind those of all chains in order.
func (t *Table) follows(name string) bool {
	return t.ordered == len(t.chains) || t.chains[len(t.chains)-1].Name < name
}

// settle puts the chains in order among names.
func (t *Table) settle() {
	if t.ordered < len(t.chains) {
		t.names.add(t.chains[t.ordered:]...)
		t.ordered = len(t.chains)
	}
}

// AddChain declares a chain. A name that is declared already gives the chain
// there is, with added false.
func (t *Table) AddChain(name string, pos source.Position) (chain *Chain, added bool) {
	c := t.find(name)
	switch {
	case c == nil:
		c = t.hear(name)
		if !t.follows(name) {
			t.settle()
		}
		t.declare(c, pos)
	case c.index != notDeclared:
		return c, false
	default:
		t.settle()
		t.declare(c, pos)
		t.ordered = len(t.chains)
	}
	return c, true
}

func (t *Table) declare(c *Chain, pos source.Position) {
	if len(t.chains) == cap(t.chains) {
		t.chains = slices.Grow(t.chains, max(len(t.chains), 8))
	}
	c.index = int32(len(t.chains))
	t.astray = t.astray || t.named.place(c.number()) != int(c.index)
	t.chains = append(t.chains, c)
	c.SetPos(pos)
	c.jump.Chain = c
	if n := int(c.number()); n < len(t.gotos) && t.gotos[n] != nil {
		t.gotos[n].Chain = c
	}
}

// Chain finds a declared chain, nil if there is none of that name.
func (t *Table) Chain(name string) *Chain {
	if c := t.find(name); c != nil && c.index != notDeclared {
		return c
	}
	return nil
}

// Chains are the table's chains in the dump's order. The caller must not
// change the slice.
func (t *Table) Chains() []*Chain { return t.chains }

// Jump is the statement "-j name", Goto "-g name": one of each for a name, so
// that a table with a million rules holds as many jumps as it has chains. A
// jump to a chain that is declared later finds it then.
func (t *Table) Jump(name string) *Jump { return &t.named.at(t.jump(name) &^ isJump).jump }

// jump is the number of the list that is a jump alone.
func (t *Table) jump(name string) (list uint32) {
	t.settle()
	number, found := t.names.find(name)
	if !found {
		c := t.hear(name)
		t.names.add(c)
		number = c.number()
	}
	return isJump | number
}

// Goto is Jump for "-g".
func (t *Table) Goto(name string) *Jump {
	jump := t.Jump(name)
	n := int(jump.list &^ isJump)
	if n >= len(t.gotos) {
		t.gotos = append(t.gotos, make([]*Jump, n+1-len(t.gotos))...)
	}
	if t.gotos[n] == nil {
		g := &Jump{Name: name, Chain: jump.Chain, Goto: true}
		g.list = t.statements.add(g)
		t.gotos[n] = g
	}
	return t.gotos[n]
}

// NumRules counts the rules of all chains.
func (t *Table) NumRules() int { return t.numRules }

// EveryMatch runs over the matches of all rules, as they lie in memory. One that
// several rules share comes at least once.
func (t *Table) EveryMatch() iter.Seq[Match] {
	return func(yield func(Match) bool) {
		for _, chunk := range t.matches.chunks {
			for _, m := range chunk {
				if !yield(m) {
					return
				}
			}
		}
	}
}

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
