package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// group gives each entry its service: that of the object which claims it.
// Without objects each cluster IP is a service, and an external entry is taken
// for one's own when the real servers of no other cluster IP are equal to its
// own; that is a guess, and said to be one.
func (b *balancer) group() {
	named := map[serviceOfClaim]*ipvsService{}
	for _, e := range b.order {
		if e.claim == nil {
			continue
		}
		key := serviceOfClaim{e.claim.service.Namespace, e.claim.service.Name, e.claim.port.Name, e.protocol}
		svc := named[key]
		if svc == nil {
			s := e.claim.service
			svc = b.newServiceOf(e)
			svc.Namespace, svc.Name, svc.PortName, svc.Port = s.Namespace, s.Name, e.claim.port.Name, e.claim.port.Port
			svc.Object, svc.NameFrom = s, NamedByAddress
			named[key] = svc
		}
		e.join(svc)
	}
	var rest []*ipvsDraft
	for _, e := range b.order {
		switch {
		case e.service != nil:
			continue
		case e.entry.Kind != ClusterIP:
			rest = append(rest, e)
			continue
		}
		e.join(b.newServiceOf(e))
		e.service.Port = e.port
		if p := b.pools.sameEndpoints(b.pools.pool(e.entry.Virtual)); p != nil {
			e.alike, p.clusterIPs = p.clusterIPs, e
		}
	}
	for _, e := range rest {
		if own := b.guess(e); own != nil {
			e.guessed, own.service.Guessed = true, true
			e.join(own.service)
			continue
		}
		e.join(b.newServiceOf(e))
		if e.entry.Kind != NodePort {
			e.service.Port = e.port
		}
	}
	for _, svc := range b.results {
		svc.members = b.memory.members.list(svc.size)
	}
	for _, e := range b.order {
		e.service.members = append(e.service.members, e)
	}
}

// An ipvsService is a service with the drafts of its entries.
type ipvsService struct {
	Service
	b       *balancer
	members []*ipvsDraft
	size    int // of members
	// cluster and local are the pools that its endpoints of these scopes are
	// of; nil for none.
	cluster, local *pool
}

// join gives an entry its service.
func (e *ipvsDraft) join(svc *ipvsService) {
	e.service = svc
	svc.size++
}

// A serviceOfClaim tells the service ports of objects apart.
type serviceOfClaim struct {
	namespace, name, port string
	protocol              uint8
}

func (b *balancer) newServiceOf(e *ipvsDraft) *ipvsService {
	svc := b.memory.services.one()
	svc.b, svc.Protocol, svc.Family = b, e.protocol, b.family
	b.results = append(b.results, svc)
	return svc
}

// guess is the only cluster IP whose real servers are those of an external
// entry, and, but for node ports, whose port is the entry's; nil if there is
// none or more than one.
func (b *balancer) guess(e *ipvsDraft) *ipvsDraft {
	var found *ipvsDraft
	for i := range e.entry.Virtual {
		p := b.pools.sameEndpoints(b.pools.pool(e.entry.Virtual[i:]))
		if p == nil {
			continue
		}
		for own := p.clusterIPs; own != nil; own = own.alike {
			if own.protocol != e.protocol || e.entry.Kind != NodePort && own.port != e.port || own == found {
				continue
			}
			if found != nil {
				return nil
			}
			found = own
		}
	}
	return found
}

