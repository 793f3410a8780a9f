package inventory

import "math/bits"

// A poolTable finds pools by hashes, in slots that are looked at in turn.
type poolTable struct {
	slots []poolSlot // a power of two, at least half of them free
	n     int
}

// A poolSlot holds a pool by the number of its first virtual server, none where
// number is 0.
type poolSlot struct {
	hash   uint32
	number uint32 // from 1
}

// newPoolTable has room for about so many pools.
func newPoolTable(n int) poolTable {
	return poolTable{slots: make([]poolSlot, 1<<bits.Len(uint(2*max(n, 4)-1)))}
}

// find is the pool with a hash that is the one, of pools by the numbers of
// virtual servers; nil if there is none.
func (t *poolTable) find(hash uint64, of []*pool, is func(*pool) bool) *pool {
	for at := uint32(hash); ; at++ {
		s := t.slots[at&uint32(len(t.slots)-1)]
		if s.number == 0 {
			return nil
		}
		if p := of[s.number-1]; s.hash == uint32(hash) && is(p) {
			return p
		}
	}
}

// put has a pool found by its hash.
func (t *poolTable) put(hash uint64, p *pool) {
	if 2*t.n >= len(t.slots) {
		grown := newPoolTable(2 * t.n)
		for _, s := range t.slots {
			if s.number != 0 {
				grown.take(s)
			}
		}
		t.slots = grown.slots
	}
	t.take(poolSlot{uint32(hash), uint32(p.first.Number()) + 1})
	t.n++
}

func (t *poolTable) take(s poolSlot) {
	at := s.hash
	for t.slots[at&uint32(len(t.slots)-1)].number != 0 {
		at++
	}
	t.slots[at&uint32(len(t.slots)-1)] = s
}
