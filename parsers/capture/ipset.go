package capture

import (
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

func ipsetSaveBegins(line string) bool {
	if !starts(line, "c") {
		return false
	}
	w, n := words(line)
	return n >= 3 && w[0] == "create" && isIPSetType(w[2])
}

func isIPSetType(word string) bool {
	return strings.HasPrefix(word, "hash:") || strings.HasPrefix(word, "bitmap:") || strings.HasPrefix(word, "list:")
}

func ipsetSaveContinues(line string) bool {
	w, n := words(line)
	return ipsetSaveBegins(line) || n >= 3 && w[0] == "add"
}

func ipsetListBegins(line string) bool {
	if !starts(line, "N") {
		return false
	}
	w, n := words(line)
	return n == 2 && w[0] == "Name:"
}

func isIPSetList(at source.Cursor) bool {
	_, at = at.Next()
	line, _ := at.Next()
	w, n := words(line)
	return n == 2 && w[0] == "Type:" && isIPSetType(w[1])
}

// ipsetListEnd is behind the last set's last member. Members go on to a blank
// line; a set says how many it has, so that a prompt behind them is none.
func ipsetListEnd(at source.Cursor, foreign func(string) bool) source.Cursor {
	next := at
	members := 0 // still to come; those of a set that does not count them go on
	for at.More() {
		line, after := at.Next()
		w, n := words(line)
		switch {
		case n == 0:
			at, members = after, 0
			continue
		case ipsetListBegins(line) && isIPSetList(at):
			members = 1 << 62
		case foreign(line) || members == 0:
			return next
		case n == 4 && strings.HasPrefix(line, "Number of entries:"):
			if count, err := strconv.Atoi(w[3]); err == nil {
				members = count + 1 // and the line "Members:"
			}
		default:
			members--
		}
		at, next = after, after
	}
	return next
}

func ipsetXMLBegins(line string) bool { return strings.TrimSpace(line) == "<ipsets>" }

func ipsetXMLEnd(at source.Cursor, _ func(string) bool) source.Cursor {
	for at.More() {
		line, after := at.Next()
		at = after
		if strings.TrimSpace(line) == "</ipsets>" {
			break
		}
	}
	return at
}
