package netfilter

import "hash/maphash"

// names finds a table's chains by name: a hash table with open addressing over
// the numbers of the chains. It takes a third of the time and of the room of a
// Go map with names in it, for the names are the chains' own.
type names struct {
	slots []nameSlot // a power of two, at most two thirds of them taken
	taken int
}

// A nameSlot is empty when its number is 0.
type nameSlot struct {
	hash   uint32
	number uint32 // of the chain in Table.named, plus 1
}

// seed makes hashes differ from run to run, so that no dump can be made whose
// names fall together.
var seed = maphash.MakeSeed()

func hashOf(name string) uint32 { return uint32(maphash.String(seed, name)) }

// find gives the slot that the name has, or would have.
func (n *names) find(named *slab[Chain], name string, hash uint32) *nameSlot {
	mask := uint32(len(n.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &n.slots[i]
		if s.number == 0 || s.hash == hash && named.at(s.number-1).jump.Name == name {
			return s
		}
	}
}

// expect makes room for so many names more.
func (n *names) expect(more int) {
	size := max(64, len(n.slots))
	for 3*(n.taken+more) > 2*size {
		size *= 2
	}
	if size > len(n.slots) {
		n.resize(size)
	}
}

// grow makes room for one name more, if there is none.
func (n *names) grow() {
	if 3*(n.taken+1) > 2*len(n.slots) {
		n.expect(1)
	}
}

func (n *names) resize(size int) {
	old := n.slots
	n.slots = make([]nameSlot, size)
	mask := uint32(len(n.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		i := s.hash & mask
		for n.slots[i].number != 0 {
			i = (i + 1) & mask
		}
		n.slots[i] = s
	}
}
