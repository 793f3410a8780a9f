package capture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An extent gives the cursor behind the text that begins at a cursor.
type extent func(at source.Cursor, foreign func(line string) bool) (next source.Cursor)

// A knownText is a file's text of a format that is known by sight only.
type knownText struct {
	format        snapshot.Format
	what          string // as messages name it
	pos           source.Position
	lines, places int
}

// unbuilt is the read function of such a format.
func unbuilt(f snapshot.Format, what string, end extent) func(*reading, source.Cursor, func(string) bool) (*snapshot.Source, source.Cursor) {
	return func(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
		next := end(at, foreign)
		i := slices.IndexFunc(r.known, func(k knownText) bool { return k.what == what })
		if i < 0 {
			i = len(r.known)
			r.known = append(r.known, knownText{format: f, what: what, pos: at.Pos()})
		}
		r.known[i].lines += next.Line - at.Line
		r.known[i].places++
		src := &snapshot.Source{Format: f, Unbuilt: true}
		return src, next
	}
}

// remark says that the text is not read, and how much there is of it.
func (k knownText) remark() source.Diagnostic {
	severity := source.Warning
	if k.format == snapshot.Manifests || k.format == snapshot.Conntrack || k.format == snapshot.IPVSConnections {
		severity = source.Info // none of them tells what the kernel does with the next connection
	}
	message := fmt.Sprintf("%s is recognised but not read yet: %s", k.what, count(k.lines, "line"))
	if k.places > 1 {
		message += fmt.Sprintf(" in %d places", k.places)
	}
	return source.Diagnostic{Severity: severity, Pos: k.pos, Code: "unbuilt-format", Message: message}
}

// whileLine is the extent of a text of one line and those that continue it;
// blank lines may stand between them.
func whileLine(continues func(line string) bool) extent {
	return func(at source.Cursor, _ func(string) bool) source.Cursor {
		_, next := at.Next()
		for at = next; at.More(); {
			line, after := at.Next()
			at = after
			if isBlank(line) {
				continue
			}
			if !continues(line) {
				break
			}
			next = after
		}
		return next
	}
}

func isBlank(line string) bool { return strings.TrimSpace(line) == "" }

// starts reports whether a line's first character that is not blank is one of
// these. It spares most lines a closer look.
func starts(line, with string) bool {
	for i := range len(line) {
		if c := line[i]; c != ' ' && c != '\t' {
			return strings.IndexByte(with, c) >= 0
		}
	}
	return false
}

// words are the first few words of a line, n of them. Only the line's
// beginning is looked at, however long it is, and nothing is allocated.
func words(line string) (w [10]string, n int) {
	const most = 256
	line = line[:min(len(line), most)]
	for n < len(w) {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" {
			break
		}
		end := strings.IndexAny(line, " \t\r")
		if end < 0 {
			end = len(line)
		}
		w[n], line = line[:end], line[end:]
		n++
	}
	return w, n
}
