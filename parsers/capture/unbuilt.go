package capture

import (
	"fmt"
	"slices"
	"strconv"
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
		return &snapshot.Source{Format: f, Unbuilt: true}, next
	}
}

// remark says that the text is not read, and how much there is of it.
func (k knownText) remark() source.Diagnostic {
	severity := source.Warning
	if k.format == snapshot.Manifests || k.format == snapshot.Conntrack {
		severity = source.Info // neither tells what the kernel does with the next connection
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

// words are the first few words of a line. Only the line's beginning is looked
// at, however long it is.
func words(line string) []string {
	const most = 256
	return strings.Fields(line[:min(len(line), most)])
}

// nft list ruleset

func nftBegins(line string) bool {
	w := words(line)
	switch {
	case len(w) >= 4 && w[0] == "table" && w[3] == "{":
		switch w[1] {
		case "ip", "ip6", "inet", "arp", "bridge", "netdev":
			return true
		}
	case len(w) >= 3 && w[2] == "{" && (len(w) == 3 || w[3] == "#"): // "# handle 7"
		return w[0] == "chain" || w[0] == "set" || w[0] == "map"
	case len(w) >= 3 && w[0] == "#" && w[1] == "Warning:":
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

// ipvsadm-save, ipvsadm -L, /proc/net/ip_vs

func ipvsadmSaveBegins(line string) bool {
	w := words(line)
	if len(w) < 3 || w[0] != "-A" && w[0] != "-a" {
		return false
	}
	switch w[1] {
	case "-t", "-u", "-f", "--tcp-service", "--udp-service", "--sctp-service", "--fwmark-service":
		return true
	}
	return false
}

func ipvsListBegins(line string) bool {
	w := words(line)
	return len(w) >= 4 && w[0] == "IP" && w[1] == "Virtual" && w[2] == "Server" && w[3] == "version" ||
		len(w) >= 2 && w[0] == "Prot" && w[1] == "LocalAddress:Port"
}

func ipvsListContinues(line string) bool {
	w := words(line)
	if len(w) < 2 {
		return false
	}
	switch w[0] {
	case "Prot":
		return w[1] == "LocalAddress:Port"
	case "->":
		return true
	case "TCP", "UDP", "SCTP", "FWM":
		return w[0] == "FWM" || strings.Contains(w[1], ":")
	}
	return false
}

// isProcIPVS tells the kernel's own listing from ipvsadm's: it has the same
// first line, but no columns (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show).
func isProcIPVS(at source.Cursor) bool {
	for range 3 {
		line, after := at.Next()
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "-> RemoteAddress:Port Forward Weight") {
			return true
		}
		if !after.More() {
			break
		}
		at = after
	}
	return false
}

// ipset save, ipset list

func ipsetSaveBegins(line string) bool {
	w := words(line)
	return len(w) >= 3 && w[0] == "create" && isIPSetType(w[2])
}

func isIPSetType(word string) bool {
	return strings.HasPrefix(word, "hash:") || strings.HasPrefix(word, "bitmap:") || strings.HasPrefix(word, "list:")
}

func ipsetSaveContinues(line string) bool {
	w := words(line)
	return ipsetSaveBegins(line) || len(w) >= 3 && w[0] == "add"
}

func ipsetListBegins(line string) bool {
	w := words(line)
	return len(w) == 2 && w[0] == "Name:"
}

func isIPSetList(at source.Cursor) bool {
	_, at = at.Next()
	line, _ := at.Next()
	w := words(line)
	return len(w) == 2 && w[0] == "Type:" && isIPSetType(w[1])
}

// ipsetListEnd is behind the last set's last member. Members go on to a blank
// line; a set says how many it has, so that a prompt behind them is none.
func ipsetListEnd(at source.Cursor, foreign func(string) bool) source.Cursor {
	next := at
	members := 0 // still to come; those of a set that does not count them go on
	for at.More() {
		line, after := at.Next()
		w := words(line)
		switch {
		case len(w) == 0:
			at, members = after, 0
			continue
		case ipsetListBegins(line) && isIPSetList(at):
			members = 1 << 62
		case foreign(line) || members == 0:
			return next
		case len(w) == 4 && strings.HasPrefix(line, "Number of entries:"):
			if n, err := strconv.Atoi(w[3]); err == nil {
				members = n + 1 // and the line "Members:"
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

// iptables -L

func iptablesListBegins(line string) bool {
	w := words(line)
	switch {
	case len(w) >= 4 && w[0] == "Chain":
		return w[2] == "(policy" || w[3] == "references)"
	case len(w) < 4:
		return false
	}
	for i := range min(len(w)-3, 6) {
		if w[i] == "target" && w[i+1] == "prot" && w[i+2] == "opt" || isListRow(w[i:]) && (w[i+1] == "--" || w[i+1] == "-f" || w[i+1] == "!f") {
			return true
		}
	}
	return false
}

// isListRow reports whether the words of a row are those from its protocol on.
// ip6tables leaves the column opt empty (iptables/ip6tables.c, print_firewall).
func isListRow(w []string) bool {
	switch w[0] {
	case "all", "tcp", "udp", "icmp", "icmpv6", "ipv6-icmp", "sctp", "udplite", "esp", "ah", "gre", "igmp":
	default:
		if strings.Trim(w[0], "0123456789") != "" {
			return false
		}
	}
	switch w[1] {
	case "--", "-f", "!f", "anywhere", "*":
		return true
	}
	return strings.ContainsAny(w[1], ":/")
}

func iptablesListContinues(line string) bool {
	if iptablesListBegins(line) {
		return true
	}
	w := words(line)
	if len(w) == 1 {
		return w[0] == "--" // between the hits of a grep
	}
	for i := range min(len(w)-2, 5) {
		if isListRow(w[i:]) {
			return true
		}
	}
	return false
}

// conntrack -L, /proc/net/nf_conntrack

func conntrackBegins(line string) bool {
	head := line[:min(len(line), 256)]
	return strings.Contains(head, " src=") && strings.Contains(head, " dst=") && len(words(line)) >= 4
}

func conntrackContinues(line string) bool {
	return conntrackBegins(line) || strings.HasPrefix(line, "conntrack v")
}
