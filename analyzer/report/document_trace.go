package report

import (
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// traceDocument is the answer of "svcpath trace" and "svcpath verify" as
// docs/schema/trace.json describes it.
func traceDocument(t Traces) []docSection {
	missing := t.missing()
	names := newServiceNames(t.Analysis)
	var summary docTraceSummary
	doc := []docSection{
		{name: "apiVersion", value: "svcpath/v1"},
		{name: "kind", value: "Trace"},
		{name: "coverage", value: newDocCoverage(len(missing) == 0, missing)},
		{name: "flows", list: func(yield func(any) bool) {
			for f := range t.Flows {
				summary.add(f)
				if !yield(newDocFlow(f, names)) {
					return
				}
			}
		}},
	}
	if t.Verify {
		// Sections are written in turn: the flows are counted by then.
		doc = append(doc, docSection{name: "summary", value: &summary})
	}
	return doc
}

type docTraceSummary struct {
	Flows  int `json:"flows" yaml:"flows"`
	OK     int `json:"ok" yaml:"ok"`
	Differ int `json:"differ" yaml:"differ"`
}

func (s *docTraceSummary) add(f TracedFlow) {
	s.Flows++
	if f.Difference == "" {
		s.OK++
	} else {
		s.Differ++
	}
}

type docFlow struct {
	Name        docText         `json:"name,omitempty" yaml:"name,omitempty"`
	From        trace.Origin    `json:"from" yaml:"from"`
	Source      string          `json:"source,omitempty" yaml:"source,omitempty"`
	SourceFrom  string          `json:"sourceFrom,omitempty" yaml:"sourceFrom,omitempty"`
	SourcePort  uint16          `json:"sourcePort,omitempty" yaml:"sourcePort,omitempty"`
	InInterface docText         `json:"inInterface,omitempty" yaml:"inInterface,omitempty"`
	Destination string          `json:"destination" yaml:"destination"`
	Port        uint16          `json:"port,omitempty" yaml:"port,omitempty"`
	Protocol    string          `json:"protocol" yaml:"protocol"`
	State       string          `json:"state,omitempty" yaml:"state,omitempty"`
	Expect      *docExpect      `json:"expect,omitempty" yaml:"expect,omitempty"`
	OK          *bool           `json:"ok,omitempty" yaml:"ok,omitempty"`
	Difference  docText         `json:"difference,omitempty" yaml:"difference,omitempty"`
	Outcomes    []docOutcome    `json:"outcomes" yaml:"outcomes"`
	Diagnostics []docDiagnostic `json:"diagnostics,omitempty" yaml:"diagnostics,omitempty"`
}

type docExpect struct {
	Verdict    trace.Verdict `json:"verdict" yaml:"verdict"`
	Endpoints  []string      `json:"endpoints,omitempty" yaml:"endpoints,omitempty"`
	Masquerade *bool         `json:"masquerade,omitempty" yaml:"masquerade,omitempty"`
	RejectWith docText       `json:"rejectWith,omitempty" yaml:"rejectWith,omitempty"`
}

func newDocFlow(t TracedFlow, names *serviceNames) docFlow {
	f := t.Trace.Flow
	d := docFlow{
		Name: newDocText(f.Name), From: f.From, SourcePort: f.SourcePort, InInterface: newDocText(f.InInterface),
		Destination: f.Destination.String(), Port: f.Port, Protocol: netfilter.ProtocolName(f.Protocol),
		Outcomes: []docOutcome{},
	}
	if f.Source.IsValid() {
		d.Source = f.Source.String()
	}
	if t.UsualSource {
		d.SourceFrom = "default"
	}
	if f.State != netfilter.StateNew {
		d.State = f.State.String()
	}
	if e := t.Expect; e != nil {
		ok := t.Difference == ""
		d.Expect = &docExpect{Verdict: e.Verdict, Masquerade: e.Masquerade, RejectWith: newDocText(e.RejectWith)}
		for _, endpoint := range e.Endpoints {
			d.Expect.Endpoints = append(d.Expect.Endpoints, trace.EndpointString(endpoint, f.Protocol))
		}
		d.OK, d.Difference = &ok, newDocText(t.Difference)
	}
	for _, o := range t.Trace.Outcomes {
		d.Outcomes = append(d.Outcomes, newDocOutcome(o, f.Protocol, names))
	}
	for _, remark := range t.Trace.Diagnostics {
		d.Diagnostics = append(d.Diagnostics, newDocDiagnostic(remark))
	}
	return d
}

type docOutcome struct {
	Verdict     trace.Verdict  `json:"verdict" yaml:"verdict"`
	Endpoint    string         `json:"endpoint,omitempty" yaml:"endpoint,omitempty"`
	Masquerade  bool           `json:"masquerade" yaml:"masquerade"`
	Local       bool           `json:"local,omitempty" yaml:"local,omitempty"`
	RejectWith  docText        `json:"rejectWith,omitempty" yaml:"rejectWith,omitempty"`
	Probability float64        `json:"probability" yaml:"probability"`
	Assumptions []docText      `json:"assumptions" yaml:"assumptions"`
	Path        []docTraceStep `json:"path" yaml:"path"`
}

func newDocOutcome(o trace.Outcome, protocol uint8, names *serviceNames) docOutcome {
	d := docOutcome{
		Verdict: o.Verdict, Masquerade: o.Masquerade, Local: o.Local, RejectWith: newDocText(o.RejectWith),
		Probability: o.Probability.Float64(), Assumptions: []docText{}, Path: []docTraceStep{},
	}
	if o.Endpoint.IsValid() {
		d.Endpoint = trace.EndpointString(o.Endpoint, protocol)
	}
	for _, a := range o.Assumptions {
		d.Assumptions = append(d.Assumptions, newDocText(a.String()))
	}
	for _, s := range o.Path {
		d.Path = append(d.Path, newDocTraceStep(s, names))
	}
	return d
}

type docTraceStep struct {
	Hook    string  `json:"hook,omitempty" yaml:"hook,omitempty"`
	Family  string  `json:"family,omitempty" yaml:"family,omitempty"`
	Table   docText `json:"table,omitempty" yaml:"table,omitempty"`
	Chain   docText `json:"chain,omitempty" yaml:"chain,omitempty"`
	Service docText `json:"service,omitempty" yaml:"service,omitempty"`
	File    docText `json:"file,omitempty" yaml:"file,omitempty"`
	Line    int     `json:"line,omitempty" yaml:"line,omitempty"`
	Rule    docText `json:"rule,omitempty" yaml:"rule,omitempty"`
	Effect  docText `json:"effect" yaml:"effect"`
	Map     docText `json:"map,omitempty" yaml:"map,omitempty"`
	Element docText `json:"element,omitempty" yaml:"element,omitempty"`
	// ElementLine is a line of the file that has the map.
	ElementLine int      `json:"elementLine,omitempty" yaml:"elementLine,omitempty"`
	Chance      *float64 `json:"chance,omitempty" yaml:"chance,omitempty"`
	Assumed     bool     `json:"assumed,omitempty" yaml:"assumed,omitempty"`
	Matched     *bool    `json:"matched,omitempty" yaml:"matched,omitempty"`
	Missed      docText  `json:"missed,omitempty" yaml:"missed,omitempty"`
}

func newDocTraceStep(s *trace.Step, names *serviceNames) docTraceStep {
	d := docTraceStep{Effect: newDocText(s.Effect), Assumed: s.Matched == trace.Assumed, Service: newDocText(names.ofStep(s))}
	if s.Hook != netfilter.NoHook {
		d.Hook = s.Hook.String()
	}
	if s.Chain != nil {
		d.Table, d.Chain = newDocText(s.Chain.Table.Name), newDocText(s.Chain.Name)
		if s.Chain.Table.Backend == netfilter.Native {
			d.Family = s.Chain.Table.Family.String()
		}
	}
	if s.Chain == nil && s.Service != nil {
		d.Table, d.Chain = "ipvs", newDocText(s.Service.String())
	}
	if pos, text := s.Evidence(); text != "" {
		d.File, d.Line, d.Rule = newDocText(pos.Path()), pos.Line, newDocText(text)
	}
	if s.Set != nil {
		d.Map, d.Element, d.ElementLine = newDocText(s.Set.Name), newDocText(s.ElementText()), s.ElementPos().Line
	}
	if !s.Chance.IsZero() {
		chance := s.Chance.Float64()
		d.Chance = &chance
	}
	if s.Matched == trace.No {
		matched := false
		d.Matched = &matched
		d.Missed = newDocText(s.MissedText())
	}
	return d
}
