package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer"
)

// AnalysisYAML writes the document of AnalysisJSON as YAML, fields in the same
// order. The error is the writer's.
func AnalysisYAML(w io.Writer, a *analyzer.Analysis) error {
	return documentYAML(w, analysisDocument(a))
}

// documentYAML writes a document as YAML, section by section.
func documentYAML(w io.Writer, doc []docSection) error {
	out := newWriter(w)
	var buf bytes.Buffer
	for _, section := range doc {
		if section.list == nil {
			if err := writeYAML(out, &buf, section.name, section.value, true); err != nil {
				return err
			}
			continue
		}
		first := true
		for element := range section.list {
			if err := writeYAML(out, &buf, section.name, []any{element}, first); err != nil {
				return err
			}
			first = false
		}
		if first {
			fmt.Fprintf(out, "%s: []\n", section.name)
		}
	}
	return out.Flush()
}

// writeYAML writes a field at the top of the document. The field of a list is
// written once for each element, and only the first of them brings the line
// with the name.
func writeYAML(out *bufio.Writer, buf *bytes.Buffer, name string, value any, named bool) error {
	buf.Reset()
	enc := yaml.NewEncoder(buf)
	enc.SetIndent(2)
	if err := enc.Encode(map[string]any{name: value}); err != nil {
		return fmt.Errorf("encoding %T as YAML: %w", value, err)
	}
	text := buf.Bytes()
	if !named {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	_, err := out.Write(escapeQuoted(text, appendYAMLAstral))
	return err
}

// appendYAMLAstral writes a character beyond the basic plane as double-quoted
// YAML does.
func appendYAMLAstral(b []byte, r rune) []byte { return fmt.Appendf(b, `\U%08x`, r) }
