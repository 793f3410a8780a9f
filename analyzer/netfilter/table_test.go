package netfilter_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	nf "github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"pgregory.net/rapid"
)

// TestRulesOfManyChains adds rules to chains in turn, in runs of many lengths,
// and looks for each at its place.
func TestRulesOfManyChains(t *testing.T) {
	table := nf.NewTable(nf.IPv4, "nat")
	file := &source.File{Path: "f", Text: "0123456789"}
	want := map[string][]string{} // texts by chain
	rules := 0
	add := func(name string, times int) {
		c, _ := table.AddChain(name, source.Position{File: file, Line: 1})
		for range times {
			rules++
			text := fmt.Sprintf("-A %s %d", name, rules)
			counters := nf.Counters{Packets: uint64(rules)}
			switch rules % 3 {
			case 0: // a text of its own
				d := nf.NewRule(source.Position{File: file, Line: rules}, text, nil, nil)
				if rules%2 == 0 {
					d = d.WithCounters(counters)
				}
				c.AddRule(d)
			case 1: // a part of another file
				other := &source.File{Path: "f", Text: text}
				c.AddLine(source.Span{File: other, Len: len(text), Line: rules}, nf.MatchList{}, nf.StatementList{}, nil)
			default:
				text = file.Text[rules%7 : rules%7+3]
				counted := &counters
				if rules%2 == 1 {
					counted = nil
				}
				c.AddLine(source.Span{File: file, Offset: rules % 7, Len: 3, Line: rules}, nf.MatchList{}, nf.StatementList{}, counted)
			}
			want[name] = append(want[name], fmt.Sprint(rules, text, rules%2 == 0 && rules%3 != 1))
		}
	}
	for i := range 300 {
		add(fmt.Sprint("C", i%37), i%5)
		add("LONG", i*i%300)
		add(fmt.Sprint("ONCE", i), i%4)
	}
	if table.NumRules() != rules {
		t.Errorf("%d rules, want %d", table.NumRules(), rules)
	}
	for _, c := range table.Chains() {
		var got []string
		for r := range c.Rules() {
			counters, counted := r.Counters()
			if r.Chain() != c || r.Number() != len(got)+1 || r.Pos().Path() != "f" || counted && counters.Packets != uint64(r.Pos().Line) {
				t.Fatalf("%s, %q: chain %s, number %d, counters %v", r.Pos(), r.Text(), r.Chain().Name, r.Number(), counters)
			}
			got = append(got, fmt.Sprint(r.Pos().Line, r.Text(), counted))
		}
		if !slices.Equal(got, want[c.Name]) {
			t.Errorf("chain %s has %v,\nwant %v", c.Name, got, want[c.Name])
		}
	}
}

// TestLists keeps lists of all lengths, also of one that is longer than what is
// allocated at a time.
func TestLists(t *testing.T) {
	table := nf.NewTable(nf.IPv4, "nat")
	var lists []nf.MatchList
	match := func(list, i int) string { return fmt.Sprint(list, " ", i) }
	lengths := []int{1, 0, 2, 5000, 3, 1023, 2, 1024, 1025, 65535, 1}
	for k, n := range lengths {
		var list []nf.Match
		for i := range n {
			list = append(list, &nf.Opaque{Text: match(k, i)})
		}
		lists = append(lists, table.KeepMatches(list))
	}
	for k, n := range lengths {
		got := table.Matches(lists[k])
		if len(got) != n || cap(got) != n {
			t.Fatalf("list %d has %d matches, room for %d, want %d", k, len(got), cap(got), n)
		}
		for i, m := range got {
			if m.String() != match(k, i) {
				t.Fatalf("list %d has %q at %d", k, m, i)
			}
		}
	}
}

