package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// An ipvsReason is what an entry's explanation is made of.
type ipvsReason struct {
	b     *balancer
	entry *Entry
	draft *ipvsDraft
	own   *ipvsDraft // the cluster IP's; nil for none
	pool  *pool
	// against is the pool that the entry's is compared with, and there is what
	// has it; nil when it is not compared.
	against *pool
	there   string
	// differs is in what, nil where nothing does.
	differs *poolDifference
	at      *ipvs.VirtualServer // the virtual server that differs, of several
	why     why
	ranges  []netip.Prefix
}

// A why tells verdicts of one kind apart.
type why uint8

const (
	plain         why = iota
	noVirtual         // there is no virtual server
	maybeElse         // it may stand in what was not captured
	notOnNode         // the address is missing on kube-ipvs0
	refusedByRule     // KUBE-IPVS-FILTER refuses it
	openPool          // the text does not tell all real servers
	noOwn             // there is no cluster IP to compare with
	maybeLocal        // fewer real servers, and the policy is not known
	fallback          // Local without a local endpoint: all endpoints
	notLocal          // Local, and a real server is not on the node
	amongNode         // the node's addresses differ from one another
	internalLocal     // the cluster IP goes to local endpoints only
)

// judge tells the verdicts of all entries, and does with each service what is to
// be done with it while it is at hand.
func (b *balancer) judge() {
	b.places = make([]servicePlace, 0, len(b.results))
	for _, svc := range b.results {
		b.judgeService(svc)
		if b.table != nil {
			b.crossCheckService(&svc.Service)
		}
		b.places = append(b.places, b.place(&svc.Service))
	}
}

// judgeService tells the verdicts of a service's entries, and what they show
// of the service.
func (b *balancer) judgeService(svc *ipvsService) {
	slices.SortStableFunc(svc.members, func(x, y *ipvsDraft) int { return x.kind.order() - y.kind.order() })
	var own *ipvsDraft // the cluster IP's
	for _, e := range svc.members {
		if e.kind == ClusterIP && (own == nil || len(own.virtual) == 0) {
			own = e
		}
	}
	b.describeService(svc, own)
	svc.Entries = b.memory.listed.list(len(svc.members))
	for _, e := range svc.members {
		svc.Entries = append(svc.Entries, b.judgeEntry(svc, e, own))
	}
	slices.SortStableFunc(svc.Entries, compareEntries)
}

// judgeEntry tells an entry's verdict.
func (b *balancer) judgeEntry(svc *ipvsService, e *ipvsDraft, own *ipvsDraft) *Entry {
	entry := b.memory.entries.one()
	entry.Service, entry.Kind, entry.KindAssumed, entry.Port = &svc.Service, e.kind, e.kindAssumed, e.port
	entry.Virtual, entry.Elements, entry.Addresses = e.virtual, e.elements, b.addressesOf(e)
	p := b.pools.pool(e.virtual)
	r := b.memory.reasons.one()
	r.b, r.entry, r.draft, r.own, r.pool = b, entry, e, own, p
	entry.Reason = r
	c := b.clientTo(e)
	refusal := b.refuse(e, c)
	entry.Verdict = b.verdict(r, refusal.refused)
	if r.at != nil { // what is not as it should be stands first
		p = r.pool
		entry.Virtual = slices.Clone(e.virtual)
		i := slices.Index(entry.Virtual, r.at)
		entry.Virtual[0], entry.Virtual[i] = entry.Virtual[i], entry.Virtual[0]
	}
	entry.Endpoints = svc.endpoints(p)
	masquerade, path := b.masquerade(e, c, p)
	entry.Masquerade = masquerade
	switch {
	case entry.Verdict == NoEndpoints || entry.Verdict == Broken:
		entry.Masquerade = MasqueradeNever
	case len(e.virtual) == 0:
		entry.Masquerade = MasqueradeUnknown
	}
	if len(refusal.path) > 1 {
		path = append(path, refusal.path...)
	}
	if entry.Verdict == Filtered || len(r.ranges) > 0 {
		if rule, _ := b.firewall(); rule != nil {
			path = append(path, rule)
		}
	}
	entry.Path = b.memory.paths.keep(path)
	b.memory.masquerade.path = path
	return entry
}

// addressesOf are the addresses that an entry is dialled at.
func (b *balancer) addressesOf(e *ipvsDraft) []netip.Prefix {
	if e.kind != NodePort {
		return append(b.memory.addresses.list(1), netip.PrefixFrom(e.address, e.address.BitLen()))
	}
	if len(e.virtual) == 0 {
		return nil
	}
	addresses := b.memory.addresses.list(len(e.virtual))
	for _, v := range e.virtual {
		addresses = append(addresses, netip.PrefixFrom(v.Address, v.Address.BitLen()))
	}
	slices.SortFunc(addresses, comparePrefixes)
	return addresses
}

