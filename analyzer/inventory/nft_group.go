package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// group gives each draft its service, by the name that a chain or a comment
// has, else by the object that claims what is dialled.
func (b *nftReader) group() {
	for _, d := range b.drafts {
		var key nftKey
		switch {
		case d.named:
			key = nftKey{name: d.name, protocol: d.protocol}
		case len(b.claims[d.dial]) > 0:
			c := b.claims[d.dial][0]
			key = nftKey{name: kubeproxy.ServicePort{Namespace: c.service.Namespace, Name: c.service.Name, Port: c.port.Name}, protocol: d.protocol}
		case d.hash != "":
			key = nftKey{other: d.hash}
		default:
			key = nftKey{other: d.dial.String(), protocol: d.protocol}
		}
		port := b.leadsTo(d)
		if port == nil || port.nftKey != key {
			port = b.port(key)
		}
		if port.service == nil {
			port.service = &Service{
				Namespace: key.name.Namespace, Name: key.name.Name, PortName: key.name.Port,
				Protocol: d.protocol, Family: b.family, Chains: port.chains,
			}
			b.order = append(b.order, port)
		}
		port.members = append(port.members, d)
	}
	near := b.clusterIPPrefixes()
	for _, port := range b.order {
		b.settleKinds(port, near)
	}
}

// leadsTo is the service port whose chain a draft's element leads to, nil where
// it leads to none.
func (b *nftReader) leadsTo(d *nftDraft) *nftPort {
	if d.element == nil {
		return nil
	}
	jump, ok := d.element.verdict().(*netfilter.Jump)
	if !ok || jump.Chain == nil {
		return nil
	}
	return b.owners[jump.Chain.Index()]
}

// settleKinds tells which of a service's addresses is its cluster IP, and what
// the others are. A cluster IP is in the set of them (since 1.30), or leads
// straight to the service's endpoints; every service has one. Whether another
// address is a load balancer's or an external IP no rule tells, unless it has
// source ranges, which only load balancers' have; the cluster's objects do.
func (b *nftReader) settleKinds(port *nftPort, near []netip.Addr) {
	var open []*nftDraft
	hasClusterIP, hasNodePort := false, false
	for _, d := range port.members {
		if d.kind == "" {
			d.kind = b.kindOf(d)
		}
		switch d.kind {
		case "":
			open = append(open, d)
		case ClusterIP:
			hasClusterIP = true
		case NodePort:
			hasNodePort = true
		}
	}
	if !hasClusterIP && b.clusterIPs == nil && len(open) > 0 {
		own := open[0]
		if len(open) > 1 || !b.table.Complete {
			own.kindAssumed = true
			for _, d := range open[1:] {
				if nearness(d.address, near) > nearness(own.address, near) {
					own, d.kindAssumed = d, true
				}
			}
		}
		own.kind = ClusterIP
	}
	for _, d := range open {
		if d.kind == ClusterIP {
			continue
		}
		d.kind, d.kindAssumed = ExternalIP, true
		switch {
		case b.firewalled[d.dial]:
			d.kind, d.kindAssumed = LoadBalancerIP, false
		case hasNodePort:
			d.kind = LoadBalancerIP
		}
	}
}

// kindOf tells what certainly an address is, "" for an open question.
func (b *nftReader) kindOf(d *nftDraft) Kind {
	if b.clusterIPs != nil && d.address.IsValid() && b.clusterIPs.Readable() {
		var room [16]byte
		if b.clusterIPs.Find(netfilter.Key(netfilter.AppendAddr(room[:0], d.address))) >= 0 {
			return ClusterIP
		}
	}
	if d.element != nil {
		if jump, ok := d.element.verdict().(*netfilter.Jump); ok {
			n, _ := b.nameIn(jump)
			if n.Kind == kubeproxy.ServiceChain || n.Kind == kubeproxy.LocalChain {
				return ClusterIP
			}
		}
	}
	if claims := b.claims[d.dial]; len(claims) > 0 {
		return claims[0].kind
	}
	if d.named && b.ingress[nftIngress{d.name.Namespace, d.name.Name, d.address}] {
		return LoadBalancerIP
	}
	return ""
}

// An nftIngress is an address that a load balancer has given out.
type nftIngress struct {
	namespace, name string
	address         netip.Addr
}

// ingressOf are the load balancers' addresses in the cluster's objects, those
// of ipMode Proxy too, which 1.29 does not leave out.
func ingressOf(s *snapshot.Snapshot) map[nftIngress]bool {
	if s.Cluster == nil {
		return nil
	}
	all := map[nftIngress]bool{}
	for _, svc := range s.Cluster.Services {
		for _, in := range svc.Ingress {
			all[nftIngress{svc.Namespace, svc.Name, in.Address}] = true
		}
	}
	return all
}

