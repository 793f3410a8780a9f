package inventory

import (
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
	members := map[*Service][]*ipvsDraft{}
	named := map[serviceOfClaim]*Service{}
	join := func(e *ipvsDraft, svc *Service) {
		e.service = svc
		members[svc] = append(members[svc], e)
	}
	for _, e := range b.order {
		if e.claim.service == nil {
			continue
		}
		key := serviceOfClaim{e.claim.service.Namespace, e.claim.service.Name, e.claim.port.Name, e.protocol}
		svc := named[key]
		if svc == nil {
			s := e.claim.service
			svc = b.newServiceIn(e)
			svc.Namespace, svc.Name, svc.PortName, svc.Port = s.Namespace, s.Name, e.claim.port.Name, e.claim.port.Port
			svc.Object, svc.NameFrom = s, NamedByAddress
			named[key] = svc
		}
		join(e, svc)
	}
	clusterIPs := map[string][]*ipvsDraft{} // by their real servers
	for _, e := range b.order {
		if e.service != nil || e.kind != ClusterIP {
			continue
		}
		svc := b.newServiceIn(e)
		svc.Port = e.port
		join(e, svc)
		if key := b.poolOf(e).key(); key != "" {
			clusterIPs[key] = append(clusterIPs[key], e)
		}
	}
	for _, e := range b.order {
		if e.service != nil {
			continue
		}
		if own := b.guess(e, clusterIPs); own != nil {
			e.guessed, own.service.Guessed = true, true
			join(e, own.service)
			continue
		}
		svc := b.newServiceIn(e)
		if e.kind != NodePort {
			svc.Port = e.port
		}
		join(e, svc)
	}
	for _, svc := range b.results {
		b.judgeService(svc, members[svc])
	}
}

// A serviceOfClaim tells the service ports of objects apart.
type serviceOfClaim struct {
	namespace, name, port string
	protocol              uint8
}

func (b *balancer) newServiceIn(e *ipvsDraft) *Service {
	svc := &Service{Protocol: e.protocol, Family: b.family}
	b.results = append(b.results, svc)
	return svc
}

// guess is the only cluster IP whose real servers are those of an external
// entry, and, but for node ports, whose port is the entry's; nil if there is
// none or more than one.
func (b *balancer) guess(e *ipvsDraft, clusterIPs map[string][]*ipvsDraft) *ipvsDraft {
	var found *ipvsDraft
	for i := range e.virtual {
		key := b.poolAt(e, i).key()
		if key == "" {
			continue
		}
		for _, own := range clusterIPs[key] {
			if own.protocol != e.protocol || e.kind != NodePort && own.port != e.port || own == found {
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

// judgeService tells the verdicts of a service's entries, and what they show
// of the service.
func (b *balancer) judgeService(svc *Service, members []*ipvsDraft) {
	slices.SortStableFunc(members, func(x, y *ipvsDraft) int { return x.kind.order() - y.kind.order() })
	var own *ipvsDraft // the cluster IP's
	for _, e := range members {
		if e.kind == ClusterIP && (own == nil || len(own.virtual) == 0) {
			own = e
		}
	}
	b.describeService(svc, members, own)
	for _, e := range members {
		entry := b.judgeEntry(svc, e, own)
		svc.Entries = append(svc.Entries, entry)
	}
	slices.SortStableFunc(svc.Entries, compareEntries)
}

// describeService reads policies, affinity and endpoints.
func (b *balancer) describeService(svc *Service, members []*ipvsDraft, own *ipvsDraft) {
	if o := svc.Object; o != nil {
		svc.InternalPolicy = policyOf(string(o.InternalPolicy))
		svc.HealthCheckNodePort = b.healthCheck(o)
	}
	localIsCertain := svc.InternalPolicy == Local
	var clusterPool, localPool *pool
	var anyPool *pool // of an entry whose policy nothing tells
	if own != nil {
		p := b.poolOf(own)
		if localIsCertain {
			localPool = p
		} else {
			clusterPool = p
		}
	}
	for _, e := range members {
		switch e.kind {
		case ClusterIP:
			svc.Types.ClusterIP = true
		case NodePort:
			svc.Types.NodePort = true
		case LoadBalancerIP:
			svc.Types.LoadBalancer = true
			svc.SourceRanges = b.rangesOf(e)
		}
		for _, v := range e.virtual {
			if p := v.Persistence; p != nil && svc.Affinity == nil {
				svc.Affinity = &Affinity{TimeoutSeconds: uint32(p.Timeout.Seconds())}
				if o := svc.Object; p.Timeout == 0 && o != nil && o.Affinity != nil {
					svc.Affinity.TimeoutSeconds = o.Affinity.TimeoutSeconds
				}
			}
		}
		if e.kind == ClusterIP {
			continue
		}
		switch e.local {
		case yes:
			svc.ExternalPolicy = Local
			if p := b.poolOf(e); localPool == nil {
				all := b.allLocal(p, e.protocol)
				if all == yes || all == maybe && clusterPool != nil && !p.compare(clusterPool).none() {
					localPool = p
				}
			}
		case no:
			if svc.ExternalPolicy == "" {
				svc.ExternalPolicy = Cluster
			}
			if clusterPool == nil && (localIsCertain || own == nil) {
				clusterPool = b.poolOf(e)
			}
		case maybe:
			if own == nil && anyPool == nil {
				anyPool = b.poolOf(e)
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
		if scoped.pool == nil {
			continue
		}
		for _, e := range scoped.pool.endpoints() {
			e.Scope = scoped.scope
			svc.Endpoints = append(svc.Endpoints, e)
		}
	}
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
	if _, in := b.holds(kubeproxy.HealthCheckPortSet, dial{protocol: netfilter.TCP, port: o.HealthCheckNodePort}); in == no {
		return 0
	}
	return o.HealthCheckNodePort
}

// allLocal tells whether all real servers are endpoints of this node: those
// whose packets to themselves are masqueraded. kube-proxy lists every one of
// them (pkg/proxy/ipvs/proxier.go, KUBE-LOOP-BACK).
func (b *balancer) allLocal(p *pool, protocol uint8) ternary {
	answer := yes
	for _, s := range p.servers {
		if answer = min(answer, b.localEndpoint(s, protocol)); answer == no {
			break
		}
	}
	return answer
}

func (b *balancer) localEndpoint(s pooled, protocol uint8) ternary {
	_, in := b.holds(kubeproxy.LoopBackSet, dial{s.to.Addr(), protocol, s.to.Port()})
	if in == maybe && b.nodeOf != nil {
		if node, ok := b.nodeOf[s.to.Addr()]; ok {
			return ternaryOf(node == b.nodeName)
		}
	}
	return in
}
