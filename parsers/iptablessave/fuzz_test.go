package iptablessave

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	nf "github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// FuzzParse looks for text that makes the parser panic, that it does not print
// back, or that it reads in another way once printed.
func FuzzParse(f *testing.F) {
	texts, err := filepath.Glob("testdata/texts/*.txt")
	if err != nil || len(texts) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range texts {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, examples := range v4Matches {
		f.Add("*filter\n:X - [0:0]\n-A X " + examples.in + " -j X\nCOMMIT\n")
	}
	for _, examples := range v4Targets {
		f.Add("-A X -p tcp " + examples.in + "\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := &source.File{Path: "-", Text: text}
		var printed bytes.Buffer
		for at := source.Start(file); at.More(); {
			d, next := Parse(at, nil)
			if next.Offset <= at.Offset {
				t.Fatalf("no progress in line %d", at.Line)
			}
			if _, err := d.WriteTo(&printed); err != nil {
				t.Fatal(err)
			}
			description := describe(d)
			for _, table := range d.Tables {
				for r := range table.Rules() {
					checkRule(t, d, r)
				}
			}
			end := next // with the line that ends the dump: a remark can be about rules right before it
			if end.More() {
				_, end = end.Next()
			}
			again, _ := Parse(source.Start(&source.File{Path: "-", Text: text[at.Offset:end.Offset]}), nil)
			if at.Line == 1 && describe(again) != description {
				t.Errorf("read again:\n%s\nbefore:\n%s", describe(again), description)
			}
			at = next
		}
		if printed.String() != text {
			t.Errorf("printed back %q, want %q", printed.String(), text)
		}
	})
}

// checkRule looks at a rule whose parts are all typed: its own text, read
// again, has the same parts. (A rule that was cut off or is opaque is not.)
func checkRule(t *testing.T, d *Dump, r *nf.Rule) {
	if isOpaque(r) {
		return
	}
	p := &parser{dump: &Dump{}}
	p.family.is = d.Family
	p.rules.family = &p.family
	start, ok := ruleLine(r.String())
	if !ok {
		t.Fatalf("%q prints as %q, which is no rule", r.Text(), r.String())
	}
	table := nf.NewTable(d.Family, "filter")
	parsed := p.rules.parse(table, &start)
	again := nf.NewRule(r.Pos(), start.text, parsed.matches, table.Statements(parsed.statements))
	chain, _ := nf.NewTable(d.Family, "filter").AddChain(start.chain, r.Pos())
	chain.AddRule(again)
	if got := chain.Rule(0).String(); got != r.String() {
		t.Errorf("%q prints as\n%q, and that as\n%q", r.Text(), r.String(), got)
	}
}
