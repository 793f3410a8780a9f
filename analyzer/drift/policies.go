package drift

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// checkPolicies compares the traffic policies, as far as the rules show them.
func (c *checker) checkPolicies(p *servicePort, svc *inventory.Service) {
	lines := func() []audit.Line { return c.serviceLines(svc, inventory.ClusterIP) }
	if got, want := svc.InternalPolicy, policyName(p.internalLocal); c.mode != kubeproxy.IPVS && got != "" && string(got) != want {
		c.reportPolicy(p, "internalTrafficPolicy", string(got), want, lines())
	}
	if got, want := svc.ExternalPolicy, policyName(p.externalLocal); got != "" && string(got) != want && p.outside && !p.policyOpen {
		c.reportPolicy(p, "externalTrafficPolicy", string(got), want, c.serviceLines(svc, ""))
	}
}

func (c *checker) reportPolicy(p *servicePort, which, got, want string, lines []audit.Line) {
	c.findings.add(policyDiffers, func() audit.Finding {
		return audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("service port %s is under %s: %s on the node, and %s in the objects", p.name, which, got, want),
			Lines:       append(lines, c.quotes.field(p.service, which, want)),
			Remediation: "If the policy was changed a moment ago, capture the node again. " + capitalResync,
		}
	})
}

func policyName(local bool) string {
	if local {
		return string(inventory.Local)
	}
	return string(inventory.Cluster)
}

// checkAffinity compares the session affinity of a service port that has
// endpoints: without any the rules do not show it.
func (c *checker) checkAffinity(p *servicePort, svc *inventory.Service) {
	if !showsAffinity(svc) {
		return
	}
	want := "None"
	if a := p.service.Affinity; a != nil {
		want = fmt.Sprintf("ClientIP for %d s", a.TimeoutSeconds)
	}
	got := "None"
	if a := svc.Affinity; a != nil {
		got = fmt.Sprintf("ClientIP for %d s", a.TimeoutSeconds)
		if a.TimeoutSeconds == 0 && p.service.Affinity != nil {
			return // the text does not tell for how long
		}
	}
	if got == want {
		return
	}
	c.findings.add(affinityDiffers, func() audit.Finding {
		return audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("service port %s has session affinity %s on the node, and %s in the objects", p.name, got, want),
			Lines:       append(c.affinityLines(svc), c.quotes.affinity(p.service)),
			Remediation: "If the Service was changed a moment ago, capture the node again. " + capitalResync,
		}
	})
}

// showsAffinity reports whether rules or virtual servers would show that a
// service port has session affinity.
func showsAffinity(svc *inventory.Service) bool {
	for _, e := range svc.Entries {
		if len(e.Virtual) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(svc.Endpoints, func(e inventory.Endpoint) bool {
		return e.Chain == nil || e.Chain.NumRules() > 0
	})
}

func (c *checker) affinityLines(svc *inventory.Service) []audit.Line {
	for _, e := range svc.Endpoints {
		if e.Chain != nil {
			return lastRule(e.Chain)
		}
	}
	return c.serviceLines(svc, inventory.ClusterIP)
}

// checkRanges compares loadBalancerSourceRanges, which the rules show at
// load-balancer addresses of service ports with endpoints.
func (c *checker) checkRanges(p *servicePort, svc *inventory.Service) {
	i := slices.IndexFunc(svc.Entries, func(e *inventory.Entry) bool {
		if e.Kind != inventory.LoadBalancerIP || e.KindAssumed || len(e.Endpoints) == 0 {
			return false
		}
		switch e.Verdict {
		case inventory.Broken, inventory.Unknown, inventory.NoEndpoints:
			return false
		}
		return p.asksFor(dialOf(e))
	})
	if i < 0 || c.mode == kubeproxy.IPVS && !c.hasRangeSets(p.family) {
		return
	}
	var want []netip.Prefix
	open := false // every source is in a range: no rule is needed
	for _, r := range p.service.SourceRanges {
		if familyOf(r.Addr()) == p.family {
			want = append(want, r)
			open = open || r.Bits() == 0
		}
	}
	got := slices.Clone(svc.SourceRanges)
	if open && (len(got) == 0 || slices.ContainsFunc(got, func(r netip.Prefix) bool { return r.Bits() == 0 })) {
		return
	}
	want, got = sortedPrefixes(want), sortedPrefixes(got)
	if slices.Equal(want, got) {
		return
	}
	e := svc.Entries[i]
	c.findings.add(rangesDiffer, func() audit.Finding {
		f := audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message: fmt.Sprintf("%s of service port %s is open to %s on the node, and to %s in the objects",
				entryName(e), p.name, rangeNames(got), rangeNames(want)),
			Lines:       entryLines(e),
			Remediation: "If loadBalancerSourceRanges were changed a moment ago, capture the node again. " + capitalResync,
		}
		if fw := svc.Chains.Firewall; fw != nil {
			f.Lines = append(f.Lines, firstRule(fw)...)
		}
		f.Lines = append(f.Lines, c.quotes.ranges(p.service))
		if len(want) == 0 {
			f.Severity = audit.Medium // it refuses too many, and lets nobody in
		}
		return f
	})
}

