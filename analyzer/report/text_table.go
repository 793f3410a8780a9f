package report

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	prettytext "github.com/jedib0t/go-pretty/v6/text"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A textTable lines columns up with blanks alone.
type textTable struct {
	p      *textPrinter
	header table.Row
	rows   []table.Row
	widths []int // of each column's cells; 0 for a column without any
}

func (p *textPrinter) newTable(header ...string) *textTable {
	t := &textTable{p: p, widths: make([]int, len(header))}
	for _, name := range header {
		t.header = append(t.header, name)
	}
	return t
}

// maxCell is how many columns of a cell are shown. No name of Kubernetes comes
// near, and one cell of a damaged dump must not widen all rows without end.
const maxCell = 300

func (t *textTable) row(cells ...string) {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		c = clip(c, maxCell)
		row[i] = c
		t.widths[i] = max(t.widths[i], prettytext.StringWidthWithoutEscSequences(c))
	}
	t.rows = append(t.rows, row)
}

// write writes the table, without columns that are empty. Where the terminal's width is known, the last column
// is wrapped to what the others leave of it, as long as that is of use.
func (t *textTable) write() {
	if len(t.rows) == 0 {
		return
	}
	const indent, gap, useful = 2, 2, 30
	w := table.NewWriter()
	style := table.Style{
		Box:    table.BoxStyle{PaddingRight: strings.Repeat(" ", gap)},
		Format: table.FormatOptions{Header: prettytext.FormatDefault, Row: prettytext.FormatDefault},
	}
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.SuppressEmptyColumns()
	if last := len(t.widths) - 1; t.p.Width > 0 {
		room := t.p.Width - indent
		for i, width := range t.widths[:last] {
			if width > 0 {
				room -= max(width, len(t.header[i].(string))) + gap
			}
		}
		w.SetColumnConfigs([]table.ColumnConfig{{
			Number: last + 1, WidthMax: max(room, useful), WidthMaxEnforcer: prettytext.WrapSoft,
		}})
	}
	w.AppendHeader(t.header)
	w.AppendRows(t.rows)
	for line := range strings.SplitSeq(w.Render(), "\n") {
		t.p.println(strings.Repeat(" ", indent), line)
	}
}

// services writes the table of services, both families of one in adjacent
// rows, of which only the first has the name.
func (p *textPrinter) services(services []*inventory.Service) {
	if len(services) == 0 {
		return
	}
	p.heading("Services")
	t := p.newTable("SERVICE", "PROTO", "TYPES", "CLUSTER IP", "ENDPOINTS", "POLICIES", "AFFINITY")
	var last *inventory.Service
	for _, s := range services {
		name, proto := serviceName(s), netfilter.ProtocolName(s.Protocol)
		if last != nil && sameServicePort(last, s) {
			name, proto = "", ""
		}
		last = s
		t.row(name, proto, strings.Join(s.Types.Names(), " "), p.clusterIPs(s), endpointShares(s), policies(s), affinity(s))
	}
	t.write()
}

func sameServicePort(a, b *inventory.Service) bool {
	return a.Name != "" && a.PortString() == b.PortString() && a.Protocol == b.Protocol
}

// serviceName names a service port; one that nothing names by what it has.
func serviceName(s *inventory.Service) string {
	if s.Name != "" {
		return Escape(s.PortString())
	}
	for _, e := range s.Entries {
		return "(no name) " + entryAddress(e)
	}
	return "(no name)"
}

// clusterIPs are the service's cluster IP entries, with the verdict where one
// is not as it should be.
func (p *textPrinter) clusterIPs(s *inventory.Service) string {
	var ips []string
	for _, e := range s.Entries {
		if isExternal(e) {
			continue
		}
		ip := entryAddress(e)
		if !isFine(e) {
			ip += " " + p.verdict(e.Verdict)
		}
		ips = append(ips, ip)
	}
	return strings.Join(ips, ", ")
}

// endpointShares is a service's endpoints in short: the one there is, or how
// many there are and what share of connections each gets.
func endpointShares(s *inventory.Service) string {
	scopes := map[inventory.Scope][]inventory.Endpoint{}
	for _, e := range s.Endpoints {
		scopes[e.Scope] = append(scopes[e.Scope], e)
	}
	text := scopeShares(scopes[inventory.ClusterScope])
	if local := scopes[inventory.LocalScope]; len(local) > 0 {
		if text != "" {
			text += "; "
		}
		text += "local: " + scopeShares(local)
	}
	if text == "" {
		return "none"
	}
	return text
}

