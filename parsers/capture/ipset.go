package capture

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipsetsave"
)

func readIPSetSave(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := ipsetsave.ParseSave(at, foreign)
	return r.ipsetText(snapshot.IPSetSave, dump), next
}

func readIPSetList(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := ipsetsave.ParseList(at, foreign)
	return r.ipsetText(snapshot.IPSetList, dump), next
}

func readIPSetXML(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := ipsetsave.ParseXML(at)
	return r.ipsetText(snapshot.IPSetList, dump), next
}

func (r *reading) ipsetText(f snapshot.Format, dump *ipsetsave.Dump) *snapshot.Source {
	r.ipsets = append(r.ipsets, dump.Sets...)
	r.remarkAll(dump.Diagnostics)
	src := &snapshot.Source{Format: f, SkippedLines: dump.Skipped, Sets: len(dump.Sets)}
	for _, set := range dump.Sets {
		src.Elements += set.NumElements()
	}
	return src
}

// chooseIPSets keeps one capture of each set: the first that is complete, else
// the first that holds elements, else the first. What is not used is reported
// if it says something else.
func chooseIPSets(captures []*netfilter.IPSet) (kept []*netfilter.IPSet, diags []source.Diagnostic) {
	var remarks source.Remarks
	byName := map[string]int{}
	for _, set := range captures {
		i, again := byName[set.Name]
		if !again {
			byName[set.Name] = len(kept)
			kept = append(kept, set)
			continue
		}
		used, other := kept[i], set
		if rank(set) > rank(used) {
			used, other = set, used
			kept[i] = set
		}
		if rank(other) == rank(used) && !sameElements(used, other) {
			remarks.Add(source.Diagnostic{
				Severity: source.Warning, Pos: other.Pos, Code: "set-captured-again",
				Message: fmt.Sprintf("set %s is captured again with other elements; the first capture, at %s, is used", source.Quote(used.Name), used.Pos),
			})
		}
	}
	return kept, remarks.All()
}

// rank says how much a capture of a set tells.
func rank(set *netfilter.IPSet) int {
	switch {
	case set.Complete:
		return 2
	case set.HeaderOnly:
		return 0
	}
	return 1
}

// sameElements reports whether two captures of a set hold the same elements, in
// whatever order, counters and timeouts aside.
func sameElements(a, b *netfilter.IPSet) bool {
	if a.Type != b.Type || a.Family != b.Family || a.NumElements() != b.NumElements() {
		return false
	}
	known := make(map[netfilter.IPSetElement]bool, a.NumElements())
	bare := func(e netfilter.IPSetElement) netfilter.IPSetElement {
		e.IPSetExtension, e.Span = netfilter.IPSetExtension{}, source.Span{}
		return e
	}
	for _, e := range a.Elements() {
		known[bare(e)] = true
	}
	for _, e := range b.Elements() {
		if !known[bare(e)] {
			return false
		}
	}
	return true
}
