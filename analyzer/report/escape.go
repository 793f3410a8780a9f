package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes text from a dump fit for a terminal, on one line: whatever is
// not printable (control characters, escape sequences, characters that change
// the direction of writing or have no width) is written out as \x1b, \u202e or
// \U000e0001, and bytes that are no UTF-8 as \xff. Printable text, backslashes
// among it, stays as it is; for the exact text there is JSON.
func Escape(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteString(s[i : i+n])
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// appendEscaped appends what Escape makes of a text.
func appendEscaped(b []byte, s string) []byte {
	if isASCII(s) {
		return append(b, s...)
	}
	return append(b, Escape(s)...)
}

// clip is the beginning of text that is longer than n characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// isASCII reports whether the text is made of the printable characters of
// ASCII.
func isASCII[Text string | []byte](s Text) bool {
	// Eight at a time: with this taken away or added, the highest bit of one that
	// is not printable is set. What a byte borrows or carries is borrowed or
	// carried by such a one.
	const each = 0x0101010101010101
	for ; len(s) >= 8; s = s[8:] {
		eight := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		if (eight|(eight-' '*each)|(eight+(0x7f-'~')*each))&(0x80*each) != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isPlain reports whether the text is valid UTF-8 and printable throughout.
func isPlain(s string) bool {
	if isASCII(s) {
		return true
	}
	for _, r := range s {
		// The replacement character stands for bytes that are no UTF-8 here;
		// where it is the dump's own, the long way gives the same.
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// escapeQuoted writes out the characters of a finished JSON or YAML document
// that a terminal would not show as they are. The encoders leave some of them
// in quoted strings (of JSON also DEL and the C1 controls), and nowhere else;
// there \u stands for the same character in both languages. Line feeds are the
// document's own.
func escapeQuoted(doc []byte, astral func(b []byte, r rune) []byte) []byte {
	if isPlainDocument(doc) {
		return doc
	}
	out := make([]byte, 0, len(doc)+16)
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out = append(out, doc[i:i+n]...)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = astral(out, r)
		}
		i += n
	}
	return out
}

func isPlainDocument(doc []byte) bool {
	for i := 0; i < len(doc); {
		if c := doc[i]; c == '\n' || c >= ' ' && c <= '~' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(doc[i:])
		if !unicode.IsPrint(r) {
			return false
		}
		i += n
	}
	return true
}
