package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// judge tells the verdicts of a service's entries. That of the cluster IP
// comes first: the others are told by it.
func (b *builder) judge(g *group) {
	slices.SortStableFunc(g.drafts, func(x, y *draft) int { return x.kind.order() - y.kind.order() })
	g.Entries = b.rooms.entries.list(len(g.drafts))
	for _, d := range g.drafts {
		e, j := &d.entry, b.travel(d)
		e.Service, e.Kind, e.KindAssumed, e.Port, e.Reason = &g.Service, d.kind, d.kindAssumed, d.port, d
		if d.kind == NodePort {
			e.Addresses, e.ExceptAddresses = b.nodePorts.on, b.nodePorts.except
		} else {
			e.Addresses = append(b.rooms.prefixes.list(1), netip.PrefixFrom(d.address, d.address.BitLen()))
		}
		if d.kind == ClusterIP && g.clusterIP.entry == nil {
			g.clusterIP.entry = e
		}
		d.outcome = j.outcome
		if d.kind == ClusterIP && g.own == nil && d.missing == nil {
			g.own = &d.outcome
		}
		b.decide(e, d, j, g.own)
		g.Entries = append(g.Entries, e)
	}
	slices.SortStableFunc(g.Entries, compareEntries)
}

// clientOf is the packet that an entry is judged by. There is one at a time.
func (b *builder) clientOf(d *draft) *client {
	c := &b.client
	*c = client{protocol: d.protocol, port: d.port, local: no, to: c.to[:0], room: c.room}
	if d.kind == NodePort {
		c.local = yes
		c.to = append(c.to, b.nodePorts.addresses...)
		return c
	}
	c.to = append(c.to, d.address)
	if local, known := b.snapshot.IsLocal(d.address); known {
		c.local = ternaryOf(local)
	}
	return c
}

// travel follows an outside client's packet from PREROUTING to where the
// entry's rules lead it. The journey is good until the next one.
func (b *builder) travel(d *draft) *journey {
	c, j := b.clientOf(d), &b.journey
	*j = journey{path: j.path[:0], stack: j.stack[:0]}
	var first *netfilter.Rule // of KUBE-SERVICES
	if b.entered != nil {
		j.path = append(j.path, b.entered)
	}
	if d.kind == NodePort {
		if len(b.nodePorts.rules) > 0 {
			first = b.nodePorts.rules[0]
			if len(d.rules) > 0 {
				j.path = append(j.path, first)
			}
		}
	} else if len(d.rules) > 0 {
		first = d.rules[0]
	}
	if ahead := b.ahead(c, first); ahead != nil {
		ahead.ahead = true
		return ahead
	}
	for _, r := range d.rules {
		if b.step(c, r, j) != next {
			break
		}
	}
	return j
}

// reached tells whether packets from outside come to the rules that the entry
// rests on at all.
func (b *builder) reached(d *draft) ternary {
	switch {
	case !b.nat.Complete:
		return maybe
	case b.entered == nil:
		return no
	case d.kind == NodePort && len(d.rules) > 0 && len(b.nodePorts.rules) == 0:
		return no
	}
	return yes
}

// decide turns a journey into a verdict. own is the journey of the service's
// cluster IP, nil if it has none.
func (b *builder) decide(e *Entry, d *draft, j *journey, own *outcome) {
	e.Path = b.pathOf(j)
	e.Masquerade = MasqueradeNever
	switch {
	case d.missing != nil:
		e.Verdict = Broken
		e.Path = []*netfilter.Rule{d.missing}
	case j.ahead:
		b.decideAhead(e, j)
	case len(d.rules) > 0 && b.reached(d) == no:
		e.Verdict = Broken
		e.Path = b.pathOf(j, d.rules[len(d.rules)-1])
	case j.end == atBackends:
		b.decideBackends(e, j, own)
	case j.end == translated:
		e.Verdict = DifferentBackends
		e.Masquerade = b.masqueradeOf(j)
		e.Endpoints = NewEndpoints(Endpoint{Addr: j.to, Probability: all})
	case j.end == refused && b.refusesForLackOfEndpoints(j):
		e.Verdict = NoEndpoints
	case j.end == fallsThrough && b.refusal(d) != nil:
		e.Verdict = NoEndpoints
		e.Path = b.refusalPath(d, j)
	case j.open != nil:
		e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		e.Path = b.pathOf(j, j.open)
	case b.certain(d, j):
		e.Verdict = Broken
		if j.end == fallsThrough && len(d.rules) > 0 {
			e.Path = b.pathOf(j, d.rules[len(d.rules)-1])
		}
	default:
		e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		if j.end == fallsThrough && len(d.rules) > 0 {
			e.Path = b.pathOf(j, d.rules[len(d.rules)-1])
		}
	}
}

