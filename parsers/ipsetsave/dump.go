// Package ipsetsave reads what ipset prints of the kernel's sets: "ipset save",
// and "ipset list" as text, as XML and without the elements. It goes on behind
// whatever it does not understand and says so.
package ipsetsave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Dump is one run of ipset, or a part of the text of one.
type Dump struct {
	// Sets are in the order of the text. A set of a type that is not modelled
	// is not among them.
	Sets        []*netfilter.IPSet
	Diagnostics []source.Diagnostic
	// Skipped counts the lines that were not understood.
	Skipped int
}

// A reader reads the text of one dump.
type reader struct {
	dump    Dump
	remarks source.Remarks
	set     *netfilter.IPSet // the one that is being read; nil for one that is not modelled
	lacking bool             // elements of it were seen and not understood
	other   string           // names the set that is not modelled
	words   []string
}

// unread remarks that a line is not understood.
func (r *reader) unread(pos source.Position, code, message string) {
	r.remarks.Add(source.Diagnostic{Severity: source.Error, Pos: pos, Code: code, Message: message, Unread: 1})
	r.dump.Skipped++
}

func (r *reader) warn(pos source.Position, code, format string, args ...any) {
	r.remarks.Add(source.Diagnostic{Severity: source.Warning, Pos: pos, Code: code, Message: fmt.Sprintf(format, args...)})
}

// begin begins a set. Without a set that can be kept its elements are passed
// over.
func (r *reader) begin(set *netfilter.IPSet) {
	r.set, r.lacking = set, false
	if set != nil {
		r.dump.Sets = append(r.dump.Sets, set)
	}
}

// element reads an element of the set that was begun: its words, and where it
// stands.
func (r *reader) element(words []string, span source.Span) {
	pos := source.Position{File: span.File, Line: span.Line}
	if r.set == nil {
		r.unread(pos, "set-not-modelled", fmt.Sprintf("an element of set %s, which is not read", source.Quote(r.other)))
		return
	}
	e, err := parseElement(r.set, words)
	if err != nil {
		r.lacking = true
		r.unread(pos, "bad-element", fmt.Sprintf("an element of set %s: %v", source.Quote(r.set.Name), err))
		return
	}
	e.Span = span
	r.set.Add(e)
}

func (r *reader) finished() *Dump {
	r.dump.Diagnostics = r.remarks.All()
	return &r.dump
}

// cutOff is the remark about a text that ends where it cannot end.
func (r *reader) cutOff(pos source.Position, where string) {
	what := "the text"
	if r.set != nil {
		what = "set " + source.Quote(r.set.Name)
	}
	r.warn(pos, "cut-set", "%s is cut off %s: what is not here need not be missing", what, where)
}

// appendWords appends the words of a line; double quotes hold blanks.
func appendWords(words []string, line string) []string {
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case isBlank(c):
			i++
		case c == '"':
			end := strings.IndexByte(line[i+1:], '"')
			if end < 0 {
				return append(words, line[i+1:])
			}
			words = append(words, line[i+1:i+1+end])
			i += end + 2
		default:
			begin := i
			for i < len(line) && !isBlank(line[i]) {
				i++
			}
			words = append(words, line[begin:i])
		}
	}
	return words
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// spanOf is the part of the line at the cursor that is not blank.
func spanOf(at source.Cursor, line string) source.Span {
	trimmed := strings.TrimLeft(line, " \t")
	begin := len(line) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, " \t\r")
	return source.Span{File: at.File, Offset: at.Offset + begin, Len: len(trimmed), Line: at.Line}
}

// endsText reports whether a line stands behind a text that is whole: a prompt,
// or the end of a block of a Markdown text. What else stands there may have
// been put in the place of what was left out.
func endsText(line string) bool {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "```") {
		return true
	}
	for _, mark := range []string{"$", "#"} {
		if before, _, ok := strings.Cut(line+" ", mark+" "); ok && len(before) < 100 && !strings.HasPrefix(before, ".") {
			return true
		}
	}
	return false
}
