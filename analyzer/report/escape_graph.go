package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLabel is how many characters of a text from the dump a drawing shows.
const maxLabel = 120

// visible is text from a dump as a label shows it: what has no look of its
// own (control characters, characters that change the direction of writing or
// have no width) as \u{1b}, bytes that are no UTF-8 as U+FFFD, what is too
// long cut off.
func visible(s string) string {
	if len(s) <= maxLabel && isPlain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == maxLabel {
			b.WriteRune('…')
			break
		}
		n++
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// dotEscaper: in a quoted string of DOT a backslash begins an escape ("\l",
// "\N"; graphviz.org/docs/attr-types/escString) and an ampersand a character
// reference (graphviz.org/doc/info/lang.html, "In quoted strings").
var dotEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`)

// dotQuote writes lines of text as one quoted string of DOT.
func dotQuote(lines ...string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, line := range lines {
		if i > 0 {
			b.WriteString(`\n`)
		}
		dotEscaper.WriteString(&b, visible(line))
	}
	b.WriteByte('"')
	return b.String()
}

// mermaidQuote writes lines of text as one quoted label of Mermaid, all ASCII.
// Mermaid takes labels for Markdown and HTML with entities, icons and formulas
// of its own, so nothing stands for itself but what is known to be plain; the
// rest is written as entities by number ("#35;", mermaid.js.org/syntax/
// flowchart.html, "Entity codes to escape characters"). It takes no label
// without any text.
func mermaidQuote(lines ...string) string {
	if len(lines) == 1 && lines[0] == "" {
		return `"#32;"`
	}
	var b strings.Builder
	b.WriteByte('"')
	for i, line := range lines {
		if i > 0 {
			b.WriteString("<br/>")
		}
		line = visible(line)
		for at, r := range line {
			if mermaidPlain(line, at, r) {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, "#%d;", r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// mermaidPlain reports whether the character at a place in a line stands for
// itself in Mermaid wherever it can be. A blank does between others (four of
// them begin Markdown's code), a hyphen before a letter (before a blank it
// begins a list), a dot between digits ("1. " begins a list, "www." a link).
func mermaidPlain(line string, at int, r rune) bool {
	before, after := byte(0), byte(0)
	if at > 0 {
		before = line[at-1]
	}
	if at+1 < len(line) {
		after = line[at+1]
	}
	switch r {
	case ' ':
		return before != 0 && before != ' '
	case '-':
		return isAlphanumeric(after)
	case '.':
		return isDigit(before) && isDigit(after)
	case '/', ',', '%', '!':
		return true
	}
	return r < utf8.RuneSelf && isAlphanumeric(byte(r))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// appendJSONText appends text as a string of JSON. Characters that a terminal
// would act on or not show are written out too, not only those that JSON
// demands it of; bytes that are no UTF-8 become U+FFFD.
func appendJSONText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			// RFC 8259, section 7: a surrogate pair.
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
	}
	return append(b, '"')
}
