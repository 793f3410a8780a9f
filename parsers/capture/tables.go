package capture

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/nftlist"
)

// A tableKey tells tables apart.
type tableKey struct {
	family  netfilter.Family
	backend netfilter.Backend
	name    string
}

// captured gives a file's tables, its fragments of one table put together.
func (r *reading) captured() []*netfilter.Table {
	var tables []*netfilter.Table
	fragments := map[tableKey]*netfilter.Table{}
	for _, t := range r.tables {
		key := tableKey{t.Family, t.Backend, t.Name}
		first := fragments[key]
		switch {
		case t.Complete, t.Backend == netfilter.Native: // nftlist puts these together
			tables = append(tables, t)
		case first == nil:
			fragments[key] = t
			tables = append(tables, t)
		default:
			join(first, t)
		}
	}
	return tables
}

// join appends the chains and rules of a fragment to those of an earlier one.
func join(to, from *netfilter.Table) {
	to.Inferred = to.Inferred && from.Inferred
	for _, chain := range from.Chains() {
		joined, added := to.AddChain(chain.Name, chain.Pos())
		if added || joined.Implied && !chain.Implied {
			joined.Base, joined.Implied = chain.Base, chain.Implied
			joined.SetPos(chain.Pos())
			if c, ok := chain.Counters(); ok {
				joined.SetCounters(c)
			}
		}
		for rule := range chain.Rules() {
			moved := netfilter.NewRule(rule.Pos(), rule.Text(), rule.Matches(), retarget(to, rule.Statements()))
			if c, ok := rule.Counters(); ok {
				moved = moved.WithCounters(c)
			}
			joined.AddRule(moved)
		}
	}
}

// retarget is a rule's statements with jumps to the chains of another table.
func retarget(to *netfilter.Table, statements []netfilter.Statement) []netfilter.Statement {
	for i, s := range statements {
		jump, ok := s.(*netfilter.Jump)
		if !ok {
			continue
		}
		moved := append([]netfilter.Statement(nil), statements...)
		if jump.Goto {
			moved[i] = to.Goto(jump.Name)
		} else {
			moved[i] = to.Jump(jump.Name)
		}
		return moved
	}
	return statements
}

// chooseTables keeps one capture of each table: of those that are whole, if
// any is, the one that leaves out least; of such the first. Text that names no
// back end may be of any. What is not used is reported, and what the table that
// is used leaves out.
func chooseTables(captures []*netfilter.Table) (kept []*netfilter.Table, diags []source.Diagnostic) {
	var remarks source.Remarks
	var listed listings
	for _, t := range captures {
		i := 0
		for i < len(kept) && !sameTable(kept[i], t) {
			i++
		}
		if i == len(kept) {
			kept = append(kept, t)
			continue
		}
		used, other := kept[i], t
		if t.Complete && !used.Complete || t.Complete == used.Complete && t.Omits < used.Omits {
			used, other = t, used
			kept[i] = t
		}
		if d := unused(used, other); d.Code == "listed-by-nft" {
			listed.add(d)
		} else {
			remarks.Add(d)
		}
	}
	for _, d := range listed.diags {
		remarks.Add(d)
	}
	for _, t := range kept {
		if r, ok := nftlist.Lost(t); ok {
			remarks.Add(omission(t, r))
			break
		}
	}
	return kept, remarks.All()
}

// omission says, once, that iptables' tables are known only as nft lists them.
func omission(t *netfilter.Table, r *netfilter.Rule) source.Diagnostic {
	command := "iptables-save"
	if t.Family == netfilter.IPv6 {
		command = "ip6tables-save"
	}
	return source.Diagnostic{
		Severity: source.Warning, Pos: r.Pos(), Code: "nft-shows-less",
		Message: fmt.Sprintf("nft does not show all of the rules of iptables, in table %s this one among them: "+
			"what it leaves out is unknown; %s would tell", t.Name, command),
	}
}

func sameTable(a, b *netfilter.Table) bool {
	return a.Family == b.Family && a.Name == b.Name &&
		(a.Backend == b.Backend || a.Backend == netfilter.UnknownBackend || b.Backend == netfilter.UnknownBackend)
}

// listings are remarks about tables of iptables that nft lists too: one for each
// file, for what holds of one table there holds of all.
type listings struct {
	diags []source.Diagnostic
}

func (l *listings) add(d source.Diagnostic) {
	for _, other := range l.diags {
		if other.Pos.File == d.Pos.File {
			return
		}
	}
	l.diags = append(l.diags, d)
}

func unused(used, other *netfilter.Table) source.Diagnostic {
	d := source.Diagnostic{Pos: other.Pos, Code: "table-captured-again"}
	what := fmt.Sprintf("table %s, %s", used.Name, used.Family)
	switch {
	case used.Omits < other.Omits && other.Omits >= netfilter.OmitsOptions:
		d.Severity, d.Code = source.Info, "listed-by-nft"
		d.Message = fmt.Sprintf("tables of iptables, %s the first of them, are captured here as nft lists them, which leaves much out; the capture at %s is used", what, used.Pos)
	case sameRules(used, other):
		d.Severity = source.Info
		d.Message = fmt.Sprintf("%s is captured again with the same rules; the capture at %s is used", what, used.Pos)
	case used.Complete && !other.Complete:
		d.Severity = source.Warning
		d.Message = fmt.Sprintf("a part of %s is captured here with other rules; the whole table at %s is used", what, used.Pos)
	default:
		d.Severity = source.Warning
		d.Message = fmt.Sprintf("%s is captured again with other rules; the first capture, at %s, is used", what, used.Pos)
	}
	return d
}

// sameRules reports whether every chain of other has the rules that it has in
// used, counters aside, and, if other is whole, there are no more chains.
func sameRules(used, other *netfilter.Table) bool {
	if other.Complete && len(used.Chains()) != len(other.Chains()) {
		return false
	}
	for _, chain := range other.Chains() {
		same := used.Chain(chain.Name)
		if same == nil || same.NumRules() != chain.NumRules() {
			return false
		}
		for i := range chain.NumRules() {
			if a, b := same.Rule(i), chain.Rule(i); a.Text() != b.Text() && a.Uncounted() != b.Uncounted() {
				return false
			}
		}
	}
	return true
}
