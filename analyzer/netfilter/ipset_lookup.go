package netfilter

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// An IPSetKey is what a packet is asked for in a set.
type IPSetKey struct {
	Addrs     [2]netip.Addr // in order
	Protocol  uint8
	Port      uint16
	Interface string
	Mark      uint32
	MAC       [6]byte
	Member    string
	// Known has bit i set if the i-th part of the type is known.
	Known uint8
}

// IsWhole reports whether all of the set's parts of the key are known.
func (s *IPSet) IsWhole(key *IPSetKey) bool {
	all := uint8(1)<<len(s.parts) - 1
	return key.Known&all == all
}

// Matching appends the numbers of the elements that the key meets, in the
// order in which the kernel does: the longest networks first, the first of two
// networks before the second (net/netfilter/ipset/ip_set_hash_gen.h,
// mtype_test_cidrs). Of a key that is not whole, it gives some that it can
// meet, and none only if there are none.
func (s *IPSet) Matching(key *IPSetKey, to []int) []int {
	if len(s.elements) == 0 {
		return to
	}
	whole := s.IsWhole(key)
	mask := key.Known & (1<<len(s.parts) - 1)
	if s.Netmask != 0 || s.Bitmask.IsValid() || s.MarkMask != 0 {
		masked := s.masked(*key)
		key = &masked
	}
	if s.Type == HashNetIface && whole {
		return s.matchingIface(key, to)
	}
	begin := len(to)
	to = s.matching(key, mask, to)
	if x := s.index(mask); len(x.inexact) > 0 || !whole {
		slices.SortStableFunc(to[begin:], s.longestFirst)
	}
	return to
}

// masked is a key as the set looks for it.
func (s *IPSet) masked(key IPSetKey) IPSetKey {
	for i := range key.Addrs {
		if key.Addrs[i].IsValid() {
			key.Addrs[i] = s.mask(key.Addrs[i])
		}
	}
	if s.MarkMask != 0 {
		key.Mark &= s.MarkMask
	}
	return key
}

// matchingIface is Matching for networks with interfaces: as soon as a packet
// meets a network, shorter ones are not looked at, whatever the interface
// (ip_set_hash_netiface.c, hash_netiface4_data_equal, which counts in multi).
//
// Those of a bridge's ports come first. They are in other buckets than those
// that packets are looked for in, as a rule (hash_netiface4_elem_hashed), and
// may keep shorter networks from being looked at only if two buckets are one.
func (s *IPSet) matchingIface(key *IPSetKey, to []int) []int {
	var room [8]int
	longest := -1
	for _, i := range s.matching(key, 1, room[:0]) {
		if s.IsPhysdev(i) {
			to = append(to, i)
		} else {
			longest = max(longest, int(s.elements[i].bits[0]))
		}
	}
	begin := len(to)
	to = s.matching(key, 3, to)
	kept := to[:begin]
	for _, i := range to[begin:] {
		if int(s.elements[i].bits[0]) == longest && !s.IsPhysdev(i) {
			kept = append(kept, i)
		}
	}
	return kept
}

func (s *IPSet) longestFirst(i, j int) int {
	a, b := &s.elements[i], &s.elements[j]
	return cmp.Or(cmp.Compare(b.bits[0], a.bits[0]), cmp.Compare(b.bits[1], a.bits[1]))
}

// matching are the elements that agree with the key in the parts of the mask;
// of those that are alike in them, the first.
func (s *IPSet) matching(key *IPSetKey, mask uint8, to []int) []int {
	x := s.index(mask)
	for _, bits := range x.lengths {
		if x.narrow {
			if want, ok := s.keyNumber(key, mask, bits); ok {
				if at, _ := s.findNumber(x, want, mask); at.number != 0 {
					to = append(to, int(at.number-1))
				}
			}
			continue
		}
		want, ok := s.keySlot(key, mask, bits)
		if !ok {
			continue
		}
		if at, _ := s.find(x, &want, mask); at.number != 0 {
			to = append(to, int(at.number-1))
		}
	}
	for _, n := range x.inexact {
		if s.covers(&s.elements[n], key, mask) {
			to = append(to, int(n))
		}
	}
	return to
}

