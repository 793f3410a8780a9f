package chaingraph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// parse builds a nat table from lines like "PREROUTING: A B? A!": a chain and
// where its rules lead, "!" for a goto, "-" for a rule that is no jump. Chains
// with the names of built-in ones are base chains. Jumps to names that begin
// no line dangle. Rule n of the whole text stands in line n.
func parse(text string) *netfilter.Table {
	t := netfilter.NewTable(netfilter.IPv4, "nat")
	t.Complete = true
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		c, _ := t.AddChain(name, source.Position{})
		if base, ok := netfilter.IPTablesBase("nat", name); ok {
			c.Base = &base
		}
	}
	file, n := &source.File{Path: "nat.txt"}, 0
	for _, line := range lines {
		name, targets, _ := strings.Cut(strings.TrimSpace(line), ":")
		for target := range strings.FieldsSeq(targets) {
			n++
			var s netfilter.Statement
			switch bare, goTo := strings.CutSuffix(target, "!"); {
			case target == "-":
				s = netfilter.Accept
			case goTo:
				s = t.Goto(bare)
			default:
				s = t.Jump(bare)
			}
			t.Chain(name).AddRule(netfilter.NewRule(source.Position{File: file, Line: n}, target, nil, []netfilter.Statement{s}))
		}
	}
	return t
}

// The chains that a real table has, in small: two services of which one is
// reached by a node port too, a canary, a chain that only an orphan leads to.
const small = `
PREROUTING: SERVICES
OUTPUT: - SERVICES
POSTROUTING: MASQ!
SERVICES: SVC-A SVC-B NODEPORTS
NODEPORTS: EXT-B
EXT-B: MARK SVC-B
SVC-A: SEP-1
SVC-B: MARK SEP-1 SEP-2
SEP-1: MARK -
SEP-2: MARK - GONE
MARK: -
MASQ: -
CANARY:
OLD: OLDER
OLDER: -`

