package drift

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/cluster"
)

// A pool is a list of endpoints, sorted, each once.
type pool []netip.AddrPort

// pools are the endpoints that kube-proxy may give a service port, by the
// objects: one pool for each way in which versions of it choose.
type pools struct {
	// known says that the service port's endpoints were given.
	known bool
	// cluster are the choices among all endpoints, local those among this
	// node's; local is nil when it is not known which node this is.
	cluster, local []pool
	// floating endpoints stand in several slices in different states: which of
	// them counts is not for us to say.
	floating map[netip.AddrPort]bool
	// short says that the objects do not tell of all endpoints that a node may
	// have: an Endpoints object has no terminating ones, and a large one is cut.
	short bool
	// fromEndpoints says that an Endpoints object told of them, or that there is
	// none, which shows no hints; hintsOpen that there are hints, and it is not
	// known whether for this node.
	fromEndpoints, hintsOpen bool
	all                      []backend                // sorted, each address and port once
	noted                    bool                     // that it matters which node this is
	slices                   []*cluster.EndpointSlice // of the family
}

// has looks an endpoint up.
func (p pool) has(a netip.AddrPort) bool {
	_, found := slices.BinarySearchFunc(p, a, netip.AddrPort.Compare)
	return found
}

// find looks an endpoint up in all; nil if there is none.
func (r *pools) find(a netip.AddrPort) *backend {
	i, found := slices.BinarySearchFunc(r.all, a, func(b backend, a netip.AddrPort) int { return b.at.Compare(a) })
	if !found {
		return nil
	}
	return &r.all[i]
}

// A backend is an endpoint of a service port.
type backend struct {
	at netip.AddrPort
	*cluster.Endpoint
	slice *cluster.EndpointSlice
}

func (b *backend) draining() bool { return b.Serving && b.Terminating && !b.Ready }

// mostEndpoints is how many addresses an Endpoints object holds at most
// (pkg/controller/endpoint, maxCapacity).
const mostEndpoints = 1000

// mostZones is how many zones are tried for a node whose own is not known.
const mostZones = 8

// poolsOf derives the pools of a service port (pkg/proxy/endpointslicecache.go,
// addEndpoints; pkg/proxy/topology.go, CategorizeEndpoints).
func (o *objects) poolsOf(p *servicePort) *pools {
	if p.pools != nil {
		return p.pools
	}
	given := o.slices[[2]string{p.namespace, p.name.service}]
	r := &pools{
		known:         o.allSlices && (len(given) > 0 || o.sliceNamespaces[p.namespace]),
		fromEndpoints: len(given) == 0 && o.allFromEndpoints,
	}
	p.pools = r
	inEndpoints := 0
	for _, s := range given {
		if s.FromEndpoints {
			r.fromEndpoints = true
			inEndpoints += len(s.Endpoints)
		}
		if s.Family != p.family {
			continue
		}
		r.known = true
		r.slices = append(r.slices, s)
		o.budget -= len(s.Ports)
		for _, port := range s.Ports {
			if port.Name != p.name.port || port.Protocol != p.protocol || port.Port == 0 {
				continue
			}
			if o.budget -= len(s.Endpoints); o.budget < 0 {
				break
			}
			r.all = slices.Grow(r.all, len(s.Endpoints))
			for i := range s.Endpoints {
				e := &s.Endpoints[i]
				r.all = append(r.all, backend{netip.AddrPortFrom(e.Address, port.Port), e, s})
			}
		}
	}
	r.short = inEndpoints >= mostEndpoints
	if r.fromEndpoints && len(r.slices) == 0 && p.family != familyOf(p.service.ClusterIPs[0]) {
		r.known = false // it holds one family, the Service's first (pkg/controller/endpoint)
	}
	r.settle()
	if r.known = r.known && o.budget >= 0; !r.known {
		return r
	}
	r.choose(o)
	return r
}

// settle sorts the endpoints. Of one that stands in several slices the last
// counts.
func (r *pools) settle() {
	byAddress := func(a, b backend) int { return a.at.Compare(b.at) }
	if !slices.IsSortedFunc(r.all, byAddress) {
		slices.SortStableFunc(r.all, byAddress)
	}
	once := r.all[:0]
	for _, b := range r.all {
		if len(once) == 0 || once[len(once)-1].at != b.at {
			once = append(once, b)
			continue
		}
		before := &once[len(once)-1]
		if before.Ready != b.Ready || before.draining() != b.draining() || before.NodeName != b.NodeName {
			if r.floating == nil {
				r.floating = map[netip.AddrPort]bool{}
			}
			r.floating[b.at] = true
		}
		*before = b
	}
	r.all = once
}