// An elementIndex finds elements by some of their parts: a hash table with
// open addressing over their numbers, made when it is first needed.
type elementIndex struct {
	once sync.Once
	// lengths are the different prefix lengths, the longest first: for each of
	// them a key is looked for.
	lengths [][2]uint8
	slots   []indexSlot // a power of two
	narrow  bool        // what it looks at is a number; see isNarrow
	inexact []uint32    // elements that stand for more than one value there
}

// An indexSlot is an element's, or empty. A part of its hash spares most looks
// at elements that are others.
type indexSlot struct {
	hash   uint32
	number uint32 // plus 1; 0 when it is empty
}

func (s *IPSet) index(mask uint8) *elementIndex {
	x := &s.indexes[mask]
	x.once.Do(func() {
		size := 64
		for size < 2*len(s.elements) {
			size *= 2
		}
		x.slots, x.narrow = make([]indexSlot, size), s.isNarrow(mask)
		known, last := map[[2]uint8]bool{}, [2]uint8{} // that many in a row have
		for i := range s.elements {
			e := &s.elements[i]
			if e.inexactParts&mask != 0 {
				x.inexact = append(x.inexact, uint32(i))
				continue
			}
			var at *indexSlot
			var hash uint32
			if x.narrow {
				at, hash = s.findNumber(x, s.elementNumber(e, mask), mask)
			} else {
				slot := s.elementSlot(e, mask)
				at, hash = s.find(x, &slot, mask)
			}
			if at.number == 0 {
				*at = indexSlot{hash, uint32(i) + 1}
				if bits := s.lengths(e, mask); bits != last || len(known) == 0 {
					known[bits], last = true, bits
				}
			}
		}
		for bits := range known {
			x.lengths = append(x.lengths, bits)
		}
		slices.SortFunc(x.lengths, func(a, b [2]uint8) int {
			return cmp.Or(cmp.Compare(b[0], a[0]), cmp.Compare(b[1], a[1]))
		})
	})
	return x
}

// find is the place that an element which looks so has, or would have, and what
// of its hash stands there.
func (s *IPSet) find(x *elementIndex, slot *slotKey, mask uint8) (*indexSlot, uint32) {
	h := maphash.Bytes(seed, slot[:])
	hash, last := uint32(h>>32), uint32(len(x.slots)-1)
	for i := uint32(h) & last; ; i = (i + 1) & last {
		at := &x.slots[i]
		if at.number == 0 || at.hash == hash && s.elementSlot(&s.elements[at.number-1], mask) == *slot {
			return at, hash
		}
	}
}

// A slotKey is the parts of an element or of a packet that an index looks at:
// two addresses of 16 bytes, 8 bytes of another part, protocol and port, and how
// long the addresses' networks are.
type slotKey [48]byte

// elementSlot is an element's.
func (s *IPSet) elementSlot(p *packedElement, mask uint8) (slot slotKey) {
	addr := 0
	for i, part := range s.parts {
		asked := mask&(1<<i) != 0
		if part == PartIP || part == PartNet {
			if asked {
				if s.Family == IPv6 {
					copy(slot[16*addr:], s.wide.at(p.values[addr])[:])
				} else {
					binary.BigEndian.PutUint32(slot[16*addr:], p.values[addr])
				}
				slot[43+addr] = p.bits[addr]
			}
			addr++
			continue
		}
		if !asked {
			continue
		}
		switch part {
		case PartPort:
			slot.putPort(p.protocol, p.ports.First)
		case PartMAC:
			slot.putOther(binary.BigEndian.Uint64(s.wide.at(p.values[1])[:8]))
		default:
			slot.putOther(uint64(p.values[1]))
		}
	}
	return slot
}

