package ipsetsave_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipsetsave"
)

// FuzzParse looks for text that makes a parser panic or stand still, and for
// sets that are read in another way once printed.
func FuzzParse(f *testing.F) {
	for _, text := range kernelSets {
		f.Add(text + "\n")
	}
	f.Add("Name: A\nType: hash:net,iface\nHeader: family inet6 timeout 5\nNumber of entries: 2\nMembers:\n::/0,eth0 timeout 3 nomatch\n\nName: B\nType: bitmap:port\nHeader: range 1-2\nMembers:\n1\n...")
	f.Add("<ipsets>\n<ipset name=\"A\"><type>hash:ip</type><header><family>inet</family><numentries>1</numentries></header><members><member><elem>10.0.0.1</elem><comment>\"a\"</comment></member></members></ipset>\n</ipsets>")
	f.Fuzz(func(t *testing.T, text string) {
		at := start(text)
		if !at.More() {
			return
		}
		save, next := ipsetsave.ParseSave(at, foreign)
		check(t, at, save, next)
		list, next := ipsetsave.ParseList(at, foreign)
		check(t, at, list, next)
		if ipsetsave.ListBegins(text) {
			ipsetsave.ListConfirms(at)
		}
		inXML, next := ipsetsave.ParseXML(at)
		check(t, at, inXML, next)
	})
}

func check(t *testing.T, at source.Cursor, dump *ipsetsave.Dump, next source.Cursor) {
	if next.Offset < at.Offset || next.Line < at.Line {
		t.Errorf("it goes back from line %d to %d", at.Line, next.Line)
	}
	for _, set := range dump.Sets {
		for _, e := range set.Elements() {
			if e.Span.Text() == "" {
				t.Errorf("an element of set %q has no text", set.Name)
			}
		}
		if set.Complete && set.HeaderOnly {
			t.Errorf("set %q is complete without elements", set.Name)
		}
		if strings.ContainsAny(set.Name, " \t\r\n") || set.Name == "" {
			return // in XML only, and nothing that prints back
		}
	}
	for _, d := range dump.Diagnostics {
		if !d.Pos.IsValid() || d.Message == "" || d.Code == "" {
			t.Errorf("a remark without its place: %+v", d)
		}
	}
	var printed bytes.Buffer
	if err := ipsetsave.Write(&printed, dump.Sets); err != nil {
		t.Fatal(err)
	}
	again, _ := ipsetsave.ParseSave(start(printed.String()), func(string) bool { return false })
	names := map[string]bool{}
	for _, set := range dump.Sets {
		if names[set.Name] {
			return // elements cannot be told apart
		}
		names[set.Name] = true
	}
	var twice bytes.Buffer
	if err := ipsetsave.Write(&twice, again.Sets); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(printed.String(), twice.String()); diff != "" {
		t.Errorf("read again: %v\n%s", again.Diagnostics, diff)
	}
}
