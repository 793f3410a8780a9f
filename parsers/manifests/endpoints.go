package manifests

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// serviceLabel names a slice's Service (k8s.io/api/discovery/v1,
// LabelServiceName).
const serviceLabel = "kubernetes.io/service-name"

// zoneLabel names a node's zone (k8s.io/api/core/v1, LabelTopologyZone).
const zoneLabel = "topology.kubernetes.io/zone"

func (r *reader) slice(pos source.Position, o *object) {
	s, namespace, name := r.scopeOf(pos, "EndpointSlice", &o.Metadata)
	slice := &cluster.EndpointSlice{
		Pos: pos, Namespace: namespace, Name: name, Service: string(o.Metadata.Labels[serviceLabel]),
	}
	switch o.AddressType {
	case "FQDN":
		return // names, which kube-proxy passes over
	case "":
	default:
		family, ok := s.family("addressType", o.AddressType)
		if !ok {
			return
		}
		slice.Family = family
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if len(e.Addresses) == 0 {
			continue
		}
		addr, ok := s.address("endpoints", e.Addresses[0])
		if !ok {
			continue
		}
		slice.Endpoints = append(slice.Endpoints, e.model(addr))
		if slice.Family == netfilter.AnyFamily {
			slice.Family = familyOf(addr.Is4())
		}
	}
	slice.Ports = s.endpointPorts(o.Ports)
	r.objects.Slices = append(r.objects.Slices, slice)
}

func (s scope) endpointPorts(ports []port) (all []cluster.EndpointPort) {
	for _, p := range ports {
		if protocol, ok := s.protocol(p.Protocol); ok {
			all = append(all, cluster.EndpointPort{Name: string(p.Name), Protocol: protocol, Port: s.port("port", p.Port)})
		}
	}
	return all
}

// endpoints takes an Endpoints object, each subset as a slice or, with both
// families in it, as two.
func (r *reader) endpoints(pos source.Position, o *object) {
	s, namespace, name := r.scopeOf(pos, "Endpoints", &o.Metadata)
	for i := range o.Subsets {
		subset := &o.Subsets[i]
		ports := s.endpointPorts(subset.Ports)
		slices := [2]*cluster.EndpointSlice{}
		add := func(addresses []subsetAddress, ready bool) {
			for _, a := range addresses {
				addr, ok := s.address("subsets", a.IP)
				if !ok {
					continue
				}
				at := 0
				if addr.Is6() {
					at = 1
				}
				if slices[at] == nil {
					slices[at] = &cluster.EndpointSlice{
						Pos: pos, Namespace: namespace, Name: name, Service: name, FromEndpoints: true,
						Family: familyOf(addr.Is4()), Ports: ports,
					}
				}
				slices[at].Endpoints = append(slices[at].Endpoints, cluster.Endpoint{
					Address: addr, Ready: ready, Serving: ready, NodeName: string(a.NodeName),
				})
			}
		}
		add(subset.Addresses, true)
		add(subset.NotReadyAddresses, false)
		for _, slice := range slices {
			if slice != nil {
				r.objects.Slices = append(r.objects.Slices, slice)
			}
		}
	}
}

// model is the endpoint with the conditions that the API means where none is
// given: ready, serving as ready, not terminating (k8s.io/api/discovery/v1,
// EndpointConditions).
func (e *endpoint) model(addr netip.Addr) cluster.Endpoint {
	or := func(given *bool, otherwise bool) bool {
		if given == nil {
			return otherwise
		}
		return *given
	}
	c := &e.Conditions
	ready := or(c.Ready, true)
	m := cluster.Endpoint{
		Address: addr, Ready: ready, Serving: or(c.Serving, ready), Terminating: or(c.Terminating, false),
		NodeName: string(e.NodeName), Zone: string(e.Zone),
	}
	for _, z := range e.Hints.ForZones {
		m.ZoneHints = append(m.ZoneHints, string(z.Name))
	}
	for _, n := range e.Hints.ForNodes {
		m.NodeHints = append(m.NodeHints, string(n.Name))
	}
	return m
}

func familyOf(is4 bool) netfilter.Family {
	if is4 {
		return netfilter.IPv4
	}
	return netfilter.IPv6
}

func (r *reader) node(pos source.Position, o *object) {
	s, _, name := r.scopeOf(pos, "Node", &o.Metadata)
	node := &cluster.Node{Pos: pos, Name: name, Zone: string(o.Metadata.Labels[zoneLabel])}
	for _, a := range o.Status.Addresses {
		if a.Type == "InternalIP" || a.Type == "ExternalIP" {
			if addr, ok := s.address("status.addresses", a.Address); ok {
				node.Addresses = append(node.Addresses, addr)
			}
		}
	}
	ranges := o.Spec.PodCIDRs
	if len(ranges) == 0 && o.Spec.PodCIDR != "" {
		ranges = []text{o.Spec.PodCIDR}
	}
	node.PodCIDRs = s.prefixes("podCIDRs", ranges)
	r.objects.Nodes = append(r.objects.Nodes, node)
}
