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
	out := bufio.NewWriter(w)
	var buf bytes.Buffer
	for i, section := range analysisDocument(a) {
		opening := ",\n"
		if i == 0 {
			opening = "{\n"
		}
		fmt.Fprintf(out, "%s  %q: ", opening, section.name)
		if section.list == nil {
			if err := writeJSON(out, &buf, section.value, "  "); err != nil {
				return err
			}
			continue
		}
		separator := "[\n    "
		for element := range section.list {
			out.WriteString(separator)
			if err := writeJSON(out, &buf, element, "    "); err != nil {
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

// writeJSON writes a value, its lines after the first indented by the prefix.
func writeJSON(out *bufio.Writer, buf *bytes.Buffer, value any, prefix string) error {
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encoding %T as JSON: %w", value, err)
	}
	_, err := out.Write(escapeQuoted(bytes.TrimSuffix(buf.Bytes(), []byte("\n")), appendJSONAstral))
	return err
}

// appendJSONAstral writes a character beyond the basic plane as JSON has to:
// as a surrogate pair (RFC 8259, section 7).
func appendJSONAstral(b []byte, r rune) []byte {
	high, low := utf16.EncodeRune(r)
	return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
}
