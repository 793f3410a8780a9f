package capture

import "strings"

func iptablesListBegins(line string) bool {
	if starts(line, "C") {
		w, n := words(line)
		if n >= 4 && w[0] == "Chain" && (w[2] == "(policy" || w[3] == "references)") {
			return true
		}
	}
	head := line[:min(len(line), 256)]
	if !strings.Contains(head, " prot opt ") && !strings.Contains(head, " --") && !strings.Contains(head, "f ") {
		return false
	}
	w, n := words(line)
	for i := range min(n-3, 6) {
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
	w, n := words(line)
	if n == 1 {
		return w[0] == "--" // between the hits of a grep
	}
	for i := range min(n-2, 5) {
		if isListRow(w[i:]) {
			return true
		}
	}
	return false
}

func conntrackBegins(line string) bool {
	head := line[:min(len(line), 256)]
	if !strings.Contains(head, " src=") || !strings.Contains(head, " dst=") {
		return false
	}
	w, _ := words(line)
	switch w[0] {
	case "ipv4", "ipv6", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "gre", "unknown":
		return true
	}
	return false
}

func conntrackContinues(line string) bool {
	return conntrackBegins(line) || strings.HasPrefix(line, "conntrack v")
}
