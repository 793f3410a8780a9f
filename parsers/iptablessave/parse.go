package iptablessave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A parser reads one dump.
type parser struct {
	dump   *Dump
	header header
	family family

	// table is the table whose lines are read: from "*nat" to COMMIT, or of a
	// listing from its policies on; nil outside of both.
	table  *table
	tables []*table
	// loose are lines that stand under no table and wait for their end, to be
	// told apart; told are the tables made of such lines, and standing says of
	// their chains which one they are in.
	loose    []looseLine
	told     map[string]*table
	standing map[string]string
	// stray are the lines under no table that end where the next line begins.
	stray struct {
		first source.Position
		last  int
	}

	diagnostics diagnostics
	firstSkip   source.Position
	skipText    string

	rules ruleParser
}

// A table is a table that is being read.
type table struct {
	*netfilter.Table
	lines    tableForm
	declared bool             // by "*nat"
	whole    bool             // no line of it was passed over
	base     bool             // a built-in chain is declared
	chain    *netfilter.Chain // where the last rule went
	next     int              // number of the chain behind that one, in most dumps
	inserts  inserts
}

// Parse reads a dump from the cursor on. It ends at the text's end, before a
// line that is no part of a dump and that foreign, which may be nil, claims, or
// before the header of another family or back end. It gives the dump and the
// cursor where it stopped.
func Parse(at source.Cursor, foreign func(line string) bool) (*Dump, source.Cursor) {
	p := &parser{dump: &Dump{Pos: at.Pos()}}
	p.rules.family = &p.family
	p.dump.text.first = at.Line
	for at.More() {
		line, next := at.Next()
		line = p.dump.text.ending(at, line, next)
		if !p.line(at, line, foreign) {
			break
		}
		p.dump.text.end = next.Line
		at = next
	}
	p.finish()
	return p.dump, at
}

// line reads one line; false when the dump ends before it.
func (p *parser) line(at source.Cursor, line string, foreign func(string) bool) bool {
	pos := at.Pos()
	body := trimBlanks(line)
	if body == "" {
		p.keep(pos, line)
		return true
	}
	switch body[0] {
	case '#':
		if h, ok := parseHeader(body); ok {
			p.remarkOnStray(pos)
			if !p.begin(h) {
				return false
			}
			p.keep(pos, line)
			return true
		}
		if !ownRemark(body) && foreign != nil && foreign(line) {
			return false
		}
		if isLegacyWarning(body) {
			p.diagnostics.add(source.Warning, pos, "legacy-tables",
				"the node has tables of iptables-legacy as well, which this dump does not hold")
		} else if strings.IndexByte(body, '\r') >= 0 {
			p.skip(pos, line)
			return true
		}
		p.endListing()
		p.keep(pos, line)
		return true
	case '*':
		if name, ok := tableLine(body); ok {
			p.remarkOnStray(pos)
			p.openTable(pos, name)
			p.keepUnless(line == "*"+name, pos, line)
			return true
		}
	case 'C':
		if body == "COMMIT" && p.commit(pos, line) {
			return true
		}
	case ':', '-', '[', ' ':
		if len(body) <= maxLine {
			if known, taken := p.content(at, line, body); known {
				return taken
			}
		}
	}
	if foreign != nil && foreign(line) {
		return false
	}
	p.skip(pos, line)
	return true
}

// content reads a line that declares a chain or is a rule. known is false if
// it is neither, taken is false when it begins another dump.
func (p *parser) content(at source.Cursor, line, body string) (known, taken bool) {
	if r, ok := ruleLine(body); ok {
		if p.table == nil {
			if p.stray.last == 0 || p.stray.last != at.Line-1 {
				p.stray.first = at.Pos()
			}
			p.stray.last = at.Line
			return true, p.addLoose(at, line, body)
		}
		p.rule(p.table, at, line, &r)
		return true, true
	}
	d, ok := chainLine(body)
	if !ok {
		d, ok = listedChain(body)
	}
	if !ok {
		return false, false
	}
	if d.listed && d.policy != netfilter.NoVerdict && (p.table == nil || !p.table.declared) {
		if !p.listing(at, d) {
			return true, false
		}
	}
	if p.table == nil {
		return true, p.addLoose(at, line, body)
	}
	p.chain(p.table, at.Pos(), line, d)
	return true, true
}

// begin takes the header of a table. It is false when the header is another
// dump's.
func (p *parser) begin(h header) bool {
	if p.header == h {
		p.closeTable()
		return true
	}
	if p.header != (header{}) || p.table != nil || len(p.tables) > 0 || len(p.loose) > 0 {
		return false
	}
	p.header = h
	p.family = family{is: h.family, given: true}
	p.dump.Backend = h.backend
	return true
}

