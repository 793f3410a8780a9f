package report

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An overview is what text tells of all services. It is made in one go through
// them: a large node's lie all over the memory.
type overview struct {
	clusterIPs, external verdictCounts
	// services have both families of one in adjacent rows, of which only the first
	// has the name; entries are those that are dialled from outside.
	services, entries *textTable
	odd               []*inventory.Entry // those that are not simply fine
}

// overview goes through the services. The tables stay empty if they are not
// wanted.
func (p *textPrinter) overview(services []*inventory.Service) *overview {
	o := &overview{
		services: p.newTable("SERVICE", "PROTO", "TYPES", "CLUSTER IP", "ENDPOINTS", "POLICIES", "AFFINITY"),
		entries:  p.newTable("SERVICE", "PROTO", "ENTRY", "VERDICT", "CLIENT ADDRESS", "PATH"),
	}
	var last, lastExternal *inventory.Service
	for i, s := range services {
		if i%warmed == 0 {
			p.warm(services[i:min(i+warmed, len(services))])
		}
		if p.Detail != Quiet {
			p.serviceRow(o.services, s, last)
			last = s
		}
		for _, e := range s.Entries {
			if !isFine(e) {
				o.odd = append(o.odd, e)
			}
			if !isExternal(e) {
				o.clusterIPs.add(e.Verdict)
				continue
			}
			o.external.add(e.Verdict)
			if p.Detail != Quiet {
				p.entryRow(o.entries, s, lastExternal, e)
				lastExternal = s
			}
		}
	}
	return o
}

func (p *textPrinter) serviceRow(t *textTable, s, above *inventory.Service) {
	t.service(s, above)
	t.cell(appendTypes(t.text(), s.Types))
	t.cell(p.appendClusterIPs(t.text(), s))
	t.cell(p.appendShares(t.text(), s))
	t.cell(appendPolicies(t.text(), s))
	t.cell(appendAffinity(t.text(), s))
}

func (p *textPrinter) entryRow(t *textTable, s, above *inventory.Service, e *inventory.Entry) {
	t.service(s, above)
	t.cell(appendEntryName(t.text(), e))
	t.cell(append(t.text(), p.verdict(e.Verdict)...))
	t.cell(append(t.text(), clientAddress(e)...))
	t.cell(appendEntryPath(t.text(), e))
}

// service begins a row with a service's name and protocol, empty if the row
// above is the service port's too.
func (t *textTable) service(s, above *inventory.Service) {
	if above == s || above != nil && sameServicePort(above, s) {
		t.row("", "")
		return
	}
	t.cell(appendServiceName(t.text(), s))
	t.cell(append(t.text(), netfilter.ProtocolName(s.Protocol)...))
}

func sameServicePort(a, b *inventory.Service) bool {
	return a.Name != "" && a.Name == b.Name && a.Namespace == b.Namespace && a.PortName == b.PortName && a.Protocol == b.Protocol
}

// appendServiceName names a service port; one that nothing names by what it has.
func appendServiceName(b []byte, s *inventory.Service) []byte {
	switch {
	case s.Name != "":
		b = append(appendEscaped(b, s.Namespace), '/')
		b = appendEscaped(b, s.Name)
		if s.PortName != "" {
			b = appendEscaped(append(b, ':'), s.PortName)
		}
		return b
	case len(s.Entries) > 0:
		return appendEntryAddress(append(b, "(no name) "...), s.Entries[0])
	}
	return append(b, "(no name)"...)
}

func appendTypes(b []byte, t inventory.Types) []byte {
	for i, name := range t.Names() {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, name...)
	}
	return b
}

