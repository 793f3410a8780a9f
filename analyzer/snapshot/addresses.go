package snapshot

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
)

// Addresses finds the node's addresses. kube-proxy in IPVS mode gives the node
// one for each service: they are not looked through one by one.
type Addresses struct {
	list []Address
	// slots are the numbers of list's elements behind hashes of their addresses;
	// a power of two, at least half of them free.
	slots    []addressSlot
	is4, is6 bool // there are some of the family
}

// An addressSlot holds an element of the list, none where number is 0.
type addressSlot struct {
	hash   uint32
	number uint32 // from 1
}

// addressSeed is that of the hashes, which no text can foresee.
var addressSeed = maphash.MakeSeed()

func hashOf(a netip.Addr) uint32 {
	b := a.As16() // IPv4 addresses look like their IPv6 forms, and are told apart by find
	return uint32(maphash.Bytes(addressSeed, b[:]))
}

// newAddresses finds nothing yet, and has room for so many.
func newAddresses(n int) *Addresses {
	return &Addresses{slots: make([]addressSlot, 1<<bits.Len(uint(2*max(n, 1)-1)))}
}

// put has the number of an address that is in the list, or will be, found by it.
// It gives false, and puts nothing, where once is set and the list has it on the
// same interface already.
func (x *Addresses) put(number int, a *Address, once bool) bool {
	addr := a.Prefix.Addr()
	hash := hashOf(addr)
	at := int(hash) & (len(x.slots) - 1)
	for ; x.slots[at].number != 0; at = (at + 1) & (len(x.slots) - 1) {
		if s := x.slots[at]; once && s.hash == hash && x.list[s.number-1] == *a {
			return false
		}
	}
	x.slots[at] = addressSlot{hash, uint32(number + 1)}
	x.is4, x.is6 = x.is4 || addr.Is4(), x.is6 || !addr.Is4()
	return true
}

// find is the number of the first address from a slot on that is this one, and
// the slot behind it; -1 for none.
func (x *Addresses) find(a netip.Addr, hash uint32, at int) (number, next int) {
	for ; ; at++ {
		s := x.slots[at&(len(x.slots)-1)]
		if s.number == 0 {
			return -1, at
		}
		if s.hash == hash && x.list[s.number-1].Prefix.Addr() == a {
			return int(s.number - 1), at + 1
		}
	}
}

// Number is the place of an address among the snapshot's, of the first if several
// interfaces have it; -1 for none.
func (x *Addresses) Number(a netip.Addr) int {
	hash := hashOf(a)
	number, _ := x.find(a, hash, int(hash))
	return number
}

// On reports whether an interface has the address.
func (x *Addresses) On(device string, a netip.Addr) bool {
	hash := hashOf(a)
	for at := int(hash); ; {
		var number int
		if number, at = x.find(a, hash, at); number < 0 {
			return false
		}
		if x.list[number].Interface == device {
			return true
		}
	}
}

// IndexAddresses leaves each of Addresses once, and prepares to find them. They
// must not change afterwards.
func (s *Snapshot) IndexAddresses() {
	x := newAddresses(len(s.Addresses))
	x.list = s.Addresses[:0]
	for _, a := range s.Addresses {
		if x.put(len(x.list), &a, true) {
			x.list = append(x.list, a)
		}
	}
	s.Addresses, s.own = x.list, x
}

// isIndexed reports whether the snapshot's addresses are those of its index.
func (s *Snapshot) isIndexed() bool {
	return s.own != nil && len(s.own.list) == len(s.Addresses) && (len(s.Addresses) == 0 || &s.own.list[0] == &s.Addresses[0])
}

// AddressIndex finds the snapshot's addresses. It is made anew where there is
// none, or where the addresses were changed since.
func (s *Snapshot) AddressIndex() *Addresses {
	if s.isIndexed() {
		return s.own
	}
	x := newAddresses(len(s.Addresses))
	x.list = s.Addresses
	for i := range s.Addresses {
		x.put(i, &s.Addresses[i], false)
	}
	return x
}

// IsLocal reports whether the address is one of the node's. ok is false when
// the node's addresses of that family are not known: "ip -4 addr" shows no
// IPv6, and what shows others may be cut. Loopback is local on every node.
func (s *Snapshot) IsLocal(a netip.Addr) (local, ok bool) {
	if a.IsLoopback() {
		return true, true
	}
	if s.isIndexed() {
		x := s.own
		local = x.Number(a) >= 0
		return local, local || !s.AddressesCut && (a.Is4() && x.is4 || !a.Is4() && x.is6)
	}
	for _, own := range s.Addresses {
		if own.Prefix.Addr() == a {
			return true, true
		}
		ok = ok || own.Prefix.Addr().Is4() == a.Is4()
	}
	return false, ok && !s.AddressesCut
}
