package nftlist

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// What cannot be read is said, with its line and what was expected, and the
// rest is read.
func TestBadInput(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		rules      []string // of all tables, opaque parts as their text
		says       []string
		whole      bool
	}{
		{"a word that is none", "table ip t {\n\tchain c {\n\t\tip saddr 10.0.0.1 frobnicate 5 drop\n\t\tcounter accept\n\t}\n}\n",
			[]string{"ip saddr 10.0.0.1 frobnicate 5 drop", "counter accept"},
			[]string{`-:3: rule: found "frobnicate", expected an expression`}, true},
		{"an address that is none", "table ip t {\n\tchain c {\n\t\tip saddr 10.0.0.256 drop\n\t}\n}\n",
			[]string{"ip saddr 10.0.0.256 drop"},
			[]string{`-:3: rule: found "10.0.0.256", expected a value of type ipv4_addr`}, true},
		{"an element that is none", "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1, x,\n\t\t\t     10.0.0.3 }\n\t}\n\tchain c {\n\t\tip saddr @s drop\n\t}\n}\n",
			[]string{"ip saddr @s drop"}, []string{`-:4: set s: found "x", expected a value of type ipv4_addr`}, true},
		{"an item that is none", "table ip t {\n\tgarden g {\n\t\tgnome 1\n\t}\n\tchain c {\n\t\tdrop\n\t}\n}\n",
			[]string{"drop"}, []string{`-:2: table t: found "garden", expected a chain, set, map or stateful object`}, false},
		{"the end of the text", "table ip t {\n\tchain c {\n\t\tdrop\n",
			[]string{"drop"}, []string{`-:4: table t breaks off here, expected "}"`}, false},
		{"the end of the text within a set", "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n",
			nil, []string{`-:5: set s: found the end of the text, expected an element`}, false},
		{"another table within a table", "table ip t {\n\tchain c {\n\t\tdrop\ntable ip u {\n\tchain c {\n\t\taccept\n\t}\n}\n",
			[]string{"drop", "accept"}, []string{`-:4: table t breaks off here, expected "}"`}, false},
		{"a chain that is listed alone", "table ip t {\n\tchain c {\n\t\tjump d\n\t}\n}\n", []string{"jump d"}, nil, false},
		{"parts of one table", "table ip t {\n\tchain c {\n\t\tjump d\n\t}\n}\ntable ip t {\n\tchain d {\n\t\tdrop\n\t}\n}\n", []string{"jump d", "drop"}, nil, true},
		{"a mod of 0", "table ip t {\n\tchain c {\n\t\tnumgen random mod 0 vmap { 0 : drop }\n\t}\n}\n",
			[]string{"numgen random mod 0 vmap { 0 : drop }"}, []string{`-:3: rule: found "0", expected a number above 0`}, true},
	} {
		d := parseText(tt.text)
		var rules, says []string
		for _, table := range d.Tables {
			for r := range table.Rules() {
				rules = append(rules, r.String())
			}
		}
		for _, said := range d.Diagnostics {
			says = append(says, said.String())
		}
		if diff := cmp.Diff(tt.rules, rules); diff != "" {
			t.Errorf("%s: rules (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.says, says); diff != "" {
			t.Errorf("%s: remarks (-want +got):\n%s", tt.name, diff)
		}
		if d.Tables[0].Complete != tt.whole {
			t.Errorf("%s: the table is taken for whole: %t", tt.name, d.Tables[0].Complete)
		}
	}
}

// A set of which an element was not read can hold any.
func TestUnreadElements(t *testing.T) {
	d := parseText("table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1, x }\n\t}\n}\n")
	if s := d.Tables[0].Set("s"); s.Len() != 1 || !s.Vague() || cmp.Diff([]string{"x"}, s.Rest) != "" {
		t.Errorf("%d elements, vague %t, unread %q", s.Len(), s.Vague(), s.Rest)
	}
}