// appendClusterIPs writes the service's cluster IP entries, with the verdict
// where one is not as it should be.
func (p *textPrinter) appendClusterIPs(b []byte, s *inventory.Service) []byte {
	first := true
	for _, e := range s.Entries {
		if isExternal(e) {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = appendEntryAddress(b, e)
		if !isFine(e) {
			b = append(append(b, ' '), p.verdict(e.Verdict)...)
		}
	}
	return b
}

// appendShares writes a service's endpoints in short: the one there is, or how
// many there are and what share of connections each gets.
func (p *textPrinter) appendShares(b []byte, s *inventory.Service) []byte {
	// Those of the cluster stand first.
	all := s.Endpoints.Len()
	local := all
	for local > 0 && s.Endpoints.Scope(local-1) == inventory.LocalScope {
		local--
	}
	switch {
	case all == 0 && slices.ContainsFunc(s.Entries, func(e *inventory.Entry) bool { return e.Verdict == inventory.Unknown }):
		return append(b, "unknown"...)
	case all == 0:
		return append(b, "none"...)
	}
	b = p.appendScopeShares(b, s.Endpoints, 0, local)
	if local < all {
		if local > 0 {
			b = append(b, "; "...)
		}
		b = p.appendScopeShares(append(b, "local: "...), s.Endpoints, local, all)
	}
	return b
}

// appendScopeShares writes those of a list's endpoints that stand from one place
// up to another, which are of one scope.
func (p *textPrinter) appendScopeShares(b []byte, endpoints inventory.Endpoints, from, to int) []byte {
	switch to - from {
	case 0:
		return b
	case 1:
		e := endpoints.At(from)
		b = appendAddrPort(b, e.Addr)
		if e.Probability != nil && !e.Probability.IsOne() {
			b = append(append(b, " × "...), p.percent(e.Probability.Float64())...) // others cannot be read
		}
		return b
	}
	b = strconv.AppendInt(b, int64(to-from), 10)
	if endpoints.Even() {
		from = to - 1 // one tells for all
	}
	low, high := 1.0, 0.0
	var last *inventory.Share // most have the same
	for i := from; i < to; i++ {
		share := endpoints.Probability(i)
		if share == nil {
			return b
		}
		if share == last {
			continue
		}
		last = share
		low, high = min(low, share.Float64()), max(high, share.Float64())
	}
	b = append(b, " × "...)
	b = append(b, p.percent(low)...)
	if low != high && p.percent(low) != p.percent(high) {
		b = append(b, " to "...)
		b = append(b, p.percent(high)...)
	}
	return b
}

// percent is percent, of what comes up over and over: as many endpoints get as
// much each.
func (p *textPrinter) percent(share float64) string {
	text, ok := p.percents[share]
	if !ok {
		text = percent(share)
		if p.percents == nil {
			p.percents = map[float64]string{}
		}
		p.percents[share] = text
	}
	return text
}

func appendPolicies(b []byte, s *inventory.Service) []byte {
	start := len(b)
	next := func() {
		if len(b) > start {
			b = append(b, ", "...)
		}
	}
	if s.ExternalPolicy == s.InternalPolicy {
		b = append(b, s.ExternalPolicy...)
	} else {
		if s.ExternalPolicy != "" {
			b = append(append(b, "external "...), s.ExternalPolicy...)
		}
		if s.InternalPolicy != "" {
			next()
			b = append(append(b, "internal "...), s.InternalPolicy...)
		}
	}
	if n := len(s.SourceRanges); n > 0 {
		next()
		b = append(b, count(n, "source range")...)
	}
	if s.HealthCheckNodePort != 0 {
		next()
		b = strconv.AppendUint(append(b, "health check "...), uint64(s.HealthCheckNodePort), 10)
	}
	return b
}

func appendAffinity(b []byte, s *inventory.Service) []byte {
	if s.Affinity == nil {
		return b
	}
	b = append(b, "ClientIP"...)
	if seconds := s.Affinity.TimeoutSeconds; seconds != 0 {
		b = append(strconv.AppendUint(append(b, ' '), uint64(seconds), 10), " s"...)
	}
	return b
}

// appendEntryName is "NodePort 32000", "LoadBalancerIP 203.0.113.5:80".
func appendEntryName(b []byte, e *inventory.Entry) []byte {
	b = append(b, e.Kind...)
	if e.KindAssumed {
		b = append(b, " (assumed)"...)
	}
	b = appendEntryAddress(append(b, ' '), e)
	for i, p := range e.ExceptAddresses {
		between := ", "
		if i == 0 {
			between = " except at "
		}
		b = appendPrefix(append(b, between...), p)
	}
	return b
}

// appendEntryAddress is what a client dials; of a node port that listens on
// every local address of its family only the port, with the family if it is
// IPv6.
func appendEntryAddress(b []byte, e *inventory.Entry) []byte {
	if e.Kind != inventory.NodePort && len(e.Addresses) > 0 {
		return appendAddrPort(b, netip.AddrPortFrom(e.Addresses[0].Addr(), e.Port))
	}
	if e.Kind != inventory.NodePort {
		b = append(b, "port "...)
	}
	if len(e.Addresses) == 0 {
		return strconv.AppendUint(b, uint64(e.Port), 10)
	}
	for i, p := range e.Addresses {
		if i > 0 {
			b = append(b, ", "...)
		}
		if p.Bits() != 0 && p.IsSingleIP() {
			b = appendAddrPort(b, netip.AddrPortFrom(p.Addr(), e.Port))
			continue
		}
		b = strconv.AppendUint(b, uint64(e.Port), 10)
		switch {
		case p.Bits() == 0 && p.Addr().Is6():
			b = append(b, " (IPv6)"...)
		case p.Bits() != 0:
			b = appendPrefix(append(b, " at "...), p)
		}
	}
	return b
}

// appendAddrPort is AddrPort.String, which an invalid one has too.
func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, a.String()...)
	}
	return a.AppendTo(b)
}

// appendPrefix is Prefix.String, which an invalid one has too.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	if !p.IsValid() {
		return append(b, p.String()...)
	}
	return p.AppendTo(b)
}

// clientAddress says what the endpoint sees of the client's address; nothing
// where no endpoint is known to see anything.
func clientAddress(e *inventory.Entry) string {
	if e.Endpoints.Len() == 0 {
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
