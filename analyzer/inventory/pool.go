package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// A pool is the real servers that new connections to an entry can end at: those
// of the first virtual server that has it.
type pool struct {
	first *ipvs.VirtualServer // nil for none
	// order are the places of those that take new connections, in the order of
	// their addresses and ports.
	order []int32
	// even is the share that each of them gets, shares are theirs where they do
	// not get the same; nil where the scheduler does not make them certain.
	even   *Share
	shares []*Share
	// open says that the text does not tell all of it: names for addresses,
	// servers cut off.
	open bool

	local [3]localness // for TCP, UDP and SCTP

	alike *pool // of the pools with its endpoints the first; nil until asked for
	// clusterIPs are those without an object that have its endpoints, kept by the
	// pool that stands for all; see ipvsDraft.alike.
	clusterIPs *ipvsDraft
}

// len is how many real servers take new connections.
func (p *pool) len() int { return len(p.order) }

// addr is where the i-th of them is.
func (p *pool) addr(i int) netip.AddrPort { return p.first.ServerAddr(int(p.order[i])) }

// share is the part of new connections that the i-th of them gets, nil when it
// is not certain.
func (p *pool) share(i int) *Share {
	if p.shares != nil {
		return p.shares[i]
	}
	return p.even
}

// scheduler is "" when it is not known.
func (p *pool) scheduler() ipvs.Scheduler {
	if p.first == nil {
		return ""
	}
	return p.first.Scheduler
}

// drained are the real servers with weight 0: kube-proxy leaves an endpoint that
// has gone there until its last connection has.
func (p *pool) drained() []netip.AddrPort {
	var drained []netip.AddrPort
	if p.first != nil {
		for i := range p.first.NumServers() {
			if takes, sure := p.first.ServerTakes(i); p.first.ServerKnown(i) && sure && !takes {
				drained = append(drained, p.first.ServerAddr(i))
			}
		}
	}
	return drained
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
	d := &poolDifference{scheduler: p.scheduler() != other.scheduler() && p.scheduler() != "" && other.scheduler() != ""}
	for i, j := 0, 0; i < p.len() || j < other.len(); {
		order := 0
		switch {
		case j == other.len():
			order = -1
		case i == p.len():
			order = 1
		default:
			order = p.addr(i).Compare(other.addr(j))
		}
		switch {
		case order < 0:
			d.foreign = append(d.foreign, p.addr(i))
			i++
		case order > 0:
			d.missing = append(d.missing, other.addr(j))
			j++
		default:
			here, known := p.first.ServerWeight(int(p.order[i]))
			if there, knownThere := other.first.ServerWeight(int(other.order[j])); known && knownThere && here != there {
				d.weights = append(d.weights, weightDifference{p.addr(i), here, there})
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
		parts = append(parts, fmt.Sprintf("its scheduler is %s, that of %s %s", p.scheduler(), there, other.scheduler()))
	}
	return strings.Join(parts, "; ")
}

// drainedHere says which of the servers stand here with weight 0.
func drainedHere(p *pool, missing []netip.AddrPort) string {
	var zero []netip.AddrPort
	drained := p.drained()
	for _, a := range missing {
		if slices.Contains(drained, a) {
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