// pathOf is a journey's path, with further rules behind it.
func (b *builder) pathOf(j *journey, further ...*netfilter.Rule) []*netfilter.Rule {
	return append(append(b.rooms.rules.list(len(j.path)+len(further)), j.path...), further...)
}

// certain reports whether what was captured is enough to call a way that leads
// nowhere broken: nat whole, and, where a refusal in filter could still be the
// reason, filter whole.
func (b *builder) certain(d *draft, j *journey) bool {
	if !b.nat.Complete || b.hidesTargets() {
		return false
	}
	return j.end != fallsThrough || b.filter != nil && b.filter.Complete
}

// hidesTargets reports whether the text of nat shows some rules without what
// they do: nft prints nothing where it has no translation for a target.
func (b *builder) hidesTargets() bool { return b.nat.Omits >= netfilter.OmitsOptions }

// decideAhead judges an entry whose packets a rule before kube-proxy's takes.
func (b *builder) decideAhead(e *Entry, j *journey) {
	e.Masquerade = b.masqueradeOf(j)
	switch j.end {
	case translated:
		e.Verdict = DifferentBackends
		e.Endpoints = NewEndpoints(Endpoint{Addr: j.to, Probability: all})
	case atBackends:
		e.Verdict = DifferentBackends
		e.Endpoints = endpointsIn(&j.backends.endpoints)
	default:
		e.Verdict = Broken
	}
}

// decideBackends judges an entry that reaches a chain of endpoints.
func (b *builder) decideBackends(e *Entry, j *journey, own *outcome) {
	e.Masquerade = b.masqueradeOf(j)
	if !b.nat.Complete && isLeftOut(e, b.kinds[j.decided.Index()]) {
		e.Masquerade = MasqueradeUnknown
	}
	e.Endpoints = endpointsIn(&j.backends.endpoints)
	if dead := j.backends.dead; dead != nil && len(j.backends.endpoints) == 0 && b.nat.Complete {
		e.Verdict, e.Masquerade = Broken, MasqueradeNever
		if b.hidesTargets() {
			e.Verdict, e.Masquerade = Unknown, MasqueradeUnknown
		}
		e.Path = b.pathOf(j, dead)
		return
	}
	kind := b.kinds[j.decided.Index()]
	e.Verdict = arrival{
		isOwn:     b.isOwn(e.Service, j.decided),
		isService: kind == kubeproxy.ServiceChain,
		isLocal:   kind == kubeproxy.LocalChain || kind == kubeproxy.XLBChain,
		isWhole:   b.nat.Complete,
	}.verdict(e.Kind, &j.outcome, own)
}

// isLeftOut reports whether a rule that masquerades is surely missing where an
// entry comes to the endpoints of a chain: kube-proxy marks all that comes from
// outside to every endpoint of a service, and all that an endpoint sends to itself.
func isLeftOut(e *Entry, decided kubeproxy.ChainKind) bool {
	switch e.Masquerade {
	case MasqueradeNever:
		return true
	case MasqueradeHairpin:
		return e.Kind != ClusterIP && decided == kubeproxy.ServiceChain
	}
	return false
}

