package report

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
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
	var isASCII bool
	w.indented, isASCII = appendIndented(w.indented[:0], compact, depth)
	text := w.indented
	if !isASCII {
		text = escapeQuoted(text, appendJSONAstral)
	}
	_, err := w.Write(text)
	return err
}

// appendIndented appends JSON that has no blanks, one field or element a line,
// as json.Indent does. That looks at each byte for errors; here there are none,
// for the text comes from the encoder, and it is the larger part of the work
// for a large node. isASCII says that the text has printable characters of ASCII
// only.
func appendIndented(b, compact []byte, depth int) (indented []byte, isASCII bool) {
	isASCII = true
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
			for end += plainLength(compact[end:]); compact[end] != '"'; end += plainLength(compact[end:]) {
				if compact[end] == '\\' {
					end++
				} else {
					isASCII = false
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
	return b, isASCII
}

// plainLength is how many bytes stand before the first that is a quotation mark,
// a backslash or no printable character of ASCII. It looks at eight at once: of
// each byte the highest bit says that it is one of these, and for the first one
// that is, and those before it, it says so truly.
func plainLength(text []byte) int {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	isZero := func(w uint64) uint64 { return (w - ones) &^ w }
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(text[n:])
		found := w | (w-' '*ones)&^w | isZero(w^'"'*ones) | isZero(w^'\\'*ones) | isZero(w^0x7f*ones)
		if found &= highest; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(text) && text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// appendJSONAstral writes a character beyond the basic plane as JSON has to:
// as a surrogate pair (RFC 8259, section 7).
func appendJSONAstral(b []byte, r rune) []byte {
	high, low := utf16.EncodeRune(r)
	return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
}
