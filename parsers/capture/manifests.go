package capture

import (
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// jsonBegins reports whether a line opens a JSON object, or an array of them.
func jsonBegins(line string) bool {
	line = strings.TrimLeft(line, " \t")
	if line == "" || line[0] != '{' && line[0] != '[' {
		return false
	}
	line = strings.TrimLeft(line, "[{}, \t\r")
	return line == "" || line[0] == '"'
}

// jsonKey is the first key of the JSON at a cursor, "" if it is none that is
// worth a look.
func jsonKey(at source.Cursor) string {
	head := at.File.Text[at.Offset:]
	head = strings.TrimLeft(head[:min(len(head), 512)], "[{}, \t\r\n")
	if !strings.HasPrefix(head, `"`) {
		return ""
	}
	key, _, _ := strings.Cut(head[1:], `"`)
	return key
}

// jsonHas accepts JSON by its first key.
func jsonHas(keys ...string) func(at source.Cursor) bool {
	return func(at source.Cursor) bool { return slices.Contains(keys, jsonKey(at)) }
}

func isRouteJSON(at source.Cursor) bool {
	head := at.File.Text[at.Offset:]
	head = head[:min(len(head), 512)]
	return strings.HasPrefix(strings.TrimLeft(head, " \t"), "[") && jsonHas("dst", "type")(at) && strings.Contains(head, `"dst"`)
}

// yamlBegins reports whether a Kubernetes object can begin with the line.
func yamlBegins(line string) bool {
	return strings.HasPrefix(line, "apiVersion:") || strings.HasPrefix(line, "kind:") || isDocumentMark(line)
}

func isDocumentMark(line string) bool {
	return strings.HasPrefix(line, "---") && strings.TrimSpace(line) == "---"
}

// isManifest looks for the key that every Kubernetes object has, and that
// other YAML has not. Comments and the mark between documents may stand before
// it, and kind.
func isManifest(at source.Cursor) bool {
	for range 20 {
		line, after := at.Next()
		switch {
		case strings.HasPrefix(line, "apiVersion:"):
			return true
		case isBlank(line), isDocumentMark(line), strings.HasPrefix(line, "#"), strings.HasPrefix(line, "kind:"):
		default:
			return false
		}
		if !after.More() {
			break
		}
		at = after
	}
	return false
}

// yamlEnd is behind the last line that can be one of a Kubernetes object. What
// is indented belongs to it, whatever it looks like.
func yamlEnd(at source.Cursor, foreign func(string) bool) source.Cursor {
	next := at
	for at.More() {
		line, after := at.Next()
		at = after
		switch {
		case isBlank(line):
			continue
		case line[0] == ' ', isDocumentMark(line), yamlKey(line), !foreign(line) && (line[0] == '#' || line[0] == '-'):
			next = at
		default:
			return next
		}
	}
	return next
}

// yamlKey reports whether a line has a top-level key of Kubernetes' manner:
// one word in camel case before a colon.
func yamlKey(line string) bool {
	head := line[:min(len(line), 64)]
	key, value, found := strings.Cut(head, ":")
	return found && key != "" && key[0] >= 'a' && key[0] <= 'z' && !strings.ContainsAny(key, " \t./-") &&
		(value == "" || strings.IndexByte(" \t\r", value[0]) >= 0)
}
