// Package iproute reads what iproute2's ip prints of a node: its addresses
// ("ip addr", "ip -j addr") and its routes ("ip route", "ip -6 route",
// "ip -j route").
package iproute

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// cutWord takes the first word off a line. word is "" when there is none.
func cutWord(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t\r")
	if i := strings.IndexAny(line, " \t\r"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

func indented(line string) bool {
	return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
}

// unread is the remark about a line that does not say what it should.
func unread(at source.Cursor, found, expected string) source.Diagnostic {
	return source.Diagnostic{
		Severity: source.Error,
		Pos:      at.Pos(),
		Code:     "unread-lines",
		Message:  "found " + source.Quote(strings.TrimSpace(found)) + ", expected " + expected,
		Unread:   1,
	}
}
