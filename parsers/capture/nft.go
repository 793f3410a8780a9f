package capture

import (
	"github.com/svcpath/svcpath/analyzer/source"
)

func nftBegins(line string) bool {
	if !starts(line, "tcsm#") {
		return false
	}
	w, n := words(line)
	switch {
	case n >= 4 && w[0] == "table" && w[3] == "{":
		switch w[1] {
		case "ip", "ip6", "inet", "arp", "bridge", "netdev":
			return true
		}
	case n >= 3 && w[2] == "{" && (n == 3 || w[3] == "#"): // "# handle 7"
		return w[0] == "chain" || w[0] == "set" || w[0] == "map"
	case n >= 3 && w[0] == "#" && w[1] == "Warning:":
		return w[2] == "table" // "table ip nat is managed by iptables-nft, do not touch!"
	}
	return false
}

// nftEnd is behind the last brace that closes what the first line opens, and
// behind all tables that follow it.
func nftEnd(at source.Cursor, foreign func(string) bool) source.Cursor {
	next, depth := at, 0
	for at.More() {
		line, after := at.Next()
		switch {
		case isBlank(line):
		case depth == 0 && !nftBegins(line), foreign(line):
			return next
		default:
			depth = max(0, depth+nftBraces(line))
			next = after
		}
		at = after
	}
	return next
}

// nftBraces counts the braces of a line that open more than they close, those
// in quoted strings excepted.
func nftBraces(line string) (depth int) {
	quoted := false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
	}
	return depth
}
