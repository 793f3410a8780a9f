package inventory

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// pools are the pools of virtual servers. Those that have the same real servers,
// as a service's cluster IP, node port and load-balancer IP do, have one pool.
type pools struct {
	of     []*pool // by the number of the virtual server; nil until asked for
	hashed map[uint64]*pool
	// alike are the pools with the same endpoints, whatever their weights and
	// scheduler, the first of each.
	alike  map[uint64]*pool
	shares map[ipvs.Share]*Share
	// ratio and ratioShare are what shares was asked last.
	ratio      ipvs.Share
	ratioShare *Share

	made      room[pool]
	none      *pool        // of no virtual server
	endpoints []Endpoint   // room for those of the pools to come,
	weights   []weight     // and for their weights
	ratios    []ipvs.Share // room for those of one virtual server,
	order     []int        // for the order of its real servers,
	key       []byte       // and for what is hashed
}

// poolsSeed is that of the hashes, which no text can foresee.
var poolsSeed = maphash.MakeSeed()

// newPools has room for about so many pools.
func newPools(t *ipvs.Table, room int) *pools {
	n := 0
	if t != nil {
		n = len(t.Services())
	}
	return &pools{
		of: make([]*pool, n), hashed: make(map[uint64]*pool, room), alike: make(map[uint64]*pool, room),
		shares: map[ipvs.Share]*Share{}, none: &pool{open: true},
	}
}

// pool is the pool of virtual servers that agree; of those that do not, the
// first one's.
func (p *pools) pool(virtual []*ipvs.VirtualServer) *pool {
	if len(virtual) == 0 {
		return p.none
	}
	v := virtual[0]
	known := &p.of[v.Number()]
	if *known != nil {
		return *known
	}
	hash := p.hash(v)
	for q := p.hashed[hash]; q != nil; q = q.next {
		if samePool(q.first, v) {
			*known = q
			return q
		}
	}
	q := p.read(v)
	q.first, q.next = v, p.hashed[hash]
	p.hashed[hash], *known = q, q
	return q
}

// hash is that of where the real servers are.
func (p *pools) hash(v *ipvs.VirtualServer) uint64 {
	servers, key := v.Servers(), p.key[:0]
	for i := range servers {
		if s := &servers[i]; s.Address.Is4() {
			four := s.Address.As4()
			key = append(key, four[0], four[1], four[2], four[3], byte(s.Port), byte(s.Port>>8))
		} else {
			key, _ = s.Address.AppendBinary(key) // never fails
			key = binary.LittleEndian.AppendUint16(key, s.Port)
		}
	}
	p.key = key
	return maphash.Bytes(poolsSeed, key)
}

// samePool compares all that read makes a pool of.
func samePool(v, w *ipvs.VirtualServer) bool {
	a, b := v.Servers(), w.Servers()
	if len(a) != len(b) || v.Partial != w.Partial || v.Scheduler != w.Scheduler {
		return false
	}
	for i := range a {
		s, t := &a[i], &b[i]
		if s.Address != t.Address || s.Port != t.Port || s.PortKnown != t.PortKnown || s.Weight != t.Weight || s.WeightKnown != t.WeightKnown {
			return false
		}
		takes, sure := s.Takes()
		if takes2, sure2 := t.Takes(); takes != takes2 || sure != sure2 {
			return false
		}
	}
	return true
}

// read makes the pool of a virtual server.
func (p *pools) read(v *ipvs.VirtualServer) *pool {
	q := p.made.one()
	q.scheduler, q.open = v.Scheduler, v.Partial
	var certain bool
	p.ratios, certain = v.AppendShares(p.ratios[:0])
	servers := v.Servers()
	p.order = p.order[:0]
	for i := range servers {
		r := &servers[i]
		if !r.Address.IsValid() || !r.PortKnown {
			q.open = true
		} else if takes, sure := r.Takes(); sure && !takes {
			q.drained = append(q.drained, r.AddrPort())
		} else {
			p.order = append(p.order, i)
		}
	}
	slices.SortStableFunc(p.order, func(i, j int) int { return compareServers(&servers[i], &servers[j]) })
	n := len(p.order)
	if cap(p.endpoints)-len(p.endpoints) < n {
		p.endpoints, p.weights = make([]Endpoint, 0, max(n, poolsChunk)), make([]weight, 0, max(n, poolsChunk))
	}
	begin := len(p.endpoints)
	for _, i := range p.order {
		e := Endpoint{Addr: servers[i].AddrPort(), Scope: ClusterScope}
		if certain {
			e.Probability = p.share(p.ratios[i])
		}
		p.endpoints = append(p.endpoints, e)
		p.weights = append(p.weights, weight{servers[i].Weight, servers[i].WeightKnown})
	}
	q.endpoints, q.weights = p.endpoints[begin:len(p.endpoints):len(p.endpoints)], p.weights[begin:len(p.weights):len(p.weights)]
	return q
}

// compareServers is AddrPort.Compare, without a pair of them made.
func compareServers(r, s *ipvs.RealServer) int {
	if order := r.Address.Compare(s.Address); order != 0 {
		return order
	}
	return cmp.Compare(r.Port, s.Port)
}

// poolsChunk is for how many endpoints room is made at once.
const poolsChunk = 512

func (p *pools) share(ratio ipvs.Share) *Share {
	if p.ratioShare != nil && p.ratio == ratio {
		return p.ratioShare
	}
	s := p.shares[ratio]
	if s == nil {
		s = newRatio(ratio.Num, ratio.Den)
		p.shares[ratio] = s
	}
	p.ratio, p.ratioShare = ratio, s
	return s
}

// sameEndpoints is the pool that stands for all with the same endpoints; nil for
// one that has none or is not known whole.
func (p *pools) sameEndpoints(q *pool) *pool {
	if q.open || len(q.endpoints) == 0 {
		return nil
	}
	if q.alike != nil {
		return q.alike
	}
	p.key = p.key[:0]
	for i := range q.endpoints {
		p.key, _ = q.endpoints[i].Addr.AppendBinary(p.key) // never fails
	}
	hash := maphash.Bytes(poolsSeed, p.key)
	for other := p.alike[hash]; other != nil; other = other.nextAlike {
		if sameEndpoints(q.endpoints, other.endpoints) {
			q.alike = other
			return other
		}
	}
	q.alike, q.nextAlike = q, p.alike[hash]
	p.alike[hash] = q
	return q
}

// localness tells of a pool's endpoints whether they are on this node.
type localness struct {
	known    bool
	all, any ternary
}

// localness asks the sets, or the objects, once for each pool and protocol.
func (b *balancer) localness(p *pool, protocol uint8) localness {
	var room localness
	l := &room
	switch protocol {
	case netfilter.TCP:
		l = &p.local[0]
	case netfilter.UDP:
		l = &p.local[1]
	case netfilter.SCTP:
		l = &p.local[2]
	}
	if l.known {
		return *l
	}
	*l = localness{known: true, all: yes, any: no}
	for i := range p.endpoints {
		answer := b.localEndpoint(p.endpoints[i].Addr, protocol)
		l.all, l.any = min(l.all, answer), max(l.any, answer)
		if l.all == no && l.any == yes {
			break
		}
	}
	return *l
}
