package inventory

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// groupByService gives each draft its service: the one that its comment names,
// and where no comment names one, the one whose chains it leads to.
func (b *builder) groupByService() {
	var nameless []*draft
	for _, d := range b.drafts {
		if d.service == nil {
			nameless = append(nameless, d)
			continue
		}
		b.list(d.service)
		b.checkName(d)
	}
	for _, d := range nameless {
		d.service = b.serviceOfChain(d)
		b.list(d.service)
		b.kindByObject(d)
	}
	for _, d := range b.drafts {
		g := d.service
		if g.drafts == nil {
			g.drafts = b.rooms.members.list(g.entries)
		}
		g.drafts = append(g.drafts, d)
	}
	b.settleKinds()
}

// list counts an entry of a service, and gives the service its place among the
// others with the first.
func (b *builder) list(g *group) {
	if g.entries++; g.entries > 1 {
		return
	}
	b.order = append(b.order, g)
	if g.kin != nowhere {
		b.kins[g.kin].service = g
	}
}

func (b *builder) newService(name kubeproxy.ServicePort, protocol uint8) *group {
	g := b.rooms.groups.one()
	g.Service = Service{
		Namespace: name.Namespace, Name: name.Name, PortName: name.Port,
		Protocol: protocol, Family: b.family,
	}
	g.builder, g.kin = b, nowhere
	return g
}

// serviceNamed is the service of that name, made if it is not known. It is found
// by the hash that its chains have.
func (b *builder) serviceNamed(name kubeproxy.ServicePort, protocol uint8) (g *group, known bool) {
	b.hasher.Set(name, netfilter.ProtocolName(protocol))
	place := b.kinOf(b.hasher.Hash())
	if g := b.namedAt(place, name, protocol); g != nil {
		return g, true
	}
	g = b.newService(name, protocol)
	g.kin, g.next = place, b.kins[place].named
	b.kins[place].named = g
	return g, false
}

// serviceOfClaim is serviceNamed for what the comment of a rule says. Mostly the
// rule leads to chains of the service, and then nothing is hashed.
func (b *builder) serviceOfClaim(r *netfilter.Rule, claim kubeproxy.Claim, protocol uint8) *group {
	if _, place := b.leadsTo(r); place != nowhere {
		if g := b.namedAt(place, claim.Port, protocol); g != nil {
			return g
		}
	}
	g, _ := b.serviceNamed(claim.Port, protocol)
	return g
}

// namedAt is the service of that name if its hash is that of the chains; nil for
// none.
func (b *builder) namedAt(place int32, name kubeproxy.ServicePort, protocol uint8) *group {
	for g := b.kins[place].named; g != nil; g = g.next {
		if g.Protocol == protocol && g.port() == name {
			return g
		}
	}
	return nil
}

// port is the name of the service's port.
func (g *group) port() kubeproxy.ServicePort {
	return kubeproxy.ServicePort{Namespace: g.Namespace, Name: g.Name, Port: g.PortName}
}

// serviceOfChain finds the service of a draft without a name by the hash of
// the chain it leads to; comments inside that service's chains may name it
// still, and are believed when the hash is theirs.
func (b *builder) serviceOfChain(d *draft) *group {
	place := int32(nowhere)
	for _, r := range d.rules {
		if _, p := b.leadsTo(r); p != nowhere {
			place = p
		}
	}
	if d.missing != nil {
		_, place = b.bears(d.missing.Chain().Index())
	}
	if place == nowhere {
		if g := b.serviceOfObject(d, nowhere); g != nil {
			return g
		}
		// Nothing but the address and port tell it from others.
		return b.newService(kubeproxy.ServicePort{}, d.protocol)
	}
	if g := b.kins[place].service; g != nil {
		return g
	}
	if name, ok := b.nameInChains(place, d.protocol); ok {
		g, _ := b.serviceNamed(name, d.protocol)
		return g
	}
	if g := b.serviceOfObject(d, place); g != nil {
		return g
	}
	g := b.newService(kubeproxy.ServicePort{}, d.protocol)
	b.kins[place].service = g
	return g
}

// nameInChains looks for a comment in a service's chains whose name has the
// chains' hash.
func (b *builder) nameInChains(place int32, protocol uint8) (kubeproxy.ServicePort, bool) {
	for _, c := range b.kins[place].chains {
		if c == nil {
			continue
		}
		for r := range c.Rules() {
			claim, ok := kubeproxy.ParseComment(r.Comment())
			if ok && kubeproxy.Owns(claim.Port, protocol, b.kins[place].hash) {
				return claim.Port, true
			}
		}
	}
	return kubeproxy.ServicePort{}, false
}

// checkName compares the name that an entry's comment claims with the hash in
// the name of the chain that the entry leads to.
func (b *builder) checkName(d *draft) {
	for _, r := range d.rules {
		kind, place := b.leadsTo(r)
		if kind == kubeproxy.OtherChain || kind == kubeproxy.EndpointChain {
			continue
		}
		if b.owns(d.service, place) {
			b.kins[place].service = d.service // the form of the hash that this kube-proxy uses
			continue
		}
		whose := "no service that the rules name"
		if other := b.kins[place].service; other != nil {
			whose = other.PortString()
		} else if name, ok := b.nameInChains(place, d.protocol); ok {
			whose = name.String()
		}
		j, _ := r.Jump()
		b.report(source.Warning, "hash-mismatch", r, "the comment names %s, but %s has the hash of %s; that of %s would be %s",
			d.service.port(), j.Name, whose, d.service.port(),
			kubeproxy.ChainName(kind, b.kins[d.service.kin].hash))
	}
}

