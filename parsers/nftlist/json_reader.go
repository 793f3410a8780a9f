package nftlist

import (
	"encoding/json"
	"strings"
)

// A jsonReader goes through JSON in place. What is not JSON makes it bad, and
// from then on it finds nothing more.
type jsonReader struct {
	text  string
	at    int
	bad   bool
	depth int
}

// maxJSONDepth is how deep values stand in one another at most.
const maxJSONDepth = 100

func (r *jsonReader) blanks() {
	for r.at < len(r.text) && isBlank(r.text[r.at]) {
		r.at++
	}
}

// next is the first character of the next value, 0 at the end.
func (r *jsonReader) next() byte {
	r.blanks()
	if r.bad || r.at >= len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *jsonReader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

func (r *jsonReader) fail() bool {
	r.bad = true
	return false
}

// fields runs over an object's fields; each call of field reads the value.
func (r *jsonReader) fields(field func(key string)) bool {
	return r.list('{', '}', func() bool {
		key, ok := r.string()
		if !ok || !r.take(':') {
			return r.fail()
		}
		field(key)
		return !r.bad
	})
}

// values runs over an array's values; each call of value reads one.
func (r *jsonReader) values(value func()) bool {
	return r.list('[', ']', func() bool {
		value()
		return !r.bad
	})
}

func (r *jsonReader) list(open, end byte, item func() bool) bool {
	if !r.take(open) {
		return r.fail()
	}
	if r.depth++; r.depth > maxJSONDepth {
		return r.fail()
	}
	defer func() { r.depth-- }()
	if r.take(end) {
		return true
	}
	for {
		from := r.at
		if !item() {
			return false
		}
		switch {
		case r.take(','):
		case r.take(end):
			return true
		default:
			return r.fail()
		}
		if r.at <= from {
			return r.fail()
		}
	}
}

// string reads a string.
func (r *jsonReader) string() (string, bool) {
	if r.next() != '"' {
		return "", r.fail()
	}
	start := r.at + 1
	for i := start; i < len(r.text); i++ {
		switch r.text[i] {
		case '"':
			r.at = i + 1
			return r.text[start:i], true
		case '\\':
			return r.escaped(start)
		case '\n':
			return "", r.fail()
		}
	}
	return "", r.fail()
}

// escaped reads a string that has a backslash.
func (r *jsonReader) escaped(start int) (string, bool) {
	for i := start; i < len(r.text); i++ {
		switch r.text[i] {
		case '\\':
			i++
		case '"':
			var s string
			if json.Unmarshal([]byte(r.text[start-1:i+1]), &s) != nil {
				return "", r.fail()
			}
			r.at = i + 1
			return s, true
		}
	}
	return "", r.fail()
}

// literal reads a number, true, false or null.
func (r *jsonReader) literal() string {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,]}{[:\"", r.text[r.at]) < 0 {
		r.at++
	}
	if r.at == start {
		r.fail()
	}
	return r.text[start:r.at]
}

// skip reads any value, and gives its text. Of an object or array it looks for
// the end only: who wants what is in it finds what is wrong there.
func (r *jsonReader) skip() string {
	switch r.next() {
	case '{', '[':
		start := r.at
		r.brackets()
		return r.text[start:r.at]
	case '"':
		start := r.at
		r.string()
		return r.text[start:r.at]
	case 0:
		r.fail()
		return ""
	}
	return r.literal()
}

// brackets goes behind the bracket that closes the one at hand.
func (r *jsonReader) brackets() {
	depth := 0
	for i := r.at; i < len(r.text); i++ {
		switch r.text[i] {
		case '{', '[':
			if depth++; depth > maxJSONDepth {
				r.at = i
				r.fail()
				return
			}
		case '}', ']':
			if depth--; depth == 0 {
				r.at = i + 1
				return
			}
		case '"':
			for i++; i < len(r.text) && r.text[i] != '"'; i++ {
				if r.text[i] == '\\' {
					i++
				}
			}
		}
	}
	r.at = len(r.text)
	r.fail()
}
