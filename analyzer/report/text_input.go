package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// input writes what the answers rest on, and what they lack.
func (p *textPrinter) input(a *analyzer.Analysis) {
	p.heading("Input")
	if len(a.Snapshot.Sources) == 0 {
		p.println("  nothing that is recognised")
	}
	t := p.newTable("FILE", "FORMAT", "FAMILY", "TABLES", "HOLDS")
	for _, s := range a.Snapshot.Sources {
		t.row(Escape(s.Pos.Path()), sourceFormat(s), sourceFamily(s), Escape(strings.Join(s.Tables, " ")), sourceHolds(s))
	}
	t.write()
	p.println("  node addresses: ", p.nodeAddresses(a.Snapshot))
	for _, c := range a.Snapshot.PodCIDRs {
		p.println("  pod range: ", c.String())
	}
	if b := backends(a.Snapshot); len(b) > 1 {
		p.println("  back ends: ", strings.Join(b, " and "), ", loaded at once")
	}
	if len(a.Coverage.Missing) == 0 {
		if a.Coverage.Complete {
			p.println("  nothing is missing for the answers below")
		}
		return
	}
	p.missingUnder("Missing for a certain answer", a.Coverage.Missing)
}

// missingUnder writes what was not captured, with how to capture it.
func (p *textPrinter) missingUnder(heading string, missing []analyzer.Missing) {
	if len(missing) == 0 {
		return
	}
	p.heading(heading)
	for _, m := range missing {
		p.paragraph("  ", Escape(m.What)+": "+Escape(m.Affects))
		if m.Command != "" {
			p.println("    run on the node: ", Escape(m.Command))
		}
	}
}

func sourceFormat(s *snapshot.Source) string {
	if s.Backend != netfilter.UnknownBackend {
		return string(s.Format) + " (" + s.Backend.String() + ")"
	}
	return string(s.Format)
}

func sourceFamily(s *snapshot.Source) string {
	switch {
	case s.Family == netfilter.AnyFamily:
		return ""
	case s.FamilyInferred:
		return s.Family.String() + " (inferred)"
	}
	return s.Family.String()
}

func sourceHolds(s *snapshot.Source) string {
	var parts []string
	if s.Unbuilt {
		parts = append(parts, "recognised, not read")
	} else if hasRules(s) {
		parts = append(parts, count(s.Chains, "chain"), count(s.Rules, "rule"))
	} else if hasSets(s) {
		parts = append(parts, count(s.Sets, "set"), count(s.Elements, "element"))
	} else if s.Format == snapshot.Manifests {
		parts = append(parts, count(s.Objects, "object"))
	} else if hasServers(s) {
		parts = append(parts, count(s.VirtualServers, "virtual server"), count(s.RealServers, "real server"))
	}
	if s.SkippedLines > 0 {
		parts = append(parts, count(s.SkippedLines, "line")+" skipped")
	}
	return strings.Join(parts, ", ")
}

// fewAddresses is how many of the node's addresses are named. In IPVS mode it
// has those of all services.
const fewAddresses = 8

// nodeAddresses leaves out link-local addresses, which every node has.
func (p *textPrinter) nodeAddresses(s *snapshot.Snapshot) string {
	var addrs []string
	more := 0
	for _, a := range nodeAddresses(s) {
		switch {
		case a.IsLinkLocalUnicast():
		case len(addrs) == fewAddresses && p.Detail != Verbose:
			more++
		default:
			addrs = append(addrs, Escape(a.String()))
		}
	}
	if more > 0 {
		addrs = append(addrs, fmt.Sprintf("and %d more", more))
	}
	switch from := addressesFrom(s); from {
	case snapshot.FromNowhere:
		return "unknown"
	case snapshot.FromFlag:
		return strings.Join(addrs, ", ") + " (from --node-ip)"
	case snapshot.FromInferred:
		return strings.Join(addrs, ", ") + " (inferred from the rules)"
	default:
		return strings.Join(addrs, ", ") + " (from " + string(from) + ")"
	}
}

// findings writes what review checks found, worst first as they come.
func (p *textPrinter) findings(findings []audit.Finding) {
	if len(findings) == 0 {
		return
	}
	p.heading("Findings")
	for _, f := range findings {
		p.paragraph("  ", fmt.Sprintf("%s %s: %s", f.ID, severityWords(f), Escape(f.Message)))
		for _, a := range f.Assumptions {
			p.paragraph("    ", "assumed: "+Escape(a))
		}
		for _, m := range f.Missing {
			p.paragraph("    ", "missing: "+Escape(m))
		}
		lines := inventory.RuleLines(f.Evidence)
		for _, l := range f.Lines {
			lines = append(lines, inventory.Line{Pos: l.Pos, Text: l.Text})
		}
		p.evidence("    ", lines)
	}
}

// severityWords are a finding's severity, and its certainty where that is less
// than certain.
func severityWords(f audit.Finding) string {
	if f.Certainty == "certain" {
		return string(f.Severity)
	}
	return string(f.Severity) + ", " + f.Certainty
}

// fewDiagnostics is how many remarks are written without being asked for all.
const fewDiagnostics = 20

// diagnostics writes the remarks about the input, the worst first, and each
// severity in the order of the input.
func (p *textPrinter) diagnostics(diagnostics []source.Diagnostic) {
	p.diagnosticsUnder("Remarks about the input", diagnostics)
}

func (p *textPrinter) diagnosticsUnder(heading string, diagnostics []source.Diagnostic) {
	if len(diagnostics) == 0 {
		return
	}
	p.heading(heading)
	worstFirst := slices.Clone(diagnostics)
	slices.SortStableFunc(worstFirst, func(a, b source.Diagnostic) int { return cmp.Compare(b.Severity, a.Severity) })
	for i, d := range worstFirst {
		if i == fewDiagnostics && p.Detail != Verbose {
			p.println("  and ", fmt.Sprint(len(diagnostics)-i), " more; -v shows them all")
			break
		}
		color := ""
		switch d.Severity {
		case source.Error:
			color = red
		case source.Warning:
			color = yellow
		}
		p.println("  ", p.paint(color, fmt.Sprintf("%-7s", d.Severity)), "  ", Escape(d.String()))
	}
}
