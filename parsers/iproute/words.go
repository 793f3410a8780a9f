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
	begin := 0
	for begin < len(line) && isSpace(line[begin]) {
		begin++
	}
	end := begin
	for end < len(line) && !isSpace(line[end]) {
		end++
	}
	return line[begin:end], line[end:]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func indented(line string) bool {
	return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
}

// unreadLines is the code of remarks about lines that do not say what they should.
const unreadLines = "unread-lines"

// unread is the remark about a line that does not say what it should.
func unread(at source.Cursor, found, expected string) source.Diagnostic {
	return source.Diagnostic{
		Severity: source.Error,
		Pos:      at.Pos(),
		Code:     unreadLines,
		Message:  "found " + source.Quote(strings.TrimSpace(found)) + ", expected " + expected,
		Unread:   1,
	}
}
