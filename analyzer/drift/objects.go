package drift

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// objects are the cluster's objects, as kube-proxy goes through them.
type objects struct {
	ports    []*servicePort
	byName   map[name]*servicePort
	services map[[2]string]*cluster.Service // by namespace and name
	// passed are the Services that nothing is said of.
	passed map[*cluster.Service]bool
	slices map[[2]string][]*cluster.EndpointSlice
	// budget is how many ports and endpoints may still be looked at: objects
	// that nobody's cluster has can name millions of each.
	budget int
	// readsWhole says that every line of the objects' texts was understood.
	readsWhole bool
	// allServices and allSlices say that the objects are evidently those of
	// the whole cluster.
	allServices, allSlices bool
	// sliceNamespaces are those that slices were given of. One that has none
	// was perhaps not asked for.
	sliceNamespaces map[string]bool
	// allFromEndpoints says that those of the whole cluster are Endpoints.
	allFromEndpoints bool
	// hasKubernetes says that default/kubernetes is among the Services.
	hasKubernetes bool

	nodeName, zone string // of this node; "" when the objects do not tell
	nodeKnown      bool
	zoneKnown      bool
	nodes          int
}

// A dial is what a client dials; the address is invalid for a node port.
type dial struct {
	address  netip.Addr
	protocol uint8
	port     uint16
	family   netfilter.Family
}

// A door is an address and port at which the objects want a service port to be
// had.
type door struct {
	dial
	kind inventory.Kind
	// optional doors are programmed by some versions of kube-proxy only.
	optional bool
}

// mostDoors is how many addresses and ports a Service can ask for that is
// compared; mostLooks how many ports and endpoints are looked at in all.
const (
	mostDoors = 1 << 14
	mostLooks = 1 << 25
)

// everyCluster is the Service that every cluster has (the API server's
// kubernetes-service controller).
var everyCluster = [2]string{"default", "kubernetes"}

func readObjects(s *snapshot.Snapshot) *objects {
	n := len(s.Cluster.Services)
	o := &objects{
		byName: make(map[name]*servicePort, n), services: make(map[[2]string]*cluster.Service, n),
		passed: map[*cluster.Service]bool{}, slices: make(map[[2]string][]*cluster.EndpointSlice, n),
		nodes: len(s.Cluster.Nodes), budget: mostLooks,
	}
	o.readsWhole = readWhole(s)
	for _, svc := range s.Cluster.Services {
		id := [2]string{svc.Namespace, svc.Name}
		if o.services[id] != nil {
			continue // given twice
		}
		o.services[id] = svc
		o.addPorts(svc)
	}
	sortPorts(o.ports)
	o.hasKubernetes = o.services[everyCluster] != nil
	o.allServices = AllServices(s)
	o.addSlices(s.Cluster.Slices)
	o.findNode(s)
	return o
}

// AllServices reports whether the Services that were given are evidently those of
// the whole cluster: the one that every cluster has is among them, with others
// of other namespaces in the same text, and every line was understood. Texts of
// one namespace each may leave out others.
func AllServices(s *snapshot.Snapshot) bool {
	if s.Cluster == nil || !readWhole(s) {
		return false
	}
	every, elsewhere := map[*source.File]bool{}, map[*source.File]bool{}
	for _, svc := range s.Cluster.Services {
		switch {
		case svc.Namespace != everyCluster[0]:
			elsewhere[svc.Pos.File] = true
		case svc.Name == everyCluster[1]:
			every[svc.Pos.File] = true
		}
	}
	for file := range every {
		if elsewhere[file] {
			return true
		}
	}
	return false
}

// readWhole reports whether every line of the objects' texts was understood.
func readWhole(s *snapshot.Snapshot) bool {
	return !slices.ContainsFunc(s.Sources, func(src *snapshot.Source) bool {
		return src.Format == snapshot.Manifests && src.SkippedLines > 0
	})
}

