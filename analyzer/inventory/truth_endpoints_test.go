package inventory_test

import (
	"cmp"
	"net/netip"
	"slices"
)

// A backend is an endpoint of a service port, as the EndpointSlices tell it.
type backend struct {
	addr                               netip.AddrPort
	ready, serving, terminating, local bool
	zones, nodes                       []string // hints
}

// backends collects a service port's endpoints of one family over its slices,
// in kube-proxy's order: that of the printed addresses (pkg/proxy/endpointslicecache.go,
// byEndpoint).
func (r *recording) backends(svc *service, port servicePort, family family) []backend {
	byAddr := map[netip.AddrPort]backend{}
	for _, slice := range r.slices {
		if slice.Metadata.Namespace != svc.Metadata.Namespace || slice.AddressType != string(family) ||
			slice.Metadata.Labels["kubernetes.io/service-name"] != svc.Metadata.Name || isNotForKubeProxy(slice.Metadata) {
			continue
		}
		for _, p := range slice.Ports {
			if p.Name != port.Name || orTCP(p.Protocol) != orTCP(port.Protocol) || p.Port == 0 {
				continue
			}
			for _, e := range slice.Endpoints {
				b := backend{
					addr:        netip.AddrPortFrom(netip.MustParseAddr(e.Addresses[0]), p.Port),
					ready:       e.Conditions.Ready == nil || *e.Conditions.Ready,
					serving:     e.Conditions.Serving == nil || *e.Conditions.Serving,
					terminating: e.Conditions.Terminating != nil && *e.Conditions.Terminating,
					local:       e.NodeName != "" && e.NodeName == r.node.Metadata.Name,
				}
				for _, z := range e.Hints.ForZones {
					b.zones = append(b.zones, z.Name)
				}
				for _, n := range e.Hints.ForNodes {
					b.nodes = append(b.nodes, n.Name)
				}
				if _, twice := byAddr[b.addr]; !twice || !b.terminating {
					byAddr[b.addr] = b
				}
			}
		}
	}
	all := make([]backend, 0, len(byAddr))
	for _, b := range byAddr {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b backend) int { return cmp.Compare(a.addr.String(), b.addr.String()) })
	return all
}

// A choice is what kube-proxy uses of a service port's endpoints.
type choice struct {
	// cluster is the list for traffic policy Cluster, local that for Local; nil
	// where it is empty or the service never uses it.
	cluster, local []backend
	// any says that some node has a usable endpoint, this one or another.
	any bool
}

// choose follows pkg/proxy/topology.go, CategorizeEndpoints.
func (r *recording) choose(svc *service, all []backend, p policies) choice {
	if !r.release.keepsPoliciesApart() {
		return r.chooseOnce(svc, all, p)
	}
	var c choice
	if p.usesCluster() {
		c.cluster = r.byHints(svc, filter(all, backend.isReady))
		if len(c.cluster) == 0 && r.release.fallsBackToTerminating() {
			c.cluster = filter(all, backend.isDraining)
		}
		c.any = len(c.cluster) > 0
	}
	if p.usesLocal() {
		here := filter(all, backend.isLocal)
		c.local = filter(here, backend.isReady)
		c.any = c.any || len(filter(all, backend.isReady)) > 0
		if r.release.fallsBackToTerminating() {
			if len(c.local) == 0 {
				c.local = filter(here, backend.isDraining)
			}
			c.any = c.any || len(filter(all, backend.isDraining)) > 0
		}
	}
	return c
}

// chooseOnce follows FilterEndpoints and syncProxyRules of 1.23: one list for
// all clients, of which outside clients of a Local service get the local part.
func (r *recording) chooseOnce(svc *service, all []backend, p policies) choice {
	ready := filter(all, backend.isReady)
	switch {
	case p.externalLocal:
		here := filter(all, backend.isLocal)
		c := choice{cluster: ready, local: filter(here, backend.isReady), any: len(ready) > 0}
		if r.release.fallsBackToTerminating() {
			if len(c.local) == 0 {
				c.local = filter(here, backend.isDraining)
			}
			c.any = c.any || len(filter(all, backend.isDraining)) > 0
		}
		return c
	case p.internalLocal:
		ready = filter(ready, backend.isLocal)
	default:
		ready = r.byHints(svc, ready)
	}
	return choice{cluster: ready, any: len(ready) > 0}
}

// byHints keeps the ready endpoints that are hinted for the node, else those hinted
// for its zone; hints count only when every endpoint has one and some are for
// this node or zone.
func (r *recording) byHints(svc *service, ready []backend) []backend {
	if !r.release.followsHints(svc.Metadata.Annotations) {
		return ready
	}
	hinted := func(hints func(backend) []string, here string) []backend {
		if slices.ContainsFunc(ready, func(b backend) bool { return len(hints(b)) == 0 }) {
			return nil
		}
		return filter(ready, func(b backend) bool { return slices.Contains(hints(b), here) })
	}
	if r.release.hasNodeHints() {
		if same := hinted(func(b backend) []string { return b.nodes }, r.node.Metadata.Name); len(same) > 0 {
			return same
		}
	}
	if zone := r.node.Metadata.Labels["topology.kubernetes.io/zone"]; zone != "" {
		if same := hinted(func(b backend) []string { return b.zones }, zone); len(same) > 0 {
			return same
		}
	}
	return ready
}

func (b backend) isReady() bool    { return b.ready }
func (b backend) isLocal() bool    { return b.local }
func (b backend) isDraining() bool { return b.serving && b.terminating }

// filter returns nil when nothing is left.
func filter(all []backend, keep func(backend) bool) []backend {
	var kept []backend
	for _, b := range all {
		if keep(b) {
			kept = append(kept, b)
		}
	}
	return kept
}
