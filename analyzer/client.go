package analyzer

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// outsiders are addresses that are nobody's, for clients outside of the
// cluster (RFC 5737, RFC 3849).
var outsiders = []netip.Addr{
	netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("192.0.2.9"),
	netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8:0:1::9"),
}

// UsualSource is a source address for a flow that names none, so that what is
// true of a usual client can be said without a case for each address that some
// rule tests: for packets from outside an address that is kept for examples,
// for those of a pod one of the node's pod network that no endpoint has. The
// source of the node's own packets is the kernel's to choose; where no route
// tells how it does, it is the node's address that faces outside. ok is false
// where none of that is known.
func (a *Analysis) UsualSource(f trace.Flow) (source netip.Addr, ok bool) {
	is4 := f.Destination.Unmap().Is4()
	switch f.From {
	case trace.FromExternal, "":
		pods := a.podRanges(is4)
		for _, addr := range outsiders {
			if addr.Is4() == is4 && addr != f.Destination && !a.owns(addr) && !contains(pods, addr) {
				return addr, true
			}
		}
	case trace.FromPod:
		for _, network := range a.podRanges(is4) {
			if pod, ok := a.freeAddress(a.ownPart(network)); ok {
				return pod, true
			}
		}
	case trace.FromNode:
		if !a.hasRoutes(is4) && !a.owns(f.Destination) {
			return a.outerAddress(is4)
		}
	}
	return netip.Addr{}, false
}

func (a *Analysis) hasRoutes(is4 bool) bool {
	return slices.ContainsFunc(a.Snapshot.Routes, func(r snapshot.Route) bool { return r.Dst.Addr().Is4() == is4 })
}

