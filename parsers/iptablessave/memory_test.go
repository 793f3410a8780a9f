package iptablessave

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	nf "github.com/svcpath/svcpath/analyzer/netfilter"
	"pgregory.net/rapid"
)

// TestForgotten reads more different matches and targets than are remembered,
// twice and in several tables.
func TestForgotten(t *testing.T) {
	var text strings.Builder
	for _, table := range []string{"mangle", "nat", "filter"} {
		fmt.Fprintf(&text, "*%s\n:X - [0:0]\n", table)
		for i := range 3 * 4 * mostSets {
			fmt.Fprintf(&text, "-A X ! -d 10.0.%d.0/24 -p tcp -m tcp --dport %d -m mark --mark 0x%x -j MARK --set-xmark 0x%x/0xff\n", i%7, i%1500+1, i%20+1, i%1300+1)
		}
		text.WriteString("COMMIT\n")
	}
	d := parseAll(t, text.String())
	if len(d.Diagnostics) > 0 || len(d.Tables) != 3 {
		t.Fatalf("%d tables, %v", len(d.Tables), d.Diagnostics)
	}
	for _, table := range d.Tables {
		if table.NumRules() != 3*4*mostSets {
			t.Errorf("table %s has %d rules", table.Name, table.NumRules())
		}
		for r := range table.Rules() {
			if r.String() != r.Text() {
				t.Fatalf("%s: read as %s, want %s", r.Pos(), r, r.Text())
			}
		}
	}
}

// TestSharedMatches shows that rules alike share their matches, and the list.
func TestSharedMatches(t *testing.T) {
	d := parseAll(t, "*nat\n:X - [0:0]\n"+strings.Repeat("-A X -s 10.0.0.1/32 -j RETURN\n-A X -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:80\n", 2)+"COMMIT\n")
	x := d.Tables[0].Chain("X")
	a, b := x.Rule(1).Matches(), x.Rule(3).Matches()
	if len(a) != 2 || len(b) != 2 || &a[0] != &b[0] {
		t.Errorf("%v and %v are not one list", a, b)
	}
}

// TestNumbersAndAddresses holds the quick ways of reading numbers and addresses
// against the thorough ones.
func TestNumbersAndAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[0-9]{0,4}(\.[0-9]{0,4}){0,4}`),
			rapid.StringMatching(`(25[0-9]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(25[0-9]|2[0-4][0-9]|1?[0-9]?[0-9])){3}`),
			rapid.StringMatching(`[1-9]{1,2}(\.(25[0-6]|1?[1-9]?[0-9])){3}(/[0-9]{0,3}|:0?[0-9]{0,6})`),
			rapid.StringMatching(`[0-9a-f.:x%]{0,12}`),
		).Draw(t, "text")
		got, err := parseAddr(s)
		want, wantErr := netip.ParseAddr(s)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("parseAddr(%q) = %s, %v; want %s, %v", s, got, err, want, wantErr)
		}
		n, err := number16(s)
		wantNumber, wantErr := strconv.ParseUint(s, 0, 16)
		if (err == nil) != (wantErr == nil) || err == nil && uint64(n) != wantNumber {
			t.Fatalf("number16(%q) = %d, %v; want %d, %v", s, n, err, wantNumber, wantErr)
		}
		if a, port, ok := dottedPort(s); ok {
			r, err := natRange(s, &family{})
			if want := (nf.NATRange{First: a, Last: a, HasPorts: true, Ports: nf.PortRange{First: port, Last: port}}); err != nil || r != want {
				t.Fatalf("dottedPort(%q) = %s, %d; want %s, %v", s, a, port, r, err)
			}
		}
		for _, text := range []string{s, s + " -j X", s + "\t"} {
			if p, end, ok := dottedPrefix(text, 0); ok {
				n, err := network(text[:end], &family{})
				if want := (nf.Network{Prefix: p}); err != nil || n != want || end != bareEnd(text, 0) {
					t.Fatalf("dottedPrefix(%q) = %s up to %d; want %s, %v", text, p, end, n, err)
				}
			}
		}
		if r, err := natRange(s+":80", &family{}); err == nil && !strings.Contains(s, ":") && (!r.HasPorts || r.Ports != nf.PortRange{First: 80, Last: 80}) {
			t.Fatalf("natRange(%q) = %s", s+":80", r)
		}
	})
}

// A carriage return within a rule parts words as a blank does, also where the rule
// is otherwise written as iptables-save does.
func TestCarriageReturnWithin(t *testing.T) {
	d := parseAll(t, "*nat\n:X - [0:0]\n:Y - [0:0]\n-A X -p tcp -j \rY\n-A X -g \rY\n-A X\r -j Y\nCOMMIT\n")
	x := d.Tables[0].Chain("X")
	for n := range 2 {
		if jump, ok := x.Rule(n).Jump(); !ok || jump.Chain == nil {
			t.Errorf("%q leads to no chain", x.Rule(n).Text())
		}
	}
	if x.NumRules() != 2 || d.Skipped != 1 || len(d.Tables[0].Chains()) != 2 {
		t.Errorf("%d rules, %d lines skipped, %d chains: want 2, 1 and 2", x.NumRules(), d.Skipped, len(d.Tables[0].Chains()))
	}
}
