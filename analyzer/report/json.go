package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/svcpath/svcpath/analyzer"
)

// AnalysisJSON writes the analysis as JSON: the document that
// docs/schema/analysis.json describes, indented by two blanks, the same bytes
// for the same analysis. The error is the writer's.
func AnalysisJSON(w io.Writer, a *analyzer.Analysis) error {
	return documentJSON(w, analysisDocument(a))
}

// documentJSON writes a document as JSON, section by section.
func documentJSON(w io.Writer, doc []docSection) error {
	out := &jsonWriter{Writer: newWriter(w)}
	for i, section := range doc {
		opening := ",\n"
		if i == 0 {
			opening = "{\n"
		}
		fmt.Fprintf(out, "%s  %q: ", opening, section.name)
		if section.list == nil {
			if err := out.value(section.value, 1); err != nil {
				return err
			}
			continue
		}
		separator := "[\n    "
		for element := range section.list {
			out.WriteString(separator)
			if err := out.value(element, 2); err != nil {
				return err
			}
			separator = ",\n    "
		}
		if separator == ",\n    " {
			out.WriteString("\n  ]")
		} else {
			out.WriteString("[]")
		}
	}
	out.WriteString("\n}\n")
	return out.Flush()
}

// A jsonWriter writes values, with room that serves them all.
type jsonWriter struct {
	*bufio.Writer
	compact  bytes.Buffer
	encoder  *json.Encoder // into compact
	indented []byte
}

// value writes a value that begins so many levels deep in the document.
func (w *jsonWriter) value(value any, depth int) error {
	if w.encoder == nil {
		w.encoder = json.NewEncoder(&w.compact)
		w.encoder.SetEscapeHTML(false)
	}
	w.compact.Reset()
	if err := w.encoder.Encode(value); err != nil {
		return fmt.Errorf("encoding %T as JSON: %w", value, err)
	}
	compact := bytes.TrimSuffix(w.compact.Bytes(), []byte("\n"))
	w.indented = appendIndented(w.indented[:0], escapeQuoted(compact, appendJSONAstral), depth)
	_, err := w.Write(w.indented)
	return err
}

// appendIndented appends JSON that has no blanks, one field or element a line,
// as json.Indent does. That looks at each byte for errors; here there are none,
// for the text comes from the encoder, and it is the larger part of the work
// for a large node.
func appendIndented(b, compact []byte, depth int) []byte {
	line := func() {
		b = append(b, '\n')
		for range depth {
			b = append(b, "  "...)
		}
	}
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := i + 1
			for compact[end] != '"' {
				if compact[end] == '\\' {
					end++
				}
				end++
			}
			b = append(b, compact[i:end+1]...)
			i = end
		case '{', '[':
			b = append(b, c)
			if next := compact[i+1]; next == '}' || next == ']' {
				b = append(b, next)
				i++
				continue
			}
			depth++
			line()
		case '}', ']':
			depth--
			line()
			b = append(b, c)
		case ',':
			b = append(b, c)
			line()
		case ':':
			b = append(b, ": "...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendJSONAstral writes a character beyond the basic plane as JSON has to:
// as a surrogate pair (RFC 8259, section 7).
func appendJSONAstral(b []byte, r rune) []byte {
	high, low := utf16.EncodeRune(r)
	return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
}
