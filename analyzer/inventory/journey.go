package inventory

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An ending is how the way of an outside client's packet through nat ends.
type ending uint8

const (
	fallsThrough ending = iota // untranslated, to the end of the chain
	atBackends                 // dealt out to the endpoints of a chain
	translated                 // by a DNAT rule of its own, to one place
	redirected                 // to the node itself
	refused                    // dropped or rejected on the spot, or marked for it
	accepted                   // let go on untranslated
	dangling                   // a rule leads to a chain that is not there
	looping                    // chains lead in a circle
)

// A journey is the way of an outside client's packet from a rule on.
type journey struct {
	outcome
	path       []*netfilter.Rule
	to         netip.AddrPort // translated
	masquerade Masquerading   // by marks on the way; hairpin and never count as none

	stack []*netfilter.Chain
}

// An outcome is what remains to be said of a journey once its entry is judged.
type outcome struct {
	end ending
	// ahead says that a rule before kube-proxy's own took the packet.
	ahead    bool
	decided  *netfilter.Chain // atBackends: the chain that deals
	backends *backends        // atBackends
	// sources are the networks that the way is open to; nil for all.
	sources []netip.Prefix
	// open is a rule that could not be told, and that the answer rests on.
	open *netfilter.Rule
}

// maxDepth bounds how deep chains are followed. The kernel's own limit is that
// a loaded table has no loops; real ones are less than ten deep.
const maxDepth = 64

// walk follows the client through a chain. It reports whether the journey
// ended there.
func (b *builder) walk(c *client, chain *netfilter.Chain, j *journey) bool {
	if len(j.stack) >= maxDepth || slices.Contains(j.stack, chain) {
		j.end = looping
		return true
	}
	j.stack = append(j.stack, chain)
	defer func() { j.stack = j.stack[:len(j.stack)-1] }()
	for r := range chain.Rules() {
		switch b.step(c, r, j) {
		case stop:
			return true
		case back:
			return false
		}
	}
	return false
}

// steps of a walk.
type step uint8

const (
	next step = iota // to the next rule
	back             // out of the chain, with the journey going on
	stop             // the journey ended
)

// step takes the client past one rule.
func (b *builder) step(c *client, r *netfilter.Rule, j *journey) step {
	cond := c.test(r)
	if cond.holds == no {
		return next
	}
	if b.isMasquerade(r) {
		b.mark(cond, j)
		return next
	}
	if mark, ok := r.Target().(*netfilter.SetMark); ok && b.masqueradeBits != 0 && mark.Value&b.masqueradeBits == b.masqueradeBits {
		b.mark(cond, j)
		return next
	}
	if to, ok := b.natGraph.Target(r); ok {
		if _, ok := b.endpointOf(r, to); ok {
			return b.arrive(r, j)
		}
	}
	if r.Target() == nil {
		return next
	}
	kind := b.kinds[r.Chain().Index()]
	switch limited := len(cond.sources) > 0; {
	case limited && kind == kubeproxy.FirewallChain:
		return b.takeRanges(c, r, cond, j)
	case limited, cond.detector && cond.holds == maybe:
		return next // for pods: their network, or their interface
	case cond.holds == maybe:
		if j.open == nil {
			j.open = r
		}
		return next
	}
	return b.take(c, r, j)
}

// takeRanges follows a rule of a firewall chain, which is for the clients of
// one of the load balancer's source ranges, and notes the others that go the
// same way. kube-proxy also lets the load balancer's own address pass, for
// packets that a node of the ranges sends to it; that is no range.
func (b *builder) takeRanges(c *client, r *netfilter.Rule, cond condition, j *journey) step {
	step := b.take(c, r, j)
	if step != stop {
		return step
	}
	jump, _ := r.Jump()
	j.sources = cond.sources
	for i := r.Number(); i < r.Chain().NumRules(); i++ {
		other := r.Chain().Rule(i)
		if to, ok := other.Jump(); ok && to == jump {
			if cond := c.test(other); cond.holds == yes {
				j.sources = append(j.sources, cond.sources...)
			}
		}
	}
	j.sources = rangesOnly(j.sources, c)
	return stop
}

