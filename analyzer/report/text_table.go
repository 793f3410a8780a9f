package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	prettytext "github.com/jedib0t/go-pretty/v6/text"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A textTable lines columns up with blanks alone.
type textTable struct {
	p      *textPrinter
	header []string
	cells  []string // row by row
	widths []int    // of each column's cells; 0 for a column without any
}

func (p *textPrinter) newTable(header ...string) *textTable {
	return &textTable{p: p, header: header, widths: make([]int, len(header))}
}

// maxCell is how many columns of a cell are shown. No name of Kubernetes comes
// near, and one cell of a damaged dump must not widen all rows without end.
const maxCell = 300

func (t *textTable) row(cells ...string) {
	for i, c := range cells {
		c = clip(c, maxCell)
		t.cells = append(t.cells, c)
		t.widths[i] = max(t.widths[i], width(c))
	}
}

// width is how many columns of a terminal a text takes, colours aside.
func width(s string) int {
	if isASCII(s) {
		return len(s)
	}
	return prettytext.StringWidthWithoutEscSequences(s)
}

const (
	tableIndent = 2
	tableGap    = 2
	usefulWidth = 30 // of a last column that is wrapped
)

// write writes the table, without columns that are empty. Where the terminal's
// width is known, the last column is wrapped to what the others leave of it, as
// long as that is of use.
func (t *textTable) write() {
	if len(t.cells) == 0 {
		return
	}
	last, start := len(t.header)-1, tableIndent // start of the last column
	for i, cells := range t.widths {
		if cells > 0 {
			t.widths[i] = max(cells, len(t.header[i]))
			if i < last {
				start += t.widths[i] + tableGap
			}
		}
	}
	room := 0
	if t.p.Width > 0 {
		room = max(t.p.Width-start, usefulWidth)
	}
	t.line(t.header, start, room)
	for row := range slices.Chunk(t.cells, len(t.header)) {
		t.line(row, start, room)
	}
}

// line writes a row: more than one line if its last cell, which begins at
// column start, does not fit into the room; 0 is room without end.
func (t *textTable) line(row []string, start, room int) {
	rest := ""
	owed := tableIndent // blanks before the next cell; none stand at a line's end
	for i, cell := range row {
		if t.widths[i] == 0 {
			continue
		}
		if i == len(row)-1 && room > 0 && width(cell) > room {
			cell, rest, _ = strings.Cut(prettytext.WrapSoft(cell, room), "\n")
			cell = strings.TrimRight(cell, " ")
		}
		if cell != "" {
			t.p.blanks(owed)
			t.p.out.WriteString(cell)
			owed = -width(cell)
		}
		owed += t.widths[i] + tableGap
	}
	t.p.println()
	for line := range strings.SplitSeq(rest, "\n") {
		if rest != "" {
			t.p.blanks(start)
			t.p.println(strings.TrimRight(line, " "))
		}
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
	return a.Name != "" && a.Name == b.Name && a.Namespace == b.Namespace && a.PortName == b.PortName && a.Protocol == b.Protocol
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
	// Those of the cluster stand first.
	local := len(s.Endpoints)
	for local > 0 && s.Endpoints[local-1].Scope == inventory.LocalScope {
		local--
	}
	text := scopeShares(s.Endpoints[:local])
	if local < len(s.Endpoints) {
		if text != "" {
			text += "; "
		}
		text += "local: " + scopeShares(s.Endpoints[local:])
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
	low, high := 1.0, 0.0
	for i := range endpoints {
		share := endpoints[i].Probability
		if share == nil {
			return strconv.Itoa(len(endpoints))
		}
		low, high = min(low, share.Float64()), max(high, share.Float64())
	}
	text := strconv.Itoa(len(endpoints)) + " × " + percent(low)
	if low != high && percent(low) != percent(high) {
		text += " to " + percent(high)
	}
	return text
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
	if s.Affinity.TimeoutSeconds == 0 {
		return "ClientIP"
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
			t.row(name, proto, entryName(e), p.verdict(e.Verdict), clientAddress(e), entryPath(e))
		}
	}
	if len(t.cells) == 0 {
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
			at = append(at, strconv.Itoa(int(e.Port)))
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
