package chaingraph

import (
	"fmt"
	"iter"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

const (
	maxDiagnostics = 20 // of one code; the rest is counted
	maxNames       = 5  // of chains in one message
)

// Diagnostics are the remarks about the table that its jumps give cause for:
// those that dangle (code "dangling-jump") and loops ("chain-loop"). The first
// 20 of a code are told one by one, the rest is counted.
func (g *Graph) Diagnostics() []source.Diagnostic {
	var all []source.Diagnostic
	all = appendLimited(all, g.danglingDiagnostics(), g.dangling, "more jumps that dangle")
	all = appendLimited(all, g.loopDiagnostics(), len(g.loops), "more loops")
	if r := g.cutAt; r != nil {
		all = append(all, source.Diagnostic{
			Severity: source.Warning, Pos: r.Pos(), Code: "graph-cut",
			Message: fmt.Sprintf("the rules of table %s look into maps with more than %d elements in all: from rule %d of %s on, what they lead to by maps is left out of the chain graph",
				g.Table.Name, maxMapped, r.Number(), r.Chain().Name),
		})
	}
	return all
}

// appendLimited appends the first diagnostics of a kind, and one that counts
// the rest and stands where they begin.
func appendLimited(all []source.Diagnostic, kind iter.Seq[source.Diagnostic], total int, rest string) []source.Diagnostic {
	n := 0
	for d := range kind {
		if n == maxDiagnostics && total > n+1 {
			d.Message = fmt.Sprintf("%d %s", total-n, rest)
			return append(all, d)
		}
		all = append(all, d)
		n++
	}
	return all
}

func (g *Graph) danglingDiagnostics() iter.Seq[source.Diagnostic] {
	// What a whole table does not declare the kernel does not have, and then
	// it refuses the jump: somebody changed the text. Of a part nothing follows.
	severity, missing := source.Error, "expected a chain that table "+g.Table.Name+" declares"
	if !g.Table.Complete {
		severity, missing = source.Info, "which the captured text does not hold"
	}
	return func(yield func(source.Diagnostic) bool) {
		for j := range g.Dangling() {
			verb := "jumps"
			if j.Goto {
				verb = "goes"
			}
			if !yield(source.Diagnostic{
				Severity: severity,
				Pos:      j.Rule.Pos(),
				Code:     "dangling-jump",
				Message:  fmt.Sprintf("rule %d of %s %s to %s, %s", j.Rule.Number(), j.From.Name, verb, j.Name, missing),
			}) {
				return
			}
		}
	}
}

func (g *Graph) loopDiagnostics() iter.Seq[source.Diagnostic] {
	return func(yield func(source.Diagnostic) bool) {
		for _, loop := range g.loops {
			severity, consequence := source.Error, "which the kernel refuses"
			if !loop.Reached {
				severity, consequence = source.Warning, "which no base chain leads to"
			}
			what := fmt.Sprintf("chains %s of table %s jump in a loop", names(loop.Chains), g.Table.Name)
			if len(loop.Chains) == 1 {
				what = fmt.Sprintf("chain %s of table %s jumps to itself", loop.Chains[0].Name, g.Table.Name)
			}
			if !yield(source.Diagnostic{
				Severity: severity,
				Pos:      loop.Cycle[0].Pos(),
				Code:     "chain-loop",
				Message:  what + ", " + consequence,
			}) {
				return
			}
		}
	}
}

// names are the first chains' names: "A, B and C", "A, B, C, D, E and 12 more".
func names(chains []*netfilter.Chain) string {
	var list []string
	for _, c := range chains[:min(len(chains), maxNames)] {
		list = append(list, c.Name)
	}
	last := fmt.Sprintf("%d more", len(chains)-len(list))
	if len(chains) == len(list) {
		last, list = list[len(list)-1], list[:len(list)-1]
	}
	return strings.Join(list, ", ") + " and " + last
}
