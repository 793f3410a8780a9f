package inventory

import (
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// maxAheadTests bounds how many rules are tried, over all entries, in search
// of one that takes their packets before kube-proxy's rule does.
const maxAheadTests = 20_000_000

// readEntrance finds the rule that leads packets from outside to
// KUBE-SERVICES, and the rules that they meet before it and before its rules
// for entries: in PREROUTING those of Docker, CNI plugins and whoever else, in
// KUBE-SERVICES those that are for no entry of their own.
func (b *builder) readEntrance() {
	if pre := b.nat.Chain("PREROUTING"); pre != nil {
		for r := range pre.Rules() {
			if j, ok := r.Jump(); ok && j.Name == kubeproxy.ServicesChain {
				b.entered = r
				break
			}
			b.before = append(b.before, r)
		}
	}
	if c := b.nat.Chain(kubeproxy.ServicesChain); c != nil {
		for r := range c.Rules() {
			if d, ok := dialOf(r); ok && d.address.IsValid() {
				continue
			}
			if j, ok := r.Jump(); ok && j.Name == kubeproxy.NodePortsChain || b.isMasquerade(r) {
				continue
			}
			b.before = append(b.before, r)
		}
	}
}

// ahead finds a rule that takes the client's packet before the given rule of
// KUBE-SERVICES: the journey that it sends the packet on, nil if there is
// none. Only what certainly holds counts.
func (b *builder) ahead(c *client, first *netfilter.Rule) *journey {
	for _, r := range b.before {
		if first != nil && r.Chain() == first.Chain() && r.Number() > first.Number() {
			return nil
		}
		if b.budget--; b.budget <= 0 {
			if b.budget == 0 {
				b.report(source.Warning, "ahead-unchecked", r,
					"more than %d rules before kube-proxy's own: whether one of them takes the packets of the last entries was not checked", maxAheadTests)
			}
			return nil
		}
		j := &journey{}
		if b.step(c, r, j) == stop && j.end != looping && j.end != dangling {
			return j
		}
	}
	return nil
}
