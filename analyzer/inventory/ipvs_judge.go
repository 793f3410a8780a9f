package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// reasons are what an entry's explanation is made of, besides the entry itself.
type reasons struct {
	own  *ipvsDraft // the cluster IP's; nil for none
	pool *pool
	why  why
	more *moreReasons // nil for most
}

// moreReasons are what few entries need to be explained.
type moreReasons struct {
	// differs is in what the entry's real servers differ from those of the
	// cluster IP's or, of a node port, from those at another address; nil where
	// nothing does.
	differs *poolDifference
	// at is the virtual server that differs from another, of a node port's
	// several, which listed are in their order; nil for none.
	at, other *ipvs.VirtualServer
	listed    []*ipvs.VirtualServer
	ranges    []netip.Prefix
}

// note is room for more reasons.
func (r *ipvsDraft) note() *moreReasons {
	if r.more == nil {
		r.more = &moreReasons{}
	}
	return r.more
}

// listed are the virtual servers in their order.
func (r *ipvsDraft) listed() []*ipvs.VirtualServer {
	if r.more != nil && r.more.listed != nil {
		return r.more.listed
	}
	return r.entry.Virtual
}

// ranges are the source ranges that the entry is open to, nil for all.
func (r *ipvsDraft) ranges() []netip.Prefix {
	if r.more == nil {
		return nil
	}
	return r.more.ranges
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
	slices.SortStableFunc(svc.members, func(x, y *ipvsDraft) int { return x.entry.Kind.order() - y.entry.Kind.order() })
	var own *ipvsDraft // the cluster IP's
	for _, e := range svc.members {
		if e.entry.Kind == ClusterIP && (own == nil || len(own.entry.Virtual) == 0) {
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
	entry := &e.entry
	entry.Service, entry.Port, entry.Addresses = &svc.Service, e.port, b.addressesOf(e)
	p := b.pools.pool(entry.Virtual)
	e.own, e.pool = own, p
	entry.Reason = e
	w := b.walk(e, b.clientTo(e))
	entry.Verdict = b.verdict(e, w.refused)
	if e.more != nil && e.more.at != nil { // what is not as it should be stands first
		p = e.pool
		e.more.listed, entry.Virtual = entry.Virtual, slices.Clone(entry.Virtual)
		i := slices.Index(entry.Virtual, e.more.at)
		entry.Virtual[0], entry.Virtual[i] = entry.Virtual[i], entry.Virtual[0]
	}
	entry.Endpoints = svc.endpoints(p)
	switch {
	case entry.Verdict == NoEndpoints || entry.Verdict == Broken:
		entry.Masquerade = MasqueradeNever
	case len(entry.Virtual) == 0:
		entry.Masquerade = MasqueradeUnknown
	default:
		entry.Masquerade = b.masquerade(e, &w, p)
	}
	entry.Path = w.path
	if entry.Verdict == Filtered || len(e.ranges()) > 0 {
		if rule, _ := b.firewall(); rule != nil {
			b.memory.path = append(append(b.memory.path[:0], w.path...), rule)
			entry.Path = b.memory.paths.keep(b.memory.path)
		}
	}
	return entry
}

// addressesOf are the addresses that an entry is dialled at.
func (b *balancer) addressesOf(e *ipvsDraft) []netip.Prefix {
	if e.entry.Kind != NodePort {
		return append(b.memory.addresses.list(1), netip.PrefixFrom(e.address, e.address.BitLen()))
	}
	if len(e.entry.Virtual) == 0 {
		return nil
	}
	addresses := b.memory.addresses.list(len(e.entry.Virtual))
	for _, v := range e.entry.Virtual {
		addresses = append(addresses, netip.PrefixFrom(v.Address, v.Address.BitLen()))
	}
	slices.SortFunc(addresses, comparePrefixes)
	return addresses
}

// verdict tells where an outside client's connections to an entry go.
func (b *balancer) verdict(e *ipvsDraft, refused ternary) Verdict {
	because := func(v Verdict, w why) Verdict {
		e.why = w
		return v
	}
	switch {
	case len(e.entry.Virtual) == 0 && b.table != nil && b.table.IsWhole():
		return because(Broken, noVirtual)
	case len(e.entry.Virtual) == 0:
		return because(Unknown, maybeElse)
	}
	if e.entry.Kind != NodePort && b.nodeAddressesKnown {
		if local, known := b.isLocal(e.address, e.use); known && !local {
			return because(Broken, notOnNode)
		}
	}
	if refused == yes {
		return because(Broken, refusedByRule)
	}
	if e.pool.len() == 0 {
		if e.pool.open {
			return because(Unknown, openPool)
		}
		return NoEndpoints
	}
	if v := b.amongNodes(e); v != "" {
		return v
	}
	if e.entry.Kind == ClusterIP {
		return IsClusterIP
	}
	if e.entry.Kind == LoadBalancerIP {
		if ranges := b.rangesOf(e); len(ranges) > 0 {
			e.note().ranges = ranges
		}
	}
	return b.backendsVerdict(e)
}

// amongNodes compares the virtual servers of a node port with one another: a
// client gets the same, whichever address of the node it dials. "" where they
// agree.
func (b *balancer) amongNodes(e *ipvsDraft) Verdict {
	if len(e.entry.Virtual) < 2 {
		return ""
	}
	// The one that is as it should be is that which the cluster IP is like.
	pools := make([]*pool, len(e.entry.Virtual))
	for i := range e.entry.Virtual {
		pools[i] = b.pools.pool(e.entry.Virtual[i:])
		if pools[i].open {
			return ""
		}
	}
	right := 0
	if e.own != nil && len(e.own.entry.Virtual) > 0 {
		own := b.pools.pool(e.own.listed())
		right = max(0, slices.IndexFunc(pools, func(p *pool) bool { return p.compare(own).none() }))
	}
	for i, p := range pools {
		if d := p.compare(pools[right]); !d.none() {
			e.pool, e.why = p, amongNode
			more := e.note()
			more.differs, more.at, more.other = d, e.entry.Virtual[i], e.entry.Virtual[right]
			return DifferentBackends
		}
	}
	return ""
}

// backendsVerdict compares an external entry's real servers with the cluster
// IP's.
func (b *balancer) backendsVerdict(e *ipvsDraft) Verdict {
	p := e.pool
	because := func(v Verdict, w why) Verdict {
		e.why = w
		return v
	}
	allLocal := b.localness(p, e.protocol).all
	hasOwn := e.own != nil && len(e.own.entry.Virtual) > 0
	if p.open || hasOwn && b.pools.pool(e.own.listed()).open {
		return because(Unknown, openPool)
	}
	if !hasOwn {
		if e.local == yes && allLocal == yes {
			return LocalEndpoints
		}
		return because(Unknown, noOwn)
	}
	d := p.compare(b.pools.pool(e.own.listed()))
	if !d.none() {
		e.note().differs = d
	}
	internal := e.entry.Service.InternalPolicy == Local
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
	case d.none() && len(e.ranges()) > 0 && b.enforced() != no:
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
