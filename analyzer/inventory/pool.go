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
	servers []pooled // sorted by address; those that take new connections
	// drained are those with weight 0: kube-proxy leaves an endpoint that has
	// gone there until its last connection has.
	drained   []netip.AddrPort
	scheduler ipvs.Scheduler // "" when not known
	// open says that the text does not tell all of it: names for addresses,
	// servers cut off.
	open bool
}

// A pooled real server.
type pooled struct {
	to     netip.AddrPort
	weight uint32
	known  bool // the weight
	share  *Share
}

// poolOf is the pool of virtual servers that agree; of those that do not, the
// first one's.
func poolOf(virtual []*ipvs.VirtualServer) *pool {
	p := &pool{}
	if len(virtual) == 0 {
		p.open = true
		return p
	}
	v := virtual[0]
	p.scheduler, p.open = v.Scheduler, v.Partial
	shares, certain := v.Shares()
	servers := v.Servers()
	var last *Share
	p.servers = make([]pooled, 0, len(servers))
	for i := range servers {
		r := &servers[i]
		if !r.Address.IsValid() || !r.PortKnown {
			p.open = true
			continue
		}
		if takes, sure := r.Takes(); sure && !takes {
			p.drained = append(p.drained, r.AddrPort())
			continue
		}
		s := pooled{to: r.AddrPort(), weight: r.Weight, known: r.WeightKnown}
		if certain {
			if i > 0 && shares[i] == shares[i-1] && last != nil {
				s.share = last // as under rr
			} else {
				s.share = newRatio(shares[i].Num, shares[i].Den)
			}
			last = s.share
		}
		p.servers = append(p.servers, s)
	}
	slices.SortFunc(p.servers, func(a, b pooled) int { return a.to.Compare(b.to) })
	return p
}

// poolOf is the pool of a draft that has all of its virtual servers.
func (b *balancer) poolOf(e *ipvsDraft) *pool {
	if e.pool == nil {
		e.pool = poolOf(e.virtual)
	}
	return e.pool
}

// poolAt is the pool of one of a draft's virtual servers.
func (b *balancer) poolAt(e *ipvsDraft, i int) *pool {
	if i == 0 {
		return b.poolOf(e)
	}
	return poolOf(e.virtual[i : i+1])
}

// key is equal for pools with the same real servers; "" for one that has none
// or is not known whole.
func (p *pool) key() string {
	if p.open || len(p.servers) == 0 {
		return ""
	}
	key := make([]byte, 0, len(p.servers)*len("255.255.255.255:65535 "))
	for _, s := range p.servers {
		key = append(s.to.AppendTo(key), ' ')
	}
	return string(key)
}

// endpoints are the real servers with their shares of new connections, as far
// as the scheduler makes them certain.
func (p *pool) endpoints() []Endpoint {
	if len(p.servers) == 0 {
		return nil
	}
	list := make([]Endpoint, 0, len(p.servers))
	for _, s := range p.servers {
		list = append(list, Endpoint{Addr: s.to, Probability: s.share})
	}
	return list
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

// compare tells in what a pool differs from another.
func (p *pool) compare(other *pool) *poolDifference {
	d := &poolDifference{scheduler: p.scheduler != other.scheduler && p.scheduler != "" && other.scheduler != ""}
	i, j := 0, 0
	for i < len(p.servers) || j < len(other.servers) {
		switch {
		case j == len(other.servers) || i < len(p.servers) && p.servers[i].to.Compare(other.servers[j].to) < 0:
			d.foreign = append(d.foreign, p.servers[i].to)
			i++
		case i == len(p.servers) || other.servers[j].to.Compare(p.servers[i].to) < 0:
			d.missing = append(d.missing, other.servers[j].to)
			j++
		default:
			a, b := p.servers[i], other.servers[j]
			if a.known && b.known && a.weight != b.weight {
				d.weights = append(d.weights, weightDifference{a.to, a.weight, b.weight})
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
