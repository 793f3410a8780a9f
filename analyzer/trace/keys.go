package trace

import "hash/maphash"

// keys finds the numbers of questions by what tells them apart. It is a map that
// keeps its room: a trace asks dozens of questions, and the next one others.
type keys struct {
	text  []byte // of all keys
	all   []key
	slots []int32 // by hash: places of keys, counted from 1; 0 where there is none
}

type key struct {
	start, end int // in text
	question   int32
	hash       uint32
}

func hashOfKey(text []byte) uint32 { return uint32(maphash.Bytes(nameSeed, text)) }

// find is the number of the question with a key.
func (k *keys) find(text []byte) (question int32, ok bool) {
	if len(k.slots) == 0 {
		return 0, false
	}
	hash, mask := hashOfKey(text), uint32(len(k.slots)-1)
	for at := hash & mask; k.slots[at] != 0; at = (at + 1) & mask {
		if x := &k.all[k.slots[at]-1]; x.hash == hash && string(k.text[x.start:x.end]) == string(text) {
			return x.question, true
		}
	}
	return 0, false
}

// add adds a key that there is not yet.
func (k *keys) add(text []byte, question int32) {
	start := len(k.text)
	k.text = append(k.text, text...)
	k.all = append(k.all, key{start, len(k.text), question, hashOfKey(text)})
	if 2*len(k.all) > len(k.slots) {
		k.slots = make([]int32, max(64, 2*len(k.slots)))
		for i := range k.all {
			k.put(i)
		}
		return
	}
	k.put(len(k.all) - 1)
}

// put gives a key its slot.
func (k *keys) put(i int) {
	mask := uint32(len(k.slots) - 1)
	at := k.all[i].hash & mask
	for k.slots[at] != 0 {
		at = (at + 1) & mask
	}
	k.slots[at] = int32(i + 1)
}

func (k *keys) reset() {
	k.text, k.all = k.text[:0], k.all[:0]
	clear(k.slots)
}