// outerAddress is the node's first address that belongs neither to pods nor to
// a bridge of Docker's or libvirt's.
func (a *Analysis) outerAddress(is4 bool) (netip.Addr, bool) {
	pods := a.podRanges(is4)
	for _, own := range a.Snapshot.Addresses {
		addr := own.Prefix.Addr()
		if addr.Is4() == is4 && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !contains(pods, addr) && !isInnerBridge(own.Interface) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// isInnerBridge reports whether an interface is named as Docker and libvirt
// name the bridges of their own guests.
func isInnerBridge(name string) bool {
	return strings.HasPrefix(name, "docker") || strings.HasPrefix(name, "br-") || strings.HasPrefix(name, "virbr")
}

func (a *Analysis) owns(addr netip.Addr) bool {
	local, _ := a.Snapshot.IsLocal(addr)
	return local
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// podRanges are the family's pod addresses: those that the user named, else
// those that the node's own object names, else the one by which kube-proxy's
// rules tell pods from others, else the only network that it can be.
func (a *Analysis) podRanges(is4 bool) []netip.Prefix {
	if named := ofFamily(a.Snapshot.PodCIDRs, is4); len(named) > 0 {
		return named
	}
	if node := a.ownNode(); node != nil {
		if given := ofFamily(node.PodCIDRs, is4); len(given) > 0 {
			return given
		}
	}
	if p, ok := a.detectedLocal(is4); ok {
		return []netip.Prefix{p}
	}
	if inner := a.innerNetworks(is4); len(inner) == 1 {
		return inner
	}
	return nil
}

func ofFamily(ranges []netip.Prefix, is4 bool) []netip.Prefix {
	var of []netip.Prefix
	for _, p := range ranges {
		if p.Addr().Is4() == is4 {
			of = append(of, p)
		}
	}
	return of
}

// ownNode is the node's object among those of the cluster: the one whose
// addresses are the node's. nil when none is.
func (a *Analysis) ownNode() *cluster.Node {
	if a.Snapshot.Cluster == nil {
		return nil
	}
	for _, node := range a.Snapshot.Cluster.Nodes {
		if slices.ContainsFunc(node.Addresses, a.owns) {
			return node
		}
	}
	return nil
}

// innerNetworks are the networks of links that do not lead outside, Docker's
// and libvirt's left out: on a node they are those of pods.
func (a *Analysis) innerNetworks(is4 bool) []netip.Prefix {
	outside := map[string]bool{"": true, "lo": true}
	for _, r := range a.Snapshot.Routes {
		if r.Dst.IsValid() && r.Dst.Bits() == 0 {
			outside[r.Dev] = true
		}
	}
	if len(outside) == 2 {
		return nil // no default route was captured: nobody says which link leads outside
	}
	var inner []netip.Prefix
	for _, own := range a.Snapshot.Addresses {
		addr := own.Prefix.Addr()
		if addr.Is4() != is4 || own.Prefix.IsSingleIP() || addr.IsLinkLocalUnicast() || outside[own.Interface] {
			continue
		}
		if isInnerBridge(own.Interface) {
			continue
		}
		inner = append(inner, own.Prefix.Masked())
	}
	return inner
}

// detectedLocal reads kube-proxy's --cluster-cidr from the rules that mark
// what comes to a cluster IP from elsewhere. They stand in each service's chain
// (pkg/proxy/iptables/proxier.go, syncProxyRules: "! -s CIDR -d IP -j
// KUBE-MARK-MASQ"; pkg/proxy/nftables/proxier.go up to 1.35), or before all
// services (pkg/proxy/ipvs/proxier.go, writeIptablesRules; nftables since 1.36).
func (a *Analysis) detectedLocal(is4 bool) (netip.Prefix, bool) {
	family := netfilter.IPv6
	if is4 {
		family = netfilter.IPv4
	}
	for _, t := range a.Snapshot.Tables {
		if t.Family != family {
			continue
		}
		name := kubeproxy.ServicesChain
		if t.Backend == netfilter.Native {
			if t.Name != kubeproxy.NFTablesTable {
				continue
			}
			name = kubeproxy.NFTablesServicesChain
		}
		if c := t.Chain(name); c != nil {
			if p, ok := otherThan(c); ok {
				return p, true
			}
		}
	}
	for _, t := range a.Snapshot.Tables {
		if t.Family != family {
			continue
		}
		for _, c := range t.Chains() {
			if !isServiceChain(c) {
				continue
			}
			if p, ok := otherThan(c); ok {
				return p, true
			}
		}
	}
	return netip.Prefix{}, false
}

func isServiceChain(c *netfilter.Chain) bool {
	if c.Table.Backend == netfilter.Native {
		name, ok := kubeproxy.ParseNFTName(c.Name)
		return ok && name.Kind == kubeproxy.ServiceChain && c.Table.Name == kubeproxy.NFTablesTable
	}
	kind, _ := kubeproxy.ParseChainName(c.Name)
	return kind == kubeproxy.ServiceChain
}

// otherThan is the network that a chain marks the packets of all others for:
// that of the first rule which tests for a source outside of one.
func otherThan(c *netfilter.Chain) (netip.Prefix, bool) {
	const few = 64 // rules; those of kube-proxy stand at the beginning
	n := 0
	for rule := range c.Rules() {
		if n++; n > few {
			break
		}
		for _, m := range rule.Matches() {
			if m, ok := m.(*netfilter.Addr); ok && m.Side == netfilter.Source && m.Not && !m.Net.Mask.IsValid() && !m.Net.Prefix.IsSingleIP() {
				return m.Net.Prefix, true
			}
		}
	}
	return netip.Prefix{}, false
}

// ownPart is the part of the cluster's pod network that lies on the node: a
// network that one of its links leads to without a gateway.
func (a *Analysis) ownPart(network netip.Prefix) netip.Prefix {
	for _, own := range a.Snapshot.Addresses {
		if p := own.Prefix.Masked(); network.Contains(p.Addr()) && p.Bits() > network.Bits() && !p.IsSingleIP() {
			return p
		}
	}
	for _, r := range a.Snapshot.Routes {
		if r.Dst.IsValid() && !r.Via.IsValid() && r.Dev != "" && r.Type == "unicast" &&
			network.Contains(r.Dst.Addr()) && r.Dst.Bits() > network.Bits() && !r.Dst.IsSingleIP() {
			return r.Dst
		}
	}
	return network
}

// freeAddress is the last address of a network that neither the node nor an
// endpoint has; the very last is IPv4's broadcast address.
func (a *Analysis) freeAddress(network netip.Prefix) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, s := range a.Services() {
		for _, e := range s.Endpoints.All() {
			taken[e.Addr.Addr()] = true
		}
	}
	addr := lastAddress(network)
	if network.Bits() < addr.BitLen()-1 {
		addr = addr.Prev()
	}
	for network.Contains(addr) {
		if !taken[addr] && !a.owns(addr) {
			return addr, true
		}
		addr = addr.Prev()
	}
	return netip.Addr{}, false
}

func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		if host := p.Bits() - 8*i; host < 8 {
			b[i] |= 0xff >> max(host, 0)
		}
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}
