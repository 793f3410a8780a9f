package capture

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A hunk of a unified diff holds lines of two dumps. Those that both have look
// like a dump from which the others are missing, so none of them is read.

// hunkBegins reports whether a line is a hunk's first: "@@ -11,13 +11,19 @@".
func hunkBegins(line string) bool {
	return strings.HasPrefix(line, "@@ -") && strings.Contains(line[:min(len(line), 64)], " @@")
}

// skipHunk skips as many lines as the hunk's first line says, as long as they
// are a diff's.
func skipHunk(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	line, next := at.Next()
	old, added := hunkSize(line)
	r.skip(at, line)
	for at = next; at.More() && (old > 0 || added > 0); at = next {
		line, next = at.Next()
		switch {
		case strings.HasPrefix(line, "+"):
			added--
		case strings.HasPrefix(line, "-"):
			old--
		case strings.HasPrefix(line, " "), isBlank(line), strings.HasPrefix(line, "\\"):
			old, added = old-1, added-1
		default:
			return nil, at
		}
		r.skip(at, line)
	}
	return nil, at
}

// hunkSize reads how many lines a hunk has of the old text and of the new one:
// 1 each where the first line does not say.
func hunkSize(line string) (old, added int) {
	var place int
	old, added = 1, 1
	ranges := strings.Fields(line[:min(len(line), 64)])
	for i, size := range []*int{&old, &added} {
		if i+1 < len(ranges) && strings.Contains(ranges[i+1], ",") {
			fmt.Sscanf(ranges[i+1][1:], "%d,%d", &place, size)
		}
	}
	return old, added
}
