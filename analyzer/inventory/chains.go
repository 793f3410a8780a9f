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
	to      netip.AddrPort // not valid for a chain that is named like one only
	hairpin bool
	hash    kubeproxy.Hash // in its name
}

// kin are the chains of a service port: those that have one hash in their names.
type kin struct {
	hash    kubeproxy.Hash
	chains  [kubeproxy.EndpointChain]*netfilter.Chain // by kind
	service *group                                    // whose hash it is; nil when not known
}

// fewRules is how many rules a chain has at most that is taken for an endpoint
// chain by its shape alone.
const fewRules = 4

// readChains reads the names of nat's chains, and where endpoint chains lead.
func (b *builder) readChains() {
	chains := b.nat.Chains()
	b.kinds = make([]kubeproxy.ChainKind, len(chains))
	b.places = make([]int32, len(chains))
	b.targets = make([]target, 0, len(chains)) // memory that is never written to costs nothing
	b.byHash = map[kubeproxy.Hash]int32{}
	for i, c := range chains {
		kind, hash := kubeproxy.ParseChainName(c.Name)
		b.kinds[i], b.places[i] = kind, nowhere
		switch {
		case kind == kubeproxy.EndpointChain, kind == kubeproxy.OtherChain && c.Base == nil && c.NumRules() <= fewRules:
			t := b.readEndpoint(c)
			if t.hash = hash; kind == kubeproxy.EndpointChain || t.to.IsValid() {
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

// leadsTo is the kind of the chain that a jump of nat leads to, and the place in
// kins of those with its hash; nowhere for a chain without a hash.
func (b *builder) leadsTo(j *netfilter.Jump) (kind kubeproxy.ChainKind, place int32) {
	if j.Chain != nil {
		return b.bears(j.Chain)
	}
	kind, hash := kubeproxy.ParseChainName(j.Name)
	if kind == kubeproxy.OtherChain {
		return kind, nowhere
	}
	return kind, b.kinOf(hash)
}

// bears is leadsTo for a chain of nat.
func (b *builder) bears(c *netfilter.Chain) (kind kubeproxy.ChainKind, place int32) {
	kind, place = b.kinds[c.Index()], b.places[c.Index()]
	switch kind {
	case kubeproxy.OtherChain:
		return kind, nowhere
	case kubeproxy.EndpointChain:
		return kind, b.kinOf(b.targets[place].hash)
	}
	return kind, place
}

// kindOf is the kind of the chain that a jump of nat leads to.
func (b *builder) kindOf(j *netfilter.Jump) kubeproxy.ChainKind {
	if j.Chain != nil {
		return b.kinds[j.Chain.Index()]
	}
	kind, _ := kubeproxy.ParseChainName(j.Name)
	return kind
}

// isHashed reports whether a chain of nat is known to have a hash in its name.
func (b *builder) isHashed(c *netfilter.Chain) bool {
	return c.Index() < len(b.kinds) && b.kinds[c.Index()] != kubeproxy.OtherChain
}

// targetOf is where nat's chain leads as an endpoint chain; nil for a chain that
// is neither named like one nor has the shape.
func (b *builder) targetOf(c *netfilter.Chain) *target {
	place := b.places[c.Index()]
	if kind := b.kinds[c.Index()]; place == nowhere || kind != kubeproxy.EndpointChain && kind != kubeproxy.OtherChain {
		return nil
	}
	return &b.targets[place]
}

// readEndpoint reads an endpoint chain, as every kube-proxy writes KUBE-SEP:
// mark what comes from the endpoint itself, then DNAT. A chain of another shape
// has no valid target.
func (b *builder) readEndpoint(c *netfilter.Chain) (t target) {
	for r := range c.Rules() {
		switch target := r.Target().(type) {
		case *netfilter.DNAT:
			if !target.To.First.IsValid() || target.To.First != target.To.Last || !target.To.Ports.IsSingle() {
				break
			}
			t.to = netip.AddrPortFrom(target.To.First, target.To.Ports.First)
		case *netfilter.Jump:
			if b.isMasquerade(target) && hasSource(r) {
				t.hairpin = true
			}
		}
		if t.to.IsValid() {
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
