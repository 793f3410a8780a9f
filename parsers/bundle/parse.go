package bundle

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/source"
)

// Begins reports whether the JSON at the cursor is a manifest. Other JSON of
// Kubernetes' manner begins with apiVersion, too.
func Begins(at source.Cursor) bool {
	head := at.File.Text[at.Offset:]
	head = strings.Join(strings.Fields(head[:min(len(head), 256)]), "")
	return strings.HasPrefix(head, `{"apiVersion":"`+APIVersion+`","kind":"`+Kind+`"`)
}

// Parse reads the manifest that begins at the cursor and gives the cursor
// behind the line that it ends in. The manifest is nil, and a remark says why,
// where there is none that could be read.
func Parse(at source.Cursor) (m *Manifest, diags []source.Diagnostic, next source.Cursor) {
	pos := at.Pos()
	dec := json.NewDecoder(strings.NewReader(at.File.Text[at.Offset:]))
	m = new(Manifest)
	if err := dec.Decode(m); err != nil {
		// Nobody knows where broken JSON ends: all that is left is taken for it.
		next = at
		for next.More() {
			_, next = next.Next()
		}
		return nil, []source.Diagnostic{{
			Severity: source.Error, Pos: pos, Code: "bad-manifest", Unread: next.Line - at.Line,
			Message: fmt.Sprintf("the manifest of a bundle cannot be read: %v", err),
		}}, next
	}
	for end := at.Offset + int(dec.InputOffset()); at.More() && at.Offset < end; {
		_, at = at.Next()
	}
	return m, m.remarks(pos), at
}

// mostNamed is how many of the things that were not there are named.
const mostNamed = 12

// remarks say what whoever reads a bundle should know: who recorded it and
// what is not in it.
func (m *Manifest) remarks(pos source.Position) []source.Diagnostic {
	var diags []source.Diagnostic
	add := func(severity source.Severity, code, format string, args ...any) {
		diags = append(diags, source.Diagnostic{Severity: severity, Pos: pos, Code: code, Message: fmt.Sprintf(format, args...)})
	}
	recorded, absent := 0, []string(nil)
	for _, r := range m.Records {
		switch {
		case r.Truncated:
			add(source.Warning, "recording-incomplete", "%s is cut off: %s", r.File, r.Error)
		case r.Status == Failed, r.Status == Forbidden:
			add(source.Warning, "not-recorded", "%s: not recorded: %s: %s", r.What, r.Command, r.Error)
		case r.Status == Absent:
			absent = append(absent, r.What)
		}
		if r.File != "" {
			recorded++
		}
	}
	text := fmt.Sprintf("a recording of %s: files: %d", m.Whose(), recorded)
	if more := len(absent) - mostNamed; more > 0 {
		absent = append(absent[:mostNamed], fmt.Sprintf("%d more", more))
	}
	if len(absent) > 0 {
		text += "; not there: " + strings.Join(absent, "; ")
	}
	if m.Redaction != nil {
		text += "; addresses and names are replaced"
	}
	add(source.Info, "recording", "%s", text)
	if h := m.Host; h.FirstNamespace != "" && h.FirstNamespace != h.NetworkNamespace {
		add(source.Info, "recording-namespace", "recorded in network namespace %s, and the machine's own is %s: the rules may be those of a container", h.NetworkNamespace, h.FirstNamespace)
	}
	if mode := m.Host.KubeProxyMode; mode != "" {
		add(source.Info, "recording-mode", "kube-proxy said of itself that it runs in mode %s", mode)
	}
	if red := m.Redaction; red != nil && red.Ranges > 0 {
		add(source.Warning, "redacted-ranges", "%d address ranges that are no networks were replaced: which addresses lie in them is not what it was", red.Ranges)
	}
	return diags
}

// Whose says which machine was recorded, and when.
func (m *Manifest) Whose() string {
	where := m.Host.Hostname
	if where == "" {
		where = "an unnamed host"
	}
	return where + " at " + m.Time.UTC().Format(time.RFC3339)
}
