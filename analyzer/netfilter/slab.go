package netfilter

// A slab keeps lists of values, many lists to an allocation. A list is known by
// a number, which takes a sixth of the room of a slice: a table has as many
// lists as rules.
type slab[T any] struct {
	chunks [][]T
}

// A chunk holds up to 1<<chunkBits values, or one list that is longer.
const chunkBits = 10

// chunkSize is how many values the chunk behind so many others has room for:
// small tables take little.
func chunkSize(others int) int { return min(32<<min(others, chunkBits), 1<<chunkBits) }

// add keeps a copy of a list that is not empty, and gives its number.
func (s *slab[T]) add(list ...T) (number uint32) {
	number = s.room(len(list))
	copy(s.list(number, len(list)), list)
	return number
}

// room makes room for a list of n values, above 0, and gives its number.
func (s *slab[T]) room(n int) (number uint32) {
	last := len(s.chunks) - 1
	if last < 0 || n > cap(s.chunks[last])-len(s.chunks[last]) || len(s.chunks[last]) > 1<<chunkBits-1 {
		last++
		s.chunks = append(s.chunks, make([]T, 0, max(chunkSize(last), n)))
	}
	chunk := &s.chunks[last]
	number = uint32(last<<chunkBits | len(*chunk))
	*chunk = (*chunk)[:len(*chunk)+n]
	return number
}

// extend makes a list of n values longer by one, if it is the last and there is
// room behind it.
func (s *slab[T]) extend(number uint32, n int) bool {
	last := len(s.chunks) - 1
	chunk := &s.chunks[last]
	if int(number>>chunkBits) != last || int(number&(1<<chunkBits-1))+n != len(*chunk) || len(*chunk) == cap(*chunk) {
		return false
	}
	*chunk = (*chunk)[:len(*chunk)+1]
	return true
}

// list is the list of that number, which has n values.
func (s *slab[T]) list(number uint32, n int) []T {
	if n == 0 {
		return nil
	}
	i := int(number & (1<<chunkBits - 1))
	return s.chunks[number>>chunkBits][i : i+n : i+n]
}

// at is the list's first value, to be used in place.
func (s *slab[T]) at(number uint32) *T {
	return &s.chunks[number>>chunkBits][number&(1<<chunkBits-1)]
}

// place is how many values were kept before the one that is the list of that
// number, in a slab whose lists all have one value.
func (s *slab[T]) place(number uint32) int {
	chunk, small := int(number>>chunkBits), chunkBits-5
	return 32<<min(chunk, small) - 32 + max(chunk-small, 0)<<chunkBits + int(number&(1<<chunkBits-1))
}

// has reports whether there is a list of that number.
func (s *slab[T]) has(number uint32) bool {
	chunk := int(number >> chunkBits)
	return chunk < len(s.chunks) && int(number&(1<<chunkBits-1)) < len(s.chunks[chunk])
}
