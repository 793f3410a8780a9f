package flows

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRead reads ten thousand flows with ten endpoints each, as programs
// write them.
func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	text.WriteString("flows:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- name: flow %d\n  from: external\n  source: 203.0.113.9\n  destination: 10.96.%d.%d\n  port: 80\n", i, i>>8, i&255)
		fmt.Fprintf(&text, "  expect:\n    verdict: dnat\n    endpoints: [10.0.%d.1:8080", i&255)
		for j := range 9 {
			fmt.Fprintf(&text, ", 10.%d.%d.1:8080", j+1, i&255)
		}
		text.WriteString("]\n")
	}
	content := text.String()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read("flows.yaml", content); err != nil {
			b.Fatal(err)
		}
	}
}
