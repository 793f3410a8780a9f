package netfilter

import (
	"bytes"
	"hash/maphash"
	"iter"
	"slices"
	"sync"
)

// A setIndex finds a set's elements by key: those of one key by hash, the
// others by their first part. It is made when first asked for.
type setIndex struct {
	once  sync.Once
	slots []uint32 // 1 + number of an element; a power of two, at most half of them taken
	// spans are the elements that are ranges, by where their first part
	// begins; reach is the highest end of it among them so far.
	spans []span
}

type span struct {
	element int32
	reach   []byte
}

// Find is the element that holds the key: its number, or -1 if there is none.
// That an element "*" is meant is the last thing the kernel tries.
func (s *Set) Find(key Key) int {
	s.index.once.Do(s.buildIndex)
	if len(key) != s.width || s.width == 0 {
		return -1
	}
	if i := s.findOne(key); i >= 0 {
		return i
	}
	if i := s.findSpan(key); i >= 0 {
		return i
	}
	return s.wildcard - 1
}

func (s *Set) findOne(key Key) int {
	if len(s.index.slots) == 0 {
		return -1
	}
	mask := uint32(len(s.index.slots) - 1)
	for at := uint32(maphash.String(seed, string(key))) & mask; ; at = (at + 1) & mask {
		n := s.index.slots[at]
		if n == 0 {
			return -1
		}
		if string(s.key(int(n-1), false)) == string(key) {
			return int(n - 1)
		}
	}
}

// findSpan looks through the ranges that can hold the key's first part, from
// the last that begins before it.
func (s *Set) findSpan(key Key) int {
	spans := s.index.spans
	if len(spans) == 0 {
		return -1
	}
	w := s.Key[0].Width()
	first := []byte(key[:w])
	end, _ := slices.BinarySearchFunc(spans, first, func(sp span, k []byte) int {
		if bytes.Compare(s.key(int(sp.element), false)[:w], k) <= 0 {
			return -1
		}
		return 1
	})
	for i := end - 1; i >= 0 && bytes.Compare(spans[i].reach, first) >= 0; i-- {
		if s.holds(int(spans[i].element), key) {
			return int(spans[i].element)
		}
	}
	return -1
}

// holds reports whether a key is one of an element's, part by part.
func (s *Set) holds(i int, key Key) bool {
	a, z := s.key(i, false), s.key(i, true)
	at := 0
	for _, t := range s.Key {
		end := at + t.Width()
		part := key[at:end]
		if part < Key(a[at:end]) || part > Key(z[at:end]) {
			return false
		}
		at = end
	}
	return true
}

func (s *Set) buildIndex() {
	if s.width == 0 {
		return
	}
	size := 4
	for size < 2*s.count {
		size *= 2
	}
	s.index.slots = make([]uint32, size)
	mask := uint32(size - 1)
	for i := range s.count {
		switch a := s.key(i, false); {
		case i == s.wildcard-1:
		case bytes.Equal(a, s.key(i, true)):
			at := uint32(maphash.Bytes(seed, a)) & mask
			for s.index.slots[at] != 0 && !bytes.Equal(s.key(int(s.index.slots[at]-1), false), a) {
				at = (at + 1) & mask
			}
			if s.index.slots[at] == 0 { // the kernel has no two of one key
				s.index.slots[at] = uint32(i + 1)
			}
		default:
			s.index.spans = append(s.index.spans, span{element: int32(i)})
		}
	}
	w := s.Key[0].Width()
	slices.SortStableFunc(s.index.spans, func(x, y span) int {
		return bytes.Compare(s.key(int(x.element), false)[:w], s.key(int(y.element), false)[:w])
	})
	var reach []byte
	for i := range s.index.spans {
		if end := s.key(int(s.index.spans[i].element), true)[:w]; bytes.Compare(end, reach) > 0 {
			reach = end
		}
		s.index.spans[i].reach = reach
	}
}

// Candidates runs over the elements that a packet can find of which not all
// parts of the key are known: known holds a key for each part, "" for one that
// is not known. More than one element, or none besides what an unknown part
// excludes, can be found; when all parts are known it is Find's. The element
// "*" comes last, for it is what remains.
func (s *Set) Candidates(known []Key) iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.width == 0 || len(known) != len(s.Key) {
			return
		}
		if !slices.Contains(known, "") {
			var key Key
			for _, k := range known {
				key += k
			}
			if i := s.Find(key); i >= 0 {
				yield(i)
			}
			return
		}
		for i := range s.count {
			if i != s.wildcard-1 && s.mayHold(i, known) && !yield(i) {
				return
			}
		}
		if s.wildcard > 0 {
			yield(s.wildcard - 1)
		}
	}
}

// mayHold is holds of the parts that are known.
func (s *Set) mayHold(i int, known []Key) bool {
	a, z := s.key(i, false), s.key(i, true)
	at := 0
	for n, t := range s.Key {
		end := at + t.Width()
		if k := known[n]; k != "" && (k < Key(a[at:end]) || k > Key(z[at:end])) {
			return false
		}
		at = end
	}
	return true
}