// choose makes the pools.
func (r *pools) choose(o *objects) {
	ready := r.filter(func(b *backend) bool { return b.Ready })
	r.cluster = r.orDraining(ready, func(*backend) bool { return true })
	if len(ready) > 0 {
		r.addHinted(o, ready)
	}
	if o.nodeKnown {
		here := func(b *backend) bool { return b.NodeName == o.nodeName }
		r.local = r.orDraining(r.filter(func(b *backend) bool { return b.Ready && here(b) }), here)
	}
	// Terminating endpoints are in no Endpoints object, and nodes may use them
	// when no other is left.
	if r.fromEndpoints && (len(ready) == 0 || r.local != nil && len(r.local[0]) == 0) {
		r.short = true
	}
}

// orDraining is the choice of ready endpoints; without any, those that still
// serve while they terminate (since 1.26), or none.
func (r *pools) orDraining(ready pool, of func(*backend) bool) []pool {
	if len(ready) > 0 {
		return []pool{ready}
	}
	draining := r.filter(func(b *backend) bool { return b.draining() && of(b) })
	if len(draining) == 0 {
		return []pool{nil}
	}
	return []pool{draining, nil}
}

// addHinted adds the choices by hints, which count only when every ready
// endpoint has one, and some are for this node or its zone.
func (r *pools) addHinted(o *objects, ready pool) {
	zoned, noded := true, true
	zones := map[string]bool{}
	for _, to := range ready {
		b := r.find(to)
		zoned = zoned && len(b.ZoneHints) > 0
		noded = noded && len(b.NodeHints) > 0
		if !zoned && !noded {
			return
		}
		for _, z := range b.ZoneHints {
			zones[z] = true
		}
	}
	add := func(hinted func(*backend) bool) {
		var p pool
		for _, to := range ready {
			if hinted(r.find(to)) {
				p = append(p, to)
			}
		}
		if len(p) > 0 && len(p) < len(ready) {
			r.cluster = append(r.cluster, p)
		}
	}
	if zoned {
		switch {
		case o.zoneKnown:
			add(func(b *backend) bool { return slices.Contains(b.ZoneHints, o.zone) })
		case len(zones) > mostZones:
			r.hintsOpen = true
		default:
			for _, z := range slices.Sorted(maps.Keys(zones)) {
				add(func(b *backend) bool { return slices.Contains(b.ZoneHints, z) })
			}
		}
	}
	if noded {
		if o.nodeKnown {
			add(func(b *backend) bool { return slices.Contains(b.NodeHints, o.nodeName) })
		} else {
			r.hintsOpen = true
		}
	}
}

// filter picks endpoints.
func (r *pools) filter(keep func(*backend) bool) pool {
	var p pool
	for i := range r.all {
		if b := &r.all[i]; keep(b) {
			if p == nil {
				p = make(pool, 0, len(r.all)-i)
			}
			p = append(p, b.at)
		}
	}
	return p
}

// neverEmpty reports whether every choice has endpoints.
func neverEmpty(choices []pool) bool {
	return len(choices) > 0 && !slices.ContainsFunc(choices, func(p pool) bool { return len(p) == 0 })
}

// nearest compares a node's endpoints with the choice that is least different.
func nearest(actual pool, choices []pool) (missing, foreign pool) {
	best := -1
	for _, c := range choices {
		m, f := compare(actual, c)
		if n := len(m) + len(f); best < 0 || n < best {
			missing, foreign, best = m, f, n
		}
		if best == 0 {
			break
		}
	}
	return missing, foreign
}

// compare tells what only the wanted endpoints, and what only the actual ones
// have.
func compare(actual, wanted pool) (missing, foreign pool) {
	if slices.Equal(actual, wanted) {
		return nil, nil
	}
	i, j := 0, 0
	for i < len(actual) || j < len(wanted) {
		order := 0
		switch {
		case i == len(actual):
			order = 1
		case j == len(wanted):
			order = -1
		default:
			order = actual[i].Compare(wanted[j])
		}
		switch {
		case order < 0:
			foreign = append(foreign, actual[i])
			i++
		case order > 0:
			missing = append(missing, wanted[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return missing, foreign
}
