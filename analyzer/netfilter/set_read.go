package netfilter

// Value is the i-th element's value in a map, or the range that it is, as
// Element has it.
func (s *Set) Value(i int) (first, last Key) {
	if s.Data == nil {
		return "", ""
	}
	w := s.dataWidth
	if !s.ranges {
		first = Key(s.data[i*w : (i+1)*w])
		return first, first
	}
	at := 2 * i * w
	return Key(s.data[at : at+w]), Key(s.data[at+w : at+2*w])
}

// Verdict is the i-th element's verdict in a verdict map, nil in other sets.
func (s *Set) Verdict(i int) Statement {
	if s.verdicts == nil {
		return nil
	}
	return s.verdicts[i]
}

// Keys are the first and the last key of the i-th element, as Element has
// them.
func (s *Set) Keys(i int) (first, last Key) {
	if i == s.wildcard-1 {
		return "", ""
	}
	first = Key(s.key(i, false))
	if !s.intervals {
		return first, first
	}
	return first, Key(s.key(i, true))
}

// Single is the key of an element that stands for one key alone. The caller must
// not change it.
func (s *Set) Single(i int) (key []byte, ok bool) {
	if i == s.wildcard-1 {
		return nil, false
	}
	key = s.key(i, false)
	return key, !s.intervals || string(key) == string(s.key(i, true))
}

// SingleValue is the value of a map's element that is no range. The caller must
// not change it.
func (s *Set) SingleValue(i int) (value []byte, ok bool) {
	if s.Data == nil {
		return nil, false
	}
	w := s.dataWidth
	if !s.ranges {
		return s.data[i*w : (i+1)*w], true
	}
	at := 2 * i * w
	value = s.data[at : at+w]
	return value, string(value) == string(s.data[at+w:at+2*w])
}

// Numbers are the first and the last key of the i-th element as numbers. ok is
// false for the element "*".
func (s *Set) Numbers(i int) (first, last uint64, ok bool) {
	if i == s.wildcard-1 {
		return 0, 0, false
	}
	first = bigEndian(s.key(i, false))
	if !s.intervals {
		return first, first, true
	}
	return first, bigEndian(s.key(i, true)), true
}

// CommentOf is the i-th element's comment, "" without one.
func (s *Set) CommentOf(i int) string {
	if x := s.extra(i); x != nil {
		return x.comment
	}
	return ""
}

// Expires reports whether the i-th element goes away by itself in time.
func (s *Set) Expires(i int) bool {
	if s.Timeout != 0 {
		return true
	}
	x := s.extra(i)
	return x != nil && (x.timeout != 0 || x.expires != 0)
}
