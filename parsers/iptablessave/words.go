package iptablessave

import (
	"errors"
	"strings"
)

// A word is one argument of a rule, as iptables-restore cuts a line into
// arguments (iptables/xshared.c, add_param_to_argv): parted by blanks, double
// quotes hold blanks, and a backslash inside them takes the next byte as it is.
type word struct {
	text       string // quotes and escapes taken off
	start, end int    // its place in the line, quotes included
	quoted     bool
}

var errOpenQuote = errors.New("a quote is opened and never closed")

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// nextWord reads the word at or behind line[i]. ok is false at the line's end.
// With an error the word is the rest of the line.
func nextWord(line string, i int) (w word, ok bool, err error) {
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	if i == len(line) {
		return word{}, false, nil
	}
	if line[i] == '"' {
		text, end, err := quoted(line, i)
		return word{text: text, start: i, end: end, quoted: true}, true, err
	}
	start := i
	for i < len(line) && !isBlank(line[i]) {
		if line[i] == '"' { // --comment="a b"
			text, end, err := quoted(line, i)
			return word{text: line[start:i] + text, start: start, end: end}, true, err
		}
		i++
	}
	return word{text: line[start:i], start: start, end: i}, true, nil
}

// quoted reads the quoted text that begins at line[i], and where it ends, the
// closing quote included.
func quoted(line string, i int) (text string, end int, err error) {
	end, escaped, err := quotedEnd(line, i)
	text = line[i+1 : end]
	if err == nil {
		text = text[:len(text)-1]
	}
	if escaped {
		text = unescape(text)
	}
	return text, end, err
}

// quotedEnd is where the quoted text ends that begins at line[i], the closing
// quote included.
func quotedEnd(line string, i int) (end int, escaped bool, err error) {
	for i++; i < len(line); i++ {
		switch line[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			return i + 1, escaped, nil
		}
	}
	return len(line), escaped, errOpenQuote
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isOption reports whether the word begins an option, and is no value that
// looks like one.
func (w word) isOption() bool { return !w.quoted && len(w.text) > 1 && w.text[0] == '-' }

func (w word) isNot() bool { return !w.quoted && w.text == "!" }
