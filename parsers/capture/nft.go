package capture

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/snapshot"
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

// nftTables are the names of the tables that a ruleset holds, each once: they
// tell whose rules these are before the rules themselves are read.
func nftTables(f snapshot.Format, text string) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) && len(names) < maxTableNames {
			names = append(names, name)
		}
	}
	switch f {
	case snapshot.NFTList:
		for line := range strings.SplitSeq(text, "\n") {
			if w, n := words(line); n >= 4 && w[0] == "table" && w[3] == "{" {
				add(strings.Clone(w[2]))
			}
		}
	case snapshot.NFTJSON:
		// {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}}
		const key = `{"table":`
		for {
			i := strings.Index(text, key)
			if i < 0 {
				return names
			}
			text = text[i+len(key):]
			end := strings.IndexByte(text, '}')
			if end < 0 || end > maxTableObject {
				continue
			}
			var table struct{ Name string }
			if json.Unmarshal([]byte(text[:end+1]), &table) == nil {
				add(table.Name)
			}
		}
	}
	return names
}

// Real rulesets have a dozen tables, and a table's object a hundred bytes.
const (
	maxTableNames  = 100
	maxTableObject = 4096
)
