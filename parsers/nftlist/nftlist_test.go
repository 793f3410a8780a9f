package nftlist

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

const (
	zooText    = "../../samples/testdata/nftables/service-zoo/nft-ruleset.txt"
	zooJSON    = "../../samples/testdata/nftables/service-zoo/nft-ruleset.json"
	compatText = "../../samples/testdata/nftables/iptables-zoo/nft-ruleset.txt"
	compatJSON = "../../samples/testdata/nftables/iptables-zoo/nft-ruleset.json"
	// Every part of the grammar that is modelled, as nft lists it.
	grammarText = "testdata/grammar.txt"
	grammarJSON = "testdata/grammar.json"
)

func readFile(t testing.TB, path string) *source.File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &source.File{Path: path, Text: string(text)}
}

func parseText(text string) *Dump {
	d, _ := Parse(source.Start(&source.File{Path: "-", Text: text}), nil)
	return d
}

func parseJSON(text string) *Dump {
	d, _ := ParseJSON(source.Start(&source.File{Path: "-", Text: text}))
	return d
}

// native is the dump's tables of nftables, written anew.
func native(d *Dump) string {
	var b strings.Builder
	for _, t := range d.Tables {
		if t.Backend == netfilter.Native {
			b.WriteString(t.NFT())
		}
	}
	return b.String()
}

// Of a recording, all is read, each rule is printed as it stands, and what is
// printed is read as the same again.
func TestTextIsReadAndPrinted(t *testing.T) {
	for _, path := range append(recordings(t), zooText, grammarText) {
		d, next := Parse(source.Start(readFile(t, path)), nil)
		if next.More() || d.Skipped != 0 || len(d.Diagnostics) != 0 {
			t.Errorf("%s: stopped in line %d, skipped %d, said %v", path, next.Line, d.Skipped, d.Diagnostics)
		}
		for _, table := range d.Tables {
			if !table.Complete {
				t.Errorf("%s: table %s is not whole", path, table.Name)
			}
			for _, s := range table.Sets() {
				if s.Vague() {
					t.Errorf("%s: set %s was not read whole: %q", path, s.Name, s.Rest)
				}
			}
			if table.Backend != netfilter.Native {
				continue
			}
			for r := range table.Rules() {
				if hasLost(r) {
					t.Errorf("%s: %s is not all modelled", r.Pos(), r.Text())
				}
				if r.String() != r.Text() {
					t.Errorf("%s:\n printed %s\nexpected %s", r.Pos(), r, r.Text())
				}
			}
		}
		printed := native(d)
		if diff := cmp.Diff(printed, native(parseText(printed))); diff != "" {
			t.Errorf("%s, printed and read (-once +twice):\n%s", path, diff)
		}
	}
}

// leftOut are the lines that nft 1.0.6 prints in text only: comments of tables,
// chains and objects, auto-merge, types by expression; and objects, whose
// properties are kept as they are written.
var leftOut = regexp.MustCompile(`(?s)\t\tcomment "[^"]*"\n|\tcomment "[^"]*"\n|\t\tauto-merge\n|\t\ttypeof [^\n]*\n|\t\ttype ipv4_addr . inet_service\n| expires [0-9a-z]+|\t(counter|quota|limit|ct|synproxy) [^\n]*\{\n.*?\n\t\}\n`)

// leftOutTimes are how long elements have to live, and what "nft -s" leaves out
// too.
var (
	leftOutTimes = regexp.MustCompile(` expires [0-9a-z]+`)
	state        = regexp.MustCompile(`\s+packets [0-9]+ bytes [0-9]+| used [0-9]+ [a-z]*bytes`)
)

func withoutState(text string) string { return state.ReplaceAllString(text, "") }

func TestJSONIsTheText(t *testing.T) {
	for _, paths := range [][2]string{{zooText, zooJSON}, {grammarText, grammarJSON}} {
		text, _ := Parse(source.Start(readFile(t, paths[0])), nil)
		js, next := ParseJSON(source.Start(readFile(t, paths[1])))
		if next.More() || js.Skipped != 0 || len(js.Diagnostics) != 0 {
			t.Errorf("%s: stopped in line %d, skipped %d, said %v", paths[1], next.Line, js.Skipped, js.Diagnostics)
		}
		want, got := leftOut.ReplaceAllString(native(text), ""), leftOut.ReplaceAllString(native(js), "")
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-text +JSON):\n%s", paths[1], diff)
		}
		for _, table := range js.Tables {
			for r := range table.Rules() {
				if table.Backend == netfilter.Native && r.Text() != r.String() {
					t.Errorf("%s: text %q, printed %q", r.Pos(), r.Text(), r)
				}
			}
		}
	}
}

// What nft says of a map's data is one string, of several types as well.
func TestJSONMapOfSeveralTypes(t *testing.T) {
	const (
		text = "table ip t {\n\tmap m {\n\t\ttype ipv4_addr . inet_service : ipv4_addr . inet_service\n\t\telements = { 10.0.0.7 . 80 : 10.0.0.8 . 8080 }\n\t}\n}\n"
		js   = `{"nftables": [{"table": {"family": "ip", "name": "t"}}, {"map": {"family": "ip", "name": "m", "table": "t", "type": ["ipv4_addr", "inet_service"], ` +
			`"map": "ipv4_addr . inet_service", "elem": [[{"concat": ["10.0.0.7", 80]}, {"concat": ["10.0.0.8", 8080]}]]}}]}`
	)
	want, got := parseText(text), parseJSON(js)
	if len(got.Diagnostics) > 0 {
		t.Errorf("said %v", got.Diagnostics)
	}
	if diff := cmp.Diff(native(want), native(got)); diff != "" {
		t.Errorf("(-text +JSON):\n%s", diff)
	}
}

// The tables of iptables-nft are iptables', and what nft does not show of their
// rules is unknown.
func TestIPTablesShownByNFT(t *testing.T) {
	text, _ := Parse(source.Start(readFile(t, compatText)), nil)
	js, _ := ParseJSON(source.Start(readFile(t, compatJSON)))
	for _, d := range []*Dump{text, js} {
		if d.Skipped != 0 || len(d.Diagnostics) != 0 {
			t.Errorf("skipped %d, said %v", d.Skipped, d.Diagnostics)
		}
		for _, table := range d.Tables {
			if table.Backend != netfilter.NFTCompat || !table.Complete {
				t.Errorf("table %s of back end %q, complete %t", table.Name, table.Backend, table.Complete)
			}
		}
	}
	for _, tt := range []struct {
		name, chain string
		number      int
		text, json  string
	}{
		{"a translation that loses a negation", "KUBE-FIREWALL", 1,
			"-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ct status dnat -j DROP",
			`-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "" xt match conntrack -j DROP`},
	} {
		for i, d := range []*Dump{text, js} {
			want := []string{tt.text, tt.json}[i]
			if got := d.Tables[1].Chain(tt.chain).Rule(tt.number - 1).String(); got != want {
				t.Errorf("%s: got %s, expected %s", tt.name, got, want)
			}
		}
	}
	v6 := 0
	for r := range text.Tables[4].Rules() {
		if o, ok := r.Target().(*netfilter.OpaqueTarget); ok && o.Name == "" {
			v6++
		}
	}
	if v6 != 22 {
		t.Errorf("%d rules of IPv6 nat have a target that is not shown, expected 22", v6)
	}
}
