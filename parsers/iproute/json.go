package iproute

import (
	"encoding/json"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// objects runs over the objects of the JSON array that begins at the cursor,
// each as text with the cursor of its first line, and gives the cursor behind
// the array. Text that ends early or is no JSON ends the walk with a remark;
// what came before it stands.
func objects(at source.Cursor, visit func(at source.Cursor, object json.RawMessage)) (diags []source.Diagnostic, next source.Cursor) {
	text := at.File.Text[at.Offset:]
	dec := json.NewDecoder(strings.NewReader(text))
	here, passed := at, 0 // the line that holds text[passed]
	advance := func(offset int) {
		here.Line += strings.Count(text[passed:offset], "\n")
		passed = offset
	}
	fail := func() ([]source.Diagnostic, source.Cursor) {
		advance(int(dec.InputOffset()))
		found := strings.TrimLeft(text[passed:], ", \t\r\n")
		advance(len(text) - len(found))
		found, _, _ = strings.Cut(found, "\n")
		if found == "" {
			return append(diags, unread(at, "the end of the text", "the JSON array that begins here to be closed")), endOfLine(here, at, passed)
		}
		return append(diags, unread(here, found, "an object or the end of a JSON array")), endOfLine(here, at, passed)
	}
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return fail()
	}
	for dec.More() {
		var object json.RawMessage
		advance(int(dec.InputOffset()))
		for passed < len(text) && strings.IndexByte(", \t\r\n", text[passed]) >= 0 {
			advance(passed + 1)
		}
		if err := dec.Decode(&object); err != nil {
			return fail()
		}
		visit(here, object)
	}
	if _, err := dec.Token(); err != nil {
		return fail()
	}
	advance(int(dec.InputOffset()))
	return diags, endOfLine(here, at, passed)
}

// endOfLine is the cursor behind the line that holds the passed-th byte of the
// text from at on.
func endOfLine(here, at source.Cursor, passed int) source.Cursor {
	here.Offset = at.Offset + passed
	_, next := here.Next()
	return next
}
