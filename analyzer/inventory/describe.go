package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// describe fills in what a service's own chains and drafts tell of it.
func (b *builder) describe(svc *group) {
	for _, d := range svc.drafts {
		svc.shows(d.kind, d.kindAssumed, d.port)
	}
	if port, ok := b.health[[2]string{svc.Namespace, svc.Name}]; ok && svc.Name != "" {
		svc.HealthCheckNodePort = port
		svc.Types.LoadBalancer = true // only load-balancer services have them
	}
	b.findChains(svc)
	b.findEndpoints(svc)
	b.findPolicies(svc)
	b.findSourceRanges(svc)
}

// shows notes what an entry proves of the service.
func (s *Service) shows(kind Kind, assumed bool, port uint16) {
	switch kind {
	case ClusterIP:
		s.Types.ClusterIP = true
		s.Port = port
	case NodePort:
		s.Types.NodePort = true
	case LoadBalancerIP:
		s.Types.LoadBalancer = s.Types.LoadBalancer || !assumed
		fallthrough
	case ExternalIP:
		if s.Port == 0 {
			s.Port = port
		}
	}
}

// findChains finds the service port's own chains by the hash in their names. The
// first hash that names chains is the service's: its own, if the rules are as
// kube-proxy wrote them.
func (b *builder) findChains(g *group) {
	if g.kin != nowhere {
		if b.takeChains(g, g.kin) {
			return
		}
		for _, hash := range kubeproxy.Hashes(g.port(), g.Protocol)[1:] {
			if place, ok := b.byHash[hash]; ok && b.takeChains(g, place) {
				return
			}
		}
	}
	for _, d := range g.drafts {
		for _, r := range d.rules {
			if _, place := b.leadsTo(r); place != nowhere && b.takeChains(g, place) {
				return
			}
		}
		if d.missing != nil {
			if _, place := b.bears(d.missing.Chain().Index()); b.takeChains(g, place) {
				return
			}
		}
	}
}

// takeChains makes the chains with one hash the service's, if there are any.
func (b *builder) takeChains(g *group, place int32) bool {
	chains := b.kins[place].chains
	if b.large {
		for kind, c := range chains {
			if c != nil && !b.reachable(c) {
				chains[kind] = nil // left from before; see largeCluster
			}
		}
	}
	g.Chains = Chains{
		Service:  chains[kubeproxy.ServiceChain],
		External: chains[kubeproxy.ExternalChain],
		Local:    chains[kubeproxy.LocalChain],
		Firewall: chains[kubeproxy.FirewallChain],
	}
	if xlb := chains[kubeproxy.XLBChain]; xlb != nil {
		g.Chains.External, g.Chains.Local = xlb, xlb
	}
	return g.Chains != (Chains{})
}

// findEndpoints reads the endpoints of both scopes and the session affinity.
func (b *builder) findEndpoints(svc *group) {
	for _, of := range []struct {
		chain *netfilter.Chain
		scope Scope
	}{{svc.Chains.Service, ClusterScope}, {svc.Chains.Local, LocalScope}} {
		if of.chain == nil {
			continue
		}
		found := b.backendsOf(of.chain)
		if found == nil {
			continue
		}
		for i := range found.endpoints {
			found.endpoints[i].Scope = of.scope
		}
		if svc.Endpoints.Len() == 0 {
			svc.Endpoints = endpointsIn(&found.endpoints) // shared: large nodes have hundreds of thousands
		} else {
			svc.Endpoints = NewEndpoints(slices.Concat(svc.Endpoints.List(), found.endpoints)...)
		}
		if found.affinity != nil {
			svc.Affinity = found.affinity
		}
	}
}

// findPolicies reads the traffic policies from the shapes of the chains.
func (b *builder) findPolicies(svc *group) {
	if svc.HealthCheckNodePort != 0 {
		svc.ExternalPolicy = Local // pkg/proxy/serviceport.go: only then it is set
	} else if c := svc.Chains.External; c != nil {
		svc.ExternalPolicy = b.externalPolicy(c)
	}
	for _, d := range svc.drafts {
		noLocal := slices.ContainsFunc(d.refusals, func(r *netfilter.Rule) bool {
			claim, ok := kubeproxy.ParseComment(r.Comment())
			return ok && claim.Kind == kubeproxy.ClaimNoLocal
		})
		switch {
		case d.kind == ClusterIP && noLocal:
			svc.InternalPolicy = Local
		case d.kind == ClusterIP:
			svc.InternalPolicy = b.internalPolicy(d)
		case noLocal:
			svc.ExternalPolicy = Local
		case svc.ExternalPolicy == "":
			svc.ExternalPolicy = b.directPolicy(d)
		}
	}
}

