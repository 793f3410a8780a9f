package netfilter

import "strings"

// Quote writes a word as iptables-save does: bare if nothing in it needs
// quotes, else in double quotes with a backslash before quote, backslash and
// single quote (iptables, libxtables/xtables.c, xtables_save_string).
func Quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, needsQuotes) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		if strings.IndexByte(`"\'`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

func needsQuotes(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
}

// not is the "! " that stands before a negated option.
func not(negated bool) string {
	if negated {
		return "! "
	}
	return ""
}
