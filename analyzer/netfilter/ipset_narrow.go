package netfilter

import (
	"hash/maphash"
	"math"
	"math/bits"
)

// What an index looks at is a number where it is one IPv4 address or network and
// one port at most: 32 bits of address, 16 of port, 8 of protocol and 8 of the
// network's length. Most of kube-proxy's sets are asked for nothing else, and
// for each entry of a node again and again.

// isNarrow reports whether that is so of an index by these parts.
func (s *IPSet) isNarrow(mask uint8) bool {
	addrs := 0
	for i, part := range s.parts {
		switch asked := mask&(1<<i) != 0; {
		case !asked, part == PartPort:
		case part == PartIP, part == PartNet:
			addrs++
		default:
			return false
		}
	}
	return addrs == 0 || addrs == 1 && s.Family != IPv6
}

// elementNumber is elementSlot as a number.
func (s *IPSet) elementNumber(p *packedElement, mask uint8) (n uint64) {
	addr := 0
	for i, part := range s.parts {
		asked := mask&(1<<i) != 0
		switch {
		case part == PartPort:
			if asked {
				n |= uint64(p.ports.First)<<16 | uint64(p.protocol)<<8
			}
		case part == PartIP, part == PartNet:
			if asked {
				n |= uint64(p.values[addr])<<32 | uint64(p.bits[addr])
			}
			addr++
		}
	}
	return n
}

// keyNumber is keySlot as a number.
func (s *IPSet) keyNumber(key *IPSetKey, mask uint8, length [2]uint8) (n uint64, ok bool) {
	addr := 0
	for i, part := range s.parts {
		asked := mask&(1<<i) != 0
		switch {
		case part == PartPort:
			if asked {
				n |= uint64(key.Port)<<16 | uint64(s.protocolOf(key))<<8
			}
		case part == PartIP, part == PartNet:
			if asked {
				a := key.Addrs[addr]
				if !a.Is4() {
					return 0, false // packets of another family have no element
				}
				n |= uint64(number4(a)&(math.MaxUint32<<(32-length[addr])))<<32 | uint64(length[addr])
			}
			addr++
		}
	}
	return n, true
}

// numberSeeds make hashes of numbers differ from run to run, as seed does.
var numberSeeds = [2]uint64{maphash.String(seed, "0"), maphash.String(seed, "1") | 1}

// findNumber is find.
func (s *IPSet) findNumber(x *elementIndex, n uint64, mask uint8) (*indexSlot, uint32) {
	high, low := bits.Mul64(n^numberSeeds[0], numberSeeds[1])
	h := high ^ low
	hash, last := uint32(h>>32), uint32(len(x.slots)-1)
	for i := uint32(h) & last; ; i = (i + 1) & last {
		at := &x.slots[i]
		if at.number == 0 || at.hash == hash && s.elementNumber(&s.elements[at.number-1], mask) == n {
			return at, hash
		}
	}
}
