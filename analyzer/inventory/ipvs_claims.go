package inventory

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// A claim is what a Service object has an entry for.
type claim struct {
	service *cluster.Service
	port    *cluster.Port
	kind    Kind
}

// claimsOf lists what the cluster's objects have kube-proxy make in a family.
// For the same address, protocol and port the first counts, in kube-proxy's
// order (pkg/proxy/ipvs/proxier.go, syncProxyRules).
func claimsOf(snap *snapshot.Snapshot, family netfilter.Family) map[dial][]claim {
	claims := map[dial][]claim{}
	if snap.Cluster == nil {
		return claims
	}
	for _, s := range snap.Cluster.Services {
		if !s.Proxied() {
			continue
		}
		for i := range s.Ports {
			p := &s.Ports[i]
			at := func(a netip.Addr, port uint16, kind Kind) {
				if port != 0 && (!a.IsValid() || ipvs.FamilyOf(a) == family) {
					d := dial{a, p.Protocol, port}
					claims[d] = append(claims[d], claim{s, p, kind})
				}
			}
			inFamily := false
			for _, a := range s.ClusterIPs {
				at(a, p.Port, ClusterIP)
				inFamily = inFamily || ipvs.FamilyOf(a) == family
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
	return claims
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
			if b.addresses.of(a)&nodeAddress == 0 || b.nodeName == n.Name {
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

// claimOf is the object's claim to a dial, nil where none is given.
func (b *balancer) claimOf(d dial) *claim {
	if all := b.claims[d]; len(all) > 0 {
		return &all[0]
	}
	return nil
}

// hasObjects reports whether the cluster's Services were given.
func (b *balancer) hasObjects() bool {
	return b.snapshot.Cluster != nil && len(b.snapshot.Cluster.Services) > 0
}
