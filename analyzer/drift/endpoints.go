package drift

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
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

// needsNode notes that it matters which node this is.
func (c *checker) needsNode(p *servicePort, pools *pools) {
	if !neverEmpty(pools.cluster) {
		return
	}
	if c.localUnknown == nil {
		c.localUnknown = p
	}
	if !pools.noted {
		pools.noted = true
		c.localCount++
	}
}

// A gap is a difference in endpoints, with all places that have it.
type gap struct {
	missing, foreign, drained pool
	where                     []string
	lines                     []audit.Line
}

// gaps are those of a service port. Places that have the same endpoint too many
// are one gap, whatever each lacks besides.
type gaps struct {
	list  []*gap
	byKey map[string]*gap
}

func (g *gaps) add(missing, foreign, drained pool, where string, lines func() []audit.Line) {
	if len(missing)+len(foreign)+len(drained) == 0 {
		return
	}
	key := fmt.Sprint(foreign, drained)
	if len(foreign) == 0 {
		key = fmt.Sprint(missing, drained)
	}
	if g.byKey == nil {
		g.byKey = map[string]*gap{}
	}
	found := g.byKey[key]
	if found == nil {
		found = &gap{missing: missing, foreign: foreign, drained: drained, lines: lines()}
		g.byKey[key] = found
		g.list = append(g.list, found)
	}
	found.where = append(found.where, where)
	found.missing = sorted(append(found.missing, missing...))
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
		case e.Verdict == inventory.Broken, e.Verdict == inventory.Unknown, len(e.Endpoints) == 0:
		default:
			missing, foreign := pools.differences(memo.pool(e.Endpoints), choices, exact, side.whole)
			found.add(missing, foreign, nil, entryName(e), func() []audit.Line { return endpointLines(svc, e, e.Endpoints, foreign) })
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
		for i, e := range svc.Endpoints {
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
		list := svc.Endpoints[from:to]
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
		where := words
		if chain != nil {
			where = "chain " + chain.Name
		}
		found.add(missing, foreign, nil, where, func() []audit.Line {
			if lines := linesOf(list, foreign); len(lines) > 0 {
				return lines
			}
			return lastRule(chain)
		})
	}
}

// checkVirtual compares the real servers of an entry's virtual servers. One
// with weight 0 that is no endpoint any more keeps its connections, as it
// should (pkg/proxy/ipvs/graceful_termination.go).
func (c *checker) checkVirtual(p *servicePort, e *inventory.Entry, choices []pool, exact bool, found *gaps) {
	pools := c.objects.poolsOf(p)
	for _, v := range e.Virtual {
		if v.Partial {
			continue
		}
		var actual, drained pool
		servers := v.Servers()
		cut := false
		for i := range servers {
			r := &servers[i]
			switch takes, sure := r.Takes(); {
			case !r.Address.IsValid() || !r.PortKnown:
				cut = true
			case sure && !takes:
				drained = append(drained, r.AddrPort())
			default:
				actual = append(actual, r.AddrPort())
			}
		}
		if len(servers) == 0 {
			continue // refused, and told of as such
		}
		actual, drained = sorted(actual), sorted(drained)
		if e.Kind == inventory.ClusterIP && p.internalLocal && exact && c.ignoresInternal(p, pools, e, actual) {
			continue
		}
		missing, foreign := pools.differences(actual, choices, exact, !cut && c.node.side(p.family).whole)
		var waiting pool // ready, and with weight 0
		missing = slices.DeleteFunc(missing, func(a netip.AddrPort) bool {
			if drained.has(a) {
				waiting = append(waiting, a)
				return true
			}
			return false
		})
		where := entryName(e)
		if e.Kind == inventory.NodePort {
			where += " at " + v.Address.String()
		}
		found.add(missing, foreign, waiting, where, func() []audit.Line {
			lines := []audit.Line{{Pos: v.Pos(), Text: v.Text()}}
			for i := range servers {
				if a := servers[i].AddrPort(); len(lines) <= fewNamed && (foreign.has(a) || waiting.has(a)) {
					lines = append(lines, audit.Line{Pos: servers[i].Pos(), Text: servers[i].Text()})
				}
			}
			return lines
		})
	}
}