// describeService reads policies, affinity and endpoints.
func (b *balancer) describeService(svc *ipvsService, own *ipvsDraft) {
	if o := svc.Object; o != nil {
		svc.InternalPolicy = policyOf(string(o.InternalPolicy))
		svc.HealthCheckNodePort = b.healthCheck(o)
	}
	localIsCertain := svc.InternalPolicy == Local
	var clusterPool, localPool *pool
	var anyPool *pool // of an entry whose policy nothing tells
	if own != nil {
		p := b.pools.pool(own.entry.Virtual)
		if localIsCertain {
			localPool = p
		} else {
			clusterPool = p
		}
	}
	for _, e := range svc.members {
		switch e.entry.Kind {
		case ClusterIP:
			svc.Types.ClusterIP = true
		case NodePort:
			svc.Types.NodePort = true
		case LoadBalancerIP:
			svc.Types.LoadBalancer = true
			svc.SourceRanges = b.rangesOf(e)
		}
		for _, v := range e.entry.Virtual {
			if p := v.Persistence; p != nil && svc.Affinity == nil {
				svc.Affinity = &Affinity{TimeoutSeconds: uint32(p.Timeout.Seconds())}
				if o := svc.Object; p.Timeout == 0 && o != nil && o.Affinity != nil {
					svc.Affinity.TimeoutSeconds = o.Affinity.TimeoutSeconds
				}
			}
		}
		if e.entry.Kind == ClusterIP {
			continue
		}
		switch e.local {
		case yes:
			svc.ExternalPolicy = Local
			if p := b.pools.pool(e.entry.Virtual); localPool == nil {
				all := b.localness(p, e.protocol).all
				if all == yes || all == maybe && clusterPool != nil && !p.compare(clusterPool).none() {
					localPool = p
				}
			}
		case no:
			// What the node has nothing of shows no policy.
			if svc.ExternalPolicy == "" && len(e.entry.Virtual)+len(e.entry.Elements) > 0 {
				svc.ExternalPolicy = Cluster
			}
			if clusterPool == nil && (localIsCertain || own == nil) {
				clusterPool = b.pools.pool(e.entry.Virtual)
			}
		case maybe:
			if own == nil && anyPool == nil {
				anyPool = b.pools.pool(e.entry.Virtual)
			}
		}
	}
	if clusterPool != nil || localPool != nil {
		anyPool = nil
	}
	for _, scoped := range []struct {
		pool  *pool
		scope Scope
	}{{anyPool, ""}, {clusterPool, ClusterScope}, {localPool, LocalScope}} {
		switch {
		case scoped.pool == nil:
		case svc.Endpoints.Len() == 0:
			svc.Endpoints = scoped.pool.in(scoped.scope)
		default:
			svc.Endpoints = NewEndpoints(slices.Concat(svc.Endpoints.List(), scoped.pool.in(scoped.scope).List())...)
		}
	}
	svc.cluster, svc.local = clusterPool, localPool
}

// endpoints are a pool's, in the scope in which the service has them.
func (svc *ipvsService) endpoints(p *pool) Endpoints {
	switch p {
	case svc.cluster:
		return p.in(ClusterScope)
	case svc.local:
		return p.in(LocalScope)
	}
	return p.in("")
}

func policyOf(p string) Policy {
	if p == string(Local) {
		return Local
	}
	return Cluster // what kube-proxy takes for none
}

// healthCheck is the object's health-check node port, 0 if the node has none.
func (b *balancer) healthCheck(o *cluster.Service) uint16 {
	if o.HealthCheckNodePort == 0 {
		return 0
	}
	if b.holds(kubeproxy.HealthCheckPortSet, dial{protocol: netfilter.TCP, port: o.HealthCheckNodePort}) == no {
		return 0
	}
	return o.HealthCheckNodePort
}

// localEndpoint tells whether a real server is an endpoint of this node: one
// whose packets to itself are masqueraded. kube-proxy lists every one of them
// (pkg/proxy/ipvs/proxier.go, KUBE-LOOP-BACK).
func (b *balancer) localEndpoint(to netip.AddrPort, protocol uint8) ternary {
	in := has(b.loopBack, dial{to.Addr(), protocol, to.Port()})
	if in == maybe && b.nodeOf != nil {
		if node, ok := b.nodeOf[to.Addr()]; ok {
			return ternaryOf(node == b.nodeName)
		}
	}
	return in
}
