package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// VerifyText writes for people how flows compare with what is expected of
// them: all in one line, then a line for each flow, then for those that differ
// the difference, what was found and the path that decides. It goes through
// the flows twice. The error is the writer's.
func VerifyText(w io.Writer, t Traces, o TextOptions) error {
	p := newTracePrinter(w, t, o)
	var sum docTraceSummary
	lacks := false
	for f := range t.Flows {
		sum.add(f)
		lacks = lacks || p.names.lackRules(f.Trace.Flow.Destination.Is4())
	}
	line := verifyHeadline(sum)
	if lacks {
		line += "; " + rulesLack
	}
	p.println(p.bold(line))
	if o.Detail != Quiet || sum.Differ > 0 {
		p.println()
	}
	for f := range t.Flows {
		p.verified(f)
		if f.Difference == "" {
			continue // the next one comes at once
		}
		if err := p.out.Flush(); err != nil {
			return err
		}
	}
	if o.Detail != Quiet {
		p.missing(t)
	}
	return p.out.Flush()
}

func verifyHeadline(s docTraceSummary) string {
	switch {
	case s.Differ == 0 && s.Flows == 1:
		return "the flow is as expected"
	case s.Differ == 0:
		return fmt.Sprintf("all %d flows are as expected", s.Flows)
	case s.Differ == 1:
		return fmt.Sprintf("1 of %s differs from what is expected", count(s.Flows, "flow"))
	}
	return fmt.Sprintf("%d of %s differ from what is expected", s.Differ, count(s.Flows, "flow"))
}

// verified writes a flow's line, and if it differs why. Quiet, it leaves out
// what is as expected.
func (p *tracePrinter) verified(f TracedFlow) {
	if f.Difference == "" {
		if p.Detail != Quiet {
			p.println("  ", p.paint(green, "ok"), "       ", flowTitle(f.Trace.Flow))
		}
		return
	}
	p.println("  ", p.paint(red, "differs"), "  ", flowTitle(f.Trace.Flow), ": ", Escape(f.Difference))
	if p.Detail == Quiet {
		return
	}
	p.println("           found: ", traceHeadline(f.Trace, p.names))
	if decides := deciding(f); decides != nil {
		var at place
		p.steps("           ", decides, &at)
	}
}

// flowTitle names a flow, one without a name by what it is.
func flowTitle(f trace.Flow) string {
	if f.Name != "" {
		return Escape(f.Name)
	}
	return fmt.Sprintf("%s to %s from %s", netfilter.ProtocolName(f.Protocol), hostPort(f.Destination, f.Port), f.From)
}

// deciding is the path of the outcome that differs, of several the first.
func deciding(f TracedFlow) []*trace.Step {
	outcomes := f.Trace.Outcomes
	differs := func(o trace.Outcome) bool {
		if f.Expect.Verdict != "" && o.Verdict != f.Expect.Verdict {
			return true
		}
		if o.Verdict == trace.DNAT && f.Expect.Endpoints != nil && !slices.Contains(f.Expect.Endpoints, o.Endpoint) {
			return true
		}
		return f.Expect.Masquerade != nil && o.Masquerade != *f.Expect.Masquerade
	}
	if i := slices.IndexFunc(outcomes, differs); i >= 0 {
		return outcomes[i].Path
	}
	if len(outcomes) > 0 {
		return outcomes[0].Path[:commonPrefix(outcomes)]
	}
	return nil
}
