package chaingraph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// twin knows which chains lead to which, by Warshall's algorithm: slow and
// plain.
type twin [][]bool

func newTwin(t *netfilter.Table) twin {
	leads := make(twin, len(t.Chains()))
	for i := range leads {
		leads[i] = make([]bool, len(leads))
	}
	for r := range t.Rules() {
		if j, ok := r.Jump(); ok && j.Chain != nil {
			leads[slices.Index(t.Chains(), r.Chain())][slices.Index(t.Chains(), j.Chain)] = true
		}
	}
	for k := range leads {
		for i := range leads {
			for j := range leads {
				leads[i][j] = leads[i][j] || leads[i][k] && leads[k][j]
			}
		}
	}
	return leads
}

// drawTable makes any table of a few chains and jumps, dangling ones among them.
func drawTable(t *rapid.T) *netfilter.Table {
	names := []string{"PREROUTING", "INPUT", "OUTPUT"}[rapid.IntRange(0, 3).Draw(t, "without base chains"):]
	for i := range rapid.IntRange(0, 9).Draw(t, "regular chains") {
		names = append(names, fmt.Sprintf("C%d", i))
	}
	if len(names) == 0 {
		names = []string{"C0"}
	}
	names = rapid.Permutation(names).Draw(t, "order")
	target := rapid.SampledFrom(append(slices.Clone(names), "GONE", "-"))
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + ":")
		for _, to := range rapid.SliceOfN(target, 0, 3).Draw(t, name) {
			b.WriteString(" " + to)
			if to != "-" && rapid.Bool().Draw(t, "goto") {
				b.WriteString("!")
			}
		}
		b.WriteString("\n")
	}
	return parse(b.String())
}

func TestAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		g, leads, chains := Build(table), newTwin(table), table.Chains()
		for i, c := range chains {
			checkReach(t, g, leads, i, c)
			checkPath(t, g, leads, i, c)
		}
		checkLoops(t, g, leads)
	})
}

func checkReach(t *rapid.T, g *Graph, leads twin, i int, c *netfilter.Chain) {
	chains := g.Table.Chains()
	for hook := netfilter.Prerouting; hook <= netfilter.Output; hook++ {
		want := slices.ContainsFunc(chains, func(b *netfilter.Chain) bool {
			return b.Base != nil && b.Base.Hook == hook && (b == c || leads[b.Index()][i])
		})
		if got := slices.Contains(g.Hooks(c), hook); got != want {
			t.Errorf("%s can be reached from %s: %v, want %v", c.Name, hook, got, want)
		}
		if got := slices.Contains(slices.Collect(g.Reachable(hook)), c); got != want {
			t.Errorf("%s is among those reachable from %s: %v, want %v", c.Name, hook, got, want)
		}
	}
	if got, want := g.IsReachable(c), len(g.Hooks(c)) > 0; got != want {
		t.Errorf("%s can be reached: %v, want %v", c.Name, got, want)
	}
	checkTargets(t, g, c)
	from := g.ReachableFrom(c)
	for j, other := range chains {
		if got, want := slices.Contains(from, other), i == j || leads[i][j]; got != want {
			t.Errorf("%s leads to %s: %v, want %v", c.Name, other.Name, got, want)
		}
	}
	called := slices.ContainsFunc(leads, func(row []bool) bool { return row[i] })
	if got, want := slices.Contains(slices.Collect(g.Orphans()), c), c.Base == nil && !called; got != want {
		t.Errorf("%s is an orphan: %v, want %v", c.Name, got, want)
	}
	if got, want := slices.Contains(slices.Collect(g.Unreachable()), c), called && len(g.Hooks(c)) == 0; got != want {
		t.Errorf("%s is unreachable: %v, want %v", c.Name, got, want)
	}
	// What a subgraph selects: c, what it leads to, what leads to it.
	part := g.Subgraph([]*netfilter.Chain{c}, nil)
	for j, other := range chains {
		down, up := i == j || leads[i][j], i == j || leads[j][i]
		if got := part.Has(other); got != (down || up) {
			t.Errorf("the subgraph of %s has %s: %v", c.Name, other.Name, got)
		}
		for r := range other.Rules() {
			jump, ok := r.Jump()
			onWay := ok && jump.Chain != nil && (jump.Chain == c || leads[jump.Chain.Index()][i])
			if got, want := part.HasRule(r), down || up && onWay; got != want {
				t.Errorf("the subgraph of %s has rule %d of %s: %v, want %v", c.Name, r.Number(), other.Name, got, want)
			}
		}
	}
}

