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

// Expires reports whether the i-th element goes away by itself in time.
func (s *Set) Expires(i int) bool {
	if s.Timeout != 0 {
		return true
	}
	x := s.extra(i)
	return x != nil && (x.timeout != 0 || x.expires != 0)
}
