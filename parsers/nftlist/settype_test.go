package nftlist

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

// The second type of a set is not used: its elements were read by the first.
func TestTypeTwice(t *testing.T) {
	const text = `table ip t {
	set s {
		type ipv4_addr
		elements = { 10.0.0.1, 10.0.0.2 }
		type ipv4_addr . inet_proto . inet_service : verdict
	}
}
`
	dump, _ := Parse(source.Start(&source.File{Path: "t", Text: text}), nil)
	set := dump.Tables[0].Set("s")
	if got := set.FormatElement(set.Element(1)); got != "10.0.0.2" || set.Verdicts || len(dump.Diagnostics) != 1 {
		t.Errorf("got element %q, verdicts %v, remarks %v", got, set.Verdicts, dump.Diagnostics)
	}
}
