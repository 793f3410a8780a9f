// Package proof holds what the inventory says of entries by the structure of
// their chains against what a packet meets that is followed through all hooks.
// The two are worked out by different code from the same rules; where they
// differ, either something besides kube-proxy decides, or one of them is
// wrong, and the reader should know of both.
package proof

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// Up to maxChecked entries all are followed. On larger nodes a sample is, spread
// evenly over all: a rule that stands in everybody's way shows all the same,
// and the answer stays quick.
const (
	maxChecked = 1000
	sample     = 250
)

// Check follows an outside client's packet to every entry whose verdict says
// where it ends, and gives a finding for each that ends otherwise. Entries for
// which no such packet can be named, ends that rest on assumptions, and tables
// that were not captured whole give none. Of more than maxChecked entries it
// checks a sample, and remarks on it.
func Check(s *snapshot.Snapshot, inv *inventory.Inventory, tracer *trace.Tracer) ([]audit.Finding, []source.Diagnostic) {
	findings := []audit.Finding{}
	c := checker{snapshot: s, tracer: tracer}
	entries := 0
	for _, svc := range inv.Services {
		entries += len(svc.Entries)
	}
	stride := 1
	if entries > maxChecked {
		stride = (entries + sample - 1) / sample
	}
	i, checked := 0, 0
	for _, svc := range inv.Services {
		for _, e := range svc.Entries {
			if i++; (i-1)%stride != 0 {
				continue
			}
			checked++
			if f, differs := c.check(e); differs {
				findings = append(findings, f)
			}
		}
	}
	if checked == entries {
		return findings, nil
	}
	return findings, []source.Diagnostic{{
		Severity: source.Info, Code: "entries-not-followed",
		Message: fmt.Sprintf("of %d entries %d, spread evenly, were followed by a packet to hold their verdicts against it; svcpath verify follows as many as it is given", entries, checked),
	}}
}

type checker struct {
	snapshot *snapshot.Snapshot
	tracer   *trace.Tracer
}

// check follows a packet to one entry.
func (c *checker) check(e *inventory.Entry) (audit.Finding, bool) {
	if e.Verdict == inventory.Unknown || e.Verdict == inventory.Broken {
		return audit.Finding{}, false // nothing is claimed that a packet could show
	}
	if c.isPart(e.Service.Family) {
		return audit.Finding{}, false // the packet may go where it goes for want of a rule
	}
	flow, ok := c.flowTo(e)
	if !ok {
		return audit.Finding{}, false
	}
	if _, meets, err := c.tracer.Meets(flow, claim(e)); err == nil && meets {
		return audit.Finding{}, false
	}
	tr, err := c.tracer.TraceOutcomes(flow)
	if err != nil {
		return audit.Finding{}, false
	}
	for i, o := range tr.Outcomes {
		if !onlyUsual(e, o) {
			continue
		}
		if d := compare(e, o); d.text != "" {
			if tr, err = c.tracer.Trace(flow); err != nil {
				return audit.Finding{}, false
			}
			return finding(e, tr.Flow, tr.Outcomes[i], d), true
		}
	}
	return audit.Finding{}, false
}

// isPart reports whether a table that packets of the family meet was not
// captured whole.
func (c *checker) isPart(family netfilter.Family) bool {
	return slices.ContainsFunc(c.snapshot.Tables, func(t *netfilter.Table) bool {
		return !t.Complete && !t.Dormant &&
			(t.Family == family || t.Family == netfilter.Inet || t.Family == netfilter.AnyFamily || t.Family == netfilter.Netdev)
	})
}

// claim is what the verdict says of every packet to the entry. Where all that
// can become of one meets it, no outcome has to be told from the others.
func claim(e *inventory.Entry) trace.Expectation {
	x := trace.Expectation{Verdict: trace.DNAT}
	if e.Verdict == inventory.NoEndpoints {
		x.Verdict = trace.Reject
	}
	for _, endpoint := range e.Endpoints.All() {
		x.Endpoints = append(x.Endpoints, endpoint.Addr)
	}
	masqueraded := e.Masquerade == inventory.MasqueradeAlways
	if masqueraded || e.Masquerade == inventory.MasqueradeNever || e.Masquerade == inventory.MasqueradeHairpin {
		x.Masquerade = &masqueraded
	}
	return x
}

// onlyUsual reports whether an outcome assumes nothing, or nothing but what is
// so on every node with kube-proxy, or which endpoint the client was sent to
// before: wherever it was, the end is one of the service's.
func onlyUsual(e *inventory.Entry, o trace.Outcome) bool {
	for _, a := range o.Assumptions {
		switch {
		case a.Rule == nil && a.Text == trace.IPVSConntrack:
		case e.Service.Affinity == nil || a.Rule == nil:
			return false
		case !slices.ContainsFunc(a.Rule.Matches(), func(m netfilter.Match) bool {
			_, recent := m.(*netfilter.Recent)
			return recent
		}):
			return false
		}
	}
	return true
}

// A disagreement is in what an outcome differs from the entry's verdict.
type disagreement struct {
	severity audit.Severity
	text     string // what the packet does
	// decides reports whether a step is the one that makes the difference.
	decides func(*trace.Step) bool
}

