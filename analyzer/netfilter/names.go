package netfilter

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// names finds the numbers of a table's chains by name: a hash table with open
// addressing whose slots hold the names themselves. A name is looked for in one
// place in memory, and not in the chain and the text besides: each of a million
// jumps asks, and memory is what it waits for.
type names struct {
	slots []nameSlot
	taken int
	odd   map[string]uint32 // those that no slot can hold
}

// A nameSlot holds a name with zeros behind it: the kernel's names are no longer
// (include/uapi/linux/netfilter/x_tables.h, XT_EXTENSION_MAXNAMELEN). Two slots
// fill one line of the processor's cache.
type nameSlot struct {
	first, second, third uint64
	last                 uint32
	number               uint32 // of the chain, plus 1; 0 in an empty slot
}

const longestInSlot = 28

// inSlot is the name in a slot; ok is false when none can hold it.
func inSlot(name string) (s nameSlot, ok bool) {
	if len(name) > longestInSlot || len(name) > 0 && name[len(name)-1] == 0 {
		return s, false
	}
	var b [longestInSlot]byte
	copy(b[:], name)
	s.first, s.second = binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	s.third, s.last = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint32(b[24:])
	return s, true
}

// name is the name in the slot.
func (s nameSlot) name() string {
	var b [longestInSlot]byte
	binary.LittleEndian.PutUint64(b[0:], s.first)
	binary.LittleEndian.PutUint64(b[8:], s.second)
	binary.LittleEndian.PutUint64(b[16:], s.third)
	binary.LittleEndian.PutUint32(b[24:], s.last)
	return strings.TrimRight(string(b[:]), "\x00")
}

// seed makes hashes differ from run to run, so that no dump can be made whose
// names fall together.
var seed = maphash.MakeSeed()

// place is the slot where the search for a name begins.
func (n *names) place(name string) int {
	at, _ := bits.Mul64(maphash.String(seed, name), uint64(len(n.slots)))
	return int(at)
}

// slot is the one that has the name of s, or the empty one where it belongs.
func (n *names) slot(place int, s nameSlot) *nameSlot {
	for i := place; ; i++ {
		if i == len(n.slots) {
			i = 0
		}
		slot := &n.slots[i]
		if slot.number == 0 || slot.first == s.first && slot.second == s.second && slot.third == s.third && slot.last == s.last {
			return slot
		}
	}
}

// find gives the number of the name's chain.
func (n *names) find(name string) (number uint32, found bool) {
	s, ok := inSlot(name)
	if !ok {
		number, found = n.odd[name]
		return number, found
	}
	if len(n.slots) == 0 {
		return 0, false
	}
	slot := n.slot(n.place(name), s)
	return slot.number - 1, slot.number > 0
}

// add gives slots to chains whose names have none yet.
func (n *names) add(chains ...*Chain) {
	if need := n.taken + len(chains); 8*need > 7*len(n.slots) {
		n.resize(max(64, 2*len(n.slots), need*5/4))
	}
	for some := range slices.Chunk(chains, together) {
		var places [together]int
		for i, c := range some {
			places[i] = n.place(c.Name)
		}
		n.look(places[:len(some)])
		for i, c := range some {
			n.put(c, places[i])
		}
	}
}

// together is how many slots are fetched from memory together.
const together = 32

// fetch fetches the slots of names that will be looked for.
func (n *names) fetch(jumps []waitingJump) {
	if len(n.slots) == 0 {
		return
	}
	var places [together]int
	for i, j := range jumps {
		places[i] = n.place(j.name)
	}
	n.look(places[:len(jumps)])
}

// look looks at slots, so that they are near when they are needed one by one:
// the processor waits for all of them at the same time. The compiler leaves out
// what it sees to be of no use.
//
//go:noinline
func (n *names) look(places []int) (sum int) {
	for _, place := range places {
		sum += int(n.slots[place].number)
	}
	return sum
}

func (n *names) put(c *Chain, place int) {
	if s, ok := inSlot(c.Name); ok {
		s.number = c.number() + 1
		*n.slot(place, s) = s
		n.taken++
		return
	}
	if n.odd == nil {
		n.odd = map[string]uint32{}
	}
	n.odd[c.Name] = c.number()
}

func (n *names) resize(size int) {
	old := n.slots
	n.slots = make([]nameSlot, size)
	for _, slot := range old {
		if slot.number > 0 {
			*n.slot(n.place(slot.name()), slot) = slot
		}
	}
}
