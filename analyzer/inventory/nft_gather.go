package inventory

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// nftNodePorts are the addresses that node ports listen on.
type nftNodePorts struct {
	on, except []netip.Prefix
}

// gather collects entries from the maps, and from the rules that name an entry
// which no map has.
func (b *nftReader) gather() {
	for _, m := range [...]struct {
		name    string
		refuses bool
	}{
		{kubeproxy.ServiceIPsMap, false},
		{kubeproxy.ServiceNodePortsMap, false},
		{kubeproxy.NoEndpointServicesMap, true},
		{kubeproxy.NoEndpointNodePortsMap, true},
	} {
		set := b.table.Set(m.name)
		if set == nil || !set.Verdicts {
			continue
		}
		elements := make([]MapElement, set.Len())
		for i := range elements {
			d, ok := dialOfKey(set, i)
			if !ok {
				continue
			}
			draft := b.draft(d)
			at := &elements[i]
			at.Set, at.Number = set, i
			if m.refuses {
				draft.refusal = at
			} else {
				draft.element = at
			}
			b.claimName(draft, at)
		}
	}
	for _, name := range []string{kubeproxy.FirewallIPsMap, kubeproxy.FirewallSet} {
		if set := b.table.Set(name); set != nil {
			for i := range set.Len() {
				if d, ok := dialOfKey(set, i); ok {
					b.firewalled[d] = true
				}
			}
		}
	}
	b.gatherMissing()
	b.readNodePorts()
}

// dialOfKey reads an element's key: an address, a protocol and a port, or the
// last two.
func dialOfKey(set *netfilter.Set, element int) (d dial, ok bool) {
	key, ok := set.Single(element)
	if !ok || !set.Readable() {
		return d, false
	}
	types := set.Key
	if len(types) == 3 && (types[0] == netfilter.TypeIPv4 || types[0] == netfilter.TypeIPv6) {
		w := types[0].Width()
		d.address, _ = netip.AddrFromSlice(key[:w])
		key, types = key[w:], types[1:]
	}
	if len(types) != 2 || types[0] != netfilter.TypeProtocol || types[1] != netfilter.TypePort {
		return d, false
	}
	d.protocol, d.port = key[0], binary.BigEndian.Uint16(key[1:])
	return d, true
}

func (b *nftReader) draft(d dial) *nftDraft {
	e := b.byDial[d]
	if e == nil {
		e = &nftDraft{dial: d}
		if !d.address.IsValid() {
			e.kind = NodePort
		}
		b.byDial[d] = e
		b.drafts = append(b.drafts, e)
	}
	return e
}

// claimName takes the service port's name from the chain that an element leads
// to, or from the element's comment, and holds the two against each other.
func (b *nftReader) claimName(d *nftDraft, at *MapElement) {
	commented, hasComment := kubeproxy.ParseServicePort(at.Set.CommentOf(at.Number))
	if j, ok := at.Set.Verdict(at.Number).(*netfilter.Jump); ok {
		if n, ok := b.nameIn(j); ok {
			if n.Cut {
				d.hash = n.Hash
			} else if !d.named {
				d.name, d.named = n.Port, true
			}
			if hasComment && !n.Cut && n.Port != commented {
				b.report(source.Warning, "hash-mismatch", at.Pos(), "the comment of element %s of %s names %s, but it leads to %s, a chain of %s",
					at.Text(), at.Set.Name, commented, j.Name, n.Port)
			}
		}
	}
	if hasComment && !d.named {
		d.name, d.named = commented, true
	}
}

// gatherMissing finds cluster IPs that chains still name, in the rule that
// masquerades what does not come from pods (up to 1.35), but that no map has.
func (b *nftReader) gatherMissing() {
	if !b.table.Complete {
		return
	}
	for i, c := range b.table.Chains() {
		if kind := b.names[i].Kind; kind != kubeproxy.ServiceChain && kind != kubeproxy.LocalChain || !b.isLedTo(c) {
			continue
		}
		for r := range c.Rules() {
			d, ok := dialOf(r)
			if !ok || !d.address.IsValid() {
				break // the rule stands first
			}
			if b.byDial[d] != nil {
				continue
			}
			e := b.draft(d)
			e.kind, e.missing = ClusterIP, r
			e.name = b.names[i].Port
			e.named, e.hash = !b.names[i].Cut, b.names[i].Hash
		}
	}
}

// isLedTo reports whether some rule or element leads to a chain.
func (b *nftReader) isLedTo(c *netfilter.Chain) bool {
	return b.graph == nil || !b.graph.IsOrphan(c)
}

// readNodePorts reads the addresses that node ports listen on from the rule
// that looks them up: those of a set, or every local one but loopback.
func (b *nftReader) readNodePorts() {
	for r := range b.table.Rules() {
		for _, s := range r.Statements() {
			if v, ok := s.(*netfilter.VerdictMap); ok && v.Map.Name == kubeproxy.ServiceNodePortsMap {
				b.nodePorts.add(r, b.family)
				return
			}
		}
	}
	// The rule is not in the text. The set says as much.
	if set := b.table.Set(kubeproxy.NodePortIPsSet); set != nil {
		b.nodePorts.on, _ = prefixesOf(set)
	}
}

func (n *nftNodePorts) add(r *netfilter.Rule, family netfilter.Family) {
	everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == netfilter.IPv6 {
		everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	limited := false
	for _, m := range r.Matches() {
		switch m := m.(type) {
		case *netfilter.Addr:
			if m.Side != netfilter.Destination || m.Net.Mask.IsValid() {
				continue
			}
			if m.Not {
				n.except = append(n.except, m.Net.Prefix)
			} else {
				n.on, limited = append(n.on, m.Net.Prefix), true
			}
		case *netfilter.Compare:
			if m.Set == nil || m.Op != netfilter.Is || !isDestination(m.Left) {
				continue
			}
			on, _ := prefixesOf(m.Set)
			n.on, limited = append(n.on, on...), true
		}
	}
	if !limited {
		n.on = []netip.Prefix{everywhere}
	}
}

func isDestination(e netfilter.Expr) bool { return e == netfilter.IPDaddr || e == netfilter.IP6Daddr }
func isSource(e netfilter.Expr) bool      { return e == netfilter.IPSaddr || e == netfilter.IP6Saddr }

// prefixesOf are the networks that a set of addresses holds. whole is false
// where it may hold others, or some that are no networks. Each is named once,
// though a listing made while the kernel enlarges the set repeats elements.
func prefixesOf(set *netfilter.Set) (list []netip.Prefix, whole bool) {
	whole = !set.Vague() && len(set.Key) == 1
	if len(set.Key) != 1 {
		return nil, false
	}
	seen := map[netip.Prefix]bool{}
	for _, e := range set.Elements() {
		p, ok := netfilter.RangePrefix(e.First, e.Last)
		switch {
		case !ok:
			whole = false
		case !seen[p]:
			seen[p], list = true, append(list, p)
		}
	}
	return list, whole
}

func (b *nftReader) report(severity source.Severity, code string, at source.Position, format string, args ...any) {
	b.diagnostics = append(b.diagnostics, source.Diagnostic{
		Severity: severity, Code: code, Pos: at, Message: fmt.Sprintf(format, args...),
	})
}
