package report

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestGraphEscapes(t *testing.T) {
	for _, tc := range []struct{ text, dot, mermaid, json string }{
		{"-d 10.96.0.10/32 udp dport 53", `"-d 10.96.0.10/32 udp dport 53"`, `"-d 10.96.0.10/32 udp dport 53"`, `"-d 10.96.0.10/32 udp dport 53"`},
		{`a"]; b`, `"a\"]; b"`, `"a#34;#93;#59; b"`, `"a\"]; b"`},
		{`\l\N`, `"\\l\\N"`, `"#92;l#92;N"`, `"\\l\\N"`},
		{"&lt;<b>", `"&amp;lt;<b>"`, `"#38;lt#59;#60;b#62;"`, `"&lt;<b>"`},
		{"a\nb\x1b[1m", `"a\\u{a}b\\u{1b}[1m"`, `"a#92;u#123;a#125;b#92;u#123;1b#125;#91;1m"`, `"a\u000ab\u001b[1m"`},
		{"\u202e\u009b", `"\\u{202e}\\u{9b}"`, `"#92;u#123;202e#125;#92;u#123;9b#125;"`, `"\u202e\u009b"`},
		{"\U000e0001", `"\\u{e0001}"`, `"#92;u#123;e0001#125;"`, `"\udb40\udc01"`},
		{"\xff", `"` + "\ufffd" + `"`, `"#65533;"`, `"` + "\ufffd" + `"`},
		{"é", `"é"`, `"#233;"`, `"é"`},
		{"", `""`, `"#32;"`, `""`},
		{"- 1. x", `"- 1. x"`, `"#45; 1#46; x"`, `"- 1. x"`},
		{"  a  ", `"  a  "`, `"#32;#32;a #32;"`, `"  a  "`},
		{strings.Repeat("a", 121), `"` + strings.Repeat("a", 120) + `…"`, `"` + strings.Repeat("a", 120) + `#8230;"`, `"` + strings.Repeat("a", 121) + `"`},
	} {
		if got := dotQuote(tc.text); got != tc.dot {
			t.Errorf("dotQuote(%q) = %s, want %s", tc.text, got, tc.dot)
		}
		if got := mermaidQuote(tc.text); got != tc.mermaid {
			t.Errorf("mermaidQuote(%q) = %s, want %s", tc.text, got, tc.mermaid)
		}
		if got := string(appendJSONText(nil, tc.text)); got != tc.json {
			t.Errorf("appendJSONText(%q) = %s, want %s", tc.text, got, tc.json)
		}
	}
	if got, want := dotQuote(`a\`, "b"), `"a\\\nb"`; got != want {
		t.Errorf("two lines of DOT are %s, want %s", got, want)
	}
	if got, want := mermaidQuote(`<`, "b"), `"#60;<br/>b"`; got != want {
		t.Errorf("two lines of Mermaid are %s, want %s", got, want)
	}
}

var (
	dotString     = regexp.MustCompile(`^"(?:[^"\\\n]|\\["\\])*"$`)
	mermaidString = regexp.MustCompile(`^"(?:[A-Za-z0-9 ,./%!-]|#[0-9]+;)+"$`)
	mermaidEntity = regexp.MustCompile(`#[0-9]+;`)
)

// Whatever the text is, it stays in its quotes and reads as what it shows.
func FuzzGraphEscapes(f *testing.F) {
	for _, s := range []string{"", `a"b\c`, "\\u{1b}", "\x1b\u202e\xff", "&amp;#35;", "1. - x", "é🎈\U000e0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dot := dotQuote(s)
		if !dotString.MatchString(dot) {
			t.Errorf("%q in DOT is %s", s, dot)
		}
		shown := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(dot[1 : len(dot)-1])
		if got := strings.ReplaceAll(shown, "&amp;", "&"); got != visible(s) {
			t.Errorf("%q in DOT reads %q", s, got)
		}
		if strings.Contains(strings.ReplaceAll(shown, "&amp;", ""), "&") {
			t.Errorf("%q in DOT holds a character reference: %s", s, dot)
		}
		mermaid := mermaidQuote(s)
		if !mermaidString.MatchString(mermaid) {
			t.Errorf("%q in Mermaid is %s", s, mermaid)
		}
		got := mermaidEntity.ReplaceAllStringFunc(mermaid[1:len(mermaid)-1], func(e string) string {
			n, err := strconv.Atoi(e[1 : len(e)-1])
			if err != nil {
				t.Error(err)
			}
			return string(rune(n))
		})
		if got != visible(s) && s != "" {
			t.Errorf("%q in Mermaid reads %q", s, got)
		}
		var back string
		doc := appendJSONText(nil, s)
		if err := json.Unmarshal(doc, &back); err != nil || back != string([]rune(s)) {
			t.Errorf("%q in JSON is %s, reads %q, %v", s, doc, back, err)
		}
		for _, text := range []string{dot, mermaid, string(doc)} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q becomes %q, which is not printable", s, text)
			}
		}
	})
}
