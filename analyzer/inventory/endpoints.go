package inventory

import "iter"

// Endpoints are a list of endpoints. Those that a virtual server has are made
// when they are asked for: the table has the same real servers in less memory,
// and few of a large node's are ever looked at. Lists that are == have the same
// endpoints.
type Endpoints struct {
	list *[]Endpoint // nil where they are a pool's
	// pool and place are the pool, and the scope in which it is asked, by number.
	pool  *pool
	place uint8
}

// NewEndpoints is a list of those.
func NewEndpoints(list ...Endpoint) Endpoints { return endpointsIn(&list) }

// endpointsIn are endpoints that lie in a list which is there to stay.
func endpointsIn(list *[]Endpoint) Endpoints {
	if len(*list) == 0 {
		return Endpoints{}
	}
	return Endpoints{list: list}
}

// scopes are those in which a pool can be asked.
var scopes = [...]Scope{"", ClusterScope, LocalScope}

// in is the pool's list of endpoints in a scope.
func (p *pool) in(scope Scope) Endpoints {
	if p.len() == 0 {
		return Endpoints{}
	}
	l := Endpoints{pool: p}
	for scopes[l.place] != scope {
		l.place++
	}
	return l
}

// Len is how many there are.
func (l Endpoints) Len() int {
	switch {
	case l.pool != nil:
		return l.pool.len()
	case l.list != nil:
		return len(*l.list)
	}
	return 0
}

// At is the endpoint at a place, from 0.
func (l Endpoints) At(i int) Endpoint {
	if l.pool == nil {
		return (*l.list)[i]
	}
	return Endpoint{Addr: l.pool.addr(i), Probability: l.pool.share(i), Scope: scopes[l.place]}
}

// Probability is At(i).Probability.
func (l Endpoints) Probability(i int) *Share {
	if l.pool == nil {
		return (*l.list)[i].Probability
	}
	return l.pool.share(i)
}

// Even reports whether it is known without a look at each that all endpoints have
// the same Probability.
func (l Endpoints) Even() bool { return l.pool != nil && l.pool.shares == nil }

// Scope is At(i).Scope.
func (l Endpoints) Scope(i int) Scope {
	if l.pool == nil {
		return (*l.list)[i].Scope
	}
	return scopes[l.place]
}

// All runs over the endpoints.
func (l Endpoints) All() iter.Seq2[int, Endpoint] {
	return func(yield func(int, Endpoint) bool) {
		for i := range l.Len() {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// List are the endpoints in a slice, which the caller must not change.
func (l Endpoints) List() []Endpoint {
	if l.pool == nil {
		if l.list == nil {
			return nil
		}
		return *l.list
	}
	list := make([]Endpoint, l.Len())
	for i := range list {
		list[i] = l.At(i)
	}
	return list
}
