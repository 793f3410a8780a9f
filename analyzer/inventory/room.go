package inventory

// A room hands out pieces of memory that is made for many at once: a large node
// has tens of thousands of entries.
type room[T any] struct{ rest []T }

// roomFor is for how many there is room at first, and at least from then on.
const roomFor = 256

// one is a T, of zero value.
func (r *room[T]) one() *T { return &r.list(1)[:1][0] }

// list is an empty list with room for n of T and no more.
func (r *room[T]) list(n int) []T {
	if len(r.rest) < n {
		r.rest = make([]T, max(n, roomFor))
	}
	list := r.rest[:0:n]
	r.rest = r.rest[n:]
	return list
}
