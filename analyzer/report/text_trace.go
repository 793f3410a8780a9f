package report

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TraceText writes traces for people: of each flow the answer in one line, the
// packet, its outcomes, and hook by hook the rules that decided something. The
// error is the writer's.
func TraceText(w io.Writer, t Traces, o TextOptions) error {
	p := newTracePrinter(w, t, o)
	n := 0
	var last TracedFlow
	for f := range t.Flows {
		if n++; n > 1 && o.Detail != Quiet {
			p.println()
		}
		p.flow(f)
		if err := p.out.Flush(); err != nil {
			return err
		}
		last = f
	}
	if o.Detail != Quiet {
		p.missing(t)
		if n == 1 {
			if next := p.traceHint(last); next != "" {
				p.println()
				p.println("Next: " + next)
			}
		}
	}
	return p.out.Flush()
}

// A tracePrinter writes the text of traces.
type tracePrinter struct {
	textPrinter
	names *serviceNames
}

func newTracePrinter(w io.Writer, t Traces, o TextOptions) *tracePrinter {
	return &tracePrinter{textPrinter{out: newWriter(w), TextOptions: o}, newServiceNames(t.Analysis)}
}

func (p *tracePrinter) flow(f TracedFlow) {
	line := traceHeadline(f.Trace, p.names)
	if name := f.Trace.Flow.Name; name != "" {
		line = Escape(name) + ": " + line
	}
	p.println(p.bold(line))
	if p.Detail == Quiet {
		return
	}
	p.packet(f)
	p.outcomes(f.Trace)
	p.traceRemarks(f.Trace)
	p.paths(f.Trace)
}

// packet says which packet is followed.
func (p *tracePrinter) packet(f TracedFlow) {
	flow := f.Trace.Flow
	from := map[trace.Origin]string{
		trace.FromExternal: "from outside", trace.FromPod: "from a pod", trace.FromNode: "from the node itself",
	}[flow.From]
	switch {
	case f.UsualSource:
		from += ", " + hostPort(flow.Source, flow.SourcePort) + " (taken because no source is named; --source names one)"
	case flow.Source.IsValid():
		from += ", " + hostPort(flow.Source, flow.SourcePort)
	case flow.From != trace.FromNode:
		from += ", source not known"
	}
	if flow.InInterface != "" {
		from += ", coming in by " + Escape(flow.InInterface)
	}
	state := ""
	if flow.State != netfilter.StateNew {
		state = ", of a connection in state " + flow.State.String()
	}
	p.paragraph("  ", fmt.Sprintf("%s to %s %s%s", netfilter.ProtocolName(flow.Protocol),
		hostPort(flow.Destination, flow.Port), from, state))
}

// hostPort is an address with its port, alone if that is 0.
func hostPort(addr netip.Addr, port uint16) string {
	if port == 0 {
		return addr.String()
	}
	return netip.AddrPortFrom(addr, port).String()
}

// fewOutcomes is how many outcomes are written without being asked for all.
const fewOutcomes = 24

// outcomes writes the table of outcomes, and the assumptions by number.
func (p *tracePrinter) outcomes(t *trace.Trace) {
	p.heading("Outcomes")
	assumptions := assumptionsOf(t.Outcomes)
	table := p.newTable("VERDICT", "ENDPOINT", "PROBABILITY", "SOURCE", "MORE", "ASSUMING")
	for i, o := range t.Outcomes {
		if i == fewOutcomes && p.Detail != Verbose {
			break
		}
		var numbers []string
		for _, a := range o.Assumptions {
			numbers = append(numbers, strconv.Itoa(slices.Index(assumptions, a)+1))
		}
		endpoint := ""
		if o.Verdict == trace.DNAT {
			endpoint = endpointOf(o, t.Flow.Protocol)
		}
		table.row(p.traceVerdict(o.Verdict), endpoint, percent(o.Probability.Float64()), sourceWord(o), more(o), strings.Join(numbers, ", "))
	}
	table.write()
	if n := len(t.Outcomes) - fewOutcomes; n > 0 && p.Detail != Verbose {
		p.println(fmt.Sprintf("  and %d more; -v shows them all", n))
	}
	if len(assumptions) == 0 {
		return
	}
	p.heading("Assumptions")
	for i, a := range assumptions {
		if i == 2*fewOutcomes && p.Detail != Verbose {
			p.println(fmt.Sprintf("  and %d more; -v shows them all", len(assumptions)-i))
			break
		}
		p.paragraph("  ", fmt.Sprintf("%d  %s", i+1, Escape(a.String())))
	}
}

func sourceWord(o trace.Outcome) string {
	switch {
	case o.Verdict != trace.DNAT && o.Verdict != trace.Accept:
		return ""
	case o.Masquerade:
		return "rewritten"
	}
	return "kept"
}

func more(o trace.Outcome) string {
	switch {
	case o.RejectWith != "":
		return "with " + Escape(o.RejectWith)
	case o.Local:
		return "on the node itself"
	}
	return ""
}

// traceVerdict is the verdict's name, coloured by what it means for who sent
// the packet.
func (o TextOptions) traceVerdict(v trace.Verdict) string {
	color := ""
	switch v {
	case trace.DNAT, trace.Accept:
		color = green
	case trace.Unknown:
		color = yellow
	case trace.Reject, trace.Drop:
		color = red
	}
	return o.paint(color, string(v))
}

func (p *tracePrinter) traceRemarks(t *trace.Trace) {
	p.diagnosticsUnder("Remarks about the trace", t.Diagnostics)
}

// missing says what was not captured and matters for the flows.
func (p *tracePrinter) missing(t Traces) {
	p.missingUnder("Missing for a certain answer", t.missing())
}

// traceHint proposes what to run next: for a packet that was sent to an
// endpoint the graph of the service, else the same with all steps, which tell
// why no rule took it.
func (p *tracePrinter) traceHint(f TracedFlow) string {
	if len(p.Inputs) == 0 || len(f.Trace.Outcomes) == 0 {
		return ""
	}
	var inputs []string
	for _, input := range p.Inputs {
		inputs = append(inputs, shellWord(input))
	}
	call := strings.Join(inputs, " ")
	path := f.Trace.Outcomes[0].Path
	for _, s := range path {
		if service := p.names.of(s.Chain); service != nil && s.Matched != trace.No {
			return fmt.Sprintf("svcpath graph %s --service %s -o mermaid", call, shellWord(service.NamespacedName()))
		}
	}
	if slices.ContainsFunc(path, func(s *trace.Step) bool { return s.Matched == trace.No }) {
		return ""
	}
	return fmt.Sprintf("svcpath trace %s %s --all-steps", call, flowArguments(f.Trace.Flow))
}

// flowArguments describe a flow on the command line.
func flowArguments(f trace.Flow) string {
	words := []string{"--to", shellWord(hostPort(f.Destination, f.Port))}
	if f.Protocol != netfilter.TCP {
		words[1] += "/" + netfilter.ProtocolName(f.Protocol)
	}
	words = append(words, "--from", string(f.From))
	if f.Source.IsValid() {
		words = append(words, "--source", shellWord(hostPort(f.Source, f.SourcePort)))
	}
	if f.InInterface != "" {
		words = append(words, "--in-interface", shellWord(f.InInterface))
	}
	if f.State != netfilter.StateNew {
		words = append(words, "--ctstate", f.State.String())
	}
	return strings.Join(words, " ")
}
