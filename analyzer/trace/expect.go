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

// fewEndpoints are looked through one by one.
const fewEndpoints = 32

// Meets reports whether all that can become of a flow is as expected, without
// telling the outcomes apart: who has many flows to follow asks for those of the
// others only. It may be false of a flow that is as expected. settled is the flow
// with its defaults filled in.
func (t *Tracer) Meets(f Flow, e Expectation) (settled Flow, meets bool, err error) {
	if f, err = t.settled(f); err != nil {
		return f, false, err
	}
	w := newWalk(t, f, endsOnly)
	w.anySource = e.Masquerade == nil
	w.journey()
	defer w.over()
	if e.RejectWith != "" || len(e.Endpoints) > fewEndpoints {
		return f, e.Difference(w.result()) == "", nil
	}
	return f, !w.spent && w.meets(e), nil
}

// meets is Difference of ends that are not told apart: those of one fate are
// outcomes that differ in their assumptions only.
func (w *walk) meets(e Expectation) bool {
	outcomes, told := 0, 0
	var room [fewEndpoints]netip.AddrPort
	found := room[:0]
	for _, f := range w.endingsByFate() {
		var m mass
		for _, end := range f.all {
			m = w.plus(m, end.mass)
		}
		before := outcomes
		for _, t := range m {
			if !w.cubes(t.when, func(answers []answer) bool {
				outcomes, told = outcomes+1, told+len(answers)
				return outcomes < maxOutcomes && told < maxAnswers
			}) {
				return false
			}
		}
		if outcomes == before {
			continue
		}
		if e.Verdict != "" && f.verdict != e.Verdict || !e.meetsMasquerade(f.fate) {
			return false
		}
		if f.verdict == DNAT && !slices.Contains(found, f.endpoint) {
			if e.Endpoints != nil && !slices.Contains(e.Endpoints, f.endpoint) {
				return false
			}
			if len(found) < fewEndpoints {
				found = append(found, f.endpoint)
			}
		}
	}
	if w.full() {
		return false
	}
	if len(found) > 0 || e.Verdict == "" {
		for _, want := range e.Endpoints {
			if !slices.Contains(found, want) {
				return false
			}
		}
	}
	return true
}

func (e Expectation) meetsMasquerade(f fate) bool {
	switch {
	case e.Masquerade == nil:
		return true
	case f.verdict == Reject || f.verdict == Drop || f.verdict == Unknown:
		return !*e.Masquerade || e.Verdict != ""
	}
	return f.masquerade == *e.Masquerade
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
	return string(appendEndpoint(nil, a.Addr(), port{a.Port(), a.Port() != 0}, protocol))
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
