package chaingraph

import (
	"iter"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// unreached is the distance of a chain that no base chain leads to.
const unreached = -1

// ownHooks starts with the hooks that chains have themselves.
func (g *Graph) ownHooks() {
	g.hooks = make([]uint8, len(g.first)-1)
	for i, c := range g.Table.Chains() {
		if c.Base != nil {
			g.hooks[i] = 1 << c.Base.Hook
		}
	}
}

// maxSweeps bounds how often order looks at chains that lead on to others. Three
// times is enough for kube-proxy's, sorted by name as they mostly are.
const maxSweeps = 8

// findOrder finds an order in which each chain stands behind all that it leads to.
// There is one if no chain leads back to itself, as in every table that a kernel
// holds. The chains are looked at in the order in which they lie in memory, over
// and over; ok is false as well for tables that it would take long for.
func (g *Graph) findOrder() (order []int32, ok bool) {
	order = make([]int32, 0, len(g.called))
	done := make([]bool, len(g.called))
	settle := func(i int32) bool {
		for _, e := range g.out(i) {
			if e.to != nowhere && !done[e.to] {
				return false
			}
		}
		done[i] = true
		order = append(order, i)
		return true
	}
	var rest []int32
	for i := range int32(len(done)) {
		if !settle(i) {
			rest = append(rest, i)
		}
	}
	for sweep := 1; len(rest) > 0 && sweep < maxSweeps; sweep++ {
		rest = slices.DeleteFunc(rest, settle)
	}
	return order, len(rest) == 0
}

// hooksOf are the hooks from which a chain can be reached, a bit each.
func (g *Graph) hooksOf(i int32) uint8 {
	g.spread.Do(g.spreadHooks)
	return g.hooks[i]
}

// spreadHooks finds the hooks from which each chain can be reached, going back
// from the last chain in order: whatever leads to a chain has been seen before it.
func (g *Graph) spreadHooks() {
	g.ownHooks()
	for _, i := range slices.Backward(g.order) {
		if hooks := g.hooks[i]; hooks != 0 {
			for _, e := range g.out(i) {
				if e.to != nowhere {
					g.hooks[e.to] |= hooks
				}
			}
		}
	}
}

// spreadHooksAround is spreadHooks for tables with loops. The last component
// is one that no other leads to; going back from it, whatever leads to a
// component has been seen before it.
func (g *Graph) spreadHooksAround(components components) {
	g.ownHooks()
	for n := components.num() - 1; n >= 0; n-- {
		members := components.members(n)
		var hooks uint8
		for _, i := range members {
			hooks |= g.hooks[i]
		}
		for _, i := range members {
			g.hooks[i] = hooks
			for _, e := range g.out(i) {
				if e.to != nowhere {
					g.hooks[e.to] |= hooks
				}
			}
		}
	}
}

// findPaths walks breadth first from all base chains at once, in the dump's
// order, so that the paths are shortest and always the same.
func (g *Graph) findPaths() {
	g.distance = make([]int32, len(g.called))
	g.via = make([]int32, len(g.called))
	queue := make([]int32, 0, len(g.called))
	for i, c := range g.Table.Chains() {
		g.distance[i], g.via[i] = unreached, nowhere
		if c.Base != nil {
			g.distance[i] = 0
			queue = append(queue, int32(i))
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for n := g.first[i]; n < g.first[i+1]; n++ {
			if to := g.jumps[n].to; to != nowhere && g.distance[to] == unreached {
				g.distance[to], g.via[to] = g.distance[i]+1, n
				queue = append(queue, to)
			}
		}
	}
}

// Hooks are the hooks whose base chains lead to the chain, in the order of
// netfilter's constants; a base chain's own hook is among them.
func (g *Graph) Hooks(c *netfilter.Chain) []netfilter.Hook {
	i, ok := g.index(c)
	if !ok {
		return nil
	}
	var hooks []netfilter.Hook
	for h := netfilter.Ingress; h <= netfilter.Egress; h++ {
		if g.hooksOf(i)&(1<<h) != 0 {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// IsReachable reports whether a base chain leads to the chain, or it is one.
func (g *Graph) IsReachable(c *netfilter.Chain) bool {
	i, ok := g.index(c)
	return ok && g.hooksOf(i) != 0
}

// Reachable are the chains that the base chains of a hook lead to, these
// included, in the dump's order.
func (g *Graph) Reachable(hook netfilter.Hook) iter.Seq[*netfilter.Chain] {
	return g.chainsThat(func(i int32, _ *netfilter.Chain) bool {
		return g.hooksOf(i)&(1<<hook) != 0
	})
}

// Unreachable are the regular chains that no base chain leads to although some
// rule jumps to them: only orphans lead there, or loops that nothing leads to.
func (g *Graph) Unreachable() iter.Seq[*netfilter.Chain] {
	g.paths.Do(g.findPaths)
	return g.chainsThat(func(i int32, _ *netfilter.Chain) bool {
		return g.distance[i] == unreached && g.called[i]
	})
}

// ReachableFrom are the chains that the chain leads to: itself, then the
// others by the number of jumps. What it costs depends on them alone, not on
// the size of the table.
func (g *Graph) ReachableFrom(c *netfilter.Chain) []*netfilter.Chain {
	i, ok := g.index(c)
	if !ok {
		return nil
	}
	reached := []*netfilter.Chain{c}
	seen := map[int32]bool{i: true}
	for n := 0; n < len(reached); n++ {
		for _, e := range g.out(int32(reached[n].Index())) {
			if e.to != nowhere && !seen[e.to] {
				seen[e.to] = true
				reached = append(reached, g.chain(e.to))
			}
		}
	}
	return reached
}

// Distance is the length of PathTo: how many jumps lead from the nearest base
// chain to the chain, 0 for a base chain. ok is false if none does.
func (g *Graph) Distance(c *netfilter.Chain) (jumps int, ok bool) {
	g.paths.Do(g.findPaths)
	i, ok := g.index(c)
	if !ok || g.distance[i] == unreached {
		return 0, false
	}
	return int(g.distance[i]), true
}

// PathTo is a shortest way from a base chain to the chain: the rules that
// jump, the first of them in the base chain. It is empty for a base chain, and
// nil if no base chain leads there. Of several shortest ways it is always the
// same one: that from the base chain, then by the rules, that come first in
// the dump.
func (g *Graph) PathTo(c *netfilter.Chain) []*netfilter.Rule {
	length, ok := g.Distance(c)
	if !ok {
		return nil
	}
	path := make([]*netfilter.Rule, 0, length)
	for n := g.via[c.Index()]; n != nowhere; n = g.via[g.from(n)] {
		path = append(path, g.rule(n))
	}
	slices.Reverse(path)
	return path
}