// ignoresInternal reports a cluster IP of policy Local that has all endpoints.
func (c *checker) ignoresInternal(p *servicePort, pools *pools, e *inventory.Entry, actual pool) bool {
	same := func(choice pool) bool { return slices.Equal(choice, actual) }
	if slices.ContainsFunc(pools.local, same) || !slices.ContainsFunc(pools.cluster, same) {
		return false
	}
	c.reportPolicy(p, "internalTrafficPolicy", string(inventory.Cluster), string(inventory.Local), entryLines(e))
	return true
}

func hasServers(v *ipvs.VirtualServer) bool { return len(v.Servers()) > 0 || v.Partial }

// differences compares a node's endpoints with what they may be. whole says
// that the text would show all of them.
func (r *pools) differences(actual pool, choices []pool, exact, whole bool) (missing, foreign pool) {
	if !exact {
		for _, a := range actual {
			if r.all[a] == nil && !r.short {
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
		foreign = slices.DeleteFunc(foreign, func(a netip.AddrPort) bool { return r.short || r.all[a] != nil })
	}
	floats := func(a netip.AddrPort) bool { return r.floating[a] }
	return slices.DeleteFunc(missing, floats), slices.DeleteFunc(foreign, floats)
}

// An endpointsMemo keeps the pool of the last list of endpoints: entries of a
// service port share theirs.
type endpointsMemo struct {
	of   *inventory.Endpoint
	n    int
	last pool
}

func (m *endpointsMemo) pool(list []inventory.Endpoint) pool {
	if m.of != &list[0] || m.n != len(list) {
		m.of, m.n, m.last = &list[0], len(list), poolOf(list)
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

// endpointLines are the rules that translate to endpoints, or those that lead
// to the entry's.
func endpointLines(svc *inventory.Service, e *inventory.Entry, list []inventory.Endpoint, foreign pool) []audit.Line {
	lines := entryLines(e)
	if translating := linesOf(list, foreign); len(translating) > 0 {
		return append(lines, translating...)
	}
	return append(lines, lastRule(svc.Chains.Service)...)
}

func linesOf(list []inventory.Endpoint, of pool) []audit.Line {
	var lines []audit.Line
	for _, e := range list {
		if e.Chain != nil && len(lines) < fewNamed && of.has(e.Addr) {
			lines = append(lines, lastRule(e.Chain)...)
		}
	}
	return lines
}

func lastRule(c *netfilter.Chain) []audit.Line {
	if c == nil || c.NumRules() == 0 {
		return nil
	}
	r := c.Rule(c.NumRules() - 1)
	return []audit.Line{{Pos: r.Pos(), Text: r.Text()}}
}

func (c *checker) reportGap(p *servicePort, pools *pools, g *gap) {
	where := namesOf(g.where)
	if len(g.drained) > 0 {
		c.findings.add(readyDrained, func() audit.Finding {
			return audit.Finding{
				Service: p.name.String(), Certainty: certain,
				Message: fmt.Sprintf("%s of service port %s has weight 0 at %s and gets no new connections, but is ready in the objects",
					addresses(g.drained), p.name, where),
				Lines:       append(g.lines, c.endpointEvidence(p, pools, g.drained)...),
				Remediation: "If the endpoint has just come back, capture the node again. " + capitalResync,
			}
		})
	}
	switch {
	case len(g.foreign) > 0:
		c.findings.add(endpointStale, func() audit.Finding {
			message := fmt.Sprintf("service port %s sends connections to %s (%s), %s", p.name, addresses(g.foreign), where, whyForeign(p, pools, c.objects.nodeName, g.foreign))
			if len(g.missing) > 0 {
				message += "; it lacks " + addresses(g.missing)
			}
			return audit.Finding{
				Service: p.name.String(), Certainty: certain, Message: message,
				Lines:       append(g.lines, c.endpointEvidence(p, pools, append(slices.Clone(g.foreign), g.missing...))...),
				Remediation: "If the endpoints changed a moment ago, capture the node again. " + capitalResync,
			}
		})
	case len(g.missing) > 0:
		c.findings.add(endpointMissing, func() audit.Finding {
			f := audit.Finding{
				Service: p.name.String(), Certainty: certain,
				Message: fmt.Sprintf("service port %s has no rules on the node for %s (%s), which the objects have among its endpoints for this node",
					p.name, addresses(g.missing), where),
				Lines:       append(g.lines, c.endpointEvidence(p, pools, g.missing)...),
				Remediation: "If the endpoints changed a moment ago, capture the node again. " + capitalResync,
			}
			if pools.fromEndpoints {
				f.Certainty = assumed
				f.Assumptions = []string{"that no topology hints keep the endpoint from this node: Endpoints objects do not show them"}
			}
			return f
		})
	}
}

const capitalResync = "Otherwise " + resync

// whyForeign says why connections should not go where they go.
func whyForeign(p *servicePort, pools *pools, nodeName string, foreign pool) string {
	b := pools.all[foreign[0]]
	one := "which is"
	if len(foreign) > 1 {
		one = "of which the first is"
	}
	switch {
	case b == nil && len(pools.slices) == 0:
		return one + " no endpoint of it: the objects have none at all"
	case b == nil:
		return one + " in none of its EndpointSlices"
	case !b.Ready && b.Terminating:
		return one + " terminating"
	case !b.Ready:
		return one + " not ready"
	case nodeName != "" && b.NodeName != nodeName:
		return one + " on node " + orUnnamed(b.NodeName) + ", where policy Local wants those of this one, " + nodeName
	}
	return one + " not among its endpoints for this node"
}

func orUnnamed(node string) string {
	if node == "" {
		return "without a name"
	}
	return node
}

// endpointEvidence are the objects' lines about endpoints.
func (c *checker) endpointEvidence(p *servicePort, pools *pools, list pool) []audit.Line {
	var lines []audit.Line
	for _, a := range list {
		if b := pools.all[a]; b != nil && len(lines) < fewNamed {
			lines = append(lines, c.quotes.endpoint(b.slice, a.Addr()))
		}
	}
	switch {
	case len(lines) > 0:
	case len(pools.slices) > 0:
		lines = append(lines, c.quotes.slice(pools.slices[0]))
	default:
		lines = append(lines, c.quotes.service(p.service))
	}
	return lines
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

// remarkOnLocality tells once that which endpoints are local cannot be told.
func (c *checker) remarkOnLocality() {
	p := c.localUnknown
	if p == nil {
		return
	}
	c.findings.add(endpointMissing, func() audit.Finding {
		missing := "the Node object of this node: none was given"
		if c.objects.nodes > 0 {
			missing = "which of the Node objects is this node: not just one has an address of it"
			if c.snapshot.Addresses == nil {
				missing = "the node's addresses, which tell its Node object"
			}
		}
		return audit.Finding{
			Severity: audit.Info, Certainty: undetermined,
			Message: fmt.Sprintf("%s under a traffic policy of Local, first %s: which endpoints are this node's cannot be told, and so not whether the node has them",
				counted(c.localCount, "service port"), p.name),
			Missing:     []string{missing},
			Lines:       []audit.Line{c.quotes.service(p.service)},
			Remediation: "Give the Node objects (kubectl get nodes -o yaml) and the output of ip addr, or name the node's address with --node-ip.",
		}
	})
}

func namesOf(names []string) string {
	if len(names) > fewNamed+1 {
		return strings.Join(names[:fewNamed], ", ") + fmt.Sprintf(" and %d more", len(names)-fewNamed)
	}
	return strings.Join(names, ", ")
}
