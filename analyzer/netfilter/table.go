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

	// Omits says how much the text leaves out of what the kernel has.
	Omits Omission

	// What only tables of nftables have.
	Comment    string
	Dormant    bool // its chains are not run
	Objects    []Object
	Flowtables []Flowtable

	chains []*Chain // those that are declared, in the dump's order
	// named are the chains of all names that the table has heard of, declared
	// or merely jumped to, in the order in which it did. The jump to each has
	// the same number among jumps.
	named slab[Chain]
	jumps slab[Statement]
	names names
	asked struct { // the last one: every other rule of kube-proxy's jumps to one chain
		name   string
		number uint32
	}
	gotos map[string]*Jump
	sets  []*Set // those that are declared, in the dump's order
	// setNames are the sets of all names that the table has heard of.
	setNames map[string]*Set

	rules      int
	last       *Chain       // whose rules have room behind them
	file       *source.File // that the texts of rules are parts of
	odd        []oddText
	matches    slab[Match]
	statements slab[Statement]
	counters   slab[Counters]
}

// NewTable makes an empty table.
func NewTable(family Family, name string) *Table {
	return &Table{Family: family, Name: name}
}

// Expect makes room for so many chains more, and for as many names.
func (t *Table) Expect(chains int) {
	t.chains = slices.Grow(t.chains, chains)
	t.names.expect(&t.named, chains)
}

// notDeclared is the index of a chain that is only known by name.
const notDeclared = -1

// number is the number of a name's chain, which is made if there is none.
func (t *Table) number(name string) uint32 {
	if t.asked.name == name && len(t.named.chunks) > 0 {
		return t.asked.number
	}
	found := t.names.find(name)
	if found == 0 {
		found = 1 + t.named.add(Chain{Table: t, Name: name, index: notDeclared, jump: Jump{Name: name}})
		jump := &t.named.at(found - 1).jump
		jump.list = isJump | t.jumps.add(jump)
		t.names.add(&t.named, name, found-1)
	}
	t.asked.name, t.asked.number = name, found-1
	return found - 1
}

func (t *Table) chain(name string) *Chain { return t.named.at(t.number(name)) }

// AddChain declares a chain. A name that is declared already gives the chain
// there is, with added false.
func (t *Table) AddChain(name string, pos source.Position) (chain *Chain, added bool) {
	c := t.chain(name)
	if c.index != notDeclared {
		return c, false
	}
	c.Pos, c.index = pos, int32(len(t.chains))
	t.chains = append(t.chains, c)
	c.jump.Chain = c
	if g := t.gotos[name]; g != nil {
		g.Chain = c
	}
	return c, true
}

// Chain finds a declared chain, nil if there is none of that name.
func (t *Table) Chain(name string) *Chain {
	number := t.names.find(name)
	if number == 0 {
		return nil
	}
	if c := t.named.at(number - 1); c.index != notDeclared {
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
func (t *Table) Jump(name string) *Jump { return &t.chain(name).jump }

// Goto is Jump for "-g".
func (t *Table) Goto(name string) *Jump {
	g := t.gotos[name]
	if g == nil {
		if t.gotos == nil {
			t.gotos = map[string]*Jump{}
		}
		g = &Jump{Name: name, Chain: t.Chain(name), Goto: true}
		g.list = t.statements.add(g)
		t.gotos[name] = g
	}
	return g
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