func TestBadJSON(t *testing.T) {
	const table = `{"nftables": [{"table": {"family": "ip", "name": "t"}}, {"chain": {"family": "ip", "table": "t", "name": "c"}}, `
	for _, tt := range []struct {
		name, text string
		rules      []string
		says       []string
	}{
		{"cut short", table + `{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"drop": null}]}}, {"rule": {"fam`, []string{"drop"},
			[]string{"-:1: the JSON breaks off or is damaged here: what comes before is read"}},
		{"a statement that is none", table + `{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"counter": null}, {"frob nicate": {"a": 1}}]}}]}`,
			[]string{"counter ?frob-nicate"}, []string{`-:1: rule: found "?frob-nicate", expected an expression`}},
		{"an object that is none", table + `{"garden": {"family": "ip", "table": "t"}}]}`, nil, []string{`-:1: found an object "garden", expected a chain, set, map or rule`}},
		{"a rule that nests without end", table + `{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": ` + strings.Repeat(`[`, 10000), nil,
			[]string{"-:1: the JSON breaks off or is damaged here: what comes before is read"}},
		{"a name with a line's end in it", table + `{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"jump": {"target": "a\ndrop"}}]}}]}`,
			[]string{`jump a drop`}, nil},
	} {
		d := parseJSON(tt.text)
		var rules, says []string
		for r := range d.Tables[0].Rules() {
			rules = append(rules, r.String())
		}
		for _, said := range d.Diagnostics {
			says = append(says, said.String())
		}
		if diff := cmp.Diff(tt.rules, rules); diff != "" {
			t.Errorf("%s: rules (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.says, says); diff != "" {
			t.Errorf("%s: remarks (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Whose table it is is told by its base chains.
func TestWhoseTable(t *testing.T) {
	const input = "\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n"
	for _, tt := range []struct {
		name, text string
		want       netfilter.Backend
	}{
		{"iptables' chain", "table ip filter {\n" + input + "}\n", netfilter.NFTCompat},
		{"a set beside it", "table ip filter {\n\tset s {\n\t\ttype ipv4_addr\n\t}\n" + input + "}\n", netfilter.Native},
		{"another name", "table ip firewall {\n" + input + "}\n", netfilter.Native},
		{"both families", "table inet filter {\n" + input + "}\n", netfilter.Native},
		{"another priority", "table ip filter {\n" + strings.Replace(input, "priority filter", "priority 10", 1) + "}\n", netfilter.Native},
		{"a chain of another name", "table ip filter {\n" + strings.Replace(input, "INPUT", "input", 1) + "}\n", netfilter.Native},
		{"what follows a table that ends within a line", "table ip filter {\n" + input + "\tchain c { accept }}\ncounter\n", netfilter.NFTCompat},
		{"braces in words", "table ip filter {\n\tchain c {\n\t\taccept comment \"}}\"\n\t}\n\tset s {\n\t}\n}\n", netfilter.Native},
		{"nft's warning", "# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat {\n\tchain c {\n\t}\n}\n", netfilter.NFTCompat},
	} {
		if got := parseText(tt.text).Tables[0].Backend; got != tt.want {
			t.Errorf("%s: back end %q, expected %q", tt.name, got, tt.want)
		}
	}
}

// A word at the end of a text that breaks off may have gone on: nothing is told
// from a part of a number or a name.
func TestCutInWord(t *testing.T) {
	const whole = "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1, 10.0.0.12 }\n\t}\n" +
		"\tchain a {\n\t\tip daddr 10.0.0.1 tcp dport 80 dnat to 10.0.0.2:8080\n\t}\n\n\tchain b {\n\t\tjump abc\n\t}\n}"
	ends := func(text string) (targets, elements []string) {
		dump, _ := Parse(source.Start(&source.File{Path: "x", Text: text}), nil)
		for _, table := range dump.Tables {
			for _, s := range table.Sets() {
				for i := range s.Len() {
					elements = append(elements, s.FormatElement(s.Element(i)))
				}
			}
			for r := range table.Rules() {
				for _, s := range r.Statements() {
					if _, open := s.(*netfilter.OpaqueTarget); !open {
						targets = append(targets, s.String())
					}
				}
			}
		}
		return targets, elements
	}
	targets, elements := ends(whole)
	if len(targets) != 2 || len(elements) != 2 {
		t.Fatal(targets, elements)
	}
	for i := range whole {
		some, in := ends(whole[:i])
		for _, x := range some {
			if !slices.Contains(targets, x) {
				t.Errorf("%q has %s", whole[:i], x)
			}
		}
		for _, x := range in {
			if x != "" && !slices.Contains(elements, x) {
				t.Errorf("%q has element %s", whole[:i], x)
			}
		}
	}
}
