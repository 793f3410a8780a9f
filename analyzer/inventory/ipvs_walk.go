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

// begin is a walk that has not begun, in the memory of one that is over.
func (w *ruleWalk) begin() *ruleWalk {
	*w = ruleWalk{path: w.path[:0]}
	return w
}

// ipvsPaths are paths that entries have: most have one of a few.
type ipvsPaths struct {
	recent [16][]*netfilter.Rule
	next   int
}

// keep is a path that stays as it is.
func (p *ipvsPaths) keep(path []*netfilter.Rule) []*netfilter.Rule {
	if len(path) == 0 {
		return nil
	}
	for _, kept := range p.recent {
		if slices.Equal(kept, path) {
			return kept
		}
	}
	kept := slices.Clip(slices.Clone(path))
	p.recent[p.next%len(p.recent)] = kept
	p.next++
	return kept
}

// readRules finds the chains of kube-proxy's that all entries are followed
// through.
func (b *balancer) readRules() {
	if b.marking = b.nat.Chain(kubeproxy.ServicesChain); b.marking != nil {
		b.entered = jumpTo(b.nat.Chain("PREROUTING"), b.marking)
	}
	if b.filter == nil {
		return
	}
	if b.refusing = b.filter.Chain(kubeproxy.IPVSFilterChain); b.refusing != nil {
		b.refusingFrom = jumpTo(b.filter.Chain("INPUT"), b.refusing)
	}
}

// clientTo is the packet that an entry is judged by. It is good until it is asked
// again.
func (b *balancer) clientTo(e *ipvsDraft) *client {
	c := &b.memory.client
	*c = client{
		protocol: e.protocol, port: e.port, local: maybe, sets: b.sets,
		to: c.to[:0], room: b.memory.except[:0], asked: c.asked[:0],
	}
	if e.entry.Kind == NodePort {
		c.local = yes
		for _, v := range e.entry.Virtual {
			c.to = append(c.to, v.Address)
		}
		return c
	}
	c.to = append(c.to, e.address)
	if local, known := b.isLocal(e.address, e.use); known {
		c.local = ternaryOf(local)
	} else if e.use&serviceAddress != 0 {
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
	for r := range chain.Rules() {
		cond := c.test(r)
		if cond.holds == no || len(cond.sources) > 0 {
			continue
		}
		// A rule that may have ended the way leaves nothing certain after it.
		cond.holds = min(cond.holds, comes, ends.not())
		if b.isMasquerade(r) || setsBits(r, b.masqueradeBits) {
			w.mark(r, cond)
			continue
		}
		if jump, ok := r.Jump(); ok {
			if jump.Chain == nil {
				continue
			}
			before := len(w.path)
			w.step(r, cond)
			w.depth++
			inner := b.through(w, c, jump.Chain, cond.holds)
			w.depth--
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

// mark follows the packet to an entry through nat's PREROUTING. The walk is good
// until it is asked again.
func (b *balancer) mark(c *client) *ruleWalk {
	w := b.memory.masquerade.begin()
	if b.marking == nil {
		return w
	}
	if b.entered != nil {
		w.path = append(w.path, b.entered)
	}
	if b.entered != nil || !b.nat.Complete {
		b.through(w, c, b.marking, yes)
	}
	if b.entered != nil && len(w.path) == 1 {
		w.path = w.path[:0]
	}
	return w
}

// masquerade tells what becomes of the source of packets that were marked, or not.
func (b *balancer) masquerade(e *ipvsDraft, w *walked, p *pool) Masquerading {
	switch {
	case b.marking == nil && !b.nat.Complete:
		return MasqueradeUnknown
	// Without kube-proxy's rules in a table that is whole nothing is marked.
	case b.masquerading != "":
		return b.masquerading
	case w.marked == maybe:
		return MasqueradeUnknown
	case w.marked == yes && w.detector:
		return MasqueradeConditional
	case w.marked == yes:
		return MasqueradeAlways
	}
	// The packets of an endpoint of this node to itself are told by a set of
	// their own.
	switch b.localness(p, e.protocol).any {
	case yes:
		return MasqueradeHairpin
	case maybe:
		return MasqueradeUnknown
	}
	return MasqueradeNever
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

// refuse follows the packet to a service's address through the chain that
// refuses what is no service's port (KUBE-IPVS-FILTER, since 1.26). Node ports
// are not its business. The walk is good until it is asked again.
func (b *balancer) refuse(e *ipvsDraft, c *client) *ruleWalk {
	w := b.memory.refusal.begin()
	if e.entry.Kind == NodePort || b.refusingFrom == nil {
		return w
	}
	w.path = append(w.path, b.refusingFrom)
	b.through(w, c, b.refusing, yes)
	return w
}

// rangesOf are the source ranges of a load balancer's entry, nil when it is
// open to all.
func (b *balancer) rangesOf(e *ipvsDraft) []netip.Prefix {
	in := b.holds(kubeproxy.LoadBalancerFW, e.dial)
	var ranges []netip.Prefix
	switch {
	case in == yes:
		ranges = slices.Clone(b.ranges[e.dial])
	case in == maybe && e.claim != nil:
		for _, p := range e.claim.service.SourceRanges {
			if ipvs.FamilyOf(p.Addr()) == b.family {
				ranges = append(ranges, p)
			}
		}
	}
	slices.SortFunc(ranges, comparePrefixes)
	return slices.Compact(ranges)
}

// A firewallRule is the answer of firewall.
type firewallRule struct {
	rule     *netfilter.Rule
	enforced ternary
}

// firewall is the rule that has packets to addresses with source ranges looked
// at, nil if there is none. enforced is open when the table was not captured
// whole.
func (b *balancer) firewall() (rule *netfilter.Rule, enforced ternary) {
	if b.firewallRule == nil {
		rule, enforced = b.findFirewall()
		b.firewallRule = &firewallRule{rule, enforced}
	}
	return b.firewallRule.rule, b.firewallRule.enforced
}

func (b *balancer) findFirewall() (rule *netfilter.Rule, enforced ternary) {
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
