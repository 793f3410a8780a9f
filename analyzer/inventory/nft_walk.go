package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An nftJourney is the way of an outside client's packet through kube-proxy's
// table, up to its translation or refusal.
type nftJourney struct {
	journey
	elements []MapElement // that rules of the path look up
	// lost is the farthest that the packet came in nat before it came back
	// untranslated, with the elements on the way.
	lost         []*netfilter.Rule
	lostElements []MapElement
	// limiter is the rule that drops clients outside the sources.
	limiter *netfilter.Rule
	// dangles is the name of the chain that is not there, of a journey that
	// ends dangling.
	dangles string
}

// ended is how the journey ended, nil if there was none.
func (j *nftJourney) ended() *outcome {
	if j == nil {
		return nil
	}
	return &j.outcome
}

// travel follows the packet through the base chains in their order: those of
// PREROUTING, and, untranslated, those of INPUT or of FORWARD. What is
// translated is another packet from then on, and no longer the entry's.
func (b *nftReader) travel(c *client, j *nftJourney) {
	j.path, j.stack, j.elements = b.path[:0], b.stack[:0], b.elements[:0]
	b.passHooks(c, j)
	b.path, b.stack, b.elements = j.path, j.stack, j.elements
	j.path, j.stack, j.elements = nil, nil, nil
	if len(b.path) > 0 {
		j.path = append(make([]*netfilter.Rule, 0, len(b.path)+1), b.path...) // room for the rule that deals
	}
	if len(b.elements) > 0 {
		j.elements = slices.Clone(b.elements)
	}
}

func (b *nftReader) passHooks(c *client, j *nftJourney) {
	hooks := [...]netfilter.Hook{netfilter.Prerouting, netfilter.Input, netfilter.NoHook}
	switch c.local {
	case no:
		hooks[1] = netfilter.Forward
	case maybe:
		hooks[1], hooks[2] = netfilter.Forward, netfilter.Input
	}
	for _, hook := range hooks {
		for _, base := range b.bases {
			if base.Base.Hook == hook && hook != netfilter.NoHook && b.walk(c, base, j) == stop {
				return
			}
		}
	}
}

// walk follows the client through a chain.
func (b *nftReader) walk(c *client, chain *netfilter.Chain, j *nftJourney) step {
	if len(j.stack) >= maxDepth || slices.Contains(j.stack, chain) {
		j.end = looping
		return stop
	}
	j.stack = append(j.stack, chain)
	how := b.walkRules(c, chain, j)
	j.stack = j.stack[:len(j.stack)-1]
	return how
}

func (b *nftReader) walkRules(c *client, chain *netfilter.Chain, j *nftJourney) step {
	for r := range chain.Rules() {
		if b.budget--; b.budget <= 0 {
			if !b.spent {
				b.spent = true
				b.report(source.Warning, "way-unchecked", r.Pos(), "more than %d rules and elements to look through: where the last entries lead was not told", maxAheadTests)
			}
			if j.open == nil {
				j.open = r
			}
			return stop
		}
		if how := b.step(c, r, j); how == back {
			break
		} else if how != next {
			return how
		}
	}
	b.lose(j)
	return back
}

// lose notes how far the packet came by way of an element before it goes back.
func (b *nftReader) lose(j *nftJourney) {
	if len(j.elements) > 0 && len(j.path) > len(j.lost) && j.stack[0].Base.Type == netfilter.NATType {
		j.lost, j.lostElements = slices.Clone(j.path), slices.Clone(j.elements)
	}
}

// step takes the client past one rule.
func (b *nftReader) step(c *client, r *netfilter.Rule, j *nftJourney) step {
	cond := c.test(r)
	if cond.holds == no {
		return next
	}
	for _, s := range r.Statements() {
		switch s := s.(type) {
		case *netfilter.Provided:
			if cond.holds = min(cond.holds, c.match(s.Match, &cond)); cond.holds == no {
				return next
			}
		case *netfilter.SetMark:
			b.mark(s.Value&s.Mask, cond, j)
		case *netfilter.Count, *netfilter.Log, *netfilter.NFLog, *netfilter.ChangeSet, *netfilter.UseObject, *netfilter.Assign:
		default:
			if how := b.act(c, r, s, cond, j); how != next {
				return how
			}
		}
	}
	return next
}

// act does what a statement says that can end the journey.
func (b *nftReader) act(c *client, r *netfilter.Rule, s netfilter.Statement, cond condition, j *nftJourney) step {
	if jump, ok := s.(*netfilter.Jump); ok && jump.Chain != nil {
		if bits := b.marksOf(jump.Chain); bits != 0 {
			b.mark(bits, cond, j)
			return next
		}
	}
	switch {
	case cond.seen:
		return next // clients that were here before go where they went
	case len(cond.except) > 0 && refusesAs(s):
		if cond.holds == yes {
			j.sources = append(j.sources, cond.except...)
			j.limiter = r
		}
		return next
	case len(cond.sources) > 0, cond.detector && cond.holds == maybe:
		return next // for pods: their network, or their interface
	case cond.holds == maybe:
		if j.open == nil {
			j.open = r
		}
		return next
	}
	return b.take(c, r, s, j)
}

