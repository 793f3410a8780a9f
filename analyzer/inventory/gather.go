package inventory

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// nodePortRules are the rules of KUBE-SERVICES that lead to KUBE-NODEPORTS, and
// what they say of the addresses that node ports listen on.
type nodePortRules struct {
	rules  []*netfilter.Rule
	on     []netip.Prefix
	except []netip.Prefix
	// addresses are those that are known of the addresses that they listen on.
	addresses []netip.Addr
}

// gatherNAT finds the entries that nat's KUBE-SERVICES and KUBE-NODEPORTS hold.
func (b *builder) gatherNAT() {
	n := serviceRules(b.nat) // most have one
	b.drafts, b.byDial = make([]*draft, 0, n), make(map[dial]*draft, n)
	if c := b.nat.Chain(kubeproxy.ServicesChain); c != nil {
		for r := range c.Rules() {
			if j, ok := r.Jump(); ok && j.Name == kubeproxy.NodePortsChain {
				b.nodePorts.add(r, b.family)
				continue
			}
			if d, ok := dialOf(r); ok && d.address.IsValid() {
				b.draftFor(d, r)
			}
		}
	}
	if c := b.nat.Chain(kubeproxy.NodePortsChain); c != nil {
		for r := range c.Rules() {
			if !b.nat.Complete && r.Target() == netfilter.Accept {
				continue // one of filter's, and somebody left out what is between
			}
			if d, ok := dialOf(r); ok {
				d.address = netip.Addr{}
				b.draftFor(d, r)
			}
		}
	}
}

// draftFor adds a rule of nat to the draft of what it is for.
func (b *builder) draftFor(dialled dial, r *netfilter.Rule) {
	d := b.draft(dialled)
	if d.rules == nil {
		d.rules = b.rooms.rules.list(1)
	}
	d.rules = append(d.rules, r)
	if d.service != nil {
		return
	}
	claim, ok := kubeproxy.ParseComment(r.Comment())
	if !ok {
		return
	}
	d.service = b.serviceOfClaim(r, claim, d.protocol)
	switch claim.Kind {
	case kubeproxy.ClaimClusterIP:
		d.kind = ClusterIP
	case kubeproxy.ClaimExternalIP:
		d.kind = ExternalIP
	case kubeproxy.ClaimLoadBalancerIP:
		d.kind = LoadBalancerIP
	}
}

func (b *builder) draft(dialled dial) *draft {
	d := b.byDial[dialled]
	if d == nil {
		d = b.rooms.drafts.one()
		d.dial = dialled
		if !dialled.address.IsValid() {
			d.kind = NodePort
		}
		b.byDial[dialled] = d
		b.drafts = append(b.drafts, d)
	}
	return d
}

// dialOf tells what packets a rule is for: one destination port of a protocol,
// and one destination address if it tests it.
func dialOf(r *netfilter.Rule) (d dial, ok bool) {
	for _, m := range r.Matches() {
		switch m := m.(type) {
		case *netfilter.Addr:
			if m.Side == netfilter.Destination && !m.Not && m.Net.Prefix.IsSingleIP() {
				d.address = m.Net.Prefix.Addr()
			}
		case *netfilter.Transport:
			if t := m.DstPort; t.Set && !t.Not && t.Range.IsSingle() {
				d.protocol, d.port = m.Protocol, t.Range.First
			}
		}
	}
	return d, d.port != 0
}

// add reads a rule that leads to KUBE-NODEPORTS: for every local address
// ("--dst-type LOCAL"), perhaps but for loopback, or for one address of
// --nodeport-addresses.
func (n *nodePortRules) add(r *netfilter.Rule, family netfilter.Family) {
	n.rules = append(n.rules, r)
	on := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == netfilter.IPv6 {
		on = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	for _, m := range r.Matches() {
		a, ok := m.(*netfilter.Addr)
		switch {
		case !ok || a.Side != netfilter.Destination || a.Net.Mask.IsValid():
		case a.Not:
			n.except = append(n.except, a.Net.Prefix)
		default:
			on = a.Net.Prefix
		}
	}
	n.on = append(n.on, on)
}

// nodeAddresses are the addresses that node ports listen on: those of the rules,
// or else the node's.
func (b *builder) nodeAddresses() (addresses []netip.Addr) {
	for _, p := range b.nodePorts.on {
		if p.IsSingleIP() {
			addresses = append(addresses, p.Addr())
		}
	}
	if len(addresses) > 0 {
		return addresses
	}
	for _, a := range b.snapshot.Addresses {
		addr := a.Prefix.Addr()
		if addr.Is4() == (b.family == netfilter.IPv4) && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
			addresses = append(addresses, addr)
		}
	}
	return addresses
}

