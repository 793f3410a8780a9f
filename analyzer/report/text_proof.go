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
	p.evidence("    ", p.entryLines(e))
	if path := entryPath(e); path != "" {
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

// evidence writes lines of the dump with their places, lined up. They are
// never wrapped, so that they can be copied.
func (p *textPrinter) evidence(indent string, lines []inventory.Line) {
	places, width := make([]string, len(lines)), 0
	for i, l := range lines {
		places[i] = Escape(l.Pos.String())
		width = max(width, len(places[i]))
	}
	for i, l := range lines {
		p.println(indent, places[i], strings.Repeat(" ", width-len(places[i])+2), clip(Escape(quoted(l)), maxRule))
	}
}

// quoted is a line as evidence shows it. An element of a set stands alone in
// some listings, and gets the set's name.
func quoted(l inventory.Line) string {
	text := strings.TrimSpace(l.Text)
	if l.In[0] == "ipset" && !strings.Contains(text, l.In[1]) {
		return "ipset " + l.In[1] + ": " + text
	}
	return text
}

// entryLines are the lines that prove an entry; of virtual servers with many
// real servers not all.
func (p *textPrinter) entryLines(e *inventory.Entry) []inventory.Line {
	lines := e.PathLines()
	for _, element := range e.Elements {
		lines = append(lines, inventory.ElementLine(element))
	}
	for _, v := range e.Virtual {
		all := inventory.VirtualLines(v)
		if most := 1 + fewEndpoints; len(all) > most && p.Detail != Verbose {
			all = all[:most]
		}
		lines = append(lines, all...)
	}
	return lines
}

// entryPath is pathText with the virtual servers that a path ends at in IPVS
// mode.
func entryPath(e *inventory.Entry) string {
	path := pathText(e.Path, e.Mapped)
	if len(e.Virtual) == 0 {
		return path
	}
	if path != "" {
		path += "; "
	}
	path += "IPVS: " + Escape(e.Virtual[0].String())
	if n := len(e.Virtual); n > 1 {
		path += fmt.Sprintf(" and %d more", n-1)
	}
	return path
}

// pathText names the chains that a path goes through and what it ends in:
// "KUBE-SERVICES → KUBE-NODEPORTS → …". Where it goes on in another table or
// begins anew, the table is named. That it begins in nat, in a base chain, goes
// without saying.
func pathText(path []*netfilter.Rule, mapped []inventory.MapElement) string {
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
			b.WriteString(" → " + pathEnd(path[i-1], mapped) + "; " + Escape(table.Name) + ": ")
		case i > 0:
			b.WriteString(" → ")
		}
		b.WriteString(Escape(r.Chain().Name))
	}
	if len(path) > 0 {
		b.WriteString(" → " + pathEnd(path[len(path)-1], mapped))
	}
	return b.String()
}

// pathEnd is what a rule leads to: a chain, or the target's own name; for one
// that looks into a map, what the element says.
func pathEnd(r *netfilter.Rule, mapped []inventory.MapElement) string {
	target := r.Target()
	for _, m := range mapped {
		if m.Rule == r {
			target = m.Set.Element(m.Number).Verdict
		}
	}
	switch target := target.(type) {
	case *netfilter.Jump:
		return Escape(target.Name)
	case *netfilter.VerdictMap:
		return "endpoints" // dealt out by a random number
	}
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
