package report

import (
	"io"
	"iter"
	"slices"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// A TracedFlow is a flow and what becomes of it.
type TracedFlow struct {
	Trace *trace.Trace
	// UsualSource says that nobody named the source, and a usual one was
	// taken.
	UsualSource bool
	// Expect is what the flow is expected to do, nil if it was not asked.
	Expect *trace.Expectation
	// Difference is how it differs from that, "" if it does not.
	Difference string
}

// Traces are the answers of "svcpath trace", and with Verify those of
// "svcpath verify".
type Traces struct {
	Analysis *analyzer.Analysis
	Verify   bool
	// Families are the families of the flows.
	Families []netfilter.Family
	// Flows gives the flows one by one, each time that it is called the same.
	// For VerifyText, which says no more of those that are as expected than
	// that they are, these may come without their outcomes, and their Trace
	// hold until the next flow only.
	Flows iter.Seq[TracedFlow]
}

// TraceJSON writes the document that docs/schema/trace.json describes as JSON,
// flow by flow, the same bytes for the same traces. The error is the writer's.
func TraceJSON(w io.Writer, t Traces) error { return documentJSON(w, traceDocument(t)) }

// TraceYAML writes the document of TraceJSON as YAML. The error is the
// writer's.
func TraceYAML(w io.Writer, t Traces) error { return documentYAML(w, traceDocument(t)) }

// missing is what was not captured and matters for the flows.
func (t *Traces) missing() []analyzer.Missing {
	var missing []analyzer.Missing
	for _, m := range t.Analysis.Coverage.Missing {
		if m.Family == netfilter.AnyFamily || slices.Contains(t.Families, m.Family) {
			missing = append(missing, m)
		}
	}
	return missing
}
