package chaingraph

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A Loop is a set of chains each of which leads to all of them: jumps that
// come back to where they began. The kernel refuses a table in which a base
// chain leads to one (net/ipv4/netfilter/ip_tables.c, mark_source_chains;
// net/netfilter/nf_tables_api.c, nft_chain_validate), jumps and gotos alike;
// one that no base chain leads to it takes, for it never walks there.
type Loop struct {
	// Chains are all chains of the loop, in the dump's order.
	Chains []*netfilter.Chain
	// Cycle is the proof: the rules of a shortest way from the first of
	// Chains back to it, each in the chain that the one before it leads to.
	Cycle []*netfilter.Rule
	// Reached says that a base chain leads to the loop.
	Reached bool
}

// Loops are the table's loops, each once, by the first of their chains.
func (g *Graph) Loops() []Loop { return g.loops }

// components are the strongly connected components of a graph: sets of chains
// each of which leads to all others of its set. A component stands before all
// that lead to it.
type components struct {
	chains []int32 // component by component
	first  []int32 // component n is chains[first[n]:first[n+1]]
}

func (c components) num() int              { return len(c.first) - 1 }
func (c components) members(n int) []int32 { return c.chains[c.first[n]:c.first[n+1]] }

// components finds them with Tarjan's algorithm, its recursion turned into a
// stack: a dump can hold a path through all of its chains.
func (g *Graph) components() components {
	n := len(g.first) - 1
	const done = -1 // low of a chain whose component is known
	var (
		found   = components{chains: make([]int32, 0, n), first: []int32{0}}
		order   = make([]int32, n) // when a chain was met, from 1; 0: not yet
		low     = make([]int32, n) // the earliest met that a chain leads back to
		next    = append([]int32(nil), g.first[:n]...)
		path    []int32 // the chains on the way down, as a recursion would hold them
		pending []int32 // the chains met whose component is not known
		met     int32
	)
	for root := range int32(n) {
		if order[root] != 0 {
			continue
		}
		for path = append(path, root); len(path) > 0; {
			i := path[len(path)-1]
			if order[i] == 0 {
				met++
				order[i], low[i] = met, met
				pending = append(pending, i)
			}
			if next[i] < g.first[i+1] {
				to := g.jumps[next[i]].to
				next[i]++
				switch {
				case to == nowhere:
				case order[to] == 0:
					path = append(path, to)
				case low[to] != done:
					low[i] = min(low[i], order[to])
				}
				continue
			}
			path = path[:len(path)-1]
			if low[i] == order[i] {
				top := len(found.chains)
				for last := int32(nowhere); last != i; {
					last = pending[len(pending)-1]
					pending = pending[:len(pending)-1]
					low[last] = done
					found.chains = append(found.chains, last)
				}
				slices.Sort(found.chains[top:])
				found.first = append(found.first, int32(len(found.chains)))
			} else {
				// Not the root of its component, so another chain is on the path.
				caller := path[len(path)-1]
				low[caller] = min(low[caller], low[i])
			}
		}
	}
	return found
}

// findLoops keeps the components that are loops.
func (g *Graph) findLoops(components components) {
	var walk cycleSearch
	for n := range components.num() {
		members := components.members(n)
		if len(members) == 1 && !g.jumpsToItself(members[0]) {
			continue
		}
		if walk.component == nil {
			walk = newCycleSearch(g, components)
		}
		loop := Loop{Cycle: walk.shortest(members[0]), Reached: g.hooksOf(members[0]) != 0}
		for _, i := range members {
			loop.Chains = append(loop.Chains, g.chain(i))
		}
		g.loops = append(g.loops, loop)
	}
	slices.SortFunc(g.loops, func(a, b Loop) int { return a.Chains[0].Index() - b.Chains[0].Index() })
}

func (g *Graph) jumpsToItself(i int32) bool {
	return slices.ContainsFunc(g.out(i), func(e edge) bool { return e.to == i })
}

// cycleSearch finds cycles within components. Its slices serve all searches,
// each of which stays in a component of its own.
type cycleSearch struct {
	g         *Graph
	component []int32 // of each chain
	via       []int32 // the jump by which a search came to a chain; nowhere: not yet
}

func newCycleSearch(g *Graph, components components) cycleSearch {
	s := cycleSearch{g: g, component: make([]int32, len(g.called)), via: make([]int32, len(g.called))}
	for n := range components.num() {
		for _, i := range components.members(n) {
			s.component[i], s.via[i] = int32(n), nowhere
		}
	}
	return s
}

// shortest is a shortest cycle through a chain of a loop, breadth first.
func (s *cycleSearch) shortest(start int32) []*netfilter.Rule {
	for queue := []int32{start}; s.via[start] == nowhere; queue = queue[1:] {
		i := queue[0]
		for n := s.g.first[i]; n < s.g.first[i+1]; n++ {
			to := s.g.jumps[n].to
			if to != nowhere && s.component[to] == s.component[start] && s.via[to] == nowhere {
				s.via[to] = n
				queue = append(queue, to)
			}
		}
	}
	var cycle []*netfilter.Rule
	for i := start; len(cycle) == 0 || i != start; {
		cycle = append(cycle, s.g.rule(s.via[i]))
		i = s.g.from(s.via[i])
	}
	slices.Reverse(cycle)
	return cycle
}