func scopeShares(endpoints []inventory.Endpoint) string {
	switch len(endpoints) {
	case 0:
		return ""
	case 1:
		return endpoints[0].Addr.String()
	}
	low, high := endpoints[0].Probability, endpoints[0].Probability
	for _, e := range endpoints {
		if e.Probability == nil {
			return fmt.Sprintf("%d", len(endpoints))
		}
		if e.Probability.Float64() < low.Float64() {
			low = e.Probability
		}
		if e.Probability.Float64() > high.Float64() {
			high = e.Probability
		}
	}
	if low == nil {
		return fmt.Sprintf("%d", len(endpoints))
	}
	if percent(low.Float64()) == percent(high.Float64()) {
		return fmt.Sprintf("%d × %s", len(endpoints), percent(low.Float64()))
	}
	return fmt.Sprintf("%d × %s to %s", len(endpoints), percent(low.Float64()), percent(high.Float64()))
}

func policies(s *inventory.Service) string {
	var parts []string
	switch {
	case s.ExternalPolicy == s.InternalPolicy && s.ExternalPolicy != "":
		parts = append(parts, string(s.ExternalPolicy))
	case s.ExternalPolicy != "" && s.InternalPolicy != "":
		parts = append(parts, "external "+string(s.ExternalPolicy), "internal "+string(s.InternalPolicy))
	case s.ExternalPolicy != "":
		parts = append(parts, "external "+string(s.ExternalPolicy))
	case s.InternalPolicy != "":
		parts = append(parts, "internal "+string(s.InternalPolicy))
	}
	if len(s.SourceRanges) > 0 {
		parts = append(parts, count(len(s.SourceRanges), "source range"))
	}
	if s.HealthCheckNodePort != 0 {
		parts = append(parts, fmt.Sprintf("health check %d", s.HealthCheckNodePort))
	}
	return strings.Join(parts, ", ")
}

func affinity(s *inventory.Service) string {
	if s.Affinity == nil {
		return ""
	}
	return fmt.Sprintf("ClientIP %d s", s.Affinity.TimeoutSeconds)
}

// externalEntries writes the table of entries that are dialled from outside.
func (p *textPrinter) externalEntries(inv *inventory.Inventory) {
	t := p.newTable("SERVICE", "PROTO", "ENTRY", "VERDICT", "CLIENT ADDRESS", "PATH")
	var last *inventory.Service
	for _, s := range inv.Services {
		for _, e := range s.Entries {
			if !isExternal(e) {
				continue
			}
			name, proto := serviceName(s), netfilter.ProtocolName(s.Protocol)
			if last == s || last != nil && sameServicePort(last, s) {
				name, proto = "", ""
			}
			last = s
			t.row(name, proto, entryName(e), p.verdict(e.Verdict), clientAddress(e), pathText(e.Path))
		}
	}
	if len(t.rows) == 0 {
		return
	}
	p.heading("External entries")
	t.write()
}

// entryName is "NodePort 32000", "LoadBalancerIP 203.0.113.5:80".
func entryName(e *inventory.Entry) string {
	kind := string(e.Kind)
	if e.KindAssumed {
		kind += " (assumed)"
	}
	name := kind + " " + entryAddress(e)
	if len(e.ExceptAddresses) > 0 {
		name += " except at " + strings.Join(prefixStrings(e.ExceptAddresses), ", ")
	}
	return name
}

// entryAddress is what a client dials; of a node port that listens on every
// local address of its family only the port, with the family if it is IPv6.
func entryAddress(e *inventory.Entry) string {
	if e.Kind != inventory.NodePort {
		if len(e.Addresses) == 0 {
			return fmt.Sprintf("port %d", e.Port)
		}
		return netip.AddrPortFrom(e.Addresses[0].Addr(), e.Port).String()
	}
	var at []string
	for _, p := range e.Addresses {
		switch {
		case p.Bits() == 0 && p.Addr().Is6():
			at = append(at, fmt.Sprintf("%d (IPv6)", e.Port))
		case p.Bits() == 0:
			at = append(at, fmt.Sprint(e.Port))
		case p.IsSingleIP():
			at = append(at, netip.AddrPortFrom(p.Addr(), e.Port).String())
		default:
			at = append(at, fmt.Sprintf("%d at %s", e.Port, p))
		}
	}
	if len(at) == 0 {
		return fmt.Sprint(e.Port)
	}
	return strings.Join(at, ", ")
}

// clientAddress says what the endpoint sees of the client's address; nothing
// where no endpoint is known to see anything.
func clientAddress(e *inventory.Entry) string {
	if len(e.Endpoints) == 0 {
		return ""
	}
	switch e.Masquerade {
	case inventory.MasqueradeAlways:
		return "masqueraded"
	case inventory.MasqueradeNever:
		return "kept"
	case inventory.MasqueradeHairpin:
		return "kept, hairpin apart"
	case inventory.MasqueradeConditional:
		return "depends on the client"
	}
	return "unknown"
}
