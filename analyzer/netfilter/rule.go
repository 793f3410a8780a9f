package netfilter

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Rule is one rule of a chain, as the dump shows it: its matches, which must
// all hold, and then its statements, in order. A rule of iptables has at most
// one statement, its target; without one it only counts.
type Rule struct {
	chain      *Chain
	text       string
	file       *source.File
	line       int32
	number     int32
	counted    bool
	counters   Counters
	matches    []Match
	statements []Statement
}

// NewRule makes a rule for Chain.AddRule. text is the rule as captured, byte
// for byte, without counters before it and without the line's end. The slices
// may be shared between rules; nobody changes them.
func NewRule(pos source.Position, text string, matches []Match, statements []Statement) Rule {
	return Rule{file: pos.File, line: int32(pos.Line), text: text, matches: matches, statements: statements}
}

// WithCounters is the rule with the counters that the dump shows for it.
func (r Rule) WithCounters(c Counters) Rule {
	r.counters, r.counted = c, true
	return r
}

// Chain is the chain that the rule stands in.
func (r *Rule) Chain() *Chain { return r.chain }

// Number is the rule's place in its chain, from 1, as
// "iptables -L --line-numbers" counts.
func (r *Rule) Number() int { return int(r.number) }

// Pos is the line of the dump that holds the rule.
func (r *Rule) Pos() source.Position { return source.Position{File: r.file, Line: int(r.line)} }

// Text is the rule as captured, byte for byte: "-A KUBE-SERVICES …".
func (r *Rule) Text() string { return r.text }

// Counters are the rule's counters. ok is false when the dump has none, which
// is not the same as no traffic.
func (r *Rule) Counters() (c Counters, ok bool) { return r.counters, r.counted }

// Matches are the rule's conditions in the order in which the kernel tests
// them: addresses, interfaces and protocol first, then the extensions as they
// were loaded. The caller must not change the slice.
func (r *Rule) Matches() []Match { return r.matches }

// Statements are what the rule does with a packet that all matches hold for.
// The caller must not change the slice.
func (r *Rule) Statements() []Statement { return r.statements }

// Target is the rule's last statement, nil if it has none: for a rule of
// iptables, what stands after -j or -g.
func (r *Rule) Target() Statement {
	if len(r.statements) == 0 {
		return nil
	}
	return r.statements[len(r.statements)-1]
}

// Jump is the rule's target if it is a jump or goto to a chain.
func (r *Rule) Jump() (*Jump, bool) {
	j, ok := r.Target().(*Jump)
	return j, ok
}

// Comment is the text of the rule's first comment, "" without one. Comments
// are claims by whoever wrote the rule.
func (r *Rule) Comment() string {
	for _, m := range r.matches {
		if c, ok := m.(*Comment); ok {
			return c.Text
		}
	}
	return ""
}

// String is the rule written anew from its parts, as iptables-save prints it:
// "-A CHAIN", the matches, the statements.
func (r *Rule) String() string {
	var b strings.Builder
	b.WriteString("-A ")
	if r.chain != nil {
		b.WriteString(r.chain.Name)
	}
	for _, m := range r.matches {
		b.WriteByte(' ')
		b.WriteString(m.String())
	}
	for _, s := range r.statements {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}
