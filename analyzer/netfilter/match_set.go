package netfilter

import (
	"fmt"
	"strings"
)

// A SetRef names an ipset and which parts of a packet make up the element that
// is looked for, in order: Source for "src", Destination for "dst".
type SetRef struct {
	Name  string
	Sides []Side // 1 to 6
}

// String is "NAME src,dst".
func (r SetRef) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	for i, side := range r.Sides {
		if i == 0 {
			b.WriteByte(' ')
		} else {
			b.WriteByte(',')
		}
		if side == Destination {
			b.WriteString("dst")
		} else {
			b.WriteString("src")
		}
	}
	return b.String()
}

// A CounterTest is a test of an element's counter in an ipset.
type CounterTest struct {
	Not     bool // with Equal only
	Compare Comparison
	Value   uint64
}

// InSet matches packets that have an element in an ipset ("-m set").
type InSet struct {
	Not bool
	Set SetRef
	// ReturnNoMatch means that an element with the flag nomatch matches, and
	// the others do not.
	ReturnNoMatch bool
	// Counters of the element, or of those in a list of sets, stay as they
	// are.
	NoUpdateCounters, NoUpdateSubCounters bool
	Packets, Bytes                        *CounterTest // nil when not tested
}

func (m *InSet) String() string {
	// Order of libxt_set.c, set_save_v4.
	var b strings.Builder
	b.WriteString("-m set " + not(m.Not) + "--match-set " + m.Set.String())
	if m.ReturnNoMatch {
		b.WriteString(" --return-nomatch")
	}
	if m.NoUpdateCounters {
		b.WriteString(" ! --update-counters")
	}
	if m.NoUpdateSubCounters {
		b.WriteString(" ! --update-subcounters")
	}
	for _, c := range []struct {
		name string
		test *CounterTest
	}{{"packets", m.Packets}, {"bytes", m.Bytes}} {
		if t := c.test; t != nil {
			fmt.Fprintf(&b, " %s--%s-%s %d", not(t.Not), c.name, t.Compare, t.Value)
		}
	}
	return b.String()
}

func (*InSet) isMatch() {}
