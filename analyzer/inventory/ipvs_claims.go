package inventory

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// A claim is what a Service object has an entry for.
type claim struct {
	service *cluster.Service
	port    *cluster.Port
	kind    Kind
}

// claim lists what the cluster's objects have kube-proxy make in the family.
// For the same address, protocol and port the first counts, in kube-proxy's
// order (pkg/proxy/ipvs/proxier.go, syncProxyRules).
func (b *balancer) claim() {
	if b.snapshot.Cluster == nil {
		return
	}
	for _, s := range b.snapshot.Cluster.Services {
		if !s.Proxied() {
			continue
		}
		for i := range s.Ports {
			p := &s.Ports[i]
			at := func(a netip.Addr, port uint16, kind Kind) {
				if port != 0 && (!a.IsValid() || ipvs.FamilyOf(a) == b.family) {
					d := dial{a, p.Protocol, port}
					b.claims[d] = append(b.claims[d], claim{s, p, kind})
				}
			}
			inFamily := false
			for _, a := range s.ClusterIPs {
				at(a, p.Port, ClusterIP)
				inFamily = inFamily || ipvs.FamilyOf(a) == b.family
			}
			for _, a := range s.ExternalIPs {
				at(a, p.Port, ExternalIP)
			}
			for _, in := range s.Ingress {
				if !in.Proxy {
					at(in.Address, p.Port, LoadBalancerIP)
				}
			}
			if inFamily {
				at(netip.Addr{}, p.NodePort, NodePort)
			}
		}
	}
}

// readNodes learns from the objects which endpoints are on which node, and
// which node this is: the only one that has an address of this one.
func (b *balancer) readNodes() {
	objects := b.snapshot.Cluster
	if objects == nil {
		return
	}
	for _, n := range objects.Nodes {
		for _, a := range n.Addresses {
			if !b.nodeAddresses[a] || b.nodeName == n.Name {
				continue
			}
			if b.nodeName != "" {
				b.nodeName = ""
				return
			}
			b.nodeName = n.Name
		}
	}
	if b.nodeName == "" {
		return
	}
	b.nodeOf = map[netip.Addr]string{}
	for _, s := range objects.Slices {
		for _, e := range s.Endpoints {
			if s.Family == b.family && e.NodeName != "" {
				b.nodeOf[e.Address] = e.NodeName
			}
		}
	}
}

// claimOf is the object's claim to a dial, ok only where one is given.
func (b *balancer) claimOf(d dial) (claim, bool) {
	if all := b.claims[d]; len(all) > 0 {
		return all[0], true
	}
	return claim{}, false
}

// hasObjects reports whether the cluster's Services were given.
func (b *balancer) hasObjects() bool {
	return b.snapshot.Cluster != nil && len(b.snapshot.Cluster.Services) > 0
}