// remarkOnStray says that rules stand right before the line that should have
// come first, be it a table's or its header.
func (p *parser) remarkOnStray(pos source.Position) {
	if p.stray.last != 0 && p.stray.last == pos.Line-1 {
		p.diagnostics.add(source.Error, p.stray.first, "rule-before-table",
			fmt.Sprintf("found %s before the table in line %d, expected a line like \"*nat\" first", count(pos.Line-p.stray.first.Line, "rule"), pos.Line))
	}
	p.stray.last = 0
}

// openTable begins a table that the text names.
func (p *parser) openTable(pos source.Position, name string) {
	p.closeTable()
	p.settle(false)
	t := &table{Table: netfilter.NewTable(p.family.is, name), declared: true, whole: true}
	t.Pos, t.lines.begin, t.lines.order = pos, pos.Line, len(p.tables)
	for _, other := range p.tables {
		if other.Name == name && other.declared {
			p.diagnostics.add(source.Error, pos, "table-twice",
				fmt.Sprintf("table %s stands in the dump a second time, the first is in line %d; the second is not used", name, other.Pos.Line))
			break
		}
	}
	p.table = t
	p.tables = append(p.tables, t)
}

// commit ends the table, or the lines of one whose beginning is cut off. It
// is false if there is nothing to end.
func (p *parser) commit(pos source.Position, line string) bool {
	switch {
	case p.table != nil && p.table.declared:
		t := p.table
		t.lines.commit = pos.Line
		t.Complete = t.whole && t.base
		p.table = nil
	case len(p.loose) > 0:
		p.settle(true)
		p.keep(pos, line)
		return true
	default:
		return false
	}
	p.keepUnless(line == "COMMIT", pos, line)
	return true
}

// closeTable ends a table that has no COMMIT.
func (p *parser) closeTable() {
	t := p.table
	if t == nil {
		return
	}
	p.table = nil
	if t.declared {
		p.diagnostics.add(source.Error, t.Pos, "no-commit",
			fmt.Sprintf("table %s ends without COMMIT, which was expected after its last rule: what is not in the text may be on the node all the same", t.Name))
	}
}

// chain takes a line that declares a chain.
func (p *parser) chain(t *table, pos source.Position, line string, d chainDecl) {
	c, added := t.AddChain(d.name, pos)
	if t.Inferred {
		p.stands(d.name, t.Name)
	}
	if !added && !c.Implied {
		p.diagnostics.add(source.Error, pos, "chain-declared-twice",
			fmt.Sprintf("chain %s of table %s is declared a second time, the first time in line %d", d.name, t.Name, c.Pos().Line))
		p.keep(pos, line)
		return
	}
	if !added {
		c.Implied = false
		c.SetPos(pos)
	}
	if base := builtIn(t, d.name); base != nil {
		base.Policy = d.policy
		c.Base = base
		t.base = t.base || d.policy != netfilter.NoVerdict
	} else if d.policy != netfilter.NoVerdict {
		p.diagnostics.add(source.Warning, pos, "bad-policy",
			fmt.Sprintf("chain %s of table %s has the policy %s, expected \"-\": only built-in chains have one", d.name, t.Name, d.policy.Name()))
	}
	if d.counted {
		c.SetCounters(d.Counters)
	}
	if !t.lines.chains {
		t.lines.chains, t.lines.listed = true, d.listed
	}
	p.rules.scratch = appendChain(p.rules.scratch[:0], c, t.lines.listed)
	p.keepUnless(string(p.rules.scratch) == line, pos, line)
}

// builtIn is what makes a built-in chain of iptables one; nil for other names.
func builtIn(t *table, name string) *netfilter.Base {
	base, ok := netfilter.IPTablesBase(t.Name, name)
	if !ok {
		return nil
	}
	kept := base // only those that there are take memory
	return &kept
}

