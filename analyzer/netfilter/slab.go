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
	last := len(s.chunks) - 1
	if last < 0 || len(list) > cap(s.chunks[last])-len(s.chunks[last]) {
		last++
		s.chunks = append(s.chunks, make([]T, 0, max(chunkSize(last), len(list))))
	}
	chunk := &s.chunks[last]
	number = uint32(last<<chunkBits | len(*chunk))
	*chunk = append(*chunk, list...)
	return number
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

// has reports whether there is a list of that number.
func (s *slab[T]) has(number uint32) bool {
	chunk := int(number >> chunkBits)
	return chunk < len(s.chunks) && int(number&(1<<chunkBits-1)) < len(s.chunks[chunk])
}