// externalPolicy tells the policy by the shape of an external chain: under
// Local it treats pods and the node apart from the rest of the world, and has the
// service chain for them; under Cluster it masquerades all and goes on to there.
func (b *builder) externalPolicy(c *netfilter.Chain) Policy {
	if b.kinds[c.Index()] == kubeproxy.XLBChain {
		if c.NumRules() == 0 {
			return "" // 1.23 leaves such chains for services without endpoints
		}
		return Local
	}
	policy := Policy("")
	for r := range c.Rules() {
		if testsLocalSource(r) {
			return Local
		}
		switch b.kindOf(r) {
		case kubeproxy.LocalChain:
			return Local
		case kubeproxy.ServiceChain:
			if podsOf(r) == "" {
				policy = Cluster
			}
		}
	}
	return policy
}

// testsLocalSource reports whether a rule is for the node's own packets.
func testsLocalSource(r *netfilter.Rule) bool {
	return slices.ContainsFunc(r.Matches(), func(m netfilter.Match) bool {
		a, ok := m.(*netfilter.AddrType)
		return ok && a.Src == netfilter.AddrLocal && !a.SrcNot
	})
}

// directPolicy tells the external policy of kube-proxy up to 1.23, which has
// an external chain only under Local.
func (b *builder) directPolicy(d *draft) Policy {
	for _, r := range d.rules {
		switch b.kindOf(r) {
		case kubeproxy.ServiceChain:
			return Cluster
		case kubeproxy.XLBChain, kubeproxy.LocalChain:
			return Local
		case kubeproxy.FirewallChain:
			j, _ := r.Jump()
			if j.Chain == nil {
				continue
			}
			for r := range j.Chain.Rules() {
				switch b.kindOf(r) {
				case kubeproxy.ServiceChain:
					return Cluster
				case kubeproxy.XLBChain:
					return Local
				}
			}
		}
	}
	return ""
}

// internalPolicy tells the policy by the chain that a cluster IP leads to. Up
// to 1.23 kube-proxy leaves the other nodes' endpoints out of KUBE-SVC itself;
// then the rules do not show it.
func (b *builder) internalPolicy(d *draft) Policy {
	for _, r := range d.rules {
		switch b.kindOf(r) {
		case kubeproxy.LocalChain:
			return Local
		case kubeproxy.ServiceChain:
			if b.writtenSince124() {
				return Cluster
			}
		}
	}
	return ""
}

// writtenSince124 reports whether the table has a shape that kube-proxy writes
// since 1.24: KUBE-EXT or KUBE-SVL chains, or endpoints in the comments of
// service chains.
func (b *builder) writtenSince124() bool {
	if b.since124 != nil {
		return *b.since124
	}
	found := false
chains:
	for i, c := range b.nat.Chains() {
		switch b.kinds[i] {
		case kubeproxy.ExternalChain, kubeproxy.LocalChain:
			found = true
			break chains
		case kubeproxy.XLBChain:
			break chains
		case kubeproxy.ServiceChain:
			if n := c.NumRules(); n > 0 {
				if claim, ok := kubeproxy.ParseComment(c.Rule(n - 1).Comment()); ok && claim.Kind == kubeproxy.ClaimEndpoint {
					found = true
					break chains
				}
			}
		}
	}
	b.since124 = &found
	return found
}

// findSourceRanges reads a load balancer's source ranges: the networks from
// which the firewall chain lets packets go on. kube-proxy also lets the load
// balancer's own address pass, for packets that a node of the ranges sends to
// it; that is no range.
func (b *builder) findSourceRanges(svc *group) {
	if svc.Chains.Firewall == nil {
		return
	}
	for r := range svc.Chains.Firewall.Rules() {
		if _, ok := r.Jump(); !ok || b.isMasquerade(r) || b.isDropMark(r) {
			continue
		}
		for _, m := range r.Matches() {
			a, ok := m.(*netfilter.Addr)
			if !ok || a.Side != netfilter.Source || a.Not || a.Net.Mask.IsValid() {
				continue
			}
			if p := a.Net.Prefix.Masked(); !b.isEntryAddress(svc, p) && !slices.Contains(svc.SourceRanges, p) {
				svc.SourceRanges = append(svc.SourceRanges, p)
			}
		}
	}
	slices.SortFunc(svc.SourceRanges, comparePrefixes)
}

// isEntryAddress reports whether a network is the address of one of the
// service's entries.
func (b *builder) isEntryAddress(svc *group, p netip.Prefix) bool {
	return p.IsSingleIP() && slices.ContainsFunc(svc.drafts, func(d *draft) bool { return d.address == p.Addr() })
}