func TestJumps(t *testing.T) {
	table, other := nf.NewTable(nf.IPv4, "nat"), nf.NewTable(nf.IPv4, "nat")
	before, early := table.Jump("A"), table.Goto("A")
	if before.Chain != nil || early.Chain != nil || table.Chain("A") != nil || len(table.Chains()) != 0 {
		t.Error("a jump declares a chain")
	}
	a, added := table.AddChain("A", source.Position{})
	if !added || before.Chain != a || early.Chain != a || table.Chain("A") != a || a.Index() != 0 {
		t.Error("a jump does not find the chain that is declared after it")
	}
	if again, added := table.AddChain("A", source.Position{}); added || again != a {
		t.Error("a chain is declared twice")
	}
	if table.Jump("A") != before || table.Goto("A") != early || early.Goto == before.Goto {
		t.Error("there are two jumps, or two gotos, to one chain")
	}
	// A jump of another table is not taken for one of this table.
	for _, s := range []nf.Statement{before, other.Jump("X"), early, other.Jump("X"), before} {
		a.AddRule(nf.NewRule(source.Position{}, "", nil, []nf.Statement{s}))
		other.KeepStatement(s)
		checkJumpIndex(t, a.Rule(a.NumRules()-1))
		if got := a.Rule(a.NumRules() - 1).Target(); got != s {
			t.Errorf("the rule's target is %q, want %q", got, s)
		}
	}
}

func TestManyNames(t *testing.T) {
	const n = 50_000
	table := nf.NewTable(nf.IPv4, "nat")
	name := func(i int) string { return fmt.Sprint("KUBE-SEP-", i) }
	for i := range n {
		table.Jump(name(i * 7919 % n))
	}
	for i := range n {
		if c, added := table.AddChain(name(i), source.Position{}); !added || c.Name != name(i) || c.Index() != i {
			t.Fatalf("chain %d is %q, added %t", i, c.Name, added)
		}
	}
	for i := range n {
		if c := table.Chain(name(i)); c == nil || c.Index() != i || table.Jump(name(i)).Chain != c {
			t.Fatalf("chain %d is not found", i)
		}
	}
	if table.Chain("KUBE-SEP-") != nil {
		t.Error("a chain is found that nobody declared")
	}
}

// TestNames holds how chains are found against a map, for names of all lengths
// that differ in little, as in what stands for no letter in the kernel.
func TestNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := nf.NewTable(nf.IPv4, "nat")
		jumps, declared := map[string]*nf.Jump{}, map[string]*nf.Chain{}
		name := rapid.Custom(func(t *rapid.T) string {
			end := rapid.StringOfN(rapid.RuneFrom([]rune{0, 'A', 'B'}), 0, 3, -1).Draw(t, "end")
			return strings.Repeat("KUBE", 9)[:rapid.SampledFrom([]int{0, 7, 25, 27, 28, 36}).Draw(t, "length")] + end
		})
		for _, n := range rapid.SliceOfN(name, 100, 200).Draw(t, "names") {
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				c, added := table.AddChain(n, source.Position{})
				if old := declared[n]; added != (old == nil) || old != nil && old != c || c.Name != n {
					t.Fatalf("chain %q: added %t, is %q", n, added, c.Name)
				}
				declared[n] = c
			case 1:
				j, kept := table.Jump(n), table.Statements(table.KeepJump(n))
				if old := jumps[n]; old != nil && old != j || len(kept) != 1 || kept[0] != nf.Statement(j) {
					t.Fatalf("jump to %q: %v and %v, kept as %v", n, old, j, kept)
				}
				jumps[n] = j
			}
			for _, n := range []string{n, n + "\x00", n + "\x00\x00"} {
				if got := table.Chain(n); got != declared[n] {
					t.Fatalf("chain %q is %v, want %v", n, got, declared[n])
				}
			}
		}
		for n, j := range jumps {
			if j.Name != n || j.Chain != declared[n] {
				t.Fatalf("the jump to %q leads to %q, chain %v", n, j.Name, j.Chain)
			}
		}
	})
}

