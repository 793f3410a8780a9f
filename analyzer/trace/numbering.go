package trace

import (
	"encoding/binary"
	"hash/maphash"
	mathbits "math/bits"
	"net/netip"
)

// A numbering gives things numbers, from 0 on, and equal things the same.
type numbering[T comparable] struct {
	things []T
	hashes []uint32
	slots  []int32 // by hash: numbers, counted from 1; 0 where there is none
}

// number finds the number of a thing, which is new if nothing equal has one.
func (n *numbering[T]) number(thing *T, hash uint32) (number int32, isNew bool) {
	if 2*len(n.things) >= len(n.slots) {
		n.grow()
	}
	mask := uint32(len(n.slots) - 1)
	at := hash & mask
	for ; n.slots[at] != 0; at = (at + 1) & mask {
		if i := n.slots[at] - 1; n.hashes[i] == hash && n.things[i] == *thing {
			return i, false
		}
	}
	n.things, n.hashes = append(n.things, *thing), append(n.hashes, hash)
	n.slots[at] = int32(len(n.things))
	return int32(len(n.things) - 1), true
}

// find is the number of a thing; ok is false if nothing equal has one.
func (n *numbering[T]) find(thing *T, hash uint32) (number int32, ok bool) {
	if len(n.slots) == 0 {
		return 0, false
	}
	mask := uint32(len(n.slots) - 1)
	for at := hash & mask; n.slots[at] != 0; at = (at + 1) & mask {
		if i := n.slots[at] - 1; n.hashes[i] == hash && n.things[i] == *thing {
			return i, true
		}
	}
	return 0, false
}

func (n *numbering[T]) grow() {
	n.slots = make([]int32, max(64, 2*len(n.slots)))
	mask := uint32(len(n.slots) - 1)
	for i, hash := range n.hashes {
		at := hash & mask
		for n.slots[at] != 0 {
			at = (at + 1) & mask
		}
		n.slots[at] = int32(i + 1)
	}
}

func (n *numbering[T]) reset() {
	n.things, n.hashes = n.things[:0], n.hashes[:0]
	clear(n.slots)
}

// Nobody can foresee the hashes, and so make a dump whose packets all have the
// same.
var (
	nameSeed = maphash.MakeSeed()
	seeds    = [...]uint64{maphash.String(nameSeed, "0"), maphash.String(nameSeed, "1") | 1}
)

// mixed is a hash of two hashes or numbers.
func mixed(a, b uint64) uint64 {
	high, low := mathbits.Mul64(a^seeds[0], b^seeds[1])
	return high ^ low
}

func hashOfAddr(a netip.Addr) uint64 {
	b := a.As16()
	return mixed(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
}
