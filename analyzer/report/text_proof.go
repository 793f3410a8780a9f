package report

import (
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// proofs writes the evidence of the entries that are not simply fine; of all
// external ones when there are few; of every entry when everything is wanted.
func (p *textPrinter) proofs(services []*inventory.Service, all *overview) {
	entries := all.odd
	if few := p.Detail == Normal && all.external.total() <= fewEntries; few || p.Detail == Verbose {
		entries = nil
		for _, s := range services {
			for _, e := range s.Entries {
				if !isFine(e) || few && isExternal(e) || p.Detail == Verbose {
					entries = append(entries, e)
				}
			}
		}
	}
	if len(entries) > 0 && p.Detail != Quiet {
		p.heading("Proof")
	}
	for _, e := range entries {
		p.proof(e.Service, e)
	}
}

// proof writes one entry: the dump's own lines, where connections end, and in
// plain words what follows.
func (p *textPrinter) proof(s *inventory.Service, e *inventory.Entry) {
	p.println()
	b := append(appendServiceName(p.line[:0], s), ", "...)
	b = append(appendEntryName(b, e), ", "...)
	b = append(b, netfilter.ProtocolName(s.Protocol)...)
	p.line = b
	p.println("  ", p.bold(string(b)), ": ", p.verdict(e.Verdict))
	p.evidence("    ", p.entryLines(e))
	const path = "path: "
	if b = appendEntryPath(append(b[:0], path...), e); len(b) > len(path) {
		p.paragraph("    ", string(b))
	}
	if e.Endpoints.Len() > 0 {
		b = p.appendEnds(append(b[:0], "ends at: "...), e.Endpoints)
		p.paragraph("    ", string(b))
	}
	p.line = b
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
	width, b := 0, p.line
	for _, l := range lines {
		b = appendPlace(b[:0], l.Pos)
		width = max(width, len(b))
	}
	for _, l := range lines {
		b = appendPlace(append(b[:0], indent...), l.Pos)
		b = appendBlanks(b, len(indent)+width+2-len(b))
		b = append(b, clip(Escape(quoted(l)), maxRule)...)
		p.out.Write(append(b, '\n'))
	}
	p.line = b
}

// appendPlace writes where a line stands.
func appendPlace(b []byte, at source.Position) []byte {
	if !isASCII(at.Path()) {
		return append(b, Escape(at.String())...)
	}
	return at.AppendTo(b)
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
	lines := e.AppendPathLines(p.lines[:0])
	for _, element := range e.Elements {
		lines = append(lines, inventory.ElementLine(element))
	}
	for _, v := range e.Virtual {
		n := v.NumServers()
		if p.Detail != Verbose {
			n = min(n, fewEndpoints)
		}
		lines = inventory.AppendVirtualLines(lines, v, n)
	}
	p.lines = lines
	return lines
}

// appendEntryPath is appendPath with the virtual servers that a path ends at in
// IPVS mode.
func appendEntryPath(b []byte, e *inventory.Entry) []byte {
	b = appendPath(b, e.Path, e.Mapped)
	if len(e.Virtual) == 0 {
		return b
	}
	if len(e.Path) > 0 {
		b = append(b, "; "...)
	}
	b = append(b, "IPVS: "...)
	if v := e.Virtual[0]; v.Name == "" {
		b = v.AppendTo(b)
	} else {
		b = appendEscaped(b, v.String())
	}
	if n := len(e.Virtual); n > 1 {
		b = append(strconv.AppendInt(append(b, " and "...), int64(n-1), 10), " more"...)
	}
	return b
}

// appendPath names the chains that a path goes through and what it ends in:
// "KUBE-SERVICES → KUBE-NODEPORTS → …". Where it goes on in another table or
// begins anew, the table is named. That it begins in nat, in a base chain, goes
// without saying.
func appendPath(b []byte, path []*netfilter.Rule, mapped []inventory.MapElement) []byte {
	if len(path) > 1 {
		first, second := path[0].Chain(), path[1].Chain()
		if first.Table.Name == "nat" && first.Base != nil && second.Table == first.Table {
			path = path[1:]
		}
	}
	for i, r := range path {
		chain := r.Chain()
		if i > 0 && path[i-1].Chain() == chain {
			continue // another rule of the same chain, such as the one that marks
		}
		switch table := chain.Table; {
		case i == 0 && table.Name != "nat":
			b = append(appendEscaped(b, table.Name), ": "...)
		case i > 0 && (table != path[i-1].Chain().Table || chain.Base != nil):
			b = append(appendEnd(b, path[i-1], mapped), "; "...)
			b = append(appendEscaped(b, table.Name), ": "...)
		case i > 0:
			b = append(b, " → "...)
		}
		b = appendEscaped(b, chain.Name)
	}
	if len(path) > 0 {
		b = appendEnd(b, path[len(path)-1], mapped)
	}
	return b
}

// appendEnd is what a rule leads to: a chain, or the target's own name; for one
// that looks into a map, what the element says.
func appendEnd(b []byte, r *netfilter.Rule, mapped []inventory.MapElement) []byte {
	b = append(b, " → "...)
	target := r.Target()
	for _, m := range mapped {
		if m.Rule == r {
			target = m.Set.Verdict(m.Number)
		}
	}
	switch target := target.(type) {
	case *netfilter.Jump:
		return appendEscaped(b, target.Name)
	case *netfilter.VerdictMap:
		return append(b, "endpoints"...) // dealt out by a random number
	case *netfilter.MapNAT:
		return append(b, target.Kind.String()...) // the rest names every endpoint
	}
	if target == nil {
		return append(b, "the next rule"...)
	}
	name := strings.TrimPrefix(target.String(), "-j ")
	name, _, _ = strings.Cut(name, " ")
	return appendEscaped(b, name)
}

// fewEndpoints is how many endpoints of an entry are named one by one.
const fewEndpoints = 8

// appendEnds names where connections end, with their shares.
func (p *textPrinter) appendEnds(b []byte, endpoints inventory.Endpoints) []byte {
	for i, e := range endpoints.All() {
		if i > 0 {
			b = append(b, ", "...)
		}
		if i == fewEndpoints && p.Detail != Verbose {
			b = append(strconv.AppendInt(append(b, "and "...), int64(endpoints.Len()-i), 10), " more"...)
			break
		}
		b = appendAddrPort(b, e.Addr)
		if endpoints.Len() > 1 && e.Probability != nil {
			b = append(append(append(b, " ("...), p.percent(e.Probability.Float64())...), ')')
		}
	}
	return b
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
