package inventory

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// backends are the endpoints that a chain deals connections out to, as
// KUBE-SVC, KUBE-SVL and KUBE-XLB chains do.
type backends struct {
	endpoints []Endpoint
	places    []int32 // of their chains in targets
	affinity  *Affinity
	// whole says that every connection gets an endpoint.
	whole bool
	// part says that the text may lack some of the endpoints.
	part bool
	// hairpin says that each endpoint chain masquerades what the endpoint
	// sends to itself.
	hairpin bool
	// dead is a rule that leads to an endpoint chain that is missing or does
	// not translate; nil if there is none.
	dead *netfilter.Rule
}

// endpointOf reports whether a rule sends connections to an endpoint: to a chain
// that is named like one, or that is of the shape. to is where the rule jumps;
// place is that of the chain in targets, nowhere for one that is not there.
func (b *builder) endpointOf(r *netfilter.Rule, to int) (place int32, ok bool) {
	if to == nowhere {
		return nowhere, b.kindOf(r) == kubeproxy.EndpointChain
	}
	kind, place := b.kinds[to], b.places[to]
	return place, kind == kubeproxy.EndpointChain || kind == kubeproxy.OtherChain && place != nowhere
}

// backendsOf reads the endpoints of a chain for outside clients. It gives nil
// for a chain without a rule that leads to one.
func (b *builder) backendsOf(c *netfilter.Chain) *backends {
	known := &b.known[c.Index()]
	if *known == nil {
		*known = b.readBackends(c)
	}
	if *known == noBackends {
		return nil
	}
	return *known
}

// dealtEvenly reports whether rules with such chances give all connections to
// their endpoints and each as many as another, as kube-proxy's do. Rules of which
// one is missing do not, unless it is the first of them, nor do rules in another
// order. They may stand there more than once.
func dealtEvenly(chances []uint32) bool {
	n := slices.Index(chances, netfilter.ProbabilityOne) + 1
	for i := n; i < len(chances); i++ {
		if chances[i] != chances[i-n] {
			return false
		}
	}
	for i, chance := range chances[:n] {
		// kube-proxy before 1.15 writes five digits (pkg/proxy/iptables/proxier.go,
		// probability).
		const digits = 100_000
		off := int64(chance) - netfilter.ProbabilityOne/int64(n-i)
		if max(off, -off) > netfilter.ProbabilityOne/digits {
			return false
		}
	}
	return n > 0
}

// noBackends is what is known of a chain that leads to none.
var noBackends = &backends{}

func (b *builder) readBackends(c *netfilter.Chain) *backends {
	result := backends{hairpin: true}
	var sticky *netfilter.Rule
	all := b.endsOf(c)
	ends, chances := all[:0], b.chances[:0]
	for i := range all {
		e := &all[i]
		chance, seconds, seenBefore := dealing(e.rule)
		if seenBefore {
			// What clients that were here before get; the share of new
			// connections is told by the rules that follow.
			sticky = e.rule
			result.affinity = b.affinityOf(seconds)
			continue
		}
		if !e.Addr.IsValid() && result.dead == nil {
			result.dead = e.rule
		}
		result.hairpin = result.hairpin && (e.hairpin || e.Chain == nil)
		chances = append(chances, chance)
		ends = append(ends, *e)
	}
	b.chances = chances
	if len(ends) == 0 {
		if sticky == nil {
			return noBackends
		}
		result.dead = sticky // nobody comes to an endpoint for the first time
	}
	each, left := b.dealer.deal(chances)
	for i := range ends {
		ends[i].Probability = each[i]
	}
	result.whole = left.IsZero()
	if !b.nat.Complete && !dealtEvenly(chances) {
		// A rule between these is not in the text, and nobody knows its chance.
		result.part = true
		for i := range ends {
			ends[i].Probability = nil
		}
	}
	result.part = result.part || !b.nat.Complete && result.dead != nil
	ends = mergeEnds(ends)
	result.endpoints = b.rooms.endpoints.list(len(ends))
	result.places = b.rooms.places.list(len(ends))
	for i := range ends {
		result.endpoints = append(result.endpoints, ends[i].Endpoint)
		result.places = append(result.places, ends[i].place)
	}
	kept := b.rooms.backends.one()
	*kept = result
	return kept
}

// endsOf are the endpoints that the rules of a chain lead to; those that cannot be
// read have no address. Each target lies somewhere else in memory: here they are
// fetched together.
func (b *builder) endsOf(c *netfilter.Chain) []end {
	ends := b.ends[:0]
	for r, to := range b.natGraph.Targets(c) {
		place, ok := b.endpointOf(r, to)
		if !ok {
			continue
		}
		e := end{rule: r, place: place}
		if place != nowhere {
			t := &b.targets[place]
			e.Addr, e.hairpin, e.Chain = t.to(), t.hairpin, b.nat.Chains()[to]
		}
		ends = append(ends, e)
	}
	b.ends = ends
	return ends
}

// affinityOf is the affinity with the timeout; most services have the same.
func (b *builder) affinityOf(seconds uint32) *Affinity {
	if b.affinity == nil || b.affinity.TimeoutSeconds != seconds {
		b.affinity = &Affinity{TimeoutSeconds: seconds}
	}
	return b.affinity
}

// dealing tells how a rule deals out connections: by which chance, and whether
// only to clients that were here before.
func dealing(r *netfilter.Rule) (chance uint32, seconds uint32, sticky bool) {
	chance = netfilter.ProbabilityOne
	for _, m := range r.Matches() {
		switch m := m.(type) {
		case *netfilter.Statistic:
			chance = chanceOf(m)
		case *netfilter.Recent:
			if m.Action == netfilter.RecentCheck || m.Action == netfilter.RecentUpdate {
				seconds, sticky = m.Seconds, true
			}
		}
	}
	return chance, seconds, sticky
}

// chanceOf is the chance of a statistic match in units of 2⁻³¹; in nth mode that of
// a packet picked at random.
func chanceOf(m *netfilter.Statistic) uint32 {
	chance := uint32(min(m.Probability, netfilter.ProbabilityOne))
	if m.Nth {
		chance = netfilter.ProbabilityOne / max(m.Every, 1)
	}
	if m.Not {
		chance = netfilter.ProbabilityOne - chance
	}
	return chance
}

// An end is an endpoint, with the rule that leads there.
type end struct {
	Endpoint
	rule    *netfilter.Rule
	place   int32 // of the endpoint's chain in targets; nowhere for one that is not there
	hairpin bool
}

// mergeEnds drops endpoints that could not be read, adds up the shares of one
// that stands twice, and sorts.
func mergeEnds(list []end) []end {
	list = slices.DeleteFunc(list, func(e end) bool { return !e.Addr.IsValid() })
	slices.SortStableFunc(list, func(a, b end) int { return compareEndpoints(a.Endpoint, b.Endpoint) })
	merged := list[:0]
	for _, e := range list {
		if n := len(merged); n > 0 && merged[n-1].Addr == e.Addr {
			if last := &merged[n-1]; last.Probability != nil {
				last.Probability = last.Probability.plus(e.Probability)
			}
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

func compareEndpoints(a, b Endpoint) int { return a.Addr.Compare(b.Addr) }

// sameEndpoints reports whether two sorted lists name the same addresses.
func sameEndpoints(a, b []Endpoint) bool {
	return slices.EqualFunc(a, b, func(x, y Endpoint) bool { return x.Addr == y.Addr })
}
