package netfilter

import (
	"fmt"
	"math"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Draft is a rule before it stands in a chain.
type Draft struct {
	pos        source.Position
	text       string
	matches    []Match
	statements []Statement
	counters   Counters
	counted    bool
}

// NewRule makes a rule for Chain.AddRule. text is the rule as captured, byte
// for byte, without counters before it and without the line's end.
func NewRule(pos source.Position, text string, matches []Match, statements []Statement) Draft {
	return Draft{pos: pos, text: text, matches: matches, statements: statements}
}

// WithCounters is the rule with the counters that the dump shows for it.
func (d Draft) WithCounters(c Counters) Draft {
	d.counters, d.counted = c, true
	return d
}

// A MatchList is a list of matches that a table keeps for its rules. Any number
// of rules of the table can have it. The zero MatchList is empty.
type MatchList struct {
	number uint32
	length uint16
}

// A StatementList is likewise a list of statements.
type StatementList struct {
	number uint32
	length uint16
}

// KeepMatches keeps a copy of the list, of up to 65,535 matches.
func (t *Table) KeepMatches(list []Match) MatchList {
	if len(list) == 0 {
		return MatchList{}
	}
	return MatchList{number: t.matches.add(list...), length: short(len(list))}
}

// Matches are the matches of a list that the table keeps. The caller must not
// change the slice.
func (t *Table) Matches(list MatchList) []Match { return t.matches.list(list.number, int(list.length)) }

// isJump is set in the numbers of lists that are one jump alone: those are in
// Table.jumps, all others in Table.statements.
const isJump = 1 << 31

// Statements are the statements of a list that the table keeps. The caller must
// not change the slice.
func (t *Table) Statements(list StatementList) []Statement {
	if list.number == waits {
		list.number = t.jump(t.waiting[len(t.waiting)-1].name)
	}
	return t.list(list.number, int(list.length))
}

func (t *Table) list(number uint32, length int) []Statement {
	if number&isJump != 0 {
		return t.jumps.list(number&^isJump, length)
	}
	return t.statements.list(number, length)
}

// KeepStatement keeps a list with one statement. All jumps to one chain share
// theirs.
func (t *Table) KeepStatement(s Statement) StatementList {
	if j, ok := s.(*Jump); ok && t.owns(j) {
		return StatementList{number: j.list, length: 1}
	}
	return StatementList{number: t.statements.add(s), length: 1}
}

// owns reports whether the jump is one of this table's, and not of another one's.
func (t *Table) owns(j *Jump) bool {
	if j.list&isJump != 0 {
		n := j.list &^ isJump
		return t.jumps.has(n) && *t.jumps.at(n) == Statement(j)
	}
	return t.statements.has(j.list) && *t.statements.at(j.list) == Statement(j)
}

// KeepStatements keeps a copy of the list, of up to 65,535 statements.
func (t *Table) KeepStatements(list []Statement) StatementList {
	switch len(list) {
	case 0:
		return StatementList{}
	case 1:
		return t.KeepStatement(list[0])
	}
	return StatementList{number: t.statements.add(list...), length: short(len(list))}
}

func short(n int) uint16 {
	if n > math.MaxUint16 {
		panic(fmt.Sprintf("netfilter: a rule with %d parts, expected up to %d", n, math.MaxUint16))
	}
	return uint16(n)
}

// oddText is the text of a rule that is no part of the table's file.
type oddText struct {
	file *source.File
	text string
}

// isOdd stands for the length of such a text.
const isOdd = math.MaxUint32

// AddRule appends a rule. Pointers to the chain's rules that were handed out
// before are no longer good: build first, then read.
func (c *Chain) AddRule(d Draft) {
	t := c.Table
	r := c.add()
	t.odd = append(t.odd, oddText{d.pos.File, d.text})
	r.offset, r.length, r.line = uint32(len(t.odd)-1), isOdd, int32(d.pos.Line)
	r.setParts(t.KeepMatches(d.matches), t.KeepStatements(d.statements))
	if d.counted {
		r.counters = t.keepCounters(d.counters)
	}
}

// AddLine appends a rule as AddRule does, of a text that stands in a file and
// of lists that the chain's table keeps. counters is nil if the rule has none.
func (c *Chain) AddLine(text source.Span, matches MatchList, statements StatementList, counters *Counters) {
	t := c.Table
	if t.file == nil {
		t.file = text.File
	}
	if statements.number == waits {
		t.await(c)
	}
	r := c.add()
	if text.File == t.file && uint64(text.Offset) <= math.MaxUint32 && uint64(text.Len) < isOdd {
		r.offset, r.length = uint32(text.Offset), uint32(text.Len)
	} else {
		t.odd = append(t.odd, oddText{text.File, text.Text()})
		r.offset, r.length = uint32(len(t.odd)-1), isOdd
	}
	r.line = int32(text.Line)
	r.setParts(matches, statements)
	if counters != nil {
		r.counters = t.keepCounters(*counters)
	}
}

func (r *Rule) setParts(m MatchList, s StatementList) {
	r.matches, r.numMatches = m.number, m.length
	r.statements, r.numStatements = s.number, s.length
}