func chainNames(chains []*netfilter.Chain) string {
	var names []string
	for _, c := range chains {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func ruleNames(rules []*netfilter.Rule) string {
	var names []string
	for _, r := range rules {
		names = append(names, fmt.Sprintf("%s/%d", r.Chain().Name, r.Number()))
	}
	return strings.Join(names, " ")
}

func TestJumps(t *testing.T) {
	g := Build(parse(`
PREROUTING: A - B! GONE
A: B GONE!
B:`))
	var got []string
	for j := range g.Jumps() {
		to := "nil"
		if j.To != nil {
			to = j.To.Name
		}
		got = append(got, fmt.Sprintf("%s/%d %s %s %v", j.From.Name, j.Rule.Number(), j.Name, to, j.Goto))
	}
	want := []string{
		"PREROUTING/1 A A false",
		"PREROUTING/3 B B true",
		"PREROUTING/4 GONE nil false",
		"A/1 B B false",
		"A/2 GONE nil true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Jumps (-want +got):\n%s", d)
	}
	if g.NumJumps() != 5 {
		t.Errorf("NumJumps = %d, want 5", g.NumJumps())
	}
	got = nil
	for j := range g.Dangling() {
		got = append(got, ruleNames([]*netfilter.Rule{j.Rule}))
	}
	if d := cmp.Diff([]string{"PREROUTING/4", "A/2"}, got); d != "" {
		t.Errorf("Dangling (-want +got):\n%s", d)
	}
	callers := ruleNames(slices.Collect(g.Callers(g.Table.Chain("B"))))
	if want := "PREROUTING/3 A/1"; callers != want {
		t.Errorf("Callers(B) = %s, want %s", callers, want)
	}
}

func TestReach(t *testing.T) {
	g := Build(parse(small))
	for _, tc := range []struct{ what, got, want string }{
		{"Orphans", chainNames(slices.Collect(g.Orphans())), "CANARY OLD"},
		{"Unreachable", chainNames(slices.Collect(g.Unreachable())), "OLDER"},
		{"Reachable(postrouting)", chainNames(slices.Collect(g.Reachable(netfilter.Postrouting))), "POSTROUTING MASQ"},
		{"Reachable(output)", chainNames(slices.Collect(g.Reachable(netfilter.Output))),
			"OUTPUT SERVICES NODEPORTS EXT-B SVC-A SVC-B SEP-1 SEP-2 MARK"},
		{"Reachable(input)", chainNames(slices.Collect(g.Reachable(netfilter.Input))), ""},
		{"ReachableFrom(EXT-B)", chainNames(g.ReachableFrom(g.Table.Chain("EXT-B"))), "EXT-B MARK SVC-B SEP-1 SEP-2"},
		{"ReachableFrom(MARK)", chainNames(g.ReachableFrom(g.Table.Chain("MARK"))), "MARK"},
		{"Hooks(SEP-1)", fmt.Sprint(g.Hooks(g.Table.Chain("SEP-1"))), "[prerouting output]"},
		{"Hooks(OUTPUT)", fmt.Sprint(g.Hooks(g.Table.Chain("OUTPUT"))), "[output]"},
		{"Hooks(OLDER)", fmt.Sprint(g.Hooks(g.Table.Chain("OLDER"))), "[]"},
		{"PathTo(SEP-2)", ruleNames(g.PathTo(g.Table.Chain("SEP-2"))), "PREROUTING/1 SERVICES/2 SVC-B/3"},
		{"PathTo(EXT-B)", ruleNames(g.PathTo(g.Table.Chain("EXT-B"))), "PREROUTING/1 SERVICES/3 NODEPORTS/1"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %s, want %s", tc.what, tc.got, tc.want)
		}
	}
	if p := g.PathTo(g.Table.Chain("OUTPUT")); p == nil || len(p) > 0 {
		t.Errorf("PathTo of a base chain = %v, want an empty path", p)
	}
	if p := g.PathTo(g.Table.Chain("OLDER")); p != nil {
		t.Errorf("PathTo of a chain that only an orphan leads to = %s, want nil", ruleNames(p))
	}
}

func TestChainOfAnotherTable(t *testing.T) {
	g, other := Build(parse(small)), parse(small).Chain("SVC-A")
	for _, c := range []*netfilter.Chain{nil, other} {
		if g.Hooks(c) != nil || g.PathTo(c) != nil || g.ReachableFrom(c) != nil || len(slices.Collect(g.Callers(c))) > 0 ||
			!g.Subgraph([]*netfilter.Chain{c}, nil).Empty() {
			t.Errorf("the graph knows something of chain %v, which is none of its own", c)
		}
	}
}

func TestLoops(t *testing.T) {
	for _, tc := range []struct {
		name, table string
		want        []string // chains: cycle, "unreached" if so
	}{
		{"none", small, nil},
		{"to itself", "PREROUTING: A\nA: - A", []string{"A: A/2"}},
		{"goto to itself", "PREROUTING: A\nA: A!", []string{"A: A/1"}},
		{"pair", "PREROUTING: B\nB: A\nA: - B", []string{"B A: B/1 A/2"}},
		{"no base chain leads there", "A: B\nB: A", []string{"A B: A/1 B/1 unreached"}},
		{"base chain", "PREROUTING: A\nA: PREROUTING", []string{"PREROUTING A: PREROUTING/1 A/1"}},
		{"two beside each other", "PREROUTING: C A\nA: B\nB: A\nC: D\nD: C A", []string{"A B: A/1 B/1", "C D: C/1 D/1"}},
		{"two through one chain are one", "PREROUTING: A\nA: B C\nB: A\nC: A", []string{"A B C: A/1 B/1"}},
		{"shortest of two", "PREROUTING: A\nA: B C\nB: D\nC: A\nD: A", []string{"A B C D: A/2 C/1"}},
		{"chain beside a loop", "PREROUTING: A\nA: B\nB: C D\nC: B\nD: GONE", []string{"B C: B/1 C/1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, l := range Build(parse(tc.table)).Loops() {
				s := chainNames(l.Chains) + ": " + ruleNames(l.Cycle)
				if !l.Reached {
					s += " unreached"
				}
				got = append(got, s)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("Loops (-want +got):\n%s", d)
			}
		})
	}
}