// keySlot is a key's, its addresses cut to these lengths. ok is false for a key
// that no element can look like.
func (s *IPSet) keySlot(key *IPSetKey, mask uint8, bits [2]uint8) (slot slotKey, ok bool) {
	addr := 0
	for i, part := range s.parts {
		asked := mask&(1<<i) != 0
		if part == PartIP || part == PartNet {
			if asked && !slot.putAddr(addr, s.Family, key.Addrs[addr], bits[addr]) {
				return slot, false
			}
			addr++
			continue
		}
		if !asked {
			continue
		}
		switch part {
		case PartPort:
			slot.putPort(s.protocolOf(key), key.Port)
		case PartMAC:
			mac := wideMAC(key.MAC)
			slot.putOther(binary.BigEndian.Uint64(mac[:8]))
		case PartMark:
			slot.putOther(uint64(key.Mark))
		case PartIface, PartMember:
			word := key.Interface
			if part == PartMember {
				word = key.Member
			}
			n, known := s.wordsAt[word]
			if !known {
				return slot, false
			}
			slot.putOther(uint64(n))
		}
	}
	return slot, true
}

// protocolOf is the protocol that an element for the key's has: a bitmap of
// ports looks at none.
func (s *IPSet) protocolOf(key *IPSetKey) uint8 {
	if s.Type == BitmapPort {
		return 0
	}
	return key.Protocol
}

// putAddr puts in the network of a packet's address. It reports whether the
// address is of the family: packets of another have no element.
func (k *slotKey) putAddr(addr int, f Family, a netip.Addr, bits uint8) bool {
	k[43+addr] = bits
	if f != IPv6 {
		if a.Is4() {
			binary.BigEndian.PutUint32(k[16*addr:], number4(a)&(math.MaxUint32<<(32-bits)))
		}
		return a.Is4()
	}
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	if bits <= 64 {
		high, low = high&(math.MaxUint64<<(64-bits)), 0
	} else {
		low &= math.MaxUint64 << (128 - bits)
	}
	binary.BigEndian.PutUint64(k[16*addr:], high)
	binary.BigEndian.PutUint64(k[16*addr+8:], low)
	return a.Is6()
}

func (k *slotKey) putPort(protocol uint8, port uint16) {
	k[40], k[41], k[42] = protocol, byte(port>>8), byte(port)
}

func (k *slotKey) putOther(n uint64) { binary.BigEndian.PutUint64(k[32:], n) }

// lengths are an element's prefix lengths, as far as the mask looks at them.
func (s *IPSet) lengths(p *packedElement, mask uint8) (bits [2]uint8) {
	addr := 0
	for i, part := range s.parts {
		if part == PartIP || part == PartNet {
			if mask&(1<<i) != 0 {
				bits[addr] = p.bits[addr]
			}
			addr++
		}
	}
	return bits
}

// covers compares an element with a key, part by part.
func (s *IPSet) covers(p *packedElement, key *IPSetKey, mask uint8) bool {
	addr := 0
	for i, part := range s.parts {
		asked := mask&(1<<i) != 0
		if part == PartIP || part == PartNet {
			if asked && !s.coversAddr(p, addr, key.Addrs[addr]) {
				return false
			}
			addr++
			continue
		}
		if !asked {
			continue
		}
		holds := false
		switch part {
		case PartPort:
			holds = p.protocol == s.protocolOf(key) && p.ports.Contains(key.Port)
		case PartMark:
			holds = p.values[1] == key.Mark
		case PartMAC:
			holds = p.flags&hasMAC == 0 || *s.wide.at(p.values[1]) == wideMAC(key.MAC)
		case PartIface:
			name := s.words[p.values[1]]
			// Which port of a bridge the packet has is not in the key.
			holds = p.flags&physdev != 0 || key.Interface == name ||
				p.flags&wildcard != 0 && strings.HasPrefix(key.Interface, name)
		case PartMember:
			holds = s.words[p.values[1]] == key.Member
		}
		if !holds {
			return false
		}
	}
	return true
}

func (s *IPSet) coversAddr(p *packedElement, addr int, a netip.Addr) bool {
	net := s.net(p, addr)
	if p.extra != 0 {
		if last := s.extras[p.extra-1].lasts[addr]; last.IsValid() {
			return net.Addr().Compare(a) <= 0 && a.Compare(last) <= 0
		}
	}
	return net.Contains(a)
}