// TestJumpsThatWait reads the jumps of rules whose chains were looked for
// together, and holds them against what each was to be.
func TestJumpsThatWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := nf.NewTable(nf.IPv4, "nat")
		file := &source.File{}
		name := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprint("C", rapid.IntRange(0, rapid.SampledFrom([]int{2, 200}).Draw(t, "most")).Draw(t, "name"))
		})
		want := map[string][]string{} // targets by chain
		for range rapid.IntRange(0, 300).Draw(t, "rules") {
			c, _ := table.AddChain(name.Draw(t, "chain"), source.Position{})
			var list nf.StatementList
			target := name.Draw(t, "target")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				list, target = table.KeepStatement(nf.Drop), "-j DROP"
			case 1: // a rule that turns out to be something else
				table.KeepJump(target)
				list, target = table.KeepStatement(nf.Accept), "-j ACCEPT"
			case 2:
				list, target = table.KeepStatement(table.Jump(target)), "-j "+target
			default:
				list, target = table.KeepJump(target), "-j "+target
			}
			c.AddLine(source.Span{File: file}, nf.MatchList{}, list, nil)
			want[c.Name] = append(want[c.Name], target)
		}
		table.Settle()
		for _, c := range table.Chains() {
			var got []string
			for r := range c.Rules() {
				got = append(got, r.Target().String())
				checkJumpIndex(t, r)
				if j, ok := r.Jump(); ok && (j != table.Jump(j.Name) || j.Chain != table.Chain(j.Name)) {
					t.Fatalf("%s: a jump to %v, want %v", r.Target(), j.Chain, table.Chain(j.Name))
				}
			}
			if !slices.Equal(got, want[c.Name]) {
				t.Fatalf("chain %s has %v, want %v", c.Name, got, want[c.Name])
			}
		}
	})
}

// checkJumpIndex compares a rule's JumpIndex with what its Jump says.
func checkJumpIndex(t interface{ Errorf(string, ...any) }, r *nf.Rule) {
	want := -1
	j, wantOK := r.Jump()
	if wantOK && j.Chain != nil {
		want = j.Chain.Index()
	}
	if got, ok := r.JumpIndex(); got != want || ok != wantOK {
		t.Errorf("%s jumps to chain %d, %v; want %d, %v", r.Target(), got, ok, want, wantOK)
	}
}

// TestJumpIndexes jumps to chains all of which were declared before, as those
// of iptables-save are, and to one that is not.
func TestJumpIndexes(t *testing.T) {
	for _, chains := range []int{1, 31, 32, 33, 96, 2000, 5000} {
		table := nf.NewTable(nf.IPv4, "nat")
		for i := range chains {
			table.AddChain(fmt.Sprintf("C%04d", i), source.Position{})
		}
		first := table.Chains()[0]
		for i := range chains + 1 {
			for _, s := range []nf.Statement{table.Jump(fmt.Sprintf("C%04d", i)), nf.Drop, table.Goto(fmt.Sprintf("C%04d", i))} {
				first.AddRule(nf.NewRule(source.Position{}, "", nil, []nf.Statement{s}))
			}
		}
		for r := range first.Rules() {
			checkJumpIndex(t, r)
		}
	}
}

// TestNewDNAT shows that a DNAT gives back what it was made of.
func TestNewDNAT(t *testing.T) {
	address := rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9"),
		netip.MustParseAddr("fd00::1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")})
	rapid.Check(t, func(t *rapid.T) {
		to := nf.NATRange{First: address.Draw(t, "first"), HasPorts: rapid.Bool().Draw(t, "has ports"),
			Ports: nf.PortRange{First: rapid.Uint16().Draw(t, "port"), Last: rapid.Uint16().Draw(t, "last port")}}
		to.Last = rapid.OneOf(rapid.Just(to.First), address).Draw(t, "last")
		if rapid.Bool().Draw(t, "shifts") {
			to.BasePort = rapid.Uint16().Draw(t, "base port")
		}
		flags := nf.NATFlags{Random: rapid.Bool().Draw(t, "random"), Persistent: rapid.Bool().Draw(t, "persistent")}
		more := rapid.SliceOfN(rapid.Just(to), 0, 2).Draw(t, "more")
		if d := nf.NewDNAT(to, flags, more...); d.To() != to || d.Flags() != flags || !slices.Equal(d.More(), more) {
			t.Fatalf("%v, %v, %v became %v, %v, %v", to, flags, more, d.To(), d.Flags(), d.More())
		}
	})
}
