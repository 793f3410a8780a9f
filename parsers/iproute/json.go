package iproute

import (
	"encoding/json"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// objects runs over the objects of the JSON array that begins at the cursor,
// each as text with the cursor of its first line, and gives the cursor behind
// the line that the array ends in. Text that ends early or is no JSON ends the
// walk with a remark; what came before it stands.
func objects(at source.Cursor, visit func(at source.Cursor, object json.RawMessage)) (diags []source.Diagnostic, next source.Cursor) {
	text := at.File.Text[at.Offset:]
	dec := json.NewDecoder(strings.NewReader(text))
	here, seen := at, 0 // the line that holds text[seen]
	// proceed takes here to what comes next: the decoder stands before the
	// comma and the white space that separate two objects.
	proceed := func() {
		offset := max(seen, int(dec.InputOffset()))
		offset = len(text) - len(strings.TrimLeft(text[offset:], ", \t\r\n"))
		here.Line += strings.Count(text[seen:offset], "\n")
		seen = offset
	}
	behind := func() source.Cursor {
		here.Offset = at.Offset + seen
		_, next := here.Next()
		return next
	}
	fail := func() ([]source.Diagnostic, source.Cursor) {
		proceed()
		found, _, _ := strings.Cut(text[seen:], "\n")
		if found == "" {
			d := unread(at, "the end of the text", "the JSON array that begins here to be closed")
			return append(diags, d), behind()
		}
		return append(diags, unread(here, found, "an object or the end of a JSON array")), behind()
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
	return diags, behind()
}
