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

// checkRanges compares loadBalancerSourceRanges, which the rules show at
// load-balancer addresses of service ports with endpoints.
func (c *checker) checkRanges(p *servicePort, svc *inventory.Service) {
	i := slices.IndexFunc(svc.Entries, func(e *inventory.Entry) bool {
		if e.Kind != inventory.LoadBalancerIP || e.KindAssumed || e.Endpoints.Len() == 0 {
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

func firstRule(chain *netfilter.Chain) []audit.Line {
	if chain.NumRules() == 0 {
		return nil
	}
	r := chain.Rule(0)
	return []audit.Line{{Pos: r.Pos(), Text: r.Text()}}
}
