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

// spreadHooks finds the hooks from which each chain can be reached, if no
// chain leads back to itself, as in every table that a kernel holds: chains
// are taken when all that lead to them have been. It is false if there are
// loops, whose chains that never happens to.
func (g *Graph) spreadHooks() bool {
	g.ownHooks()
	open := make([]int32, len(g.hooks)) // jumps to each chain from others that were not taken yet
	taken := make([]int32, 0, len(g.hooks))
	for i := range open {
		open[i] = g.firstCaller[i+1] - g.firstCaller[i]
		if open[i] == 0 {
			taken = append(taken, int32(i))
		}
	}
	for n := 0; n < len(taken); n++ {
		i := taken[n]
		for _, e := range g.out(i) {
			if e.to == nowhere {
				continue
			}
			g.hooks[e.to] |= g.hooks[i]
			if open[e.to]--; open[e.to] == 0 {
				taken = append(taken, e.to)
			}
		}
	}
	return len(taken) == len(g.hooks)
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
	g.distance = make([]int32, len(g.hooks))
	g.via = make([]int32, len(g.hooks))
	queue := make([]int32, 0, len(g.hooks))
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
		if g.hooks[i]&(1<<h) != 0 {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// IsReachable reports whether a base chain leads to the chain, or it is one.
func (g *Graph) IsReachable(c *netfilter.Chain) bool {
	i, ok := g.index(c)
	return ok && g.hooks[i] != 0
}

// Reachable are the chains that the base chains of a hook lead to, these
// included, in the dump's order.
func (g *Graph) Reachable(hook netfilter.Hook) iter.Seq[*netfilter.Chain] {
	return g.chainsThat(func(i int32, _ *netfilter.Chain) bool {
		return g.hooks[i]&(1<<hook) != 0
	})
}

// Unreachable are the regular chains that no base chain leads to although some
// rule jumps to them: only orphans lead there, or loops that nothing leads to.
func (g *Graph) Unreachable() iter.Seq[*netfilter.Chain] {
	g.paths.Do(g.findPaths)
	return g.chainsThat(func(i int32, _ *netfilter.Chain) bool {
		return g.distance[i] == unreached && len(g.in(i)) > 0
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
	for n := g.via[c.Index()]; n != nowhere; n = g.via[g.jumps[n].from()] {
		path = append(path, g.jumps[n].rule)
	}
	slices.Reverse(path)
	return path
}
