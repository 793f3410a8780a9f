// Package analyzer answers questions about a node's packet filter. Analyze
// builds every analysis of a snapshot, once; the packages below it hold them.
package analyzer

import (
	"slices"
	"sync"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/drift"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/proof"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// An Analysis is all that the tool knows of a snapshot.
type Analysis struct {
	Snapshot  *snapshot.Snapshot
	Graphs    []*chaingraph.Graph // one a table, in the snapshot's order
	Mode      kubeproxy.Mode
	Inventory *inventory.Inventory // nil after ForPackets, see Services
	Coverage  Coverage
	// Tracer follows packets. Making it costs one look at each chain, and
	// none at rules, so every analysis has one.
	Tracer *trace.Tracer
	// Findings are where structure and trace of an entry differ, where the node
	// and the cluster's objects do, and where the kernel's lists do.
	Findings []audit.Finding
	// Diagnostics are the remarks of all stages, in the order of the input.
	Diagnostics []source.Diagnostic

	services func() []*inventory.Service // where there is no inventory
}

// Services are those of the inventory. After ForPackets they are read back from
// the rules when they are first asked for.
func (a *Analysis) Services() []*inventory.Service {
	if a.Inventory != nil {
		return a.Inventory.Services
	}
	return a.services()
}

// Coverage says what the snapshot lacks for certain answers.
type Coverage struct {
	Complete bool
	Missing  []Missing
}

// A Missing is something that was not captured.
type Missing struct {
	What    string // "table filter, IPv4"
	Affects string // the answers that rest on it
	Command string // what to run on the node for it
	// Family is the one whose packets it matters for; AnyFamily for both.
	Family netfilter.Family
}

// Analyze builds every analysis of a snapshot. The snapshot must not change
// afterwards; the analysis keeps parts of it.
func Analyze(s *snapshot.Snapshot) *Analysis {
	a := survey(s)
	findings, remarks := proof.Check(s, a.Inventory, a.Tracer)
	a.Findings = slices.Concat(findings, drift.Check(s, a.Inventory), proof.Mismatches(a.Inventory, drift.AllServices(s)))
	a.gather(remarks)
	return a
}

// Survey is Analyze without the proof of entries: there are no findings.
func Survey(s *snapshot.Snapshot) *Analysis {
	a := survey(s)
	a.gather(nil)
	return a
}

// ForPackets is Survey for who follows packets of his own. The rules say where
// they go; whose services they are for is asked seldom, and reading that back
// takes as long as reading the dump. There is no inventory, and its remarks,
// which are about services, are not among the diagnostics.
func ForPackets(s *snapshot.Snapshot) *Analysis {
	a := structure(s)
	a.services = sync.OnceValue(func() []*inventory.Service { return inventory.Build(s, a.Graphs).Services })
	a.gather(nil)
	return a
}

func survey(s *snapshot.Snapshot) *Analysis {
	a := structure(s)
	a.Inventory = inventory.Build(s, a.Graphs)
	return a
}

// structure is what can be told without reading services back.
func structure(s *snapshot.Snapshot) *Analysis {
	a := &Analysis{Snapshot: s}
	for _, t := range s.Tables {
		a.Graphs = append(a.Graphs, chaingraph.Build(t))
	}
	a.Mode, _ = kubeproxy.Detect(s)
	a.Coverage = coverageOf(s, a.Mode)
	a.Tracer = trace.New(s)
	return a
}

// gather brings the remarks of all stages together.
func (a *Analysis) gather(proof []source.Diagnostic) {
	a.Diagnostics = slices.Clone(a.Snapshot.Diagnostics)
	if a.Inventory != nil {
		a.Diagnostics = append(a.Diagnostics, a.Inventory.Diagnostics...)
	}
	a.Diagnostics = append(a.Diagnostics, proof...)
	for _, g := range a.Graphs {
		a.Diagnostics = append(a.Diagnostics, g.Diagnostics()...)
	}
	slices.SortStableFunc(a.Diagnostics, func(x, y source.Diagnostic) int { return x.Pos.Compare(y.Pos) })
}
