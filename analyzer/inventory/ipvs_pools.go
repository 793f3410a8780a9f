package inventory

import (
	"hash/maphash"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// pools are the pools of virtual servers. Those that have the same real servers,
// as a service's cluster IP, node port and load-balancer IP do, have one pool.
type pools struct {
	of     []*pool   // by the number of the virtual server; nil until asked for
	hashed poolTable // all
	// alike are the pools with the same endpoints, whatever their weights and
	// scheduler, the first of each.
	alike  poolTable
	shares map[ipvs.Share]*Share
	// ratio and ratioShare are what shares was asked last.
	ratio      ipvs.Share
	ratioShare *Share

	made   room[pool]
	orders room[int32]
	none   *pool        // of no virtual server
	ratios []ipvs.Share // room for those of one virtual server,
	order  []int32      // for the order of its real servers,
	key    []byte       // and for what is hashed
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
		of: make([]*pool, n), hashed: newPoolTable(room), alike: newPoolTable(room),
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
	q := p.hashed.find(hash, p.of, func(q *pool) bool { return samePool(q.first, v) })
	if q == nil {
		q = p.read(v)
		p.hashed.put(hash, q)
	}
	*known = q // where hashed finds it too
	return q
}

// hash is that of where the real servers are.
func (p *pools) hash(v *ipvs.VirtualServer) uint64 {
	p.key = v.AppendServerAddrs(p.key[:0])
	return maphash.Bytes(poolsSeed, p.key)
}

// samePool compares all that read makes a pool of.
func samePool(v, w *ipvs.VirtualServer) bool {
	return v.Partial == w.Partial && v.Scheduler == w.Scheduler && v.SameServers(w)
}

// read makes the pool of a virtual server.
func (p *pools) read(v *ipvs.VirtualServer) *pool {
	q := p.made.one()
	q.first, q.open = v, v.Partial
	p.order = v.AppendServerOrder(p.order[:0])
	taking := p.order[:0]
	for _, i := range p.order {
		if !v.ServerKnown(int(i)) {
			q.open = true
		} else if takes, sure := v.ServerTakes(int(i)); takes || !sure {
			taking = append(taking, i)
		}
	}
	q.order = append(p.orders.list(len(taking)), taking...)
	if even, ok := v.EvenShare(); ok && len(taking) > 0 {
		q.even = p.share(even)
		return q
	}
	var certain bool
	if p.ratios, certain = v.AppendShares(p.ratios[:0]); !certain || len(taking) == 0 {
		return q
	}
	q.even = p.share(p.ratios[taking[0]])
	for _, i := range taking {
		if p.ratios[i] != p.ratios[taking[0]] {
			q.shares = make([]*Share, len(taking))
			break
		}
	}
	for n := range q.shares {
		q.shares[n] = p.share(p.ratios[taking[n]])
	}
	return q
}

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
	if q.open || q.len() == 0 {
		return nil
	}
	if q.alike != nil {
		return q.alike
	}
	p.key = p.key[:0]
	for _, i := range q.order {
		p.key = q.first.AppendServerAddr(p.key, int(i))
	}
	hash := maphash.Bytes(poolsSeed, p.key)
	q.alike = p.alike.find(hash, p.of, func(other *pool) bool { return sameAddrs(q, other) })
	if q.alike == nil {
		q.alike = q
		p.alike.put(hash, q)
	}
	return q.alike
}

func sameAddrs(p, q *pool) bool {
	if p.len() != q.len() {
		return false
	}
	for i := range p.order {
		if p.addr(i) != q.addr(i) {
			return false
		}
	}
	return true
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
	for i := range p.order {
		answer := b.localEndpoint(p.addr(i), protocol)
		l.all, l.any = min(l.all, answer), max(l.any, answer)
		if l.all == no && l.any == yes {
			break
		}
	}
	return *l
}