func sortedPrefixes(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if order := a.Addr().Compare(b.Addr()); order != 0 {
			return order
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(list)
}

func rangeNames(list []netip.Prefix) string {
	if len(list) == 0 {
		return "all sources"
	}
	var names []string
	for i, r := range list {
		if i == fewNamed && len(list) > fewNamed+1 {
			names = append(names, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// hasRangeSets reports whether the set that holds source ranges in IPVS mode
// was captured whole.
func (c *checker) hasRangeSets(family netfilter.Family) bool {
	set := c.snapshot.IPSet(kubeproxy.SetName(kubeproxy.SourceCIDRSet, family))
	return set != nil && set.Complete
}

// checkHealthCheck compares the health check's node port. kube-proxy accepts
// its packets in filter since 1.20, in iptables and IPVS mode.
func (c *checker) checkHealthCheck(p *servicePort, svc *inventory.Service, side *side) {
	want := p.service.HealthCheckNodePort
	got := svc.HealthCheckNodePort
	if c.mode == kubeproxy.NFTables || c.mode == kubeproxy.IPVS && want == 0 {
		return // no rule is written for it; no set says whose it is
	}
	if c.mode == kubeproxy.IPTables {
		if c.accepted == nil {
			c.accepted = map[netfilter.Family]map[uint16]*netfilter.Rule{}
		}
		ports, read := c.accepted[p.family]
		if !read {
			ports = acceptedPorts(side)
			c.accepted[p.family] = ports
		}
		if ports == nil {
			return
		}
		if got == 0 && ports[want] != nil {
			got = want // without a comment to say whose it is
		}
	}
	if got == want || want != 0 && !p.externalLocal {
		return
	}
	c.findings.add(healthDiffers, func() audit.Finding {
		on := fmt.Sprintf("takes health checks at node port %d", got)
		if got == 0 {
			on = "takes no health checks"
		}
		in := fmt.Sprintf("have node port %d for them", want)
		if want == 0 {
			in = "have no node port for them"
		}
		f := audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("the node %s of service port %s, and the objects %s", on, p.name, in),
			Remediation: "A load balancer that cannot check this node's health sends it nothing, or goes on sending. " + capitalResync,
		}
		if r := c.accepted[p.family][got]; r != nil {
			f.Evidence = append(f.Evidence, r)
		} else {
			f.Lines = append(f.Lines, c.serviceLines(svc, "")...)
		}
		f.Lines = append(f.Lines, c.quotes.field(p.service, "healthCheckNodePort", fmt.Sprint(want)))
		return f
	})
}

// acceptedPorts are those that filter's KUBE-NODEPORTS accepts; nil when they
// are not known.
func acceptedPorts(side *side) map[uint16]*netfilter.Rule {
	if side.filter == nil || !side.filter.Complete || side.filter.Omits != 0 {
		return nil
	}
	chain := side.filter.Chain(kubeproxy.NodePortsChain)
	if chain == nil {
		return nil // before 1.20 there was none
	}
	ports := map[uint16]*netfilter.Rule{}
	for r := range chain.Rules() {
		if r.Target() != netfilter.Accept {
			continue
		}
		for _, m := range r.Matches() {
			if t, ok := m.(*netfilter.Transport); ok && t.DstPort.Set && !t.DstPort.Not && t.DstPort.Range.IsSingle() {
				ports[t.DstPort.Range.First] = r
			}
		}
	}
	return ports
}

// serviceLines are the lines of a service port's entry of a kind, or with ""
// of the first that is no cluster IP.
func (c *checker) serviceLines(svc *inventory.Service, kind inventory.Kind) []audit.Line {
	for _, e := range svc.Entries {
		if isOnNode(c.mode, e) && (e.Kind == kind || kind == "" && e.Kind != inventory.ClusterIP) {
			return entryLines(e)
		}
	}
	if len(svc.Entries) > 0 {
		return entryLines(svc.Entries[0])
	}
	return nil
}

func firstRule(chain *netfilter.Chain) []audit.Line {
	if chain.NumRules() == 0 {
		return nil
	}
	r := chain.Rule(0)
	return []audit.Line{{Pos: r.Pos(), Text: r.Text()}}
}