// verdict tells where an outside client's connections to an entry go.
func (b *balancer) verdict(r *ipvsReason, refused ternary) Verdict {
	e := r.draft
	because := func(v Verdict, w why) Verdict {
		r.why = w
		return v
	}
	switch {
	case len(e.virtual) == 0 && b.table != nil && b.table.Complete:
		return because(Broken, noVirtual)
	case len(e.virtual) == 0:
		return because(Unknown, maybeElse)
	}
	if e.kind != NodePort && b.nodeAddressesKnown {
		if local, known := b.isLocal(e.address, b.addresses.of(e.address)); known && !local {
			return because(Broken, notOnNode)
		}
	}
	if refused == yes {
		return because(Broken, refusedByRule)
	}
	if r.pool.len() == 0 {
		if r.pool.open {
			return because(Unknown, openPool)
		}
		return NoEndpoints
	}
	if v := b.amongNodes(r); v != "" {
		return v
	}
	if e.kind == ClusterIP {
		return IsClusterIP
	}
	if e.kind == LoadBalancerIP {
		r.ranges = b.rangesOf(e)
	}
	return b.backendsVerdict(r)
}

// amongNodes compares the virtual servers of a node port with one another: a
// client gets the same, whichever address of the node it dials. "" where they
// agree.
func (b *balancer) amongNodes(r *ipvsReason) Verdict {
	e := r.draft
	if len(e.virtual) < 2 {
		return ""
	}
	// The one that is as it should be is that which the cluster IP is like.
	pools := make([]*pool, len(e.virtual))
	for i := range e.virtual {
		pools[i] = b.pools.pool(e.virtual[i:])
		if pools[i].open {
			return ""
		}
	}
	right := 0
	if r.own != nil && len(r.own.virtual) > 0 {
		own := b.pools.pool(r.own.virtual)
		right = max(0, slices.IndexFunc(pools, func(p *pool) bool { return p.compare(own).none() }))
	}
	for i, p := range pools {
		if d := p.compare(pools[right]); !d.none() {
			r.pool, r.against, r.differs, r.why = p, pools[right], d, amongNode
			r.at, r.there = e.virtual[i], e.virtual[right].String()
			return DifferentBackends
		}
	}
	return ""
}

// backendsVerdict compares an external entry's real servers with the cluster
// IP's.
func (b *balancer) backendsVerdict(r *ipvsReason) Verdict {
	e, p := r.draft, r.pool
	because := func(v Verdict, w why) Verdict {
		r.why = w
		return v
	}
	allLocal := b.localness(p, e.protocol).all
	hasOwn := r.own != nil && len(r.own.virtual) > 0
	if p.open || hasOwn && b.pools.pool(r.own.virtual).open {
		return because(Unknown, openPool)
	}
	if !hasOwn {
		if e.local == yes && allLocal == yes {
			return LocalEndpoints
		}
		return because(Unknown, noOwn)
	}
	own := b.pools.pool(r.own.virtual)
	r.against, r.there = own, "the cluster IP"
	d := p.compare(own)
	if !d.none() {
		r.differs = d
	}
	internal := r.entry.Service.InternalPolicy == Local
	// An endpoint of the node that takes the cluster IP's connections should
	// take these.
	lacksLocal := slices.ContainsFunc(d.missing, func(to netip.AddrPort) bool {
		return b.localEndpoint(to, e.protocol) == yes
	})
	switch {
	case e.local == yes && allLocal == yes && lacksLocal:
		return because(DifferentBackends, notLocal)
	case e.local == yes && allLocal == yes && (len(d.foreign) == 0 || internal):
		return LocalEndpoints
	case e.local == yes && d.none():
		// No endpoint is on the node, or it cannot be told whether one is.
		return because(SameBackends, fallback)
	case e.local == yes && len(d.foreign) == 0 && allLocal == maybe:
		return LocalEndpoints
	case e.local == yes:
		return because(DifferentBackends, notLocal)
	case d.none() && len(r.ranges) > 0 && b.enforced() != no:
		return Filtered
	case d.none():
		return SameBackends
	case e.local == maybe && len(d.foreign) == 0 && len(d.weights) == 0 && !d.scheduler:
		return because(Unknown, maybeLocal)
	case internal && len(d.missing) == 0:
		return because(DifferentBackends, internalLocal)
	}
	return DifferentBackends
}

func (b *balancer) enforced() ternary {
	_, enforced := b.firewall()
	return enforced
}