func TestSubgraph(t *testing.T) {
	g := Build(parse(small))
	for _, tc := range []struct {
		name         string
		roots, rules string
		chains       string
		selected     string
	}{
		{
			name: "service", roots: "SVC-A",
			chains:   "PREROUTING OUTPUT SERVICES SVC-A SEP-1 MARK",
			selected: "PREROUTING/1 OUTPUT/2 SERVICES/1 SVC-A/1 SEP-1/1 SEP-1/2 MARK/1",
		},
		{
			name: "all ways to a service", roots: "EXT-B",
			chains: "PREROUTING OUTPUT SERVICES NODEPORTS EXT-B SVC-B SEP-1 SEP-2 MARK",
			selected: "PREROUTING/1 OUTPUT/2 SERVICES/3 NODEPORTS/1 EXT-B/1 EXT-B/2 SVC-B/1 SVC-B/2 SVC-B/3 " +
				"SEP-1/1 SEP-1/2 SEP-2/1 SEP-2/2 SEP-2/3 MARK/1",
		},
		{
			name: "rule that is no jump", rules: "OUTPUT/1",
			chains: "OUTPUT", selected: "OUTPUT/1",
		},
		{
			name: "rule with the way to it", rules: "NODEPORTS/1",
			chains: "PREROUTING OUTPUT SERVICES NODEPORTS EXT-B", selected: "PREROUTING/1 OUTPUT/2 SERVICES/3 NODEPORTS/1",
		},
		{name: "nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var roots []*netfilter.Chain
			for name := range strings.FieldsSeq(tc.roots) {
				roots = append(roots, g.Table.Chain(name))
			}
			var rules, selected []*netfilter.Rule
			for r := range g.Table.Rules() {
				if slices.Contains(strings.Fields(tc.rules), ruleNames([]*netfilter.Rule{r})) {
					rules = append(rules, r)
				}
			}
			s := g.Subgraph(roots, rules)
			var chains []*netfilter.Chain
			for _, c := range g.Table.Chains() {
				if s.Has(c) {
					chains = append(chains, c)
				}
			}
			for r := range g.Table.Rules() {
				if s.HasRule(r) {
					selected = append(selected, r)
				}
			}
			if got := chainNames(chains); got != tc.chains {
				t.Errorf("chains = %s\nwant     %s", got, tc.chains)
			}
			if got := ruleNames(selected); got != tc.selected {
				t.Errorf("rules = %s\nwant    %s", got, tc.selected)
			}
			if s.Empty() != (tc.chains == "") {
				t.Errorf("Empty = %v", s.Empty())
			}
		})
	}
}

func TestDiagnostics(t *testing.T) {
	for _, tc := range []struct {
		name, table string
		part        bool
		want        []string
	}{
		{name: "none", table: "PREROUTING: A\nA: -\nORPHAN: -"},
		{
			name: "dangling", table: "PREROUTING: - GONE\nA: AWAY!",
			want: []string{
				"error dangling-jump nat.txt:2: rule 2 of PREROUTING jumps to GONE, expected a chain that table nat declares",
				"error dangling-jump nat.txt:3: rule 1 of A goes to AWAY, expected a chain that table nat declares",
			},
		},
		{
			name: "dangling in a part of a table", table: "PREROUTING: GONE", part: true,
			want: []string{"info dangling-jump nat.txt:1: rule 1 of PREROUTING jumps to GONE, which the captured text does not hold"},
		},
		{
			name: "loops", table: "PREROUTING: A B\nA: A\nB: C\nC: B",
			want: []string{
				"error chain-loop nat.txt:3: chain A of table nat jumps to itself, which the kernel refuses",
				"error chain-loop nat.txt:4: chains B and C of table nat jump in a loop, which the kernel refuses",
			},
		},
		{
			name: "loop that nothing leads to", table: "PREROUTING:\nA: A",
			want: []string{"warning chain-loop nat.txt:1: chain A of table nat jumps to itself, which no base chain leads to"},
		},
		{
			name: "long loop", table: "PREROUTING: A\nA: B\nB: C\nC: D\nD: E\nE: F\nF: G\nG: A",
			want: []string{"error chain-loop nat.txt:2: chains A, B, C, D, E and 2 more of table nat jump in a loop, which the kernel refuses"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := parse(tc.table)
			table.Complete = !tc.part
			if d := cmp.Diff(tc.want, diagnostics(Build(table))); d != "" {
				t.Errorf("Diagnostics (-want +got):\n%s", d)
			}
		})
	}
}

func diagnostics(g *Graph) []string {
	var all []string
	for _, d := range g.Diagnostics() {
		all = append(all, fmt.Sprintf("%s %s %s", d.Severity, d.Code, d))
	}
	return all
}

func TestManyDiagnostics(t *testing.T) {
	for _, tc := range []struct {
		jumps, want int
		last        string
	}{
		{20, 20, "rule 20 of PREROUTING jumps to GONE, expected a chain that table nat declares"},
		{21, 21, "rule 21 of PREROUTING jumps to GONE, expected a chain that table nat declares"},
		{22, 21, "2 more jumps that dangle"},
		{5000, 21, "4980 more jumps that dangle"},
	} {
		got := Build(parse("PREROUTING:" + strings.Repeat(" GONE", tc.jumps))).Diagnostics()
		if len(got) != tc.want || got[tc.want-1].Message != tc.last || got[tc.want-1].Pos.Line != tc.want {
			t.Errorf("%d dangling jumps: %d diagnostics, the last %v; want %d, %q", tc.jumps, len(got), got[len(got)-1], tc.want, tc.last)
		}
	}
}
