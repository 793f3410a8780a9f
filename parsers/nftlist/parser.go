package nftlist

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A parser reads one text: a listing, or a part of one that was made from JSON.
type parser struct {
	lexer
	file *source.File
	base int // offset of the lexer's text in the file's

	table   *netfilter.Table
	compat  bool // iptables' own table
	remarks *source.Remarks
	dump    *Dump
	foreign func(line string) bool

	// rendered says that the text was made from JSON: rules are not parts of
	// the file's text, and all stand at pos.
	rendered bool
	pos      source.Position

	// The rule that is being read.
	matches    []netfilter.Match
	statements []netfilter.Statement
	counters   netfilter.Counters
	counted    bool
	comment    string

	bad *failure
	// depth is how deep expressions and sets stand in one another.
	depth int
	// blanks says whether lines end with blanks: 0 not looked yet, 1 no, 2 yes.
	blanks uint8
}

// maxDepth is more than any rule that nft takes.
const maxDepth = 40

// A failure says what was expected where something else was found.
type failure struct {
	expected string
	found    token
	line     int
}

// fail notes the first failure of a rule or declaration. It gives false.
func (p *parser) fail(t token, expected string) bool {
	if p.bad == nil {
		p.bad = &failure{expected: expected, found: t, line: p.line}
		if t.kind == newline {
			p.bad.line--
		}
	}
	return false
}

func (f *failure) message() string {
	return fmt.Sprintf("found %s, expected %s", f.found.shown(), f.expected)
}

func (t token) shown() string {
	switch t.kind {
	case endOfText:
		return "the end of the text"
	case newline:
		return "the end of the line"
	case remark:
		return source.Quote("#" + t.text)
	}
	return source.Quote(t.text)
}

// here is the position of a line of the text.
func (p *parser) here(line int) source.Position {
	if p.rendered {
		return p.pos
	}
	return source.Position{File: p.file, Line: line}
}

// report adds a diagnostic about something that could not be read.
func (p *parser) report(severity source.Severity, line int, code, message string, unread int) {
	p.remarks.Add(source.Diagnostic{Severity: severity, Pos: p.here(line), Code: code, Message: message, Unread: unread})
	p.dump.Skipped += unread
}

// reportBad reports the failure, if any, and forgets it.
func (p *parser) reportBad(what string, unread int) {
	if p.bad == nil {
		return
	}
	p.report(source.Warning, p.bad.line, "unread-nft", fmt.Sprintf("%s: %s", what, p.bad.message()), unread)
	p.bad = nil
}

// name takes a name: of a table, chain, set or object.
func (p *parser) name(what string) (string, bool) {
	t := p.next()
	if t.kind != word && t.kind != quoted || t.text == "" {
		return "", p.fail(t, what)
	}
	return t.text, true
}

// want takes a word or symbol.
func (p *parser) want(s string) bool {
	if t := p.next(); !t.is(s) {
		return p.fail(t, source.Quote(s))
	}
	return true
}

// ends reports whether the token ends a statement: the line, or what holds it.
func ends(t token) bool {
	return t.kind == endOfText || t.kind == newline || t.is(";") || t.is("}") || t.kind == remark
}

// quotedText takes a quoted text, as "comment" has.
func (p *parser) quotedText(what string) (string, bool) {
	t := p.next()
	if t.kind == word && !strings.Contains(t.text, `"`) || t.kind == quoted {
		return t.text, true
	}
	return "", p.fail(t, what)
}

// breaksOff reports whether another text, or another table, begins with the
// token, which stands where a part of a table was expected: the table's end is
// missing.
func (p *parser) breaksOff(t token) bool {
	if p.rendered || t.start > 0 && p.text[t.start-1] != '\n' {
		return false
	}
	line := p.text[t.start:p.lineEnd(t.start)]
	return t.is("table") && Begins(line) || p.foreign != nil && p.foreign(line)
}

// skipLine goes to the end of the line, or before the brace that closes the
// block. Blocks on the way are skipped whole.
func (p *parser) skipLine() {
	depth := 0
	for {
		saved := p.lexer
		t := p.next()
		switch {
		case t.kind == endOfText, depth == 0 && t.kind == newline:
			return
		case t.is("{"):
			depth++
		case t.is("}"):
			if depth == 0 {
				p.lexer = saved
				return
			}
			depth--
		}
	}
}
