package iptablessave_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/samples/generate"
)

// generated is the text of a generated node, as a file.
func generated(t testing.TB, size generate.Size) *source.File {
	t.Helper()
	var text bytes.Buffer
	if err := generate.New(size).WriteRules(&text); err != nil {
		t.Fatal(err)
	}
	return &source.File{Path: size.String(), Text: text.String()}
}

// TestGenerated: nothing in a generated text is unknown to the parser, and all
// of it is printed back.
func TestGenerated(t *testing.T) {
	for _, size := range []generate.Size{{Services: 100, Endpoints: 3}, {Services: 400, Endpoints: 4, Seed: 1}} {
		file := generated(t, size)
		d, end := iptablessave.Parse(source.Start(file), nil)
		if end.More() || len(d.Diagnostics) > 0 {
			t.Errorf("%s: read to line %d, with %v", size, end.Line, d.Diagnostics)
		}
		var printed bytes.Buffer
		if _, err := d.WriteTo(&printed); err != nil || printed.String() != file.Text {
			t.Errorf("%s: printed back otherwise (%v)", size, err)
		}
	}
}

// TestKernelTakesGenerated loads generated texts into the kernel: they come
// out as they went in.
func TestKernelTakesGenerated(t *testing.T) {
	kerneltest.Require(t, "ip", "iptables-legacy-restore", "iptables-legacy-save")
	for _, size := range []generate.Size{{Services: 100, Endpoints: 3}, {Services: 400, Endpoints: 4, Seed: 1}} {
		t.Run(size.String(), func(t *testing.T) {
			ns, file := kerneltest.New(t), generated(t, size)
			ns.Run(t, file.Text, "iptables-legacy-restore", "--test")
			ns.Run(t, file.Text, "iptables-legacy-restore")
			for _, table := range []string{"mangle", "filter", "nat"} {
				saved := linesOf(ns.Run(t, "", "iptables-legacy-save", "-t", table), table)
				if diff := cmp.Diff(linesOf(file.Text, table), saved); diff != "" {
					t.Errorf("table %s (-generated +kernel):\n%s", table, diff)
				}
			}
		})
	}
}

// linesOf are the lines of one table that declare a chain or hold a rule.
func linesOf(text, table string) []string {
	_, text, _ = strings.Cut(text, "*"+table+"\n")
	text, _, _ = strings.Cut(text, "COMMIT\n")
	return strings.Split(text, "\n")
}