// isOwn reports whether a chain is one of the service's own. Nothing speaks
// against it where the service has no name and no chain of its own is known.
func (b *builder) isOwn(svc *Service, c *netfilter.Chain) bool {
	own := svc.Chains
	return c == own.Service || c == own.Local || c == own.External || c == own.Firewall || own == (Chains{})
}

// masqueradeOf tells whose packets lose their source address on a journey.
func (b *builder) masqueradeOf(j *journey) Masquerading {
	switch {
	case b.masquerading != "":
		return b.masquerading
	case j.masquerade != "":
		return j.masquerade
	case j.end != atBackends:
		return MasqueradeNever
	case len(j.backends.endpoints) == 0:
		return MasqueradeUnknown // the endpoint chains are not in the text
	case j.backends.hairpin:
		return MasqueradeHairpin
	}
	return MasqueradeNever
}

// refusesForLackOfEndpoints reports whether a journey was refused by a rule
// that says so: kube-proxy up to 1.24 marks packets for dropping at the end of
// an external chain when the node has no endpoint. Without a comment the chain
// says it: nothing else is refused in those of local endpoints.
func (b *builder) refusesForLackOfEndpoints(j *journey) bool {
	last := j.path[len(j.path)-1]
	if last.Comment() == "" {
		kind := b.kinds[last.Chain().Index()]
		return kind == kubeproxy.XLBChain || kind == kubeproxy.LocalChain
	}
	claim, ok := kubeproxy.ParseComment(last.Comment())
	return ok && (claim.Kind == kubeproxy.ClaimNoLocal || claim.Kind == kubeproxy.ClaimNoEndpoints)
}

// refusal is the rule of filter that refuses an outside client, nil if none
// does. A packet to an address of the node is refused at INPUT, others at
// FORWARD; a rule in a chain that is not reached from there refuses nothing.
func (b *builder) refusal(d *draft) *netfilter.Rule {
	for _, r := range d.refusals {
		if d.kind != ClusterIP && r.Chain().Name != kubeproxy.ExternalServicesChain && len(d.refusals) > 1 {
			continue // for the cluster IP or for the node itself
		}
		if !b.filter.Complete || b.filterGraph == nil {
			return r
		}
		hooks := b.filterGraph.Hooks(r.Chain())
		local, known := b.snapshot.IsLocal(d.address)
		if d.kind == NodePort {
			local, known = true, true
		}
		if (local || !known) && slices.Contains(hooks, netfilter.Input) || (!local || !known) && slices.Contains(hooks, netfilter.Forward) {
			return r
		}
	}
	return nil
}

// refusalPath is the way to the rule that refuses: through nat as far as it
// has rules for the entry, then from filter's base chain.
func (b *builder) refusalPath(d *draft, j *journey) []*netfilter.Rule {
	var path []*netfilter.Rule
	if len(d.rules) > 0 {
		path = append(slices.Clone(j.path), d.rules[len(d.rules)-1])
	}
	refusal := b.refusal(d)
	if b.filterGraph != nil {
		hook := netfilter.Forward
		if local, known := b.snapshot.IsLocal(d.address); d.kind == NodePort || local && known {
			hook = netfilter.Input
		}
		for caller := range b.filterGraph.Callers(refusal.Chain()) {
			if base := caller.Chain().Base; base != nil && base.Hook == hook {
				path = append(path, caller)
				break
			}
		}
	}
	return append(path, refusal)
}

// checkBackends notes what a service chain deals out to nowhere.
func (b *builder) checkBackends(g *group) {
	for _, c := range [...]*netfilter.Chain{g.Chains.Service, g.Chains.Local} {
		if c == nil {
			continue
		}
		found := b.backendsOf(c)
		if found == nil || !b.nat.Complete || b.hidesTargets() {
			continue
		}
		if found.dead != nil {
			b.report(source.Warning, "dead-endpoint", found.dead, "%s deals connections of %s to an endpoint chain that translates nothing", c.Name, nameOf(&g.Service))
		}
		if !found.whole {
			b.report(source.Warning, "share-left", c.Rule(c.NumRules()-1), "the chances in %s do not add up to 1: some connections get no endpoint", c.Name)
		}
	}
}
