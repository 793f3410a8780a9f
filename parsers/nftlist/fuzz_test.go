package nftlist

import (
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// seeds are parts of the recordings: small, so that the fuzzer gets far.
func seeds(f *testing.F, path, between string) {
	for part := range strings.SplitSeq(readFile(f, path).Text, between) {
		if len(part) < 2000 {
			f.Add(part)
		}
	}
}

// FuzzText looks for text that makes the parser panic, that it does not get
// through, or whose tables it reads in another way once printed.
func FuzzText(f *testing.F) {
	const table = "table ip t {\n\tset s {\n\t\ttype ipv4_addr . inet_service\n\t\tflags interval\n\t\telements = { 10.0.0.0/8 . 80-90 counter packets 1 bytes 2, 1.2.3.4 . 1 }\n\t}\n\tchain c {\n\t\t%s\n\t}\n}\n"
	for line := range strings.SplitSeq(readFile(f, grammarText).Text, "\n") {
		f.Add(strings.Replace(table, "%s", line, 1))
	}
	seeds(f, compatText, "\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file := &source.File{Path: "-", Text: text}
		for at := source.Start(file); at.More(); {
			d, next := Parse(at, nil)
			if next.Offset <= at.Offset {
				return // a line that no table begins with
			}
			check(t, d)
			at = next
		}
	})
}

// FuzzJSON is FuzzText for JSON.
func FuzzJSON(f *testing.F) {
	head := `{"nftables": [{"table": {"family": "ip", "name": "t"}}, {"chain": {"family": "ip", "table": "t", "name": "c"}}, `
	text := readFile(f, grammarJSON).Text
	for part := range strings.SplitSeq(text, `{"rule": {"family": "ip", "table": "t", `) {
		f.Add(head + `{"rule": {"family": "ip", "table": "t", ` + strings.TrimSuffix(part, ", ") + `]}`)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		d, next := ParseJSON(source.Start(&source.File{Path: "-", Text: text}))
		if len(text) > 0 && next.Offset == 0 && strings.Contains(text, "\n") {
			t.Fatalf("no progress")
		}
		check(t, d)
	})
}

func check(t *testing.T, d *Dump) {
	for _, table := range d.Tables {
		for r := range table.Rules() {
			_, _, _ = r.String(), r.Text(), r.Pos()
			for range r.Jumps() {
			}
		}
		for _, s := range table.Sets() {
			for i, e := range s.Elements() {
				if e.First == "" || len(e.First) == 0 {
					continue
				}
				if found := s.Find(e.First); found < 0 {
					t.Fatalf("element %d of set %s is not found", i, s.Name)
				}
			}
		}
		if table.Backend != netfilter.Native || table.Inferred {
			continue
		}
		once := table.NFT()
		again := parseText(once)
		if len(again.Tables) != 1 {
			continue // a name that is no name
		}
		if twice := again.Tables[0].NFT(); len(again.Diagnostics) == 0 && len(d.Diagnostics) == 0 && twice != once {
			t.Fatalf("printed\n%s\nis read as\n%s", once, twice)
		}
	}
}
