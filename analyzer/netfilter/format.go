package netfilter

import (
	"net/netip"
	"strings"
)

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

// addrString writes an address as inet_ntop does, and so iptables. It differs
// from netip in one case: behind six zero groups it puts an IPv4 address.
func addrString(a netip.Addr) string {
	if b, ok := behindZeros(a); ok {
		return "::" + b.String()
	}
	return a.String()
}

// appendAddr appends addrString.
func appendAddr(text []byte, a netip.Addr) []byte {
	if b, ok := behindZeros(a); ok {
		return b.AppendTo(append(text, "::"...))
	}
	return a.AppendTo(text)
}

// behindZeros is the IPv4 address that stands behind six zero groups.
func behindZeros(a netip.Addr) (b netip.Addr, ok bool) {
	if !a.Is6() || a.Is4In6() {
		return b, false
	}
	x := a.As16()
	if [12]byte(x[:12]) != ([12]byte{}) || x[12] == 0 && x[13] == 0 { // a longer row of zeros, "::1"
		return b, false
	}
	return netip.AddrFrom4([4]byte(x[12:])), true
}
