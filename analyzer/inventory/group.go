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
	for _, d := range b.drafts {
		if d.claimed {
			d.service = b.serviceNamed(d.claim.Port, d.protocol)
			b.checkName(d)
		}
	}
	for _, d := range b.drafts {
		if !d.claimed {
			d.service = b.serviceOfChain(d)
			b.kindByObject(d)
		}
	}
	for _, d := range b.drafts {
		b.members[d.service] = append(b.members[d.service], d)
	}
	b.settleKinds()
}

func (b *builder) newService(key serviceKey, protocol uint8) *Service {
	svc := &Service{
		Namespace: key.name.Namespace, Name: key.name.Name, PortName: key.name.Port,
		Protocol: protocol, Family: b.family,
	}
	b.services[key] = svc
	b.order = append(b.order, svc)
	return svc
}

func (b *builder) serviceNamed(name kubeproxy.ServicePort, protocol uint8) *Service {
	key := serviceKey{name: name, protocol: protocol}
	svc := b.services[key]
	if svc == nil {
		svc = b.newService(key, protocol)
		hash := kubeproxy.Hash(name, netfilter.ProtocolName(protocol))
		b.hashes[hash] = svc
	}
	return svc
}

// serviceOfChain finds the service of a draft without a name by the hash of
// the chain it leads to; comments inside that service's chains may name it
// still, and are believed when the hash is theirs.
func (b *builder) serviceOfChain(d *draft) *Service {
	hash := ""
	for _, r := range append(d.rules, d.missing) {
		if r == nil {
			continue
		}
		if j, ok := r.Jump(); ok {
			if _, h := kubeproxy.ParseChainName(j.Name); h != "" {
				hash = h
			}
		}
	}
	if d.missing != nil {
		_, hash = kubeproxy.ParseChainName(d.missing.Chain().Name)
	}
	if hash == "" {
		if svc := b.serviceOfObject(d, ""); svc != nil {
			return svc
		}
		// Nothing but the address and port tell it from others.
		return b.newService(serviceKey{hash: d.dial.String()}, d.protocol)
	}
	if svc := b.hashes[hash]; svc != nil {
		return svc
	}
	if name, ok := b.nameInChains(hash, d.protocol); ok {
		return b.serviceNamed(name, d.protocol)
	}
	if svc := b.serviceOfObject(d, hash); svc != nil {
		return svc
	}
	svc := b.newService(serviceKey{hash: hash}, d.protocol)
	b.hashes[hash] = svc
	return svc
}

// nameInChains looks for a comment in a service's chains whose name has the
// chains' hash.
func (b *builder) nameInChains(hash string, protocol uint8) (kubeproxy.ServicePort, bool) {
	for _, c := range b.chains[hash] {
		if c == nil {
			continue
		}
		for r := range c.Rules() {
			claim, ok := kubeproxy.ParseComment(r.Comment())
			if ok && kubeproxy.Owns(claim.Port, protocol, hash) {
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
		j, ok := r.Jump()
		if !ok {
			continue
		}
		kind, hash := kubeproxy.ParseChainName(j.Name)
		if kind == kubeproxy.OtherChain || kind == kubeproxy.EndpointChain {
			continue
		}
		if kubeproxy.Owns(d.claim.Port, d.protocol, hash) {
			b.hashes[hash] = d.service // the form of the hash that this kube-proxy uses
			continue
		}
		whose := "no service that the rules name"
		if other := b.hashes[hash]; other != nil {
			whose = other.PortString()
		} else if name, ok := b.nameInChains(hash, d.protocol); ok {
			whose = name.String()
		}
		b.report(source.Warning, "hash-mismatch", r, "the comment names %s, but %s has the hash of %s; that of %s would be %s",
			d.claim.Port, j.Name, whose, d.claim.Port,
			kubeproxy.ChainName(kind, kubeproxy.Hash(d.claim.Port, netfilter.ProtocolName(d.protocol))))
	}
}

// checkEndpointNames compares the hashes of a service's endpoint chains with
// the service and the endpoints.
func (b *builder) checkEndpointNames(svc *Service) {
	if svc.Name == "" {
		return
	}
	name := kubeproxy.ServicePort{Namespace: svc.Namespace, Name: svc.Name, Port: svc.PortName}
	if c := cmp.Or(svc.Chains.Service, svc.Chains.Local); c == nil || !ownsChain(name, svc.Protocol, c) {
		return // remarked on already
	}
	for i := range svc.Endpoints {
		e := &svc.Endpoints[i]
		if b.kinds[e.Chain.Index()] != kubeproxy.EndpointChain {
			continue
		}
		hash := e.Chain.Name[len(e.Chain.Name)-kubeproxy.HashLength:]
		if kubeproxy.OwnsEndpoint(name, svc.Protocol, e.Addr, hash) {
			continue
		}
		b.report(source.Warning, "hash-mismatch", e.Chain.Rule(e.Chain.NumRules()-1),
			"%s translates to %s for %s, but has not the hash of that endpoint, which would be %s",
			e.Chain.Name, e.Addr, name,
			kubeproxy.ChainName(kubeproxy.EndpointChain, kubeproxy.EndpointHash(name, netfilter.ProtocolName(svc.Protocol), e.Addr)))
	}
}

func ownsChain(name kubeproxy.ServicePort, protocol uint8, c *netfilter.Chain) bool {
	_, hash := kubeproxy.ParseChainName(c.Name)
	return kubeproxy.Owns(name, protocol, hash)
}

// settleKinds decides what the address is that filter refuses because its
// service has no endpoints: the rules are alike for load-balancer addresses
// and external IPs. An address that another port of the service shows plainly
// is what it is there; else a service with a node port is taken to have it
// from a load balancer. Either way it stays an assumption.
func (b *builder) settleKinds() {
	type owner struct {
		namespace, name string
		address         netip.Addr
	}
	shown := map[owner]Kind{}
	nodePorts := map[*Service]bool{}
	open := slices.ContainsFunc(b.drafts, func(d *draft) bool { return d.kindAssumed && len(d.refusals) > 0 })
	for _, d := range b.drafts {
		switch {
		case d.kind == NodePort:
			nodePorts[d.service] = true
		case d.kind == "":
			d.kind = b.kindByTarget(d)
			d.kindAssumed = d.kind != ClusterIP
		case open && !d.kindAssumed:
			shown[owner{d.service.Namespace, d.service.Name, d.address}] = d.kind
		}
	}
	for _, d := range b.drafts {
		if !d.kindAssumed || len(d.refusals) == 0 {
			continue
		}
		if kind, ok := shown[owner{d.service.Namespace, d.service.Name, d.address}]; ok {
			d.kind, d.kindAssumed = kind, false
		} else if nodePorts[d.service] || b.hasHealthCheck(d.service) {
			d.kind = LoadBalancerIP
		}
	}
}

// kindByTarget tells an address without a comment by the chain it leads to.
func (b *builder) kindByTarget(d *draft) Kind {
	for _, r := range d.rules {
		if j, ok := r.Jump(); ok {
			switch kind, _ := kubeproxy.ParseChainName(j.Name); kind {
			case kubeproxy.FirewallChain:
				return LoadBalancerIP
			case kubeproxy.ExternalChain, kubeproxy.XLBChain:
				return ExternalIP
			}
		}
	}
	return ClusterIP
}

func (b *builder) hasHealthCheck(svc *Service) bool {
	return b.health[[2]string{svc.Namespace, svc.Name}] != 0
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
	return cmp.Or(
		slices.CompareFunc(a.Addresses, b.Addresses, comparePrefixes),
		cmp.Compare(a.Port, b.Port),
	)
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
