package manifests

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// EndOfJSON is the cursor behind the line that closes the JSON value which
// begins at the cursor. A string ends with its line, whatever is missing, and
// a line of another text, one that does not look like JSON, ends a value that
// nobody closed.
func EndOfJSON(at source.Cursor, foreign func(line string) bool) source.Cursor {
	depth := 0
	for at.More() {
		line, after := at.Next()
		if depth > 0 && line != "" && strings.IndexByte(" \t\r{}[]\",", line[0]) < 0 && foreign(line) {
			return at
		}
		at = after
		for i := 0; i < len(line); i++ {
			switch line[i] {
			case '"':
				i = endOfString(line, i)
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
		}
		if depth <= 0 {
			break
		}
	}
	return at
}

// endOfString is the offset of the quotation mark that ends the string which
// begins at an offset, or the last one before the end of the line.
func endOfString(text string, at int) int {
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		case '\n':
			return i - 1
		}
	}
	return len(text) - 1
}

// splitJSON takes values apart into objects: those of an array, those of a
// list's items. It looks at nothing but brackets and strings, so that one
// damaged object costs no other.
func splitJSON(at, end source.Cursor) []piece {
	s := jsonSplitter{text: at.File.Text[at.Offset:end.Offset], line: at.Line}
	s.run()
	return s.pieces
}

type jsonSplitter struct {
	text   string
	line   int // of the text's beginning
	pieces []piece

	depth     int
	start     int // of the value at depth 0
	startLine int
	array     bool // the value is an array
	from      int  // how many pieces there were before the value
	items     bool // inside of the list's items
	key       string
	kind      string

	object, objectLine int // where the current object of an array or list begins
}

func (s *jsonSplitter) run() {
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\n':
			s.line++
		case '"':
			end := endOfString(s.text, i)
			if s.depth == 1 && !s.array {
				s.word(s.text[min(i+1, end):end], end+1)
			}
			i = end
		case '{', '[':
			s.open(i)
		case '}', ']':
			s.close(i)
		}
	}
	if s.depth > 0 {
		s.cut()
	}
}

// word takes a string of the outermost object: a key or a value.
func (s *jsonSplitter) word(word string, after int) {
	rest := strings.TrimLeft(s.text[after:min(len(s.text), after+64)], " \t\r\n")
	switch {
	case strings.HasPrefix(rest, ":"):
		s.key = word
	case s.key == "kind" && s.kind == "":
		s.kind = word
	}
}

// elements reports whether the brackets at the current depth hold objects that
// are pieces of their own.
func (s *jsonSplitter) elements() bool { return s.array && s.depth == 1 || s.items && s.depth == 2 }

func (s *jsonSplitter) open(i int) {
	switch {
	case s.depth == 0:
		s.start, s.startLine, s.from = i, s.line, len(s.pieces)
		s.array, s.items, s.key, s.kind = s.text[i] == '[', false, "", ""
	case s.elements():
		s.object, s.objectLine = i, s.line
	case s.depth == 1 && s.text[i] == '[' && s.key == "items":
		s.items = true
	}
	s.depth++
}

func (s *jsonSplitter) close(i int) {
	if s.depth == 0 {
		return // nothing is open: the text before it is damaged, and said to be
	}
	s.depth--
	switch {
	case s.elements():
		s.pieces = append(s.pieces, piece{text: s.text[s.object : i+1], line: s.objectLine, json: true})
	case s.depth == 1 && s.items:
		s.items, s.key = false, ""
	case s.depth == 0:
		s.finish(i + 1)
	}
}

// finish ends a value: the kind of a list is known now.
func (s *jsonSplitter) finish(end int) {
	found := s.pieces[s.from:]
	if !s.array && (len(found) == 0 || s.kind != "" && !strings.HasSuffix(s.kind, "List")) {
		s.pieces = append(s.pieces[:s.from], piece{text: s.text[s.start:end], line: s.startLine, json: true})
		return
	}
	for j := range found {
		if !s.array {
			found[j].kind = strings.TrimSuffix(s.kind, "List")
		}
	}
}

// cut ends a value that the text's end cuts short: in the middle of an object,
// which is then a piece that cannot be read, or between two.
func (s *jsonSplitter) cut() {
	switch {
	case s.array && s.depth > 1, s.items && s.depth > 2:
		s.pieces = append(s.pieces, piece{text: s.text[s.object:], line: s.objectLine, json: true})
	case len(s.pieces) > s.from || s.array:
		s.pieces = append(s.pieces, piece{text: "{", line: s.line, json: true})
	}
	s.finish(len(s.text))
}