// refusesAs reports whether a statement drops or rejects.
func refusesAs(s netfilter.Statement) bool {
	_, rejects := s.(*netfilter.Reject)
	return rejects || s == netfilter.Statement(netfilter.Drop)
}

// take does what a statement says for a rule that holds.
func (b *nftReader) take(c *client, r *netfilter.Rule, s netfilter.Statement, j *nftJourney) step {
	ends := func(how ending) step {
		j.end = how
		j.path = append(j.path, r)
		return stop
	}
	switch s := s.(type) {
	case *netfilter.Jump:
		return b.follow(c, r, s, MapElement{}, j)
	case *netfilter.VerdictMap:
		if isDice(s.Key) {
			return b.arrive(r, j)
		}
		element, answer := c.find(s.Key, s.Map)
		switch answer {
		case no:
			return next
		case maybe:
			if j.open == nil {
				j.open = r
			}
			return next
		}
		at := MapElement{Rule: r, Set: s.Map, Number: element}
		verdict := at.verdict()
		if jump, ok := verdict.(*netfilter.Jump); ok {
			return b.follow(c, r, jump, at, j)
		}
		how := b.verdict(r, verdict, j)
		if how == stop {
			j.elements = append(j.elements, at)
		}
		return how
	case *netfilter.DNAT:
		if b.deals(r.Chain()) {
			return b.arrive(r, j)
		}
		to := s.To()
		j.to = netip.AddrPortFrom(to.First, c.port)
		if to.HasPorts {
			j.to = netip.AddrPortFrom(to.First, to.Ports.First)
		}
		return ends(translated)
	case *netfilter.MapNAT:
		switch s.Kind {
		case netfilter.ToDestination:
			return b.arrive(r, j)
		case netfilter.ToSelf:
			return ends(redirected)
		}
		return next
	case *netfilter.Redirect:
		return ends(redirected)
	case *netfilter.Reject:
		return ends(refused)
	case netfilter.Verdict:
		return b.verdict(r, s, j)
	case *netfilter.OpaqueTarget:
		if j.open == nil {
			j.open = r
		}
	}
	return next
}

// verdict does what a bare verdict says. Of a base chain, accept ends the chain
// alone: the packet meets the next one (nft(8), "Verdict statement").
func (b *nftReader) verdict(r *netfilter.Rule, s netfilter.Statement, j *nftJourney) step {
	switch s {
	case netfilter.Statement(netfilter.Drop):
		j.end = refused
		j.path = append(j.path, r)
		return stop
	case netfilter.Statement(netfilter.Accept):
		return accept
	case netfilter.Statement(netfilter.Return):
		return back
	}
	return next
}

// accept ends the base chain that the packet is in.
const accept step = stop + 1

// follow takes the client into another chain, by an element if there is one.
func (b *nftReader) follow(c *client, r *netfilter.Rule, jump *netfilter.Jump, at MapElement, j *nftJourney) step {
	length, elements := len(j.path), len(j.elements)
	j.path = append(j.path, r)
	if at.Set != nil {
		j.elements = append(j.elements, at)
	}
	if jump.Chain == nil {
		j.end, j.dangles = dangling, jump.Name
		return stop
	}
	if b.nameOf(jump.Chain).Kind == kubeproxy.EndpointChain && r.Chain().Base == nil {
		j.path, j.elements = j.path[:length], j.elements[:elements]
		return b.arrive(r, j)
	}
	how := b.walk(c, jump.Chain, j)
	if how == stop {
		return stop
	}
	j.path, j.elements = j.path[:length], j.elements[:elements]
	switch {
	case how == accept:
		return accept
	case jump.Goto:
		return back
	}
	return next
}

// arrive ends a journey at the chain that deals connections out.
func (b *nftReader) arrive(r *netfilter.Rule, j *nftJourney) step {
	j.end = atBackends
	j.decided = r.Chain()
	j.backends = b.backendsOf(j.decided)
	return stop
}

// deals reports whether a chain is one that translates to endpoints: it is
// named like one.
func (b *nftReader) deals(c *netfilter.Chain) bool {
	switch b.nameOf(c).Kind {
	case kubeproxy.ServiceChain, kubeproxy.LocalChain:
		return true
	}
	return false
}

func isDice(e netfilter.Expr) bool {
	switch e.(type) {
	case *netfilter.Numgen, *netfilter.Hash:
		return true
	}
	return false
}

// marksOf are the bits that a chain marks which does nothing else, 0 for any
// other chain.
func (b *nftReader) marksOf(c *netfilter.Chain) uint32 {
	known := &b.marking[c.Index()]
	if !known.read {
		known.read = true
		if bits, ok := kubeproxy.SetsMark(c); ok {
			known.bits = bits
		}
	}
	return known.bits
}

// A knownMark is what a chain marks, once it was read.
type knownMark struct {
	read bool
	bits uint32
}

// mark notes that the client's packet is marked for masquerading.
func (b *nftReader) mark(bits uint32, cond condition, j *nftJourney) {
	if bits == 0 || b.masqueradeBits != 0 && bits&b.masqueradeBits == 0 {
		return
	}
	switch {
	case cond.seen, len(cond.sources) > 0:
		return // what only some clients get
	case cond.holds == maybe || cond.detector:
		if j.masquerade == "" {
			j.masquerade = MasqueradeConditional
		}
	default:
		j.masquerade = MasqueradeAlways
	}
}
