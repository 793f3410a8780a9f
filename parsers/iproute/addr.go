package iproute

import (
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// AddrBegins reports whether a line is the first of what "ip addr" prints:
// an interface ("2: eth0@if5: <BROADCAST,UP> mtu 1500 …"), or an address
// ("inet 10.0.0.1/24 … scope global eth0") that a grep left over.
func AddrBegins(line string) bool {
	if _, ok := interfaceName(line); ok {
		return true
	}
	word, rest := cutWord(line)
	if word != "inet" && word != "inet6" {
		return false
	}
	address, rest := cutWord(rest)
	for key := ""; ; {
		if key, rest = cutWord(rest); key == "" || len(key) > len("metric") {
			return false
		}
		switch key {
		case "scope":
			_, err := parseLocal(address)
			return err == nil
		case "peer", "brd", "any", "metric":
			_, rest = cutWord(rest)
		default:
			return false
		}
	}
}

// CutAddresses is the code of the remark that a text breaks off, and does not list
// all addresses that the node has.
const CutAddresses = "cut-addresses"

// ParseAddr reads what "ip addr" prints, from at on, up to the first line that
// is no part of it or that foreign claims. What follows is at next. Addresses
// of interfaces in every state count: the kernel answers for most of them.
//
// A text whose last line has no line feed is taken to be cut, unless that line is
// one that says how long an address lives and says all of it: that is how a text
// ends which lost nothing but the line feed.
func ParseAddr(at source.Cursor, foreign func(line string) bool) (addrs []snapshot.Address, diags []source.Diagnostic, next source.Cursor) {
	var remarks source.Remarks
	iface, blank := "", false
	next = at
	for at.More() {
		line, after := at.Next()
		word, rest := cutWord(line)
		cut := after.IsCut() && !isLifetime(line)
		switch name, isName := interfaceName(line); {
		case word == "" && !cut:
			blank = true
			at = after
			continue
		case cut && (word == "inet" || word == "inet6" || strings.Trim(strings.TrimSuffix(word, ":"), "0123456789") == ""):
			// Nobody knows the rest of an address that stands there.
		case isName:
			iface = name
		case word == "inet" || word == "inet6":
			if addr, ok := parseInet(word, rest, iface); ok {
				if n := len(addrs); n == cap(addrs) {
					addrs = append(make([]snapshot.Address, 0, max(2*n, 8)), addrs...) // doubled: in IPVS mode there are many
				}
				addrs = append(addrs, addr)
			} else {
				remarks.Add(unread(at, line, familyOf[word]+" address with its prefix length"))
			}
		case blank || word != lifetime && foreign(line):
			return addrs, remarks.All(), next
		case isDetail(word):
		case !indented(line) || strings.HasPrefix(word, "```"):
			return addrs, remarks.All(), next
		}
		blank = false
		if cut {
			remarks.Add(source.Diagnostic{
				Severity: source.Error, Pos: at.Pos(), Code: CutAddresses, Unread: 1,
				Message: "the list of addresses is cut off in the middle of a line, which is not used: the node may have others",
			})
		}
		at, next = after, after
	}
	return addrs, remarks.All(), next
}

// lifetime begins every second line for an address. No other format's line begins
// with it.
const lifetime = "valid_lft"

// isLifetime reports whether a line says how long an address lives, up to its end:
// "valid_lft forever preferred_lft forever", "valid_lft 300sec preferred_lft 0sec".
func isLifetime(line string) bool {
	var words [4]string
	for i := range words {
		words[i], line = cutWord(line)
	}
	end := words[3] == "forever" || strings.HasSuffix(words[3], "sec")
	return words[0] == lifetime && words[2] == "preferred_lft" && end
}

var familyOf = map[string]string{"inet": "an IPv4", "inet6": "an IPv6"}

// interfaceName takes the name out of "2: eth0@if5: <BROADCAST,UP> …"; what
// stands behind the "@" is the interface at the other end.
func interfaceName(line string) (name string, ok bool) {
	number, rest := cutWord(line)
	number, colon := strings.CutSuffix(number, ":")
	if !colon || number == "" || strings.Trim(number, "0123456789") != "" {
		return "", false
	}
	name, rest = cutWord(rest)
	name, colon = strings.CutSuffix(name, ":")
	flags, _ := cutWord(rest)
	if !colon || name == "" || !strings.HasPrefix(flags, "<") {
		return "", false
	}
	if i := strings.LastIndexByte(name, '@'); i > 0 {
		name = name[:i]
	}
	return name, true
}

// isDetail tells the words that begin a line below an interface, for text that
// lost its indentation. Indented lines need no such word.
func isDetail(word string) bool {
	return strings.HasPrefix(word, "link/") || word == lifetime || word == "altname"
}

// parseInet reads what stands behind "inet" or "inet6". An address that iface
// is not known of gets the interface that its label names, as IPv4 ones do.
func parseInet(word, rest, iface string) (addr snapshot.Address, ok bool) {
	local, rest := cutWord(rest)
	prefix, err := parseLocal(local)
	if err != nil || prefix.Addr().Is4() != (word == "inet") {
		return addr, false
	}
	if iface == "" && word == "inet" {
		for word, rest = cutWord(rest); word != ""; word, rest = cutWord(rest) {
			iface = word
		}
		iface, _, _ = strings.Cut(iface, ":") // "eth0:1" labels a second address of eth0
	}
	return snapshot.Address{Interface: iface, Prefix: prefix}, true
}

// parseLocal reads "10.0.0.1/24". Before a peer the length is left out, for it
// is the peer's (iproute2, ip/ipaddress.c, print_addrinfo): such an address
// stands for itself.
func parseLocal(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.WithZone("").Prefix(addr.BitLen())
}
