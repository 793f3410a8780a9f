package netfilter

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// names finds a table's chains by name: a hash table with open addressing whose
// slots hold the names themselves. A name is looked for in one place in memory,
// and not in the chain and the text besides: each of a million jumps asks, and
// memory is what it waits for.
type names struct {
	slots []nameSlot
	taken int
	odd   map[string]uint32 // numbers of chains whose names no slot can hold, plus 1
}

// A nameSlot is empty when its number is 0.
type nameSlot struct {
	name   slotName
	number uint32 // of the chain in Table.named, plus 1
}

// A slotName is a name with zeros behind it. The kernel's names are no longer
// (include/uapi/linux/netfilter/x_tables.h, XT_EXTENSION_MAXNAMELEN).
type slotName struct {
	first, second, third uint64
	last                 uint32
}

const slotNameSize = 28

// inSlot is the name as a slot holds it; ok is false when none can.
func inSlot(name string) (s slotName, ok bool) {
	if len(name) > slotNameSize || len(name) > 0 && name[len(name)-1] == 0 {
		return s, false
	}
	var b [slotNameSize]byte
	copy(b[:], name)
	s.first, s.second = binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	s.third, s.last = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint32(b[24:])
	return s, true
}

// seed makes hashes differ from run to run, so that no dump can be made whose
// names fall together.
var seed = maphash.MakeSeed()

// find gives the number of the name's chain, plus 1; 0 if there is none.
func (n *names) find(name string) (number uint32) {
	s, ok := inSlot(name)
	if !ok || len(n.slots) == 0 {
		return n.odd[name]
	}
	return n.slot(name, s).number
}

// slot is the one that has the name, or the empty one where it belongs.
func (n *names) slot(name string, s slotName) *nameSlot {
	at, _ := bits.Mul64(maphash.String(seed, name), uint64(len(n.slots)))
	for i := int(at); ; i++ {
		if i == len(n.slots) {
			i = 0
		}
		if slot := &n.slots[i]; slot.number == 0 || slot.name == s {
			return slot
		}
	}
}

// add gives a name that is not there yet to the chain of that number.
func (n *names) add(named *slab[Chain], name string, number uint32) {
	s, ok := inSlot(name)
	if !ok {
		if n.odd == nil {
			n.odd = map[string]uint32{}
		}
		n.odd[name] = number + 1
		return
	}
	if 8*(n.taken+1) > 7*len(n.slots) {
		n.resize(named, max(64, 2*len(n.slots)))
	}
	*n.slot(name, s) = nameSlot{s, number + 1}
	n.taken++
}

// expect makes room for so many names more.
func (n *names) expect(named *slab[Chain], more int) {
	if size := (n.taken + more) * 5 / 4; size > len(n.slots) {
		n.resize(named, size)
	}
}

func (n *names) resize(named *slab[Chain], size int) {
	old := n.slots
	n.slots = make([]nameSlot, size)
	for _, slot := range old {
		if slot.number != 0 {
			*n.slot(named.at(slot.number-1).Name, slot.name) = slot
		}
	}
}
