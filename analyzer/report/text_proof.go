package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// proofs writes the evidence of the entries that are not simply fine; of all
// external ones when they are few; of every entry when everything is wanted.
func (p *textPrinter) proofs(inv *inventory.Inventory) {
	external := total(countVerdicts(inv, isExternal))
	titled := p.Detail == Quiet
	for _, s := range inv.Services {
		for _, e := range s.Entries {
			few := p.Detail == Normal && isExternal(e) && external <= fewEntries
			if isFine(e) && !few && p.Detail != Verbose {
				continue
			}
			if !titled {
				p.heading("Proof")
				titled = true
			}
			p.proof(s, e)
		}
	}
}

// proof writes one entry: the dump's own lines, where connections end, and in
// plain words what follows.
func (p *textPrinter) proof(s *inventory.Service, e *inventory.Entry) {
	p.println()
	p.println("  ", p.bold(fmt.Sprintf("%s, %s, %s", serviceName(s), entryName(e), netfilter.ProtocolName(s.Protocol))),
		": ", p.verdict(e.Verdict))
	p.evidence("    ", e.Path)
	if path := pathText(e.Path); path != "" {
		p.paragraph("    ", "path: "+path)
	}
	if ends := p.ends(e.Endpoints); ends != "" {
		p.paragraph("    ", "ends at: "+ends)
	}
	if text := e.Explanation(); text != "" {
		p.paragraph("    ", Escape(text))
	}
	if text := e.InCluster(); text != "" {
		p.paragraph("    ", Escape(text))
	}
}

// maxRule is how much of a rule is quoted. Real ones are far shorter; the first
// rules of a path are quoted for every entry.
const maxRule = 2000

// evidence writes rules of the dump with their places, lined up. They are
// never wrapped, so that they can be copied.
func (p *textPrinter) evidence(indent string, rules []*netfilter.Rule) {
	places, width := make([]string, len(rules)), 0
	for i, r := range rules {
		places[i] = Escape(r.Pos().String())
		width = max(width, len(places[i]))
	}
	for i, r := range rules {
		p.println(indent, places[i], strings.Repeat(" ", width-len(places[i])+2), clip(Escape(r.Text()), maxRule))
	}
}

// pathText names the chains that a path goes through and what it ends in:
// "KUBE-SERVICES → KUBE-NODEPORTS → …". Where it goes on in another table or
// begins anew, the table is named. That it begins in nat, in a base chain, goes
// without saying.
func pathText(path []*netfilter.Rule) string {
	if len(path) > 1 {
		first, second := path[0].Chain(), path[1].Chain()
		if first.Table.Name == "nat" && first.Base != nil && second.Table == first.Table {
			path = path[1:]
		}
	}
	var b strings.Builder
	for i, r := range path {
		if i > 0 && path[i-1].Chain() == r.Chain() {
			continue // another rule of the same chain, such as the one that marks
		}
		switch table := r.Chain().Table; {
		case i == 0 && table.Name != "nat":
			b.WriteString(Escape(table.Name) + ": ")
		case i > 0 && (table != path[i-1].Chain().Table || r.Chain().Base != nil):
			b.WriteString(" → " + pathEnd(path[i-1]) + "; " + Escape(table.Name) + ": ")
		case i > 0:
			b.WriteString(" → ")
		}
		b.WriteString(Escape(r.Chain().Name))
	}
	if len(path) > 0 {
		b.WriteString(" → " + pathEnd(path[len(path)-1]))
	}
	return b.String()
}

// pathEnd is what a rule leads to: a chain, or the target's own name.
func pathEnd(r *netfilter.Rule) string {
	if jump, ok := r.Jump(); ok {
		return Escape(jump.Name)
	}
	target := r.Target()
	if target == nil {
		return "the next rule"
	}
	name := strings.TrimPrefix(target.String(), "-j ")
	name, _, _ = strings.Cut(name, " ")
	return Escape(name)
}

// fewEndpoints is how many endpoints of an entry are named one by one.
const fewEndpoints = 8

// ends names where connections end, with their shares.
func (p *textPrinter) ends(endpoints []inventory.Endpoint) string {
	var parts []string
	for i, e := range endpoints {
		if i == fewEndpoints && p.Detail != Verbose {
			parts = append(parts, fmt.Sprintf("and %d more", len(endpoints)-i))
			break
		}
		part := e.Addr.String()
		if len(endpoints) > 1 && e.Probability != nil {
			part += " (" + percent(e.Probability.Float64()) + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// percent is a share of connections to a tenth of a percent: "50%", "33.3%". What
// only rounds to nothing or to everything says so.
func percent(share float64) string {
	s := strings.TrimSuffix(strconv.FormatFloat(100*share, 'f', 1, 64), ".0")
	switch {
	case s == "0" && share > 0:
		return "<0.1%"
	case s == "100" && share < 1:
		return ">99.9%"
	}
	return s + "%"
}
