package trace

// A slab hands out room of which all is given back at once.
type slab[T any] struct {
	chunks [][]T // of each the part that is taken
	at     int   // the chunk to take from
}

const slabChunk = 64

// take is room for n things; what lies in it is old.
func (s *slab[T]) take(n int) []T {
	if n > slabChunk {
		return make([]T, n)
	}
	for ; s.at < len(s.chunks); s.at++ {
		if c := s.chunks[s.at]; len(c)+n <= cap(c) {
			s.chunks[s.at] = c[:len(c)+n]
			return c[len(c) : len(c)+n : len(c)+n]
		}
	}
	s.chunks = append(s.chunks, make([]T, n, slabChunk))
	return s.chunks[s.at][:n:n]
}

// one is room for one thing.
func (s *slab[T]) one() *T { return &s.take(1)[0] }

func (s *slab[T]) reset() {
	for i, c := range s.chunks {
		s.chunks[i] = c[:0]
	}
	s.at = 0
}
