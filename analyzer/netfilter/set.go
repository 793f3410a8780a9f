package netfilter

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A SetFlag is a property of a set, as nft's "flags" has it.
type SetFlag uint8

// The flags in the order in which nft prints them (nft 1.0.6, rule.c,
// set_print_declaration).
const (
	ConstantSet SetFlag = 1 << iota
	DynamicSet          // rules add elements
	IntervalSet         // elements can be ranges
	TimeoutSet          // elements can expire
)

// A Set is a set, map or verdict map of nftables: named, or written out in a
// rule. Its elements lie packed, a few bytes each.
type Set struct {
	Table *Table
	Name  string // "" for one that is written out in a rule
	Pos   source.Position
	// Declared says that the text shows the set; otherwise a rule merely names
	// it, and what it holds is not known.
	Declared bool

	Key      []DataType
	Data     []DataType // of a map's values; nil for a set or a verdict map
	Verdicts bool       // a verdict map
	// KeyText and DataText are the types as they are declared, where Key and
	// Data do not tell: by an expression ("typeof ip saddr"), or of a type
	// that is not modelled. ObjectMap is what a map to objects holds:
	// "counter", "quota", …
	KeyText, DataText, ObjectMap string

	Flags             SetFlag
	AutoMerge         bool
	Policy            string // "memory"; "" for performance
	Size              uint32 // 0 when not limited
	Timeout           time.Duration
	GCInterval        time.Duration
	Comment           string
	With              []Statement // what each new element gets: counters, limits
	Rest              []string    // properties and elements that are not modelled, as text
	hasUnread         bool
	width, dataWidth  int
	keys, data        []byte      // of all elements; two keys each if intervals is set
	intervals, ranges bool        // the keys, the data are ranges
	verdicts          []Statement // of a verdict map's elements
	lines             []int32     // in which the elements stand; nil when not said
	count             int
	wildcard          int // 1 + number of the element "*"; 0 without one
	extras            []setExtra
	index             setIndex
}

// An Element is one element of a set.
type Element struct {
	// First and Last are the keys that it stands for: equal for one, the
	// first and last of a range in each part otherwise. Both are "" for the
	// element "*", which stands for all keys that no other does.
	First, Last Key
	// Data and DataLast are the value of a map's element, or the range that
	// it is; Verdict is that of a verdict map.
	Data, DataLast Key
	Verdict        Statement

	Comment  string
	Timeout  time.Duration // 0 when it has none of its own
	Expires  time.Duration // how long it had when the text was made; 0 when not said
	Counters *Counters
	Rest     string // further parts as text: a limit, a quota
	Line     int    // that it begins in, of the set's file; 0 when not said
}

// A setExtra holds the parts that few elements have.
type setExtra struct {
	element  int
	comment  string
	timeout  time.Duration
	expires  time.Duration
	counters *Counters
	rest     string
}

// IsMap reports whether keys have values or verdicts.
func (s *Set) IsMap() bool { return s.Verdicts || s.Data != nil || s.ObjectMap != "" }

// Ref is how a rule writes the set: "@name", or its elements in braces.
func (s *Set) Ref() string {
	if s.Name != "" {
		return "@" + s.Name
	}
	var b strings.Builder
	b.WriteString("{ ")
	for i := range s.count {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.FormatElement(s.Element(i)))
	}
	for i, text := range s.Rest {
		if i > 0 || s.count > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	b.WriteString(" }")
	return b.String()
}

// SetTypes says what the set's elements are made of. It comes before Add.
func (s *Set) SetTypes(key, data []DataType) {
	s.Key, s.Data = key, data
	s.width, s.dataWidth = KeyWidth(key), KeyWidth(data)
}

// Readable reports whether the set's elements can be read: whether all its
// types have values of a known width.
func (s *Set) Readable() bool { return s.width > 0 && (s.Data == nil || s.dataWidth > 0) }

// AddUnread keeps an element that is not modelled as its text. A lookup that
// finds no other element cannot be told from then on.
func (s *Set) AddUnread(text string) {
	s.Rest = append(s.Rest, text)
	s.hasUnread = true
}

// Vague reports whether the set can have elements besides those it is known to
// have: it is not declared, or has some that could not be read.
func (s *Set) Vague() bool { return !s.Declared || s.hasUnread }

// Changes reports whether elements come and go by themselves or with packets:
// then what the text shows is how it was at that moment.
func (s *Set) Changes() bool { return s.Flags&(DynamicSet|TimeoutSet) != 0 }