// addPorts lists what kube-proxy makes of a Service: for each family that it
// has a cluster IP of, each of its ports with the addresses of that family
// (pkg/proxy/serviceport.go, newBaseServiceInfo).
func (o *objects) addPorts(svc *cluster.Service) {
	if !svc.Proxied() {
		return
	}
	// Without a cluster IP it was written by hand: what the API server adds is
	// not in it.
	if len(svc.ClusterIPs) == 0 || len(svc.Ports)*(2+len(svc.Ingress)+len(svc.ExternalIPs)) > mostDoors {
		o.passed[svc] = true
		return
	}
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		own := slices.IndexFunc(svc.ClusterIPs, func(a netip.Addr) bool { return familyOf(a) == family })
		if own < 0 {
			continue
		}
		for i := range svc.Ports {
			p := &svc.Ports[i]
			if p.Port == 0 {
				continue
			}
			sp := &servicePort{
				name:          name{svc.Namespace, svc.Name, p.Name, p.Protocol, family},
				service:       svc,
				port:          p,
				internalLocal: svc.InternalPolicy == cluster.Local,
				externalLocal: svc.ExternalPolicy == cluster.Local,
				// Since 1.29 the policy counts for external IPs of any type
				// (pkg/api/v1/service/util.go, ExternalPolicyLocal).
				policyOpen: svc.Type == cluster.ClusterIP,
			}
			if o.byName[sp.name] != nil {
				continue
			}
			sp.addDoors(svc.ClusterIPs[own])
			o.byName[sp.name] = sp
			o.ports = append(o.ports, sp)
		}
	}
}

func (p *servicePort) addDoors(clusterIP netip.Addr) {
	add := func(kind inventory.Kind, a netip.Addr, port uint16, optional bool) {
		d := dial{a, p.protocol, port, p.family}
		if port == 0 || p.asksFor(d) {
			return
		}
		p.doors = append(p.doors, door{d, kind, optional})
		if len(p.doors) > fewDoors {
			if p.byDial == nil {
				p.byDial = map[dial]bool{}
				for _, before := range p.doors {
					p.byDial[before.dial] = true
				}
			}
			p.byDial[d] = true
		}
		p.outside = p.outside || kind != inventory.ClusterIP
	}
	add(inventory.ClusterIP, clusterIP, p.port.Port, false)
	add(inventory.NodePort, netip.Addr{}, p.port.NodePort, false)
	for _, in := range p.service.Ingress {
		if familyOf(in.Address) == p.family {
			add(inventory.LoadBalancerIP, in.Address, p.port.Port, in.Proxy)
		}
	}
	for _, a := range p.service.ExternalIPs {
		if familyOf(a) == p.family {
			add(inventory.ExternalIP, a, p.port.Port, false)
		}
	}
}

// fewDoors are looked through one by one.
const fewDoors = 16

// asksFor reports whether a service port's object asks for an address and port.
func (p *servicePort) asksFor(d dial) bool {
	if p.byDial != nil {
		return p.byDial[d]
	}
	return slices.ContainsFunc(p.doors, func(o door) bool { return o.dial == d })
}

// addSlices sorts slices by their Services. EndpointSlices count where there
// are any, else the Endpoints object.
func (o *objects) addSlices(list []*cluster.EndpointSlice) {
	type id struct{ namespace, name string }
	seen := make(map[id]bool, len(list))
	proper := make(map[[2]string]bool, len(list))
	elsewhere := map[*source.File]bool{} // texts with slices of other namespaces than default
	o.sliceNamespaces = map[string]bool{}
	for _, s := range list {
		o.sliceNamespaces[s.Namespace] = true
		if s.Namespace != everyCluster[0] {
			elsewhere[s.Pos.File] = true
		}
		if !s.FromEndpoints {
			proper[[2]string{s.Namespace, s.Service}] = true
		}
	}
	for _, s := range list {
		of := [2]string{s.Namespace, s.Service}
		if s.FromEndpoints && proper[of] {
			continue
		}
		if !s.FromEndpoints && s.Name != "" {
			if seen[id{s.Namespace, s.Name}] {
				continue // given twice
			}
			seen[id{s.Namespace, s.Name}] = true
		}
		o.slices[of] = append(o.slices[of], s)
	}
	for _, every := range o.slices[everyCluster] {
		o.allFromEndpoints = every.FromEndpoints
		o.allSlices = o.allSlices || o.readsWhole && elsewhere[every.Pos.File]
	}
}

// findNode tells which Node object is this node: the only one that has an
// address of it.
func (o *objects) findNode(s *snapshot.Snapshot) {
	if s.Addresses == nil {
		return
	}
	own := map[netip.Addr]bool{}
	for _, a := range s.Addresses {
		if a.Interface != kubeproxy.IPVSInterface {
			own[a.Prefix.Addr()] = true
		}
	}
	var found *cluster.Node
	for _, n := range s.Cluster.Nodes {
		if !slices.ContainsFunc(n.Addresses, func(a netip.Addr) bool { return own[a] }) {
			continue
		}
		if found != nil && found.Name != n.Name {
			return
		}
		found = n
	}
	if found != nil && found.Name != "" {
		o.nodeName, o.zone = found.Name, found.Zone
		o.nodeKnown, o.zoneKnown = true, true
	}
}

func familyOf(a netip.Addr) netfilter.Family {
	if a.Is4() {
		return netfilter.IPv4
	}
	return netfilter.IPv6
}
