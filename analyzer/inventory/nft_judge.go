package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An nftJudged is what is made of a draft, in one piece.
type nftJudged struct {
	entry   Entry
	address [1]netip.Prefix
	journey nftJourney
	reason  nftReason
}

// judge tells the verdicts of a service's entries. That of the cluster IP
// comes first: the others are told by it.
func (b *nftReader) judge(port *nftPort) {
	svc, members := port.service, port.members
	slices.SortStableFunc(members, func(x, y *nftDraft) int { return x.kind.order() - y.kind.order() })
	var own *nftJourney // of the cluster IP
	var first clusterIP
	svc.Entries = make([]*Entry, 0, len(members))
	for _, d := range members {
		made := &b.judged[0]
		b.judged = b.judged[1:]
		c, j := b.clientOf(d), &made.journey
		b.travel(c, j)
		j.sources = rangesOnly(j.sources, c)
		if d.kind == ClusterIP && own == nil && d.missing == nil {
			own = j
		}
		e := &made.entry
		e.Service, e.Kind, e.KindAssumed, e.Port = svc, d.kind, d.kindAssumed, d.port
		if d.kind == NodePort {
			e.Addresses, e.ExceptAddresses = b.nodePorts.on, b.nodePorts.except
		} else {
			made.address[0] = netip.PrefixFrom(d.address, d.address.BitLen())
			e.Addresses = made.address[:]
		}
		if d.kind == ClusterIP && first.entry == nil {
			first.entry = e
		}
		b.decide(e, d, j, own)
		made.reason = nftReason{b: b, entry: e, draft: d, journey: j, own: own, clusterIP: first}
		e.Reason = &made.reason
		svc.Entries = append(svc.Entries, e)
	}
}

// clientOf is the packet that an entry is judged by. There is one at a time.
func (b *nftReader) clientOf(d *nftDraft) *client {
	c := &b.client
	*c = client{protocol: d.protocol, port: d.port, local: no, budget: &b.budget, to: c.to[:0]}
	if d.kind != NodePort {
		c.to = append(c.to, d.address)
		if local, known := b.snapshot.IsLocal(d.address); known {
			c.local = ternaryOf(local)
		} else if d.kind != ClusterIP {
			c.local = maybe
		}
		return c
	}
	c.local = yes
	for _, p := range b.nodePorts.on {
		if p.IsSingleIP() && !p.Addr().IsLoopback() {
			c.to = append(c.to, p.Addr())
		}
	}
	if len(c.to) == 0 {
		for _, a := range b.snapshot.Addresses {
			addr := a.Prefix.Addr()
			if addr.Is4() == (b.family == netfilter.IPv4) && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
				c.to = append(c.to, addr)
			}
		}
	}
	// An address that another service has for an external IP is that one's.
	c.to = slices.DeleteFunc(c.to, func(a netip.Addr) bool {
		return len(c.to) > 1 && b.byDial[dial{a, d.protocol, d.port}] != nil
	})
	return c
}

// decide turns a journey into a verdict. own is the journey of the service's
// cluster IP, nil if it has none.
func (b *nftReader) decide(e *Entry, d *nftDraft, j, own *nftJourney) {
	e.Path, e.Mapped = j.path, j.elements
	e.Masquerade = MasqueradeNever
	switch {
	case d.missing != nil:
		e.Verdict = Broken
		e.Path, e.Mapped = []*netfilter.Rule{d.missing}, nil
	case j.end == atBackends:
		b.decideBackends(e, j, own)
	case j.end == translated && (j.open == nil || b.table.Complete):
		e.Verdict = DifferentBackends
		e.Masquerade = b.masqueradeOf(j)
		e.Endpoints = NewEndpoints(Endpoint{Addr: j.to, Probability: all})
	case j.end == refused && b.isForLack(j):
		e.Verdict = NoEndpoints
	case j.open != nil:
		e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		e.Path = append(slices.Clone(j.path), j.open)
	case b.table.Complete:
		e.Verdict = Broken
		b.pathOfLost(e, d, j)
	default:
		e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		b.pathOfLost(e, d, j)
	}
}

// isForLack reports whether a journey was refused for want of endpoints.
func (b *nftReader) isForLack(j *nftJourney) bool {
	return slices.ContainsFunc(j.elements, func(e MapElement) bool {
		return e.Set.Name == kubeproxy.NoEndpointServicesMap || e.Set.Name == kubeproxy.NoEndpointNodePortsMap
	})
}

// pathOfLost is the evidence of a way that leads nowhere: as far as it goes in
// nat, or the element by which the entry is known.
func (b *nftReader) pathOfLost(e *Entry, d *nftDraft, j *nftJourney) {
	if j.end != fallsThrough {
		return
	}
	e.Path, e.Mapped = j.lost, j.lostElements
	if len(e.Path) > 0 {
		return
	}
	at := d.element
	if at == nil {
		at = d.refusal
	}
	if at == nil {
		return
	}
	if r := b.asks(at.Set); r != nil {
		e.Path = []*netfilter.Rule{r}
		e.Mapped = []MapElement{{Rule: r, Set: at.Set, Number: at.Number}}
	}
}

// asks is a rule that looks a map up, nil for none.
func (b *nftReader) asks(set *netfilter.Set) *netfilter.Rule {
	r, known := b.askers[set]
	if !known {
		r = b.findAsker(set)
		b.askers[set] = r
	}
	return r
}

