package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	prettytext "github.com/jedib0t/go-pretty/v6/text"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// A Detail says how much text is wanted.
type Detail uint8

// The amounts of text.
const (
	Normal  Detail = iota
	Quiet          // the headline, and the entries that are not simply fine
	Verbose        // everything
)

// TextOptions say how text is written.
type TextOptions struct {
	Color  bool // verdicts and headings in colour; nothing is told by colour alone
	Width  int  // of the terminal, in columns; 0 writes every line whole
	Detail Detail
	// Inputs are the INPUT arguments of the call, for the command that the
	// last line proposes.
	Inputs []string
}

// fewEntries is up to how many external entries all are proven in full.
const fewEntries = 12

// AnalysisText writes the analysis for people: the answer in one line, what it
// rests on, tables of services and of external entries, remarks, and last the
// proof of each entry that needs one. The error is the writer's.
func AnalysisText(w io.Writer, a *analyzer.Analysis, o TextOptions) error {
	p := &textPrinter{out: newWriter(w), TextOptions: o}
	all := p.overview(a.Inventory.Services)
	p.println(p.bold(headline(a, all.clusterIPs, all.external)))
	if o.Detail != Quiet {
		p.input(a)
		p.table("Services", all.services)
		p.table("External entries", all.entries)
		p.findings(a.Findings)
		p.diagnostics(a.Diagnostics)
	}
	p.proofs(a.Inventory.Services, all)
	if o.Detail != Quiet {
		if next := hint(a, o.Inputs); next != "" {
			p.println()
			p.println("Next: " + next)
		}
	}
	return p.out.Flush()
}

// A textPrinter writes text. Errors stay in out until the end.
type textPrinter struct {
	out *bufio.Writer
	TextOptions
	warmth   int                // keeps warm from being left out
	line     []byte             // room for one
	lines    []inventory.Line   // room for an entry's
	spare    []tableBlock       // of tables that are written
	percents map[float64]string // that were written before
}

func (p *textPrinter) println(parts ...string) {
	for _, s := range parts {
		p.out.WriteString(s)
	}
	p.out.WriteByte('\n')
}

func (p *textPrinter) heading(s string) {
	p.println()
	p.println(p.bold(s))
}

// table writes a table with a heading, if it has rows.
func (p *textPrinter) table(heading string, t *textTable) {
	if t.isEmpty() {
		return
	}
	p.heading(heading)
	t.write()
}

// paragraph writes prose, every line indented, broken between words where the
// terminal's width is known.
func (p *textPrinter) paragraph(indent, s string) {
	if room := p.Width - len(indent); p.Width > 0 && room >= 20 {
		s = prettytext.WrapSoft(s, room)
	}
	for line := range strings.SplitSeq(s, "\n") {
		p.println(indent, strings.TrimRight(line, " "))
	}
}

// headline is the answer in one line.
func headline(a *analyzer.Analysis, clusterIPs, external verdictCounts) string {
	inv := a.Inventory
	switch {
	case inv.Mode == kubeproxy.UnknownMode && len(inv.Services) == 0 && slices.ContainsFunc(a.Snapshot.Sources, func(s *snapshot.Source) bool { return s.Unbuilt }):
		return "no sign of kube-proxy in what could be read; some of the input is recognised and not read"
	case len(inv.Services) == 0 && inv.Mode == kubeproxy.NoMode:
		return "no sign of kube-proxy in this input"
	case len(inv.Services) == 0 && inv.Mode == kubeproxy.UnknownMode:
		return "the input holds too little to tell kube-proxy's mode, and no services"
	case len(inv.Services) == 0 && inv.Mode == kubeproxy.IPVS:
		return modeName(inv.Mode) + ", and neither virtual servers nor sets in the input: nothing is known of its services"
	case len(inv.Services) == 0 && inv.Mode != kubeproxy.IPTables:
		return modeName(inv.Mode) + ", which is recognised and not read: nothing is known of its services"
	}
	externals, all := external.total(), clusterIPs.total()
	line := fmt.Sprintf("%s, %s, %s: ", modeName(inv.Mode), count(len(inv.Services), "service port"), count(externals+all, "entry"))
	if externals == 0 {
		line += "no external entries"
	} else {
		line += whatTheyDo(external, inv.Mode, fmt.Sprintf("of %d external entries", externals))
	}
	if all > clusterIPs.of(inventory.IsClusterIP) {
		line += "; " + whatTheyDo(clusterIPs.without(inventory.IsClusterIP), inv.Mode, fmt.Sprintf("of %d cluster IPs", all))
	}
	if n := len(a.Findings); n > 0 {
		line += "; " + count(n, "finding") + ", " + worst(a.Findings)
	}
	return line
}

// worst is "high", for several findings "the worst high".
func worst(findings []audit.Finding) string {
	all := make([]audit.Severity, len(findings))
	for i, f := range findings {
		all[i] = f.Severity
	}
	for _, s := range slices.Backward(audit.Severities) {
		if slices.Contains(all, s) && len(all) > 1 {
			return "the worst " + string(s)
		} else if slices.Contains(all, s) {
			return string(s)
		}
	}
	return ""
}

// whatTheyDo is "3 of 4 external entries join …, 1 is broken".
func whatTheyDo(counts verdictCounts, mode kubeproxy.Mode, of string) string {
	var parts []string
	for i, v := range verdicts {
		n := counts[i]
		switch {
		case n > 0 && len(parts) == 0:
			parts = append(parts, fmt.Sprintf("%d %s %s", n, of, did(v, mode, n)))
		case n > 0:
			parts = append(parts, fmt.Sprintf("%d %s", n, did(v, mode, n)))
		}
	}
	return strings.Join(parts, ", ")
}

// did says what n entries of a verdict do.
func did(v inventory.Verdict, mode kubeproxy.Mode, n int) string {
	one, many := "", ""
	switch v {
	case inventory.JoinsClusterIP:
		one, many = "joins its ClusterIP chain", "join their ClusterIP chain"
	case inventory.SameBackends:
		one, many = "has its ClusterIP's backends", "have their ClusterIP's backends"
	case inventory.Filtered:
		one, many = "joins its ClusterIP chain for some sources only", "join their ClusterIP chain for some sources only"
		if mode == kubeproxy.IPVS { // there are no chains to join
			one, many = "has its ClusterIP's backends for some sources only", "have their ClusterIP's backends for some sources only"
		}
	case inventory.LocalEndpoints:
		one, many = "goes to local endpoints", "go to local endpoints"
	case inventory.NoEndpoints:
		one, many = "has no endpoints", "have no endpoints"
	case inventory.DifferentBackends:
		one, many = "ends at other endpoints", "end at other endpoints"
	case inventory.Broken:
		one, many = "is broken", "are broken"
	case inventory.Unknown:
		one, many = "cannot be told", "cannot be told"
	case inventory.IsClusterIP:
		one, many = "is a cluster IP", "are cluster IPs"
	}
	if n == 1 {
		return one
	}
	return many
}

func modeName(m kubeproxy.Mode) string {
	switch m {
	case kubeproxy.NoMode:
		return "no sign of kube-proxy"
	case kubeproxy.UnknownMode:
		return "unknown mode"
	case kubeproxy.IPVS:
		return "IPVS mode"
	case kubeproxy.Mixed:
		return "more than one mode"
	}
	return string(m) + " mode"
}

// count is "1 entry", "2 entries".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