// owns reports whether chains have the hash of a service's name, in the form of
// any kube-proxy.
func (b *builder) owns(g *group, place int32) bool {
	if place == g.kin {
		return true
	}
	b.hasher.Set(g.port(), netfilter.ProtocolName(g.Protocol))
	return b.hasher.Owns(b.kins[place].hash)
}

// checkEndpointNames compares the hashes of a service's endpoint chains with
// the service and the endpoints.
func (b *builder) checkEndpointNames(g *group) {
	if g.Name == "" {
		return
	}
	c := cmp.Or(g.Chains.Service, g.Chains.Local)
	if c == nil || !b.owns(g, b.places[c.Index()]) {
		return // remarked on already
	}
	name := g.port()
	b.hasher.Set(name, netfilter.ProtocolName(g.Protocol))
	for _, c := range [...]*netfilter.Chain{g.Chains.Service, g.Chains.Local} {
		if c == nil {
			continue
		}
		found := b.backendsOf(c)
		if found == nil {
			continue
		}
		for i, place := range found.places {
			e := &found.endpoints[i]
			if b.hasher.OwnsEndpoint(e.Addr, b.targets[place].hash) || b.kinds[e.Chain.Index()] != kubeproxy.EndpointChain {
				continue
			}
			b.report(source.Warning, "hash-mismatch", e.Chain.Rule(e.Chain.NumRules()-1),
				"%s translates to %s for %s, but has not the hash of that endpoint, which would be %s",
				e.Chain.Name, e.Addr, name,
				kubeproxy.ChainName(kubeproxy.EndpointChain, b.hasher.Endpoint(e.Addr)))
		}
	}
}

// settleKinds decides what the address is that filter refuses because its
// service has no endpoints: the rules are alike for load-balancer addresses
// and external IPs. An address that another port of the service shows plainly
// is what it is there; else a service with a node port is taken to have it
// from a load balancer. Either way it stays an assumption.
func (b *builder) settleKinds() {
	open := map[netip.Addr]bool{} // what these addresses are is to be decided
	for _, d := range b.drafts {
		switch {
		case d.kind == NodePort:
			d.service.nodePort = true
		case d.kind == "":
			d.kind = b.kindByTarget(d)
			d.kindAssumed = d.kind != ClusterIP
		}
		if d.kindAssumed && len(d.refusals) > 0 {
			open[d.address] = true
		}
	}
	if len(open) == 0 {
		return
	}
	type owner struct {
		namespace, name string
		address         netip.Addr
	}
	shown := map[owner]Kind{}
	for _, d := range b.drafts {
		if d.kind != NodePort && !d.kindAssumed && open[d.address] {
			shown[owner{d.service.Namespace, d.service.Name, d.address}] = d.kind
		}
	}
	for _, d := range b.drafts {
		if !d.kindAssumed || len(d.refusals) == 0 {
			continue
		}
		if kind, ok := shown[owner{d.service.Namespace, d.service.Name, d.address}]; ok {
			d.kind, d.kindAssumed = kind, false
		} else if d.service.nodePort || b.hasHealthCheck(d.service) {
			d.kind = LoadBalancerIP
		}
	}
}

// kindByTarget tells an address without a comment by the chain it leads to.
func (b *builder) kindByTarget(d *draft) Kind {
	for _, r := range d.rules {
		switch b.kindOf(r) {
		case kubeproxy.FirewallChain:
			return LoadBalancerIP
		case kubeproxy.ExternalChain, kubeproxy.XLBChain:
			return ExternalIP
		}
	}
	return ClusterIP
}

func (b *builder) hasHealthCheck(g *group) bool {
	return b.health[[2]string{g.Namespace, g.Name}] != 0
}

func compareServices(a, b *Service) int {
	// Names nearly always decide; the rest is not even looked at then.
	if order := strings.Compare(a.Namespace, b.Namespace); order != 0 {
		return order
	}
	if order := strings.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return cmp.Or(
		cmp.Compare(a.PortName, b.PortName),
		cmp.Compare(netfilter.ProtocolName(a.Protocol), netfilter.ProtocolName(b.Protocol)),
		cmp.Compare(a.Family, b.Family),
		cmp.Compare(a.Port, b.Port),
		compareFirstEntry(a, b),
	)
}

func compareFirstEntry(a, b *Service) int {
	if len(a.Entries) == 0 || len(b.Entries) == 0 {
		return cmp.Compare(len(a.Entries), len(b.Entries))
	}
	return compareEntries(a.Entries[0], b.Entries[0])
}

// order is the kind's place among the entries of a service.
func (k Kind) order() int {
	switch k {
	case ClusterIP:
		return 0
	case NodePort:
		return 1
	case LoadBalancerIP:
		return 2
	}
	return 3
}

func compareEntries(a, b *Entry) int {
	if order := a.Kind.order() - b.Kind.order(); order != 0 {
		return order
	}
	if order := slices.CompareFunc(a.Addresses, b.Addresses, comparePrefixes); order != 0 {
		return order
	}
	return cmp.Compare(a.Port, b.Port)
}

func comparePrefixes(a, b netip.Prefix) int {
	if order := a.Addr().Compare(b.Addr()); order != 0 {
		return order
	}
	return cmp.Compare(a.Bits(), b.Bits())
}