func (b *nftReader) findAsker(set *netfilter.Set) *netfilter.Rule {
	for _, c := range b.table.Chains() {
		if b.names[c.Index()].Kind != kubeproxy.OtherChain {
			continue // chains of services are too many to look into
		}
		for r := range c.Rules() {
			for _, s := range r.Statements() {
				if v, ok := s.(*netfilter.VerdictMap); ok && v.Map == set {
					return r
				}
			}
		}
	}
	return nil
}

// decideBackends judges an entry that reaches a chain of endpoints.
func (b *nftReader) decideBackends(e *Entry, j, own *nftJourney) {
	if j.backends == nil || len(j.backends.endpoints) == 0 {
		e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		if b.table.Complete {
			e.Verdict, e.Masquerade = Broken, MasqueradeNever
			if j.backends != nil && j.backends.dead != nil && !slices.Contains(j.path, j.backends.dead) {
				e.Path = append(slices.Clone(j.path), j.backends.dead)
			}
		}
		return
	}
	kind := b.nameOf(j.decided).Kind
	e.Masquerade = b.masqueradeOf(j)
	if !b.table.Complete && (isLeftOut(e, kind) || e.Kind != ClusterIP && e.Masquerade == MasqueradeConditional) {
		e.Masquerade = MasqueradeUnknown
	}
	e.Endpoints = endpointsIn(&j.backends.endpoints)
	// The rule that deals is the last piece of evidence.
	for r := range j.decided.Rules() {
		if dealsOut(r) {
			e.Path = append(j.path, r) // travel left room for one
		}
	}
	e.Verdict = arrival{
		isOwn:     b.isOwn(e.Service, j.decided),
		isService: kind == kubeproxy.ServiceChain,
		isLocal:   kind == kubeproxy.LocalChain && e.Service.ExternalPolicy != Cluster,
		isWhole:   b.table.Complete,
	}.verdict(e.Kind, &j.outcome, own.ended())
	if e.Verdict == JoinsClusterIP && b.hidesRanges(e) {
		e.Verdict = Unknown
	}
}

// hidesRanges reports whether an entry may have source ranges that the text does
// not show: only load balancers' addresses have any.
func (b *nftReader) hidesRanges(e *Entry) bool {
	if b.table.Complete || e.Kind != LoadBalancerIP && e.Kind != ExternalIP {
		return false
	}
	ranges := b.table.Set(kubeproxy.FirewallIPsMap)
	return e.Service.Chains.Firewall != nil || ranges == nil || !ranges.Declared || ranges.Vague()
}

// dealsOut reports whether a rule translates, or deals out to chains that do.
func dealsOut(r *netfilter.Rule) bool {
	return slices.ContainsFunc(r.Statements(), func(s netfilter.Statement) bool {
		switch s := s.(type) {
		case *netfilter.DNAT:
			return true
		case *netfilter.MapNAT:
			return s.Kind == netfilter.ToDestination
		case *netfilter.VerdictMap:
			return isDice(s.Key)
		}
		return false
	})
}

// isOwn reports whether a chain is one of the service's own.
func (b *nftReader) isOwn(svc *Service, c *netfilter.Chain) bool {
	own := svc.Chains
	return c == own.Service || c == own.Local || own == (Chains{})
}

// masqueradeOf tells whose packets lose their source address on a journey.
func (b *nftReader) masqueradeOf(j *nftJourney) Masquerading {
	switch {
	case b.masquerading != "":
		return b.masquerading
	case j.masquerade != "":
		return j.masquerade
	case j.end == atBackends && j.backends.hairpin:
		return MasqueradeHairpin
	}
	return MasqueradeNever
}

// checkBackends notes what a service chain deals out to nowhere, and endpoint
// chains that are named for another endpoint.
func (b *nftReader) checkBackends(svc *Service) {
	for _, c := range []*netfilter.Chain{svc.Chains.Service, svc.Chains.Local} {
		if c == nil {
			continue
		}
		found := b.backendsOf(c)
		if found == nil || !b.table.Complete {
			continue
		}
		if found.dead != nil {
			b.report(source.Warning, "dead-endpoint", found.dead.Pos(), "%s deals connections of %s to an endpoint chain that translates nothing", c.Name, nameOf(svc))
		}
		if !found.whole {
			b.report(source.Warning, "share-left", c.Rule(c.NumRules()-1).Pos(), "the numbers that %s deals by do not all lead to an endpoint: some connections get none", c.Name)
		}
		for _, e := range found.endpoints {
			if n := b.nameOf(e.Chain); n.Kind == kubeproxy.EndpointChain && !n.Cut && n.Endpoint != e.Addr {
				b.report(source.Warning, "hash-mismatch", e.Chain.Pos(), "%s is named for endpoint %s, but translates to %s", e.Chain.Name, n.Endpoint, e.Addr)
			}
		}
	}
}

// orphans remarks on chains of services that no rule and no element leads to.
// kube-proxy empties chains that are out of use and deletes them a while later
// (pkg/proxy/nftables/proxier.go, staleChains), so that empty ones are no news.
func (b *nftReader) orphans() {
	if b.graph == nil || !b.table.Complete {
		return
	}
	var found []*netfilter.Chain
	for c := range b.graph.Orphans() {
		if b.names[c.Index()].Kind != kubeproxy.OtherChain && c.NumRules() > 0 {
			found = append(found, c)
		}
	}
	for i, c := range found {
		if i == maxOrphans {
			b.report(source.Warning, "orphan-chain", c.Pos(), "nothing leads to %d more service and endpoint chains, first %s", len(found)-i, c.Name)
			break
		}
		b.report(source.Warning, "orphan-chain", c.Pos(), "nothing leads to %s, which holds %d rules: its element was removed, or the chain was left behind", c.Name, c.NumRules())
	}
}