// Expect makes room for so many elements more.
func (s *Set) Expect(elements int) {
	s.keys = slices.Grow(s.keys, elements*s.width)
	s.data = slices.Grow(s.data, elements*s.dataWidth)
	if s.Verdicts {
		s.verdicts = slices.Grow(s.verdicts, elements)
	}
	if s.Name != "" {
		s.lines = slices.Grow(s.lines, elements)
	}
}

// Add appends an element. Its keys are as wide as the set's types say.
func (s *Set) Add(e Element) {
	if e.First == "" {
		s.wildcard = s.count + 1
		blank := Key(make([]byte, s.width))
		e.First, e.Last = blank, blank
	}
	if !s.intervals && e.First != e.Last {
		s.keys, s.intervals = doubled(s.keys, s.width), true
	}
	s.keys = append(s.keys, e.First...)
	if s.intervals {
		s.keys = append(s.keys, e.Last...)
	}
	if s.Data != nil {
		if e.DataLast == "" {
			e.DataLast = e.Data
		}
		if !s.ranges && e.Data != e.DataLast {
			s.data, s.ranges = doubled(s.data, s.dataWidth), true
		}
		s.data = append(s.data, e.Data...)
		if s.ranges {
			s.data = append(s.data, e.DataLast...)
		}
	}
	if s.Verdicts || s.ObjectMap != "" {
		s.verdicts = append(s.verdicts, e.Verdict)
	}
	if e.Comment != "" || e.Timeout != 0 || e.Expires != 0 || e.Counters != nil || e.Rest != "" {
		s.extras = append(s.extras, setExtra{s.count, e.Comment, e.Timeout, e.Expires, e.Counters, e.Rest})
	}
	s.standsIn(e.Line)
	s.count++
}

// standsIn notes the next element's line. Those of a rule's own set stand in the
// rule's.
func (s *Set) standsIn(line int) {
	if line != 0 && s.Name != "" && len(s.lines) == s.count {
		s.lines = append(s.lines, int32(line))
	}
}

// AddPlain appends an element of one key, with a value or a verdict if the set is
// a map, and nothing else, in that line. It keeps copies.
func (s *Set) AddPlain(key, data []byte, verdict Statement, line int) {
	s.keys = append(s.keys, key...)
	if s.intervals {
		s.keys = append(s.keys, key...)
	}
	if s.Data != nil {
		s.data = append(s.data, data...)
		if s.ranges {
			s.data = append(s.data, data...)
		}
	}
	if s.Verdicts {
		s.verdicts = append(s.verdicts, verdict)
	}
	s.standsIn(line)
	s.count++
}

// doubled are keys made ranges of one.
func doubled(keys []byte, width int) []byte {
	out := make([]byte, 0, 2*cap(keys))
	for i := 0; i < len(keys); i += width {
		out = append(append(out, keys[i:i+width]...), keys[i:i+width]...)
	}
	return out
}

// Len counts the elements.
func (s *Set) Len() int { return s.count }

// key is the i-th element's first key, or the last.
func (s *Set) key(i int, last bool) []byte {
	if !s.intervals {
		return s.keys[i*s.width : (i+1)*s.width]
	}
	if i *= 2; last {
		i++
	}
	return s.keys[i*s.width : (i+1)*s.width]
}

// Element is the i-th element, from 0, in the text's order.
func (s *Set) Element(i int) Element {
	var e Element
	e.First, e.Last = s.Keys(i)
	e.Data, e.DataLast = s.Value(i)
	e.Verdict = s.Verdict(i)
	if i < len(s.lines) {
		e.Line = int(s.lines[i])
	}
	if x := s.extra(i); x != nil {
		e.Comment, e.Timeout, e.Expires, e.Counters, e.Rest = x.comment, x.timeout, x.expires, x.counters, x.rest
	}
	return e
}

// extra are the i-th element's rarer parts, nil if it has none.
func (s *Set) extra(i int) *setExtra {
	lo, hi := 0, len(s.extras)
	for lo < hi {
		if mid := (lo + hi) / 2; s.extras[mid].element < i {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.extras) && s.extras[lo].element == i {
		return &s.extras[lo]
	}
	return nil
}

// Elements runs over the elements in the text's order.
func (s *Set) Elements() iter.Seq2[int, Element] {
	return func(yield func(int, Element) bool) {
		for i := range s.count {
			if !yield(i, s.Element(i)) {
				return
			}
		}
	}
}

// Jumps runs over the jumps and gotos of a verdict map's elements.
func (s *Set) Jumps() iter.Seq[*Jump] {
	return func(yield func(*Jump) bool) {
		for _, v := range s.verdicts {
			if j, ok := v.(*Jump); ok && !yield(j) {
				return
			}
		}
	}
}
