// Package chaingraph tells how the chains of a table hang together: which
// rules lead where, what can be reached from which hook, and what leads
// nowhere. It looks at jumps alone: whether a packet exists that all matches
// on the way hold for is another question. It states facts and judges none of
// them; healthy tables hold chains that nothing leads to.
package chaingraph

import (
	"iter"
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

	jumps []edge  // in the table's order
	first []int32 // jumps of chain i are jumps[first[i]:first[i+1]]

	callers     []int32         // numbers of jumps that lead to a chain, by chain
	firstCaller []int32         // those of chain i are callers[firstCaller[i]:firstCaller[i+1]]
	dangling    int             // how many jumps lead to no chain
	mapped      int             // elements of maps that rules look into
	cutAt       *netfilter.Rule // the first whose map is left out; nil for none

	hooks    []uint8   // bit h is set: the chain can be reached from netfilter.Hook h
	paths    sync.Once // makes what follows when it is first asked for
	distance []int32   // jumps from the nearest base chain; unreached when none leads there
	via      []int32   // the last of these jumps

	loops []Loop
}

// edge is a jump as the graph keeps it.
type edge struct {
	rule    *netfilter.Rule
	to      int32 // nowhere when dangling
	element int32 // of the rule's verdict map, plus 1; 0 for a jump of the rule's own
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
		Table:       t,
		first:       make([]int32, len(chains)+1),
		firstCaller: make([]int32, len(chains)+1),
	}
	// At most as many as rules; memory that is never written to costs nothing.
	g.jumps = make([]edge, 0, t.NumRules())
	for i, c := range chains {
		for r := range c.Rules() {
			if j, ok := r.Jump(); ok {
				g.add(r, j, 0)
			} else if t.Backend == netfilter.Native {
				g.addMapped(r)
			}
		}
		g.first[i+1] = int32(len(g.jumps))
	}
	g.indexCallers()
	if !g.spreadHooks() {
		components := g.components()
		g.spreadHooksAround(components)
		g.findLoops(components)
	}
	return g
}

func (g *Graph) add(r *netfilter.Rule, j *netfilter.Jump, element int32) {
	to := int32(nowhere)
	if j.Chain != nil {
		to = int32(j.Chain.Index())
		g.firstCaller[to+1]++
	} else {
		g.dangling++
	}
	g.jumps = append(g.jumps, edge{r, to, element})
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
			g.add(r, s, 0)
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
					g.add(r, j, int32(i+1))
				}
			}
		}
	}
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

// indexCallers sorts the jumps by where they lead; firstCaller[i+1] counts
// those to chain i when it begins.
func (g *Graph) indexCallers() {
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
func (g *Graph) in(i int32) []int32 { return g.callers[g.firstCaller[i]:g.firstCaller[i+1]] }

// from is the chain that a jump stands in.
func (e edge) from() int32 { return int32(e.rule.Chain().Index()) }

// jump is the edge as callers see it.
func (g *Graph) jump(e edge) Jump {
	j := Jump{Rule: e.rule, From: e.rule.Chain()}
	target := e.target()
	if e.element > 0 {
		j.Map, j.Element = verdictMap(e.rule).Map, int(e.element-1)
	}
	j.To, j.Name, j.Goto = target.Chain, target.Name, target.Goto
	return j
}

// target is the statement that jumps.
func (e edge) target() *netfilter.Jump {
	if e.element > 0 {
		j, _ := verdictMap(e.rule).Map.Verdict(int(e.element - 1)).(*netfilter.Jump)
		return j
	}
	for _, s := range e.rule.Statements() {
		if j, ok := s.(*netfilter.Jump); ok {
			return j
		}
	}
	return nil
}

// NumJumps counts the jumps, the dangling ones included.
func (g *Graph) NumJumps() int { return len(g.jumps) }

// Jumps are all jumps and gotos, chain by chain in the dump's order.
func (g *Graph) Jumps() iter.Seq[Jump] {
	return func(yield func(Jump) bool) {
		for _, e := range g.jumps {
			if !yield(g.jump(e)) {
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
			if e := g.jumps[n]; e.to == nowhere {
				left--
				if !yield(g.jump(e)) {
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
			if !yield(g.jumps[n].rule) {
				return
			}
		}
	}
}

// IsOrphan reports whether the chain is a regular one that no rule jumps to.
func (g *Graph) IsOrphan(c *netfilter.Chain) bool {
	i, ok := g.index(c)
	return ok && c.Base == nil && len(g.in(i)) == 0
}

// Orphans are the regular chains that no rule jumps to.
func (g *Graph) Orphans() iter.Seq[*netfilter.Chain] {
	return g.chainsThat(func(_ int32, c *netfilter.Chain) bool { return g.IsOrphan(c) })
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
