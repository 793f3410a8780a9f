package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// An Expectation is what somebody expects of a flow. It speaks of every
// outcome, those under assumptions among them.
type Expectation struct {
	Verdict Verdict // of every outcome; "" for any
	// Endpoints are all that packets are sent to, in any order; nil for any.
	// Ports of protocols without ports are 0.
	Endpoints  []netip.AddrPort
	Masquerade *bool  // nil for either
	RejectWith string // "" for any
}

// Difference says in words how a trace differs from what is expected, ""
// if it does not. What differs only under assumptions is said with them.
func (e Expectation) Difference(t *Trace) string {
	var d differences
	expected, found := map[netip.AddrPort]bool{}, map[netip.AddrPort]bool{}
	for _, endpoint := range e.Endpoints {
		expected[endpoint] = true
	}
	for _, o := range t.Outcomes {
		switch {
		case e.Verdict != "" && o.Verdict != e.Verdict:
			d.add(o, fmt.Sprintf("expected %s, found %s", e.Verdict, o.Verdict))
		case e.RejectWith != "" && o.Verdict == Reject && o.RejectWith != e.RejectWith:
			d.add(o, fmt.Sprintf("expected to be rejected with %s, found %s", e.RejectWith, orUnknown(o.RejectWith)))
		}
		if o.Verdict == DNAT {
			found[o.Endpoint] = true
			if e.Endpoints != nil && !expected[o.Endpoint] {
				d.add(o, fmt.Sprintf("endpoint %s is not expected", EndpointString(o.Endpoint, t.Flow.Protocol)))
			}
		}
	}
	// Where nothing is sent to an endpoint the verdict has said so.
	if len(found) > 0 || e.Verdict == "" {
		for _, want := range e.Endpoints {
			if !found[want] {
				d.say(fmt.Sprintf("expected endpoint %s gets nothing", EndpointString(want, t.Flow.Protocol)))
			}
		}
	}
	e.masquerade(t, &d)
	return d.String()
}

// masquerade compares masquerading, outcome by outcome: of a pod that reaches
// itself through its service it is one outcome of several.
func (e Expectation) masquerade(t *Trace, d *differences) {
	if e.Masquerade == nil {
		return
	}
	var differ, alike []Outcome
	for _, o := range t.Outcomes {
		switch {
		case o.Verdict == Reject || o.Verdict == Drop || o.Verdict == Unknown:
			// The verdict is the difference, if there is one.
			if *e.Masquerade && e.Verdict == "" {
				differ = append(differ, o)
			}
		case o.Masquerade == *e.Masquerade:
			alike = append(alike, o)
		default:
			differ = append(differ, o)
		}
	}
	if len(differ) == 0 {
		return
	}
	text := "expected no masquerading, found it"
	if *e.Masquerade {
		text = "expected masquerading, found none"
	}
	first := differ[0] // one example is enough
	if len(alike) > 0 {
		text += " for some outcomes only"
		if first.Endpoint.IsValid() {
			text += ", such as " + EndpointString(first.Endpoint, t.Flow.Protocol)
		}
	}
	d.add(first, text)
}

func orUnknown(s string) string {
	if s == "" {
		return "an answer that is not known"
	}
	return s
}

// EndpointString is "10.0.0.1:80", with what is not known, and ports of
// protocols that have none, left out.
func EndpointString(a netip.AddrPort, protocol uint8) string {
	return endpointString(a.Addr(), port{a.Port(), a.Port() != 0}, protocol)
}

// maxDifferences is how many differences are told one by one.
const maxDifferences = 8

// differences gathers what differs, each thing once.
type differences struct {
	said map[string]bool
	list []string
}

// add says what differs of an outcome, with the first outcome's assumptions.
func (d *differences) add(o Outcome, text string) {
	if d.said[text] {
		return
	}
	full := text
	if n := len(o.Assumptions); n > 0 {
		var parts []string
		for _, a := range o.Assumptions[:min(n, maxNamed)] {
			parts = append(parts, a.String())
		}
		full += ", assuming that " + strings.Join(parts, "; and that ")
		if n > maxNamed {
			full += fmt.Sprintf("; and %d more", n-maxNamed)
		}
	}
	d.note(text, full)
}

func (d *differences) say(text string) { d.note(text, text) }

func (d *differences) note(key, text string) {
	if d.said == nil {
		d.said = map[string]bool{}
	}
	d.said[key] = true
	d.list = append(d.list, text)
}

func (d *differences) String() string {
	list := d.list
	if more := len(list) - maxDifferences; more > 0 {
		list = append(slices.Clone(list[:maxDifferences]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}
