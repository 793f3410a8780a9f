package iproute

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// objects runs over the objects of the JSON array that begins at the cursor,
// each as text with the cursor of its first line, and gives the cursor behind
// the line that the array ends in. Text that ends early or is no JSON ends the
// walk with a remark of that code; what came before it stands.
func objects(at source.Cursor, code string, remarks *source.Remarks, visit func(at source.Cursor, object json.RawMessage)) (next source.Cursor) {
	text := at.File.Text[at.Offset:]
	lines := &lineReader{at: at}
	dec := json.NewDecoder(lines)
	here, seen := at, 0 // the line that holds text[seen]
	// proceed takes here to what comes next: the decoder stands before the
	// comma and the white space that separate two objects.
	proceed := func() {
		offset := max(seen, int(dec.InputOffset()))
		offset = len(text) - len(strings.TrimLeft(text[offset:], ", \t\r\n"))
		here.Line += strings.Count(text[seen:offset], "\n")
		seen = offset
		here.Offset = at.Offset + seen
	}
	// fail reports what is no JSON: from the object that cannot be read to the
	// line before the one that shows it, which may be another text's.
	fail := func() source.Cursor {
		proceed()
		if !here.More() {
			d := unread(at, "the end of the text", "the JSON array that begins here to be closed")
			d.Code = code
			remarks.Add(d)
			return lines.at
		}
		found, next := here.Next()
		d := unread(here, found, "an object or the end of a JSON array")
		d.Code = code
		if lines.at.More() && lines.last.Line > here.Line {
			next = lines.last
		} else if lines.at.Line > next.Line {
			next = lines.at
		}
		d.Unread = next.Line - here.Line
		remarks.Add(d)
		return next
	}
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return fail()
	}
	for dec.More() {
		var object json.RawMessage
		proceed()
		if err := dec.Decode(&object); err != nil {
			return fail()
		}
		visit(here, object)
	}
	proceed() // to the closing bracket
	if _, err := dec.Token(); err != nil {
		return fail()
	}
	_, next = here.Next()
	return next
}

// A lineReader gives a text line by line, so that it knows how far whoever
// reads it has come.
type lineReader struct {
	at   source.Cursor // behind what was given
	last source.Cursor // before the line that was given last, or its part
	rest string        // of that line
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		if !r.at.More() {
			return 0, io.EOF
		}
		_, next := r.at.Next()
		r.rest = r.at.File.Text[r.at.Offset:next.Offset]
		r.last, r.at = r.at, next
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
