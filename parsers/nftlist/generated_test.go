package nftlist

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
	"github.com/svcpath/svcpath/samples/generate"
)

// generatedSizes are of nodes with every kind of service that is generated.
var generatedSizes = []generate.Size{{Services: 100, Endpoints: 3}, {Services: 400, Endpoints: 12, Seed: 1}}

// generated is the listing of a generated node.
func generated(t testing.TB, size generate.Size) string {
	t.Helper()
	var text bytes.Buffer
	if err := generate.New(size).WriteNFTRules(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestGenerated: nothing in a generated listing is unknown to the parser, and all
// of it is printed back.
func TestGenerated(t *testing.T) {
	for _, size := range generatedSizes {
		text := generated(t, size)
		d := parseText(text)
		if d.Skipped != 0 || len(d.Diagnostics) != 0 {
			t.Errorf("%s: skipped %d: %v", size, d.Skipped, d.Diagnostics)
		}
		if diff := cmp.Diff(unnamed(text), unnamed(native(d))); diff != "" {
			t.Errorf("%s (-generated +printed):\n%s", size, diff)
		}
	}
}

// TestElementsStandInTheirLines: the evidence of an entry is an element, which is
// looked for in its own line.
func TestElementsStandInTheirLines(t *testing.T) {
	text := generated(t, generatedSizes[0])
	lines := strings.Split(text, "\n")
	for _, table := range parseText(text).Tables {
		for _, s := range table.Sets() {
			for _, e := range s.Elements() {
				if e.Line == 0 || !strings.Contains(lines[e.Line-1], s.FormatElement(e)) {
					t.Errorf("element %s of %s stands in line %d", s.FormatElement(e), s.Name, e.Line)
				}
			}
		}
	}
}

// unnamed are the lines of a listing that is written as the model prints it: with
// priorities as numbers, and all elements of a set in one line.
func unnamed(listing string) []string {
	return strings.Split(strings.NewReplacer(
		",\n\t\t\t     ", ", ", "priority dstnat - 10", "priority -110", "priority dstnat", "priority -100",
		"priority filter", "priority 0", "priority srcnat", "priority 100").Replace(listing), "\n")
}

// TestKernelTakesGenerated loads generated listings into the kernel: they come
// out as they went in, and as JSON tell the same.
func TestKernelTakesGenerated(t *testing.T) {
	kerneltest.Require(t, "ip", "nft")
	for _, size := range generatedSizes {
		t.Run(size.String(), func(t *testing.T) {
			ns, text := kerneltest.New(t), generated(t, size)
			ns.Run(t, text, "nft", "-f", "-")
			if diff := cmp.Diff(strings.Split(text, "\n"), strings.Split(ns.Settled(t, "nft", "list", "ruleset"), "\n")); diff != "" {
				t.Errorf("text (-generated +kernel):\n%s", diff)
			}
			js := parseJSON(ns.Settled(t, "nft", "-j", "list", "ruleset"))
			if len(js.Diagnostics) > 0 {
				t.Error(js.Diagnostics)
			}
			if diff := cmp.Diff(withoutLeftOut(parseText(text)), withoutLeftOut(js)); diff != "" {
				t.Errorf("JSON (-text +JSON):\n%s", diff)
			}
		})
	}
}