func checkTargets(t *rapid.T, g *Graph, c *netfilter.Chain) {
	targets := maps.Collect(g.Targets(c))
	for r := range c.Rules() {
		jump, want := r.Jump()
		to, ok := g.Target(r)
		if listed, among := targets[r]; ok != want || among != want || listed != to && ok {
			t.Errorf("rule %d of %s jumps: %v to %d, listed: %v to %d; want %v", r.Number(), c.Name, ok, to, among, listed, want)
		}
		if ok && (jump.Chain == nil) != (to == nowhere) || to != nowhere && g.Table.Chains()[to] != jump.Chain {
			t.Errorf("rule %d of %s jumps to %s, not to chain %d", r.Number(), c.Name, jump.Name, to)
		}
	}
}

func checkPath(t *rapid.T, g *Graph, leads twin, i int, c *netfilter.Chain) {
	path := g.PathTo(c)
	length, ok := g.Distance(c)
	if ok != (path != nil) || len(path) != length {
		t.Fatalf("path to %s: %s, distance %d, %v", c.Name, ruleNames(path), length, ok)
	}
	if ok != (len(g.Hooks(c)) > 0) {
		t.Fatalf("path to %s: %v, but hooks %v", c.Name, ok, g.Hooks(c))
	}
	at := c
	for _, r := range slices.Backward(path) {
		if jump, ok := r.Jump(); !ok || jump.Chain != at {
			t.Fatalf("path to %s: %s does not lead to %s", c.Name, ruleNames([]*netfilter.Rule{r}), at.Name)
		}
		at = r.Chain()
	}
	if ok && at.Base == nil {
		t.Fatalf("path to %s begins in %s, which is no base chain", c.Name, at.Name)
	}
	// No jump leads there from a chain that is nearer than the path's last.
	for r := range g.Callers(c) {
		if d, near := g.Distance(r.Chain()); near && d+1 < length {
			t.Errorf("distance of %s is %d, but that of its caller %s is %d", c.Name, length, r.Chain().Name, d)
		}
	}
}

func checkLoops(t *rapid.T, g *Graph, leads twin) {
	seen := map[*netfilter.Chain]bool{}
	last := -1
	for _, l := range g.Loops() {
		if first := l.Chains[0].Index(); first <= last {
			t.Errorf("loop of %s stands behind a loop whose first chain is later", l.Chains[0].Name)
		} else {
			last = first
		}
		for _, c := range l.Chains {
			if seen[c] {
				t.Errorf("%s is in two loops", c.Name)
			}
			seen[c] = true
			for other := range leads {
				together := leads[c.Index()][other] && leads[other][c.Index()]
				if got := slices.Contains(l.Chains, g.Table.Chains()[other]); got != together {
					t.Errorf("%s is in the loop of %s: %v, want %v", g.Table.Chains()[other].Name, c.Name, got, together)
				}
			}
		}
		at := l.Chains[0]
		for _, r := range l.Cycle {
			if r.Chain() != at {
				t.Fatalf("cycle %s is no way", ruleNames(l.Cycle))
			}
			jump, _ := r.Jump()
			at = jump.Chain
		}
		if at != l.Chains[0] || len(l.Cycle) == 0 || len(l.Cycle) > len(l.Chains) {
			t.Errorf("cycle %s does not come back to %s on a short way", ruleNames(l.Cycle), l.Chains[0].Name)
		}
		if l.Reached != (len(g.Hooks(l.Chains[0])) > 0) {
			t.Errorf("loop of %s is reached: %v, hooks %v", l.Chains[0].Name, l.Reached, g.Hooks(l.Chains[0]))
		}
	}
	for i := range leads {
		if c := g.Table.Chains()[i]; leads[i][i] && !seen[c] {
			t.Errorf("%s leads to itself, but is in no loop", c.Name)
		}
	}
}
