package report_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/svcpath/svcpath/analyzer/report"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{`-A X -m comment --comment "a \"b\" é 世"`, `-A X -m comment --comment "a \"b\" é 世"`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\tb\nc\rd\x00e\x7f", `a\tb\nc\rd\x00e\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"\u202egnp.exe", `\u202egnp.exe`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"no\u00a0break", `no\u00a0break`},
		{"\U000e0041", `\U000e0041`},
		{"bad \xff\xc3( utf-8", `bad \xff\xc3( utf-8`},
		{"its own \ufffd", "its own \ufffd"},
	} {
		if got := report.Escape(test.in); got != test.want {
			t.Errorf("Escape(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// TestEscapeBytes has each byte at each place of a longer text.
func TestEscapeBytes(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			text := []byte(" ~ab ~cd ~ef ~gh ~ij")
			text[at] = byte(c)
			if got, plain := report.Escape(string(text)), c >= ' ' && c <= '~'; (got == string(text)) != plain {
				t.Errorf("Escape(%q) = %q", text, got)
			}
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(hostile)
	f.Add("plain")
	f.Fuzz(func(t *testing.T, s string) {
		escaped := report.Escape(s)
		if !utf8.ValidString(escaped) || strings.ContainsFunc(escaped, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Escape(%q) = %q", s, escaped)
		}
		if again := report.Escape(escaped); again != escaped {
			t.Errorf("escaping %q again gives %q", escaped, again)
		}
	})
}
