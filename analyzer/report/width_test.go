package report

import (
	"math/rand/v2"
	"testing"

	prettytext "github.com/jedib0t/go-pretty/v6/text"
)

// TestWidth compares the width of texts, most of which are counted at sight,
// with that of the package that knows all characters.
func TestWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"default/web:http", " ", "~", "→", "×", "…", " → ", "ä", "e\u0301", "漢字", "\u200b", "\ufe0f", "👩\u200d👩", "\t", "\x7f", "\x00",
		boldOn, red, paintOff, "\x1b", "[", "m", "\xff", "\xe2\x86", "\xe2", "\ufffd",
	}
	for range 100_000 {
		text := ""
		for range r.IntN(6) {
			text += pieces[r.IntN(len(pieces))]
		}
		if got, want := width([]byte(text)), prettytext.StringWidthWithoutEscSequences(text); got != want {
			t.Fatalf("%q: %d, expected %d", text, got, want)
		}
	}
}
