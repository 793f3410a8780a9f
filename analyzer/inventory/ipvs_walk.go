package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A ruleWalk is what kube-proxy's rules of one table do to the first packet of
// an outside client's connection.
type ruleWalk struct {
	path []*netfilter.Rule // those that decided something, in order
	// marked tells whether the packet is marked for masquerading, detector
	// that it depends on whether the client is a pod.
	marked   ternary
	detector bool
	refused  ternary // dropped or rejected

	depth int
}

// clientTo is the packet that an entry is judged by.
func (b *balancer) clientTo(e *ipvsDraft) *client {
	c := &client{protocol: e.protocol, port: e.port, local: maybe, sets: b.sets}
	if e.kind == NodePort {
		c.local = yes
		for _, v := range e.virtual {
			c.to = append(c.to, v.Address)
		}
		return c
	}
	c.to = []netip.Addr{e.address}
	if local, known := b.isLocal(e.address); known {
		c.local = ternaryOf(local)
	} else if b.vips[e.address] {
		c.local = yes // kube-proxy lists what it has put on kube-ipvs0
	}
	return c
}

// through follows the packet through a chain that it comes to for certain or
// perhaps. It tells whether the packet's way through the table ends there.
func (b *balancer) through(w *ruleWalk, c *client, chain *netfilter.Chain, comes ternary) (ends ternary) {
	if w.depth >= maxDepth {
		return maybe
	}
	w.depth++
	defer func() { w.depth-- }()
	for r := range chain.Rules() {
		cond := c.test(r)
		if cond.holds == no || len(cond.sources) > 0 {
			continue
		}
		// A rule that may have ended the way leaves nothing certain after it.
		cond.holds = min(cond.holds, comes, ends.not())
		if jump, ok := r.Jump(); ok && b.isMasquerade(jump) || setsBits(r, b.masqueradeBits) {
			w.mark(r, cond)
			continue
		}
		if jump, ok := r.Jump(); ok {
			if jump.Chain == nil {
				continue
			}
			before := len(w.path)
			w.step(r, cond)
			inner := b.through(w, c, jump.Chain, cond.holds)
			if len(w.path) == before+1 {
				w.path = w.path[:before] // nothing happened there
			}
			ends = max(ends, min(inner, cond.holds))
		} else {
			switch verdict := r.Target().(type) {
			case *netfilter.Reject:
				ends = max(ends, w.refuse(r, cond))
			case netfilter.Verdict:
				switch verdict {
				case netfilter.Drop:
					ends = max(ends, w.refuse(r, cond))
				case netfilter.Accept:
					w.step(r, cond)
					ends = max(ends, cond.holds)
				case netfilter.Return:
					w.step(r, cond)
					if cond.holds == yes {
						return ends
					}
					comes = maybe
				}
			}
		}
		if ends == yes {
			return yes
		}
	}
	return ends
}

func setsBits(r *netfilter.Rule, bits uint32) bool {
	mark, ok := r.Target().(*netfilter.SetMark)
	return ok && bits != 0 && mark.Value&bits == bits
}

// step notes a rule that is evidence: one that the packet meets for certain.
func (w *ruleWalk) step(r *netfilter.Rule, cond condition) {
	if cond.holds == yes {
		w.path = append(w.path, r)
	}
}

func (w *ruleWalk) mark(r *netfilter.Rule, cond condition) {
	if cond.holds > w.marked || cond.holds == w.marked && !cond.detector {
		w.marked, w.detector = cond.holds, cond.detector
	}
	w.step(r, cond)
}

// refuse notes a rule that refuses the packet: for certain, or perhaps.
func (w *ruleWalk) refuse(r *netfilter.Rule, cond condition) ternary {
	w.refused = max(w.refused, cond.holds)
	w.step(r, cond)
	return cond.holds
}