// rangesOnly sorts the networks that a way is open to, without the load
// balancer's own address, unless the way is open to nobody else.
func rangesOnly(list []netip.Prefix, c *client) []netip.Prefix {
	list = slices.Clone(list)
	slices.SortFunc(list, comparePrefixes)
	isOwn := func(p netip.Prefix) bool { return p.IsSingleIP() && len(c.to) == 1 && p.Addr() == c.to[0] }
	if !slices.ContainsFunc(list, func(p netip.Prefix) bool { return !isOwn(p) }) {
		return list
	}
	return slices.DeleteFunc(list, isOwn)
}

// take follows a rule that holds for the client.
func (b *builder) take(c *client, r *netfilter.Rule, j *journey) step {
	ends := func(how ending) step {
		j.end = how
		j.path = append(j.path, r)
		return stop
	}
	switch t := r.Target().(type) {
	case *netfilter.Jump:
		switch {
		case b.isDropMark(r):
			return ends(refused)
		case t.Chain == nil:
			return ends(dangling)
		}
		j.path = append(j.path, r)
		if b.walk(c, t.Chain, j) {
			return stop
		}
		j.path = j.path[:len(j.path)-1]
		if t.Goto {
			return back
		}
		return next
	case *netfilter.DNAT:
		to := t.To()
		j.to = netip.AddrPortFrom(to.First, c.port)
		if to.HasPorts {
			j.to = netip.AddrPortFrom(to.First, to.Ports.First)
		}
		return ends(translated)
	case *netfilter.Redirect:
		return ends(redirected)
	case *netfilter.Reject:
		return ends(refused)
	case netfilter.Verdict:
		switch t {
		case netfilter.Accept:
			return ends(accepted)
		case netfilter.Drop:
			return ends(refused)
		case netfilter.Return:
			return back
		}
	case *netfilter.OpaqueTarget:
		if j.open == nil {
			j.open = r
		}
	}
	return next
}

// arrive ends a journey at the chain whose rule leads to an endpoint.
func (b *builder) arrive(r *netfilter.Rule, j *journey) step {
	j.end = atBackends
	j.decided = r.Chain()
	j.backends = b.backendsOf(j.decided)
	return stop
}

// mark notes a rule that marks the client's packet for masquerading.
func (b *builder) mark(cond condition, j *journey) {
	how := MasqueradeAlways
	if cond.holds == maybe || cond.detector || len(cond.sources) > 0 {
		how = MasqueradeConditional
	}
	if j.masquerade != MasqueradeAlways {
		j.masquerade = how
	}
}

// isMasquerade reports whether a rule jumps to the chain that marks packets for
// masquerading. Fragments often lack the chain; then its name must do.
func (b *builder) isMasquerade(r *netfilter.Rule) bool {
	return b.marks(r, kubeproxy.MarkMasqChain, b.markMasq, b.masqueradeBits)
}

// isDropMark is isMasquerade for KUBE-MARK-DROP, whose mark kubelet's
// KUBE-FIREWALL drops.
func (b *builder) isDropMark(r *netfilter.Rule) bool {
	return b.marks(r, kubeproxy.MarkDropChain, b.markDrop, b.dropBits)
}

// marks reports whether a rule jumps to a chain that sets the bits. usual is the
// Index of nat's chain of that name, if it does.
func (b *builder) marks(r *netfilter.Rule, name string, usual int, bits uint32) bool {
	if to, ok := b.natGraph.Target(r); ok && to != nowhere {
		if to == usual {
			return true
		}
		if b.isHashed(to) {
			return false // service and endpoint chains are too many to look into
		}
	}
	j, ok := r.Jump()
	switch {
	case !ok:
		return false
	case j.Chain == nil || !b.nat.Complete && j.Chain.NumRules() == 0:
		return j.Name == name
	case j.Name != name && strings.HasPrefix(j.Name, "KUBE-"):
		return false
	}
	set, ok := kubeproxy.SetsMark(j.Chain)
	return ok && bits != 0 && set&bits == bits
}