// rule takes a line with a rule.
func (p *parser) rule(t *table, at source.Cursor, line string, start *ruleStart) {
	if t.chain == nil || t.chain.Name != start.chain {
		t.chain = p.chainOf(t, at.Pos(), start.chain)
	}
	parsed := p.rules.parse(t.Table, start)
	if len(parsed.problems) > 0 {
		p.report(at.Pos(), start.chain, parsed.problems)
	}
	// Pasted lines often lack the last line feed, but what they do they say.
	if isCutOff(at, line) && (t.declared || parsed.statements == (netfilter.StatementList{})) {
		p.cutOff(t, at.Pos(), start, parsed)
	}
	var counters *netfilter.Counters
	switch {
	case parsed.counted:
		counters = &parsed.counters
	case start.counted:
		counters = &start.Counters
	}
	prefixed := 0
	if len(line) > len(start.text) {
		prefixed = len(strings.TrimRight(line, blanks)) - len(start.text)
	}
	text := source.Span{File: at.File, Offset: at.Offset + prefixed, Len: len(start.text), Line: at.Line}
	t.chain.AddLine(text, p.rules.keepMatches(t.Table, parsed.matches), parsed.statements, counters)
	t.inserts.add(t.chain, start.insert, parsed.place)
	t.whole = t.whole && !parsed.broken
	if parsed.counted || len(line) > len(start.text) {
		p.form(t, at.Pos(), line, start, parsed.counted)
	}
}

// form looks at how a rule with counters, or with blanks around it, stands in
// the text. inside says that the counters are among its options.
func (p *parser) form(t *table, pos source.Position, line string, start *ruleStart, inside bool) {
	if !t.lines.counters {
		t.lines.counters, t.lines.countersInside = inside || start.counted, inside && !start.counted
	}
	last := t.chain.Rule(t.chain.NumRules() - 1)
	p.rules.scratch = appendRulePrefix(p.rules.scratch[:0], last, t.lines.countersInside)
	p.rules.scratch = append(p.rules.scratch, start.text...)
	p.keepUnless(string(p.rules.scratch) == line, pos, line)
}

// nextChains is how many chains behind the last one are looked at before the
// table is asked: some have no rules.
const nextChains = 4

// chainOf finds the chain of a rule.
func (p *parser) chainOf(t *table, pos source.Position, name string) *netfilter.Chain {
	// iptables-save writes the rules in the order of the chains.
	chains := t.Chains()
	for i := t.next; i < len(chains) && i < t.next+nextChains; i++ {
		if chains[i].Name == name {
			t.next = i + 1
			return chains[i]
		}
	}
	if c := t.Chain(name); c != nil {
		return c
	}
	c, _ := t.AddChain(name, pos)
	c.Implied = true
	c.Base = builtIn(t, name)
	if t.declared {
		t.whole = false
		p.diagnostics.add(source.Error, pos, "undeclared-chain",
			fmt.Sprintf("rule for chain %s, which table %s does not declare before it", name, t.Name))
	}
	return c
}

// report turns what is wrong with a rule into diagnostics.
func (p *parser) report(pos source.Position, chain string, problems []problem) {
	for _, problem := range problems {
		p.diagnostics.add(problem.severity, pos, problem.code,
			fmt.Sprintf("rule of chain %s: %s: %s", cut(chain), quote(problem.text), problem.message))
	}
}

// skip passes over a line that is not understood.
func (p *parser) skip(pos source.Position, line string) {
	if p.dump.Skipped == 0 {
		p.firstSkip, p.skipText = pos, line
	}
	p.dump.Skipped++
	if p.table != nil {
		p.table.whole = false
	}
	p.endListing()
	p.keep(pos, line)
}

// endListing ends a listing of "iptables -S" at a line that is not its own:
// what follows may be of another one.
func (p *parser) endListing() {
	if p.table != nil && !p.table.declared {
		p.closeTable()
	}
}

// finish closes what is open and fills in what is known only at the end.
func (p *parser) finish() {
	p.closeTable()
	p.settle(false)
	for _, t := range p.tables {
		t.Settle()
		t.inserts.apply()
	}
	p.dump.text.tables = p.tables
	p.remarkOnTables()
	d := p.dump
	d.Family = p.family.is
	d.FamilyInferred = !p.family.given
	if d.Family == netfilter.AnyFamily {
		d.Family = netfilter.IPv4
	}
	for _, t := range p.tables {
		t.Family, t.Backend = d.Family, d.Backend
		if p.isUsed(t) {
			d.Tables = append(d.Tables, t.Table)
		}
	}
	if d.Skipped > 0 {
		message := fmt.Sprintf("skipped %s, first: %s", count(d.Skipped, "line"), quote(p.skipText))
		p.diagnostics.skipped(p.firstSkip, message, d.Skipped)
	}
	d.Diagnostics = p.diagnostics.all()
}

// isUsed reports whether the table is the dump's table of that name: the first
// that the text names, else the first that was inferred.
func (p *parser) isUsed(t *table) bool {
	for _, other := range p.tables {
		if other == t {
			continue
		}
		if other.Name == t.Name && (other.declared && !t.declared || other.declared == t.declared && other.lines.order < t.lines.order) {
			return false
		}
	}
	return true
}