// compare gives the disagreement of an outcome with the entry's verdict; its
// text is "" if there is none.
func compare(e *inventory.Entry, o trace.Outcome) disagreement {
	if e.Verdict == inventory.NoEndpoints {
		if o.Verdict == trace.DNAT || o.Verdict == trace.Accept {
			return disagreement{audit.Medium, "is not refused: it " + ending(o), translates}
		}
		return disagreement{}
	}
	switch o.Verdict {
	case trace.DNAT:
	case trace.Accept: // which no rule of its path has decided: none of them translates
		return disagreement{audit.High, ending(o), translates}
	default:
		return disagreement{audit.High, ending(o), refuses}
	}
	if e.Endpoints.Len() > 0 && !slices.ContainsFunc(e.Endpoints.List(), func(x inventory.Endpoint) bool { return x.Addr == o.Endpoint }) {
		return disagreement{audit.High, "goes to " + o.Endpoint.String() + ", which is not among the entry's endpoints", translates}
	}
	switch {
	case o.Local:
		// Delivered to the node itself, it never comes to POSTROUTING.
	case e.Masquerade == inventory.MasqueradeAlways && !o.Masquerade:
		return disagreement{audit.Medium, "keeps its source address, which the entry's marks should have replaced", hidesSource}
	case (e.Masquerade == inventory.MasqueradeNever || e.Masquerade == inventory.MasqueradeHairpin) && o.Masquerade:
		return disagreement{audit.Medium, "loses its source address, which the entry's chains keep", hidesSource}
	}
	return disagreement{}
}

func translates(s *trace.Step) bool {
	if s.Rule == nil {
		return false
	}
	switch s.Rule.Target().(type) {
	case *netfilter.DNAT, *netfilter.Redirect:
		return true
	}
	return false
}

func hidesSource(s *trace.Step) bool {
	if s.Rule == nil {
		return false
	}
	switch s.Rule.Target().(type) {
	case *netfilter.Masquerade, *netfilter.SNAT:
		return true
	}
	return false
}

// refuses reports whether a step is one of a chain, or IPVS's that found no real
// server: the last one of a refused packet's path refused it.
func refuses(s *trace.Step) bool { return s.Chain != nil || s.Service != nil && s.Server == nil }

// ending is how the packet of an outcome ended, in words.
func ending(o trace.Outcome) string {
	switch o.Verdict {
	case trace.DNAT:
		return "goes to " + o.Endpoint.String()
	case trace.Accept:
		return "goes on untranslated"
	case trace.Reject:
		if o.RejectWith == "" {
			return "is rejected"
		}
		return "is rejected (" + o.RejectWith + ")"
	case trace.Drop:
		return "is dropped"
	}
	return "comes to an end that cannot be told"
}

func finding(e *inventory.Entry, flow trace.Flow, o trace.Outcome, d disagreement) audit.Finding {
	f := audit.Finding{
		ID:        "KP2001",
		Name:      "entry-ends-elsewhere",
		Severity:  d.severity,
		Certainty: "certain",
		Service:   e.Service.PortString(),
		Evidence:  slices.Clone(e.Path),
		Remediation: "Follow the packet with svcpath trace, and look for the rule that decides: " +
			"one of another component, a policy of filter, or one that somebody changed.",
	}
	for _, a := range o.Assumptions {
		if a.Rule != nil {
			f.Certainty = "assumed"
			f.Assumptions = append(f.Assumptions, a.String())
		}
	}
	where := ""
	for _, step := range slices.Backward(o.Path) {
		if !d.decides(step) {
			continue
		}
		switch {
		case step.Rule != nil:
			f.Evidence = append(f.Evidence, step.Rule)
			where = fmt.Sprintf(", by rule %d of %s", step.Rule.Number(), step.Chain.Name)
		case step.Chain != nil:
			where = fmt.Sprintf(", by the %s of %s", step.Effect, step.Chain.Name)
		default:
			where = fmt.Sprintf(", by IPVS, whose virtual server %s takes no connections", step.Service)
		}
		break
	}
	if o.Verdict != trace.DNAT && !o.Probability.IsCertain() {
		// Ends at different endpoints are told apart, and others may be like this one.
		where += fmt.Sprintf(", with a chance of %.3g%%", 100*o.Probability.Float64())
	}
	structure := "chains"
	if len(e.Virtual) > 0 {
		structure = "sets and virtual servers"
		f.Lines = append(f.Lines, audit.Line{Pos: e.Virtual[0].Pos(), Text: e.Virtual[0].Text()})
	}
	f.Message = fmt.Sprintf("the %s of %s make it %s, but a packet from %s to %s %s%s",
		structure, entryName(e), e.Verdict, flow.Source, netip.AddrPortFrom(flow.Destination, flow.Port), d.text, where)
	return f
}

func entryName(e *inventory.Entry) string {
	if e.Kind == inventory.NodePort {
		return fmt.Sprintf("NodePort %d", e.Port)
	}
	return string(e.Kind) + " " + netip.AddrPortFrom(e.Addresses[0].Addr(), e.Port).String()
}
