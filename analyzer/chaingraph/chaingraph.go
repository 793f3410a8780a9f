// Package chaingraph tells how the chains of a table hang together: which
// rules lead where, what can be reached from which hook, and what leads
// nowhere. It looks at jumps alone: whether a packet exists that all matches
// on the way hold for is another question. It states facts and judges none of
// them; healthy tables hold chains that nothing leads to.
package chaingraph

import (
	"iter"
	"slices"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A Graph is the chains of one table and the jumps between them. Build makes
// it; it is never changed afterwards, so any number of goroutines may read it.
//
// A table can have hundreds of thousands of chains in paths as long: what is
// known of chains stands in slices, by Chain.Index, and nothing here recurses.
type Graph struct {
	Table *netfilter.Table

	jumps    []edge  // in the table's order
	elements []int32 // of jumps by way of verdict maps, see element; nil without one
	first    []int32 // jumps of chain i are jumps[first[i]:first[i+1]]
	called   []bool  // by chain: some jump leads there

	dangling int             // how many jumps lead to no chain
	mapped   int             // elements of maps that rules look into
	cutAt    *netfilter.Rule // the first whose map is left out; nil for none

	indexed     sync.Once // makes what follows when it is first asked for
	callers     []int32   // numbers of jumps that lead to a chain, by chain
	firstCaller []int32   // those of chain i are callers[firstCaller[i]:firstCaller[i+1]]

	order    []int32   // each chain behind all that it leads to; nil if there are loops
	spread   sync.Once // makes what follows when it is first asked for
	hooks    []uint8   // bit h is set: the chain can be reached from netfilter.Hook h
	paths    sync.Once // makes what follows when it is first asked for
	distance []int32   // jumps from the nearest base chain; unreached when none leads there
	via      []int32   // the last of these jumps

	loops []Loop
}

// edge is a jump as the graph keeps it: a table has hundreds of thousands, and
// few are ever asked for.
type edge struct {
	to   int32 // nowhere when dangling
	rule int32 // which of its chain's rules it is, from 0
}

const nowhere = -1

// A Jump is a rule that leads to another chain.
type Jump struct {
	Rule *netfilter.Rule
	From *netfilter.Chain // the rule's own chain
	To   *netfilter.Chain // nil when the jump dangles: the table declares no such chain
	Name string           // of the chain it leads to, as the rule has it
	Goto bool
	// Map is the verdict map by which the rule leads there, and Element the
	// number of the element; nil for a jump of the rule's own.
	Map     *netfilter.Set
	Element int
}

// Build makes the graph of a table that is read to its end.
func Build(t *netfilter.Table) *Graph {
	chains := t.Chains()
	g := &Graph{
		Table:  t,
		first:  make([]int32, len(chains)+1),
		called: make([]bool, len(chains)),
	}
	// At most as many as rules; memory that is never written to costs nothing.
	g.jumps = make([]edge, 0, t.NumRules())
	for i, c := range chains {
		for r := range c.Rules() {
			if to, ok := r.JumpIndex(); ok {
				g.add(r, to, 0)
			} else if t.Backend == netfilter.Native {
				g.addMapped(r)
			}
		}
		g.first[i+1] = int32(len(g.jumps))
	}
	if order, ok := g.findOrder(); ok {
		g.order = order
	} else {
		components := g.components()
		g.spread.Do(func() { g.spreadHooksAround(components) })
		g.findLoops(components)
	}
	return g
}

func (g *Graph) add(r *netfilter.Rule, to int, element int32) {
	if to != nowhere {
		g.called[to] = true
	} else {
		g.dangling++
	}
	if element > 0 || g.elements != nil {
		g.elements = append(append(g.elements, make([]int32, len(g.jumps)-len(g.elements))...), element)
	}
	g.jumps = append(g.jumps, edge{int32(to), int32(r.Number() - 1)})
}

// maxMapped bounds how many jumps rules have by way of elements of maps. Each
// of a table's rules could look into its largest map; kube-proxy's do so once.
const maxMapped = 8_000_000

// addMapped adds the jumps by way of a verdict map, and jumps that stand before
// the rule's last statement.
func (g *Graph) addMapped(r *netfilter.Rule) {
	for _, s := range r.Statements() {
		switch s := s.(type) {
		case *netfilter.Jump:
			g.add(r, target(s), 0)
		case *netfilter.VerdictMap:
			if s != verdictMap(r) {
				continue // nft lets a rule have one verdict
			}
			if g.mapped += s.Map.Len(); g.mapped > maxMapped {
				if g.cutAt == nil {
					g.cutAt = r
				}
				continue
			}
			for i := range s.Map.Len() {
				if j, ok := s.Map.Verdict(i).(*netfilter.Jump); ok {
					g.add(r, target(j), int32(i+1))
				}
			}
		}
	}
}

// target is the Index of the chain that a jump leads to.
func target(j *netfilter.Jump) int {
	if j.Chain == nil {
		return nowhere
	}
	return j.Chain.Index()
}

// LeavesOut reports whether the graph lacks what a rule leads to by its map: the
// table's maps are too large. The remarks say from which rule on.
func (g *Graph) LeavesOut(r *netfilter.Rule) bool {
	at := g.cutAt
	if at == nil || verdictMap(r) == nil {
		return false
	}
	if r.Chain() != at.Chain() {
		return r.Chain().Index() > at.Chain().Index()
	}
	return r.Number() >= at.Number()
}

// verdictMap is the rule's verdict map, nil if it has none.
func verdictMap(r *netfilter.Rule) *netfilter.VerdictMap {
	for _, s := range r.Statements() {
		if v, ok := s.(*netfilter.VerdictMap); ok {
			return v
		}
	}
	return nil
}

// indexCallers sorts the jumps by where they lead.
func (g *Graph) indexCallers() {
	g.firstCaller = make([]int32, len(g.first))
	for _, e := range g.jumps {
		if e.to != nowhere {
			g.firstCaller[e.to+1]++
		}
	}
	for i := range g.firstCaller[1:] {
		g.firstCaller[i+1] += g.firstCaller[i]
	}
	g.callers = make([]int32, len(g.jumps)-g.dangling)
	next := append([]int32(nil), g.firstCaller...)
	for n, e := range g.jumps {
		if e.to != nowhere {
			g.callers[next[e.to]] = int32(n)
			next[e.to]++
		}
	}
}

// index is the chain's number in the slices; ok is false for a chain of
// another table.
func (g *Graph) index(c *netfilter.Chain) (i int32, ok bool) {
	if c == nil || c.Table != g.Table {
		return 0, false
	}
	return int32(c.Index()), true
}

func (g *Graph) chain(i int32) *netfilter.Chain { return g.Table.Chains()[i] }

// out are the jumps of a chain.
func (g *Graph) out(i int32) []edge { return g.jumps[g.first[i]:g.first[i+1]] }

// in are the numbers of the jumps that lead to a chain.
func (g *Graph) in(i int32) []int32 {
	g.indexed.Do(g.indexCallers)
	return g.callers[g.firstCaller[i]:g.firstCaller[i+1]]
}

// from is the chain that a jump stands in.
func (g *Graph) from(n int32) int32 {
	behind, _ := slices.BinarySearch(g.first, n+1)
	return int32(behind - 1)
}

// rule is the rule that jumps.
func (g *Graph) rule(n int32) *netfilter.Rule {
	return g.chain(g.from(n)).Rule(int(g.jumps[n].rule))
}

// element is that of the rule's verdict map, plus 1, by which it jumps; 0 for a
// jump of the rule's own.
func (g *Graph) element(n int32) int32 {
	if g.elements == nil {
		return 0
	}
	return g.elements[n]
}

// jump is a jump as callers see it.
func (g *Graph) jump(n int32) Jump {
	r := g.rule(n)
	j := Jump{Rule: r, From: r.Chain()}
	var target *netfilter.Jump
	if element := g.element(n); element > 0 {
		j.Map, j.Element = verdictMap(r).Map, int(element-1)
		target, _ = j.Map.Verdict(j.Element).(*netfilter.Jump)
	} else {
		target = ownJump(r)
	}
	j.To, j.Name, j.Goto = target.Chain, target.Name, target.Goto
	return j
}

// ownJump is the statement of a rule that jumps.
func ownJump(r *netfilter.Rule) *netfilter.Jump {
	for _, s := range r.Statements() {
		if j, ok := s.(*netfilter.Jump); ok {
			return j
		}
	}
	return nil
}

// Targets are the rules of a chain that jump, and to each the Index of the chain
// that it leads to; -1 for one that the table does not declare.
func (g *Graph) Targets(c *netfilter.Chain) iter.Seq2[*netfilter.Rule, int] {
	return func(yield func(*netfilter.Rule, int) bool) {
		i, ok := g.index(c)
		if !ok {
			return
		}
		for _, e := range g.out(i) {
			if !yield(c.Rule(int(e.rule)), int(e.to)) {
				return
			}
		}
	}
}

// Target is the Index of the chain that a rule jumps to, -1 for one that the table
// does not declare. ok is false for a rule that does not jump.
func (g *Graph) Target(r *netfilter.Rule) (to int, ok bool) {
	i, ok := g.index(r.Chain())
	if !ok {
		return nowhere, false
	}
	jumps, number := g.out(i), int32(r.Number()-1)
	at := int(number) // where it is if all rules before it jump
	if at >= len(jumps) || jumps[at].rule != number {
		at, ok = slices.BinarySearchFunc(jumps, number, func(e edge, number int32) int { return int(e.rule - number) })
		if !ok {
			return nowhere, false
		}
	}
	return int(jumps[at].to), true
}

// NumJumps counts the jumps, the dangling ones included.
func (g *Graph) NumJumps() int { return len(g.jumps) }

// Jumps are all jumps and gotos, chain by chain in the dump's order.
func (g *Graph) Jumps() iter.Seq[Jump] {
	return func(yield func(Jump) bool) {
		for n := range g.jumps {
			if !yield(g.jump(int32(n))) {
				return
			}
		}
	}
}

// Dangling are the jumps that lead to a chain which the table does not declare.
func (g *Graph) Dangling() iter.Seq[Jump] {
	return func(yield func(Jump) bool) {
		left := g.dangling
		for n := 0; left > 0; n++ {
			if g.jumps[n].to == nowhere {
				left--
				if !yield(g.jump(int32(n))) {
					return
				}
			}
		}
	}
}

// Callers are the rules that jump or go to the chain, in the dump's order; one
// that does by several elements of its map comes several times.
func (g *Graph) Callers(c *netfilter.Chain) iter.Seq[*netfilter.Rule] {
	return func(yield func(*netfilter.Rule) bool) {
		i, ok := g.index(c)
		if !ok {
			return
		}
		for _, n := range g.in(i) {
			if !yield(g.rule(n)) {
				return
			}
		}
	}
}

// IsOrphan reports whether the chain is a regular one that no rule jumps to.
func (g *Graph) IsOrphan(c *netfilter.Chain) bool {
	i, ok := g.index(c)
	return ok && !g.called[i] && c.Base == nil
}

// Orphans are the regular chains that no rule jumps to.
func (g *Graph) Orphans() iter.Seq[*netfilter.Chain] {
	return g.chainsThat(func(i int32, c *netfilter.Chain) bool { return !g.called[i] && c.Base == nil })
}

// chainsThat are the chains that the test holds for, in the dump's order.
func (g *Graph) chainsThat(test func(int32, *netfilter.Chain) bool) iter.Seq[*netfilter.Chain] {
	return func(yield func(*netfilter.Chain) bool) {
		for i, c := range g.Table.Chains() {
			if test(int32(i), c) && !yield(c) {
				return
			}
		}
	}
}
