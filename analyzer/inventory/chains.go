package inventory

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// natChains is what the names of nat's chains tell, and the shapes of endpoint
// chains. All are read in a row, in the order of the input: that is how they lie
// in memory, and looking each up from the rule that leads to it takes several
// times as long.
type natChains struct {
	kinds []kubeproxy.ChainKind // by Chain.Index
	// places are, by Chain.Index, where targets has an endpoint chain or one of
	// that shape, and where kins has a service's chain; nowhere for all others.
	places  []int32
	targets []target
	kins    []kin
	byHash  map[kubeproxy.Hash]int32 // places in kins
}

const nowhere = -1

// target is what an endpoint chain translates to.
type target struct {
	addr    netip.Addr // not valid for a chain that is only named like one
	port    uint16
	hairpin bool
	hash    kubeproxy.Hash // in its name
}

func (t *target) to() netip.AddrPort { return netip.AddrPortFrom(t.addr, t.port) }

// kin are the chains of a service port: those that have one hash in their names.
type kin struct {
	hash    kubeproxy.Hash
	chains  [kubeproxy.EndpointChain]*netfilter.Chain // by kind
	service *group                                    // whose hash it is; nil when not known
	named   *group                                    // the services whose names have the hash: one, or none
}

// fewRules is how many rules a chain has at most that is taken for an endpoint
// chain by its shape alone.
const fewRules = 4

// readChains reads the names of nat's chains, and where endpoint chains lead.
func (b *builder) readChains() {
	chains := b.nat.Chains()
	b.kinds = make([]kubeproxy.ChainKind, len(chains))
	b.places = make([]int32, len(chains))
	// Most chains are endpoints'; memory that is never written to costs nothing.
	b.targets, b.kins = make([]target, 0, len(chains)), make([]kin, 0, len(chains)/4)
	b.byHash = map[kubeproxy.Hash]int32{}
	for i, c := range chains {
		kind, hash := kubeproxy.ParseChainName(c.Name)
		b.kinds[i], b.places[i] = kind, nowhere
		switch {
		case kind == kubeproxy.EndpointChain, kind == kubeproxy.OtherChain && c.Base == nil && c.NumRules() <= fewRules:
			t := b.readEndpoint(c)
			if t.hash = hash; kind == kubeproxy.EndpointChain || t.addr.IsValid() {
				b.places[i] = int32(len(b.targets))
				b.targets = append(b.targets, t)
			}
		case kind != kubeproxy.OtherChain:
			b.places[i] = b.kinOf(hash)
			b.kins[b.places[i]].chains[kind] = c
		}
	}
}

// kinOf is the place in kins of the chains with the hash, of which there may be
// none.
func (b *builder) kinOf(hash kubeproxy.Hash) int32 {
	place, ok := b.byHash[hash]
	if !ok {
		place = int32(len(b.kins))
		b.kins = append(b.kins, kin{hash: hash})
		b.byHash[hash] = place
	}
	return place
}

// leadsTo is the kind of the chain that a rule of nat jumps to, and the place in
// kins of those with its hash; nowhere for a chain without a hash, and for a rule
// that does not jump.
func (b *builder) leadsTo(r *netfilter.Rule) (kind kubeproxy.ChainKind, place int32) {
	to, ok := b.natGraph.Target(r)
	if !ok {
		return kubeproxy.OtherChain, nowhere
	}
	if to != nowhere {
		return b.bears(to)
	}
	j, _ := r.Jump()
	kind, hash := kubeproxy.ParseChainName(j.Name)
	if kind == kubeproxy.OtherChain {
		return kind, nowhere
	}
	return kind, b.kinOf(hash)
}

// bears is leadsTo for a rule that jumps to the chain of nat of that Index.
func (b *builder) bears(i int) (kind kubeproxy.ChainKind, place int32) {
	kind, place = b.kinds[i], b.places[i]
	switch kind {
	case kubeproxy.OtherChain:
		return kind, nowhere
	case kubeproxy.EndpointChain:
		return kind, b.kinOf(b.targets[place].hash)
	}
	return kind, place
}

// kindOf is the kind of the chain that a rule of nat jumps to; OtherChain for a
// rule that does not jump.
func (b *builder) kindOf(r *netfilter.Rule) kubeproxy.ChainKind {
	to, ok := b.natGraph.Target(r)
	switch {
	case !ok:
		return kubeproxy.OtherChain
	case to != nowhere:
		return b.kinds[to]
	}
	j, _ := r.Jump()
	kind, _ := kubeproxy.ParseChainName(j.Name)
	return kind
}

// isHashed reports whether the chain of nat of that Index is known to have a hash
// in its name.
func (b *builder) isHashed(i int) bool {
	return i < len(b.kinds) && b.kinds[i] != kubeproxy.OtherChain
}

// readEndpoint reads an endpoint chain, as every kube-proxy writes KUBE-SEP:
// mark what comes from the endpoint itself, then DNAT. A chain of another shape
// has no valid target.
func (b *builder) readEndpoint(c *netfilter.Chain) (t target) {
	for r := range c.Rules() {
		switch target := r.Target().(type) {
		case *netfilter.DNAT:
			to := target.To()
			if !to.First.IsValid() || to.First != to.Last || !to.Ports.IsSingle() {
				break
			}
			t.addr, t.port = to.First, to.Ports.First
		case *netfilter.Jump:
			if b.isMasquerade(r) && hasSource(r) {
				t.hairpin = true
			}
		}
		if t.addr.IsValid() {
			break
		}
	}
	return t
}

func hasSource(r *netfilter.Rule) bool {
	for _, m := range r.Matches() {
		if a, ok := m.(*netfilter.Addr); ok && a.Side == netfilter.Source && !a.Not {
			return true
		}
	}
	return false
}
