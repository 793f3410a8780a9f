package inventory

// A slab makes values many at a time: a large node has tens of thousands of
// services and entries, none of which is ever given back.
type slab[T any] struct {
	free []T
	size int // of the last piece that was allocated
}

// list makes n values in a row.
func (s *slab[T]) list(n int) []T {
	if n > len(s.free) {
		s.size = min(max(2*s.size, 16), 1024)
		s.free = make([]T, max(s.size, n))
	}
	list := s.free[:n:n]
	s.free = s.free[n:]
	return list
}

// one makes one value.
func (s *slab[T]) one() *T { return &s.list(1)[0] }
