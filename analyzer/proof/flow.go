package proof

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// flowTo is an outside client's packet to the entry. ok is false where none
// can be named: the node's addresses are not known, or no source is open to
// the entry.
func (c *checker) flowTo(e *inventory.Entry) (f trace.Flow, ok bool) {
	f = trace.Flow{From: trace.FromExternal, Protocol: e.Service.Protocol, Port: e.Port}
	if f.Destination, ok = c.destination(e); !ok {
		return f, false
	}
	f.Source, ok = c.source(e)
	return f, ok
}

// destination is an address that the entry listens on.
func (c *checker) destination(e *inventory.Entry) (netip.Addr, bool) {
	if e.Kind != inventory.NodePort {
		return e.Addresses[0].Addr(), true
	}
	if len(e.Virtual) > 0 {
		return e.Virtual[0].Address, true
	}
	for _, p := range e.Addresses {
		if p.IsSingleIP() {
			return p.Addr(), true
		}
	}
	if len(e.Addresses) == 0 {
		return netip.Addr{}, false
	}
	found := netip.Addr{}
	for _, own := range c.snapshot.Addresses {
		a := own.Prefix.Addr()
		if a.Is4() != (e.Service.Family == netfilter.IPv4) || a.IsLoopback() || a.IsLinkLocalUnicast() {
			continue
		}
		if c.facesOutside(own.Interface) {
			return a, true
		}
		if !found.IsValid() {
			found = a
		}
	}
	return found, found.IsValid()
}

// facesOutside reports whether the default route leads over the interface: its
// address is the one that clients dial.
func (c *checker) facesOutside(name string) bool {
	return slices.ContainsFunc(c.snapshot.Routes, func(r snapshot.Route) bool { return r.Dst.Bits() == 0 && r.Dev == name })
}

// Addresses that are nobody's: of the networks for documentation (RFC 5737,
// RFC 3849).
var strangers = []netip.Addr{
	netip.MustParseAddr("192.0.2.251"), netip.MustParseAddr("198.51.100.251"), netip.MustParseAddr("203.0.113.251"),
	netip.MustParseAddr("2001:db8:ffff::fb"), netip.MustParseAddr("2001:db8:eeee::fb"),
}

// source is a client's address: in the source ranges if the entry is open to
// those only, else any that is nobody's on this node.
func (c *checker) source(e *inventory.Entry) (netip.Addr, bool) {
	var candidates []netip.Addr
	if e.Verdict == inventory.Filtered || e.Kind == inventory.LoadBalancerIP && len(e.Service.SourceRanges) > 0 {
		for _, p := range e.Service.SourceRanges {
			candidates = append(candidates, last(p))
		}
	} else {
		candidates = strangers
	}
	i := slices.IndexFunc(candidates, func(a netip.Addr) bool {
		local, known := c.snapshot.IsLocal(a)
		inPods := slices.ContainsFunc(c.snapshot.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(a) }) || isPod(e.Service, a)
		return a.Is4() == (e.Service.Family == netfilter.IPv4) && !(local && known) && !inPods
	})
	if i < 0 {
		return netip.Addr{}, false
	}
	return candidates[i], true
}

// isPod reports whether an external chain of the service takes the address for
// a pod's: under externalTrafficPolicy Local it sends those to all endpoints.
func isPod(svc *inventory.Service, a netip.Addr) bool {
	if svc.Chains.External == nil {
		return false
	}
	for r := range svc.Chains.External.Rules() {
		for _, m := range r.Matches() {
			if from, ok := m.(*netfilter.Addr); ok && from.Side == netfilter.Source && !from.Not && from.Net.Contains(a) {
				return true
			}
		}
	}
	return false
}

// last is the last but one address of a network: the last is its broadcast
// address, and the first ones are often a router's.
func last(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	addr := netip.AddrFrom16(a).Unmap()
	if p.Addr().BitLen()-p.Bits() >= 2 {
		return addr.Prev()
	}
	return addr
}