// clusterIPPrefixes are addresses that are certainly cluster IPs, for the guess
// which of a refused service's addresses is its own in 1.29, which has no set
// of them: they are all of one network.
func (b *nftReader) clusterIPPrefixes() []netip.Addr {
	const enough = 8
	var list []netip.Addr
	if b.clusterIPs != nil {
		return nil
	}
	for _, d := range b.drafts {
		if d.element != nil && d.address.IsValid() && len(list) < enough && b.kindOf(d) == ClusterIP {
			list = append(list, d.address)
		}
	}
	return list
}

// nearness is the length of the longest prefix that an address shares with one
// of the list.
func nearness(a netip.Addr, list []netip.Addr) int {
	longest := 0
	for _, other := range list {
		x, y := a.AsSlice(), other.AsSlice()
		n := 0
		for n < 8*len(x) && len(x) == len(y) && (x[n/8]^y[n/8])>>(7-n%8)&1 == 0 {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}

// describe fills in what a service's chains and drafts tell of it.
func (b *nftReader) describe(port *nftPort) {
	svc := port.service
	for _, d := range port.members {
		svc.shows(d.kind, d.kindAssumed, d.port)
	}
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
		list := slices.Concat(svc.Endpoints.List(), found.endpoints)
		for i := svc.Endpoints.Len(); i < len(list); i++ {
			list[i].Scope = of.scope
		}
		svc.Endpoints = NewEndpoints(list...)
		if found.affinity != nil {
			svc.Affinity = found.affinity
		}
	}
	b.findPolicies(port)
	b.findSourceRanges(port)
}

// findPolicies reads the traffic policies from where things lead. A refusal
// that drops is one for want of local endpoints; without any, it rejects
// (pkg/proxy/nftables/proxier.go, syncProxyRules).
func (b *nftReader) findPolicies(port *nftPort) {
	svc := port.service
	if c := svc.Chains.External; c != nil {
		svc.ExternalPolicy = b.externalPolicy(c)
	}
	for _, d := range port.members {
		dropped := d.refusal != nil && d.refusal.verdict() == netfilter.Statement(netfilter.Drop)
		switch {
		case dropped && d.kind == ClusterIP:
			svc.InternalPolicy = Local
		case dropped:
			svc.ExternalPolicy = Local
		case d.kind == ClusterIP && d.element != nil:
			if jump, ok := d.element.verdict().(*netfilter.Jump); ok {
				switch n, _ := b.nameIn(jump); n.Kind {
				case kubeproxy.ServiceChain:
					svc.InternalPolicy = Cluster
				case kubeproxy.LocalChain:
					svc.InternalPolicy = Local
				}
			}
		}
	}
}

// externalPolicy tells the policy by the shape of an external chain: under
// Local it treats the node and pods apart from the rest of the world, and has the
// service chain for them; under Cluster it masquerades all and goes on to there.
func (b *nftReader) externalPolicy(c *netfilter.Chain) Policy {
	policy := Policy("")
	for r := range c.Rules() {
		if testsLocalSource(r) {
			return Local
		}
		for j := range r.Jumps() {
			switch n, _ := b.nameIn(j); n.Kind {
			case kubeproxy.LocalChain:
				return Local
			case kubeproxy.ServiceChain:
				if !hasSource(r) {
					policy = Cluster
				}
			}
		}
	}
	return policy
}

// findSourceRanges reads a load balancer's source ranges: the networks that its
// firewall chain does not drop (since 1.30), or those that stand with its
// address in a set (1.29). kube-proxy also lets the load balancer's own address
// pass, for packets that a node of the ranges sends to it; that is no range.
func (b *nftReader) findSourceRanges(port *nftPort) {
	svc := port.service
	add := func(p netip.Prefix) {
		own := p.IsSingleIP() && slices.ContainsFunc(port.members, func(d *nftDraft) bool { return d.address == p.Addr() })
		if !own && !slices.Contains(svc.SourceRanges, p) {
			svc.SourceRanges = append(svc.SourceRanges, p)
		}
	}
	if c := svc.Chains.Firewall; c != nil {
		for r := range c.Rules() {
			cond := (&client{budget: &b.budget}).test(r)
			for _, p := range cond.except {
				add(p)
			}
		}
	}
	if set := b.table.Set(kubeproxy.FirewallAllowSet); set != nil && len(set.Key) == 4 && set.Readable() {
		for _, d := range port.members {
			if !b.firewalled[d.dial] || b.budget < set.Len() {
				continue
			}
			b.budget -= set.Len()
			known := []netfilter.Key{
				netfilter.AddrKey(d.address), netfilter.UintKey(netfilter.TypeProtocol, uint64(d.protocol)),
				netfilter.UintKey(netfilter.TypePort, uint64(d.port)), "",
			}
			for i := range set.Candidates(known) {
				e := set.Element(i)
				first, last := e.First.Split(set.Key), e.Last.Split(set.Key)
				if p, ok := netfilter.RangePrefix(first[3], last[3]); ok {
					add(p)
				}
			}
		}
	}
	slices.SortFunc(svc.SourceRanges, comparePrefixes)
}
