package chaingraph

import (
	"fmt"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// path is a table in which chains lead to one another in a row, the last to
// whatever target names.
func path(chains int, target func(*netfilter.Table) *netfilter.Jump) *netfilter.Table {
	t := netfilter.NewTable(netfilter.IPv4, "nat")
	name := func(i int) string { return fmt.Sprintf("C%d", i) }
	for i := range chains {
		t.AddChain(name(i), source.Position{})
	}
	t.Chain("C0").Base = &netfilter.Base{Hook: netfilter.Prerouting}
	for i := range chains {
		jump := target(t)
		if i+1 < chains {
			jump = t.Jump(name(i + 1))
		}
		t.Chain(name(i)).AddRule(netfilter.NewRule(source.Position{}, "", nil, []netfilter.Statement{jump}))
	}
	return t
}

func TestLongPath(t *testing.T) {
	const n = 100_000
	g := Build(path(n, func(t *netfilter.Table) *netfilter.Jump { return t.Jump("GONE") }))
	last := g.Table.Chains()[n-1]
	if p := g.PathTo(last); len(p) != n-1 {
		t.Errorf("path of %d rules, want %d", len(p), n-1)
	}
	if c := g.ReachableFrom(g.Table.Chain("C0")); len(c) != n {
		t.Errorf("%d chains reached, want %d", len(c), n)
	}
	if len(g.Loops()) > 0 {
		t.Errorf("loops in a path")
	}
}

func TestLongLoop(t *testing.T) {
	const n = 100_000
	g := Build(path(n, func(t *netfilter.Table) *netfilter.Jump { return t.Jump("C1") }))
	loops := g.Loops()
	if len(loops) != 1 || len(loops[0].Chains) != n-1 || len(loops[0].Cycle) != n-1 {
		t.Errorf("%d loops, want one of %d chains", len(loops), n-1)
	}
}

// services is a table like kube-proxy's, with three rules in each of its
// service chains and two in each of its endpoint chains.
func services(n int) *netfilter.Table {
	t := netfilter.NewTable(netfilter.IPv4, "nat")
	t.Complete = true
	add := func(chain string, s netfilter.Statement) {
		t.Chain(chain).AddRule(netfilter.NewRule(source.Position{}, "", nil, []netfilter.Statement{s}))
	}
	for _, name := range []string{"PREROUTING", "OUTPUT"} {
		c, _ := t.AddChain(name, source.Position{})
		base, _ := netfilter.IPTablesBase("nat", name)
		c.Base = &base
		add(name, t.Jump("SERVICES"))
	}
	t.AddChain("SERVICES", source.Position{})
	t.AddChain("MARK", source.Position{})
	add("MARK", &netfilter.SetMark{Value: 0x4000, Mask: 0x4000})
	dnat := new(netfilter.DNAT)
	for i := range n {
		svc, seps := fmt.Sprintf("SVC-%d", i), [2]string{fmt.Sprintf("SEP-%da", i), fmt.Sprintf("SEP-%db", i)}
		t.AddChain(svc, source.Position{})
		add("SERVICES", t.Jump(svc))
		add(svc, t.Jump("MARK"))
		for _, sep := range seps {
			t.AddChain(sep, source.Position{})
			add(svc, t.Jump(sep))
			add(sep, t.Jump("MARK"))
			add(sep, dnat)
		}
	}
	return t
}

func BenchmarkBuild(b *testing.B) {
	for _, chains := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("chains=%d", chains), func(b *testing.B) {
			t := services(chains / 3)
			b.ReportAllocs()
			for b.Loop() {
				Build(t)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(t.NumRules()), "ns/rule")
		})
	}
}
