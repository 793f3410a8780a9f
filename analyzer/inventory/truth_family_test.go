package inventory_test

import (
	"net/netip"
	"strings"
)

// A family picks out the addresses of one IP version.
type family string

// The families, named as EndpointSlices do.
const (
	ipv4 family = "IPv4"
	ipv6 family = "IPv6"
)

func (f family) has(a netip.Addr) bool { return a.Is4() == (f == ipv4) }

// addrs are those of the texts that are addresses of the family; "None" and "" are none.
func (f family) addrs(texts []string) []netip.Addr {
	var found []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && f.has(a) {
			found = append(found, a)
		}
	}
	return found
}

// prefixes are those of the texts that are ranges of the family.
func (f family) prefixes(texts []string) []netip.Prefix {
	var found []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil && f.has(p.Addr()) {
			found = append(found, p)
		}
	}
	return found
}

func (f family) everything() netip.Prefix {
	if f == ipv4 {
		return netip.MustParsePrefix("0.0.0.0/0")
	}
	return netip.MustParsePrefix("::/0")
}

func (f family) loopback() netip.Prefix {
	if f == ipv4 {
		return netip.MustParsePrefix("127.0.0.0/8")
	}
	return netip.MustParsePrefix("::1/128")
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func splitList(text string) []string { return strings.Split(text, ",") }
