package drift

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// choices are the pools that an entry of a kind may have. exact is false when
// the objects do not tell; then only endpoints that the service has nowhere can
// be told to be wrong. A policy that the node shows is gone by, whatever the
// object's: that the two differ is told once, and not for each endpoint again.
func (c *checker) choices(p *servicePort, svc *inventory.Service, kind inventory.Kind) (choices []pool, exact bool) {
	pools := c.objects.poolsOf(p)
	if !pools.known {
		return nil, false
	}
	internal, internalShown := p.internalLocal, false
	external, externalShown := p.externalLocal, !p.policyOpen
	if svc != nil && c.mode != kubeproxy.IPVS && svc.InternalPolicy != "" {
		internal, internalShown = svc.InternalPolicy == inventory.Local, true
	}
	if svc != nil && svc.ExternalPolicy != "" {
		external, externalShown = svc.ExternalPolicy == inventory.Local, true
	}
	// Up to 1.23 one list served both policies, and up to 1.21 the internal one
	// was not known: the rules then do not show it.
	blended := p.internalLocal && !internalShown && c.mode == kubeproxy.IPTables
	var local, all bool
	if kind == inventory.ClusterIP {
		local, all = internal || blended, !internal || blended
	} else {
		local = external || !externalShown && p.externalLocal || blended
		all = !external || !externalShown || blended
		if external && c.mode == kubeproxy.IPVS && !neverEmpty(pools.local) {
			all = true // without a local endpoint all of them stand in (pkg/proxy/ipvs, syncEndpoint)
		}
	}
	if local {
		if pools.local == nil {
			c.needsNode(p, pools)
			return nil, false
		}
		choices = append(choices, pools.local...)
	}
	if all {
		choices = append(choices, pools.cluster...)
	}
	return choices, true
}

// checkEndpoints compares the endpoints of a service port's entries, and those
// of its chains, which serve clients that the entries do not speak of.
func (c *checker) checkEndpoints(p *servicePort, svc *inventory.Service, side *side) {
	pools := c.objects.poolsOf(p)
	if !pools.known {
		return
	}
	var found gaps
	var refused []*inventory.Entry
	var memo endpointsMemo
	for _, e := range svc.Entries {
		if !isOnNode(c.mode, e) || !p.asksFor(dialOf(e)) {
			continue
		}
		choices, exact := c.choices(p, svc, e.Kind)
		switch {
		case len(e.Virtual) > 0:
			c.checkVirtual(p, e, choices, exact, &found)
			if e.Verdict == inventory.NoEndpoints && exact && neverEmpty(choices) && !slices.ContainsFunc(e.Virtual, hasServers) {
				refused = append(refused, e)
			}
		case e.Verdict == inventory.NoEndpoints:
			if exact && neverEmpty(choices) && side.whole {
				refused = append(refused, e)
			}
		case e.Verdict == inventory.Broken, e.Verdict == inventory.Unknown, e.Endpoints.Len() == 0:
		default:
			missing, foreign := pools.differences(memo.pool(e.Endpoints), choices, exact, side.whole)
			found.add(missing, foreign, nil, func() string { return entryName(e) }, func() []audit.Line { return endpointLines(svc, e, e.Endpoints.List(), foreign) })
		}
	}
	if c.mode != kubeproxy.IPVS {
		c.checkScopes(p, svc, side, &found)
	}
	if len(refused) > 0 {
		c.reportRefused(p, pools, svc, refused)
	}
	for _, g := range found.list {
		c.reportGap(p, pools, g)
	}
}

// checkScopes compares the endpoints of a service port's own chains.
func (c *checker) checkScopes(p *servicePort, svc *inventory.Service, side *side, found *gaps) {
	pools := c.objects.poolsOf(p)
	for _, scope := range []inventory.Scope{inventory.ClusterScope, inventory.LocalScope} {
		from, to := 0, 0
		for i, e := range svc.Endpoints.All() {
			if e.Scope == scope {
				if to == 0 {
					from = i
				}
				to = i + 1
			}
		}
		if to == 0 {
			continue
		}
		list := svc.Endpoints.List()[from:to]
		choices, exact := pools.cluster, true
		if scope == inventory.LocalScope {
			choices, exact = pools.local, pools.local != nil
		} else if p.internalLocal && svc.InternalPolicy == "" {
			choices, exact = slices.Concat(choices, pools.local), pools.local != nil
		}
		if !exact && scope == inventory.LocalScope {
			c.needsNode(p, pools)
		}
		chain := svc.Chains.Service
		words := "all clients of policy Cluster"
		if scope == inventory.LocalScope {
			chain, words = svc.Chains.Local, "clients of policy Local"
		}
		missing, foreign := pools.differences(poolOf(list), choices, exact, side.whole)
		where := func() string {
			if chain != nil {
				return "chain " + chain.Name
			}
			return words
		}
		found.add(missing, foreign, nil, where, func() []audit.Line {
			if lines := linesOf(list, foreign); len(lines) > 0 {
				return lines
			}
			return lastRule(chain)
		})
	}
}

// differences compares a node's endpoints with what they may be. whole says
// that the text would show all of them.
func (r *pools) differences(actual pool, choices []pool, exact, whole bool) (missing, foreign pool) {
	if !exact {
		for _, a := range actual {
			if r.find(a) == nil && !r.short && !r.fromEndpoints {
				foreign = append(foreign, a)
			}
		}
		return nil, foreign
	}
	missing, foreign = nearest(actual, choices)
	if len(missing)+len(foreign) == 0 {
		return nil, nil
	}
	if !whole || r.hintsOpen {
		missing = nil
	}
	if r.hintsOpen || r.short {
		foreign = slices.DeleteFunc(foreign, func(a netip.AddrPort) bool { return r.short || r.find(a) != nil })
	}
	floats := func(a netip.AddrPort) bool { return r.floating[a] }
	return slices.DeleteFunc(missing, floats), slices.DeleteFunc(foreign, floats)
}

// An endpointsMemo keeps the pool of the last list of endpoints: entries of a
// service port share theirs.
type endpointsMemo struct {
	of   inventory.Endpoints
	last pool
}

func (m *endpointsMemo) pool(list inventory.Endpoints) pool {
	if m.of != list {
		m.of, m.last = list, poolOf(list.List())
	}
	return m.last
}

func poolOf(list []inventory.Endpoint) pool {
	p := make(pool, len(list))
	for i, e := range list {
		p[i] = e.Addr
	}
	return sorted(p)
}

func sorted(p pool) pool {
	if !slices.IsSortedFunc(p, netip.AddrPort.Compare) {
		slices.SortFunc(p, netip.AddrPort.Compare)
	}
	return slices.Compact(p)
}

func (c *checker) reportRefused(p *servicePort, pools *pools, svc *inventory.Service, entries []*inventory.Entry) {
	c.findings.add(refusedAnyway, func() audit.Finding {
		var names []string
		for _, e := range entries {
			names = append(names, entryName(e))
		}
		choices, _ := c.choices(p, svc, entries[0].Kind)
		return audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message: fmt.Sprintf("the node refuses %s of service port %s for want of endpoints, and the objects have %s for it: %s",
				namesOf(names), p.name, counted(len(choices[0]), "endpoint"), addresses(choices[0])),
			Lines:       append(entryLines(entries[0]), c.endpointEvidence(p, pools, choices[0])...),
			Remediation: "If the endpoints became ready a moment ago, capture the node again. " + capitalResync,
		}
	})
}