// gatherFilter finds what filter refuses because there is no endpoint, and the
// ports of health checks.
func (b *builder) gatherFilter() {
	if b.filter == nil {
		return
	}
	for _, name := range []string{kubeproxy.ServicesChain, kubeproxy.ExternalServicesChain} {
		c := b.filter.Chain(name)
		if c == nil {
			continue
		}
		for r := range c.Rules() {
			if !refuses(r) {
				continue
			}
			dialled, ok := dialOf(r)
			if !ok {
				continue
			}
			d := b.draft(dialled)
			d.refusals = append(d.refusals, r)
			if d.kind == "" {
				d.kind = ClusterIP
				if name == kubeproxy.ExternalServicesChain {
					d.kind, d.kindAssumed = ExternalIP, true
				}
			}
			if claim, ok := kubeproxy.ParseComment(r.Comment()); ok && d.service == nil {
				d.service = b.serviceOfClaim(r, claim, d.protocol)
			}
		}
	}
	if c := b.filter.Chain(kubeproxy.ProxyFirewallChain); c != nil {
		for r := range c.Rules() {
			if d, ok := dialOf(r); ok && refuses(r) {
				b.firewalled[d] = true
			}
		}
	}
	if c := b.filter.Chain(kubeproxy.NodePortsChain); c != nil {
		for r := range c.Rules() {
			claim, ok := kubeproxy.ParseComment(r.Comment())
			if d, isPort := dialOf(r); ok && isPort && claim.Kind == kubeproxy.ClaimHealthCheck && r.Target() == netfilter.Accept {
				b.health[[2]string{claim.Port.Namespace, claim.Port.Name}] = d.port
			}
		}
	}
}

// refuses reports whether a rule drops or rejects.
func refuses(r *netfilter.Rule) bool {
	switch t := r.Target().(type) {
	case *netfilter.Reject:
		return true
	case netfilter.Verdict:
		return t == netfilter.Drop
	}
	return false
}

// gatherMissing finds cluster IPs that service chains still name, in the rule
// that masquerades what does not come from pods, but that no rule leads to the
// chain for.
func (b *builder) gatherMissing() {
	services := b.nat.Chain(kubeproxy.ServicesChain)
	if services == nil || !b.nat.Complete {
		return
	}
	for i, c := range b.nat.Chains() {
		if kind := b.kinds[i]; kind != kubeproxy.ServiceChain && kind != kubeproxy.LocalChain {
			continue
		}
		for r := range c.Rules() {
			if !b.isMasquerade(r) {
				break // the rule stands first
			}
			dialled, ok := dialOf(r)
			if !ok || !dialled.address.IsValid() {
				continue
			}
			if b.byDial[dialled] != nil {
				continue
			}
			claim, claimed := kubeproxy.ParseComment(r.Comment())
			if claimed && claim.Kind != kubeproxy.ClaimClusterIP {
				continue
			}
			if b.large {
				b.report(source.Info, "stale-chain", r,
					"no rule of %s leads to %s: left from a service that is gone, as kube-proxy leaves chains on large clusters until its next full sync, or a rule was removed; the dump cannot tell",
					services.Name, c.Name)
				continue
			}
			d := b.draft(dialled)
			if d.kind, d.missing = ClusterIP, r; claimed {
				d.service, _ = b.serviceNamed(claim.Port, d.protocol)
			}
		}
	}
}

// largeCluster reports whether kube-proxy wrote the rules in the way it keeps
// for more than 1,000 endpoints: without comments on endpoint chains, and with
// chains of deleted services left in place for a while
// (pkg/proxy/iptables/proxier.go, largeClusterEndpointsThreshold).
func (b *builder) largeCluster() bool {
	for i, c := range b.nat.Chains() {
		if b.kinds[i] != kubeproxy.EndpointChain || c.NumRules() == 0 {
			continue
		}
		for r := range c.Rules() {
			if r.Comment() != "" {
				return false
			}
		}
		return b.hasComments()
	}
	return false
}

// hasComments reports whether service rules have comments at all.
func (b *builder) hasComments() bool {
	c := b.nat.Chain(kubeproxy.ServicesChain)
	if c == nil {
		return false
	}
	for r := range c.Rules() {
		if claim, ok := kubeproxy.ParseComment(r.Comment()); ok && claim.Kind == kubeproxy.ClaimClusterIP {
			return true
		}
	}
	return false
}

// String is "10.96.0.1:443/tcp", for a node port ":30080/tcp".
func (d dial) String() string {
	host := ""
	if d.address.IsValid() {
		host = netip.AddrPortFrom(d.address, d.port).String()
	} else {
		host = fmt.Sprintf(":%d", d.port)
	}
	return host + "/" + netfilter.ProtocolName(d.protocol)
}
