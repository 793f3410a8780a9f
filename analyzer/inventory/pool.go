package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// A pool is the real servers that new connections to an entry can end at.
type pool struct {
	// endpoints are those that take new connections, sorted by address, with
	// their shares as far as the scheduler makes them certain. They are of
	// ClusterScope, which most pools are asked for; see in.
	endpoints []Endpoint
	weights   []weight // theirs
	// drained are those with weight 0: kube-proxy leaves an endpoint that has
	// gone there until its last connection has.
	drained   []netip.AddrPort
	scheduler ipvs.Scheduler // "" when not known
	// open says that the text does not tell all of it: names for addresses,
	// servers cut off.
	open bool

	otherScopes [2][]Endpoint // endpoints without scope, and of LocalScope; nil until they are asked for
	local       [3]localness  // for TCP, UDP and SCTP

	first *ipvs.VirtualServer // that has it
	// next and nextAlike are those with the same hash; see pools.
	next, nextAlike *pool
	alike           *pool
	// clusterIPs are those without an object that have its endpoints, kept by the
	// pool that stands for all; see ipvsDraft.alike.
	clusterIPs *ipvsDraft
}

// A weight is that of a real server.
type weight struct {
	n     uint32
	known bool
}

// in is the pool's endpoints in a scope. The caller must not change the slice.
func (p *pool) in(scope Scope) []Endpoint {
	list := &p.otherScopes[0]
	switch scope {
	case ClusterScope:
		return p.endpoints
	case LocalScope:
		list = &p.otherScopes[1]
	}
	if *list == nil && len(p.endpoints) > 0 {
		*list = slices.Clone(p.endpoints)
		for i := range *list {
			(*list)[i].Scope = scope
		}
	}
	return *list
}

// A poolDifference is in what a pool differs from another one.
type poolDifference struct {
	missing, foreign []netip.AddrPort // real servers that only the other, or only it, has
	// weights are of real servers that both have, with another weight here
	// than there.
	weights   []weightDifference
	scheduler bool
}

type weightDifference struct {
	to          netip.AddrPort
	here, there uint32
}

func (d *poolDifference) none() bool {
	return len(d.missing)+len(d.foreign)+len(d.weights) == 0 && !d.scheduler
}

// noDifference is that of a pool from itself.
var noDifference poolDifference

// compare tells in what a pool differs from another.
func (p *pool) compare(other *pool) *poolDifference {
	if p == other {
		return &noDifference
	}
	d := &poolDifference{scheduler: p.scheduler != other.scheduler && p.scheduler != "" && other.scheduler != ""}
	here, there := p.endpoints, other.endpoints
	for i, j := 0, 0; i < len(here) || j < len(there); {
		switch {
		case j == len(there) || i < len(here) && compareEndpoints(here[i], there[j]) < 0:
			d.foreign = append(d.foreign, here[i].Addr)
			i++
		case i == len(here) || compareEndpoints(there[j], here[i]) < 0:
			d.missing = append(d.missing, there[j].Addr)
			j++
		default:
			if a, b := p.weights[i], other.weights[j]; a.known && b.known && a.n != b.n {
				d.weights = append(d.weights, weightDifference{here[i].Addr, a.n, b.n})
			}
			i, j = i+1, j+1
		}
	}
	return d
}

// words say what is different here from there, the name of the other pool.
func (d *poolDifference) words(p, other *pool, there string) string {
	var parts []string
	if len(d.missing) > 0 {
		parts = append(parts, "it lacks "+addrPorts(d.missing)+drainedHere(p, d.missing))
	}
	if len(d.foreign) > 0 {
		parts = append(parts, "it has "+addrPorts(d.foreign)+", which "+there+" lacks")
	}
	for i, w := range d.weights {
		if i == fewNamed {
			parts = append(parts, fmt.Sprintf("and %d other weights differ", len(d.weights)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s has weight %d here and %d there", w.to, w.here, w.there))
	}
	if d.scheduler {
		parts = append(parts, fmt.Sprintf("its scheduler is %s, that of %s %s", p.scheduler, there, other.scheduler))
	}
	return strings.Join(parts, "; ")
}

// drainedHere says which of the servers stand here with weight 0.
func drainedHere(p *pool, missing []netip.AddrPort) string {
	var zero []netip.AddrPort
	for _, a := range missing {
		if slices.Contains(p.drained, a) {
			zero = append(zero, a)
		}
	}
	switch {
	case len(zero) == 0:
		return ""
	case len(zero) == len(missing):
		return " (weight 0 here)"
	}
	return " (" + addrPorts(zero) + " with weight 0)"
}

// fewNamed is how many of a kind a sentence names.
const fewNamed = 4

func addrPorts(list []netip.AddrPort) string {
	var names []string
	for i, a := range list {
		if i == fewNamed && len(list) > fewNamed+1 {
			names = append(names, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}
