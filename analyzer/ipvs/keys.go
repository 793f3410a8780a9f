package ipvs

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// keys finds virtual servers by their Keys: their numbers in the table, behind
// hashes of the keys, in a table of slots that are looked at in turn.
type keys struct {
	slots []keySlot // a power of two, at least half of them free; nil for none
	n     int
}

// A keySlot holds a virtual server, none where number is 0.
type keySlot struct {
	hash   uint32
	number uint32 // from 1
}

// keySeed is that of the hashes, which no text can foresee.
var keySeed = maphash.MakeSeed()

func (k *Key) hash() uint32 {
	var b [24]byte
	address := k.Address.As16() // 0 with a mark
	copy(b[:16], address[:])
	binary.LittleEndian.PutUint32(b[16:], k.Mark)
	binary.LittleEndian.PutUint16(b[20:], k.Port)
	b[22], b[23] = k.Protocol, byte(k.Family)
	return uint32(maphash.Bytes(keySeed, b[:]))
}

// find is the virtual server with a key, nil if there is none.
func (t *Table) find(k *Key) *VirtualServer {
	if t.keys.n == 0 {
		return nil
	}
	return t.findHashed(k, k.hash())
}

// findHashed is find of a key with that hash.
func (t *Table) findHashed(k *Key, hash uint32) *VirtualServer {
	if t.keys.n == 0 {
		return nil
	}
	for at := int(hash) & (len(t.keys.slots) - 1); ; at = (at + 1) & (len(t.keys.slots) - 1) {
		slot := t.keys.slots[at]
		if slot.number == 0 {
			return nil
		}
		if v := t.services[slot.number-1]; slot.hash == hash && v.has(k) {
			return v
		}
	}
}

// has reports whether Key would give that key.
func (v *VirtualServer) has(k *Key) bool {
	if v.Mark != 0 {
		return v.Mark == k.Mark && v.Family == k.Family
	}
	return k.Mark == 0 && v.Port == k.Port && v.Protocol == k.Protocol && v.Address == k.Address && v.Family == k.Family
}

// expect makes room for about so many keys, before the first one.
func (k *keys) expect(n int) { k.slots = make([]keySlot, 1<<bits.Len(uint(2*max(n, 4)-1))) }

// put has the virtual server of a number found by its key, which has that hash.
func (k *keys) put(hash uint32, number int) {
	if 2*k.n >= len(k.slots) {
		grown := keys{}
		grown.expect(k.n + 1)
		for _, s := range k.slots {
			if s.number != 0 {
				grown.take(s)
			}
		}
		k.slots = grown.slots
	}
	k.n++
	k.take(keySlot{hash, uint32(number) + 1})
}

func (k *keys) take(s keySlot) {
	at := int(s.hash) & (len(k.slots) - 1)
	for k.slots[at].number != 0 {
		at = (at + 1) & (len(k.slots) - 1)
	}
	k.slots[at] = s
}
