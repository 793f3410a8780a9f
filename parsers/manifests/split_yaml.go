package manifests

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// splitYAML takes documents apart, and lists into their items, by the way in
// which lines are indented: so one damaged object costs no other, and a large
// list needs no more memory at once than some of its objects. Documents with
// anchors stay in one piece, for an alias can stand in another item. Files that
// were put together without a mark between them come apart where a key that
// every object has once stands again.
//
// kubectl ends a list with its kind, and its last line with a line feed. People
// who write objects themselves often leave that out: only a text with what the API
// server adds is taken to be cut without it.
func splitYAML(at, end source.Cursor) []piece {
	var pieces []piece
	begin, text := at, at.File.Text[at.Offset:end.Offset]
	var version, kind bool // stood in the document
	flush := func(to source.Cursor) {
		version, kind = false, false
		if document := at.File.Text[begin.Offset:to.Offset]; strings.TrimSpace(document) != "" {
			pieces = append(pieces, splitDocument(document, begin.Line)...)
		}
	}
	for at.Offset < end.Offset {
		line, after := at.Next()
		if strings.HasPrefix(line, "---") && (len(line) == 3 || strings.IndexByte(" \t\r", line[3]) >= 0) {
			flush(at)
			begin = after
			if rest := strings.TrimSpace(line[3:]); rest != "" && rest[0] != '#' {
				begin = at // something stands on the same line
			}
		}
		isVersion, isKind := strings.HasPrefix(line, "apiVersion:"), strings.HasPrefix(line, "kind:")
		if isVersion && version || isKind && kind {
			flush(at)
			begin = at
		}
		version, kind = version || isVersion, kind || isKind
		at = after
	}
	flush(end)
	rest := at.File.Text[end.Offset:] // blanks without a line feed are no line of an object's
	isCut := strings.TrimLeft(rest, " ") == "" && !strings.HasSuffix(at.File.Text, "\n")
	if n := len(pieces); n > 0 && isCut && strings.Contains(text, "creationTimestamp:") {
		pieces[n-1].cut = true
	}
	return pieces
}

// hasAnchor reports whether something in a document may be an anchor: a word
// that begins with "&", and so neither "&" nor "&&" in what people write.
func hasAnchor(document string) bool {
	for {
		i := strings.Index(document, " &")
		if i < 0 {
			return false
		}
		document = document[i+len(" &"):]
		if document != "" && strings.IndexByte("& \t\r\n", document[0]) < 0 {
			return true
		}
		document = strings.TrimLeft(document, "&")
	}
}

// splitDocument gives the items of a document that is a list in block style,
// and any other document as a whole.
func splitDocument(document string, line int) []piece {
	whole := []piece{{text: document, line: line}}
	if hasAnchor(document) || strings.HasPrefix(document, "---") {
		return whole
	}
	var (
		pieces []piece
		kind   string
		inList bool // between items: and the list's end
		indent = -1 // of the items; not known before the first
		start  int  // of the current item
		first  int  // its line
	)
	finish := func(to int) {
		if inList && indent >= 0 {
			pieces = append(pieces, piece{text: document[start:to], line: first})
		}
	}
	found := false
	for offset, number := 0, line; offset < len(document); number++ {
		end := len(document)
		if i := strings.IndexByte(document[offset:], '\n'); i >= 0 {
			end = offset + i + 1
		}
		text := document[offset:end]
		body := strings.TrimLeft(text, " ")
		depth := len(text) - len(body)
		body = strings.TrimRight(body, " \t\r\n")
		isItem := body == "-" || strings.HasPrefix(body, "- ")
		switch {
		case body == "" || body[0] == '#':
		case inList && isItem && (indent < 0 || depth == indent):
			finish(offset)
			indent, start, first = depth, offset, number
		case inList && depth > indent && indent >= 0:
		default:
			if inList {
				finish(offset)
				inList = false
			}
			if depth > 0 {
				break
			}
			if body == "items:" && !found {
				inList, found, indent = true, true, -1
			}
			if value, ok := strings.CutPrefix(body, "kind:"); ok {
				kind = strings.Trim(strings.TrimSpace(value), `"'`)
			}
		}
		offset = end
	}
	finish(len(document))
	if len(pieces) == 0 || !strings.HasSuffix(kind, "List") && kind != "" {
		return whole
	}
	if kind == "" {
		pieces[len(pieces)-1].cut = true
	}
	for i := range pieces {
		pieces[i].kind = strings.TrimSuffix(kind, "List")
	}
	return pieces
}