// masquerade follows the packet through nat's PREROUTING.
func (b *balancer) masquerade(e *ipvsDraft, p *pool) (Masquerading, []*netfilter.Rule) {
	pre := b.nat.Chain("PREROUTING")
	chain := b.nat.Chain(kubeproxy.ServicesChain)
	w := &ruleWalk{}
	switch {
	case chain == nil && b.nat.Complete:
		// kube-proxy's rules have gone: nothing is marked.
	case chain == nil:
		return MasqueradeUnknown, nil
	default:
		c := b.clientTo(e)
		entered := jumpTo(pre, chain)
		if entered != nil {
			w.path = append(w.path, entered)
		}
		if entered != nil || !b.nat.Complete {
			b.through(w, c, chain, yes)
		}
		if entered != nil && len(w.path) == 1 {
			w.path = nil
		}
	}
	switch {
	case b.masquerading != "":
		return b.masquerading, w.path
	case w.marked == maybe:
		return MasqueradeUnknown, w.path
	case w.marked == yes && w.detector:
		return MasqueradeConditional, w.path
	case w.marked == yes:
		return MasqueradeAlways, w.path
	}
	// The packets of an endpoint of this node to itself are told by a set of
	// their own.
	hairpin := no
	for _, s := range p.servers {
		if hairpin = max(hairpin, b.localEndpoint(s, e.protocol)); hairpin == yes {
			break
		}
	}
	switch hairpin {
	case yes:
		return MasqueradeHairpin, w.path
	case maybe:
		return MasqueradeUnknown, w.path
	}
	return MasqueradeNever, w.path
}

// jumpTo is the rule of one chain that leads to another, nil if none does.
func jumpTo(from, to *netfilter.Chain) *netfilter.Rule {
	if from == nil {
		return nil
	}
	for r := range from.Rules() {
		if j, ok := r.Jump(); ok && j.Chain == to {
			return r
		}
	}
	return nil
}

// refusalOf follows the packet to a service's address through the chain that
// refuses what is no service's port (KUBE-IPVS-FILTER, since 1.26). Node ports
// are not its business.
func (b *balancer) refusalOf(e *ipvsDraft) *ruleWalk {
	if e.refusal == nil {
		e.refusal = b.refuse(e)
	}
	return e.refusal
}

func (b *balancer) refuse(e *ipvsDraft) *ruleWalk {
	w := &ruleWalk{}
	if b.filter == nil || e.kind == NodePort {
		return w
	}
	chain, input := b.filter.Chain(kubeproxy.IPVSFilterChain), b.filter.Chain("INPUT")
	if chain == nil || input == nil {
		return w
	}
	entered := jumpTo(input, chain)
	if entered == nil {
		return w
	}
	w.path = append(w.path, entered)
	b.through(w, b.clientTo(e), chain, yes)
	return w
}

// rangesOf are the source ranges of a load balancer's entry, nil when it is
// open to all.
func (b *balancer) rangesOf(e *ipvsDraft) []netip.Prefix {
	_, in := b.holds(kubeproxy.LoadBalancerFW, e.dial)
	var ranges []netip.Prefix
	switch {
	case in == yes:
		ranges = slices.Clone(b.ranges[e.dial])
	case in == maybe && e.claim.service != nil:
		for _, p := range e.claim.service.SourceRanges {
			if ipvs.FamilyOf(p.Addr()) == b.family {
				ranges = append(ranges, p)
			}
		}
	}
	slices.SortFunc(ranges, comparePrefixes)
	return slices.Compact(ranges)
}

// firewall is the rule that has packets to addresses with source ranges looked
// at, nil if there is none. enforced is open when the table was not captured
// whole.
func (b *balancer) firewall() (rule *netfilter.Rule, enforced ternary) {
	name := kubeproxy.SetName(kubeproxy.LoadBalancerFW, b.family)
	for _, t := range []*netfilter.Table{b.filter, b.nat} { // nat up to 1.24
		if t == nil {
			continue
		}
		for _, c := range t.Chains() {
			if c.NumRules() > maxFirewallRules {
				continue
			}
			for r := range c.Rules() {
				for _, m := range r.Matches() {
					if in, ok := m.(*netfilter.InSet); ok && in.Set.Name == name && !in.Not {
						return r, yes
					}
				}
			}
		}
	}
	if b.filter != nil && b.filter.Complete && b.nat.Complete {
		return nil, no
	}
	return nil, maybe
}

// maxFirewallRules is how long a chain may be that is searched for kube-proxy's
// rules: its own have a few.
const maxFirewallRules = 1000
