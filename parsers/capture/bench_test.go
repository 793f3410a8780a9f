package capture

import (
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

// BenchmarkProse reads text that no format claims, the costliest there is.
func BenchmarkProse(b *testing.B) {
	for _, line := range []string{"x", "the quick brown fox jumps over the lazy dog", "1 2 3 4 5 6 7 8 9"} {
		b.Run(line, func(b *testing.B) {
			file := &source.File{Path: "prose", Text: strings.Repeat(line+"\n", 1<<16)}
			b.SetBytes(int64(len(file.Text)))
			b.ReportAllocs()
			for b.Loop() {
				if r := read(file); r.skipped != 1<<16 {
					b.Fatal(r.skipped)
				}
			}
		})
	}
}
