package ipvsadm

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An endpoint is an address and port as a text has them.
type endpoint struct {
	addr      netip.Addr // invalid for a name
	port      uint16
	portKnown bool
	family    netfilter.Family
	name      string // as in ipvs.VirtualServer
	service   string // the port's name, if its number was looked up
}

// cutAt is where "ipvsadm -L" cuts an IPv4 address and port, so that its columns
// stay where they are (ipvsadm.c, print_service_entry).
const cutAt = 28

// notation is how a text writes addresses and ports.
type notation uint8

const (
	saved  notation = iota // a port may be left out
	listed                 // long names are cut
	hexed                  // as /proc/net/ip_vs does
)

// readEndpoint reads "10.0.0.1:80", "[fd00::1]:80", "web.example:http".
func readEndpoint(word string, protocol uint8, how notation) (endpoint, error) {
	if how == hexed {
		return hexEndpoint(word)
	}
	e := endpoint{family: netfilter.IPv4}
	host, portWord, hasPort := word, "", false
	if strings.HasPrefix(word, "[") {
		// IPv6, an address or a name for one (ipvsadm.c, addrport_to_anyname).
		e.family = netfilter.IPv6
		end := strings.IndexByte(word, ']')
		if end < 0 {
			return e, fmt.Errorf("%s: expected an address in brackets, a colon and a port", quote(word))
		}
		host = word[1:end]
		switch rest := word[end+1:]; {
		case rest == "":
		case rest[0] == ':':
			portWord, hasPort = rest[1:], true
		default:
			return e, fmt.Errorf("%s: expected a colon and a port behind the address", quote(word))
		}
	} else if colon := strings.LastIndexByte(word, ':'); colon >= 0 {
		host, portWord, hasPort = word[:colon], word[colon+1:], true
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" && addr.Is6() == (e.family == netfilter.IPv6) {
		e.addr = addr
	} else if !isHostName(host) || e.family == netfilter.IPv6 && strings.IndexByte(host, ':') >= 0 {
		return e, fmt.Errorf("%s: expected %s address and port, or names for them", quote(word), article(e.family))
	}
	switch {
	case how == listed && e.family == netfilter.IPv4 && len(word) == cutAt && !(e.addr.IsValid() && allDigits(portWord)):
		// Cut, or as long as it may be: the port may go on.
	case !hasPort && how == saved:
		e.portKnown = true // 0, ipvsadm.c, parse_service
	case !hasPort || portWord == "":
		return e, fmt.Errorf("%s: expected a colon and a port behind the address", quote(word))
	case allDigits(portWord):
		n, ok := decimal(portWord, 1<<16-1)
		if !ok {
			return e, fmt.Errorf("port %s of %s: expected 0 to 65535", quote(portWord), quote(word))
		}
		e.port, e.portKnown = uint16(n), true
	case !isHostName(portWord):
		return e, fmt.Errorf("%s: expected a port, a number or a name", quote(word))
	default:
		if e.port, e.portKnown = portOf(portWord, protocol); e.portKnown {
			e.service = portWord
		}
	}
	if !e.addr.IsValid() || !e.portKnown {
		e.name = word
	}
	return e, nil
}

func article(f netfilter.Family) string { return "an " + f.String() }

// isHostName reports whether a word can be a host's name, or a port's. What has
// digits and dots only is an address, or was to be one.
func isHostName(s string) bool {
	letters := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters = true
		case c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '+', c == '/':
		default:
			return false
		}
	}
	return letters
}

// hexEndpoint reads "0A600001:01BB" and "[fd00:0000:…:0001]:01BB".
func hexEndpoint(word string) (endpoint, error) {
	e := endpoint{family: netfilter.IPv4}
	host, portWord, ok := word, "", false
	if strings.HasPrefix(word, "[") {
		e.family = netfilter.IPv6
		host, portWord, ok = strings.Cut(word[1:], "]:")
		addr, err := netip.ParseAddr(host)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" || len(portWord) != 4 {
			return e, fmt.Errorf("%s: expected an IPv6 address in brackets, a colon and a port of 4 hexadecimal digits", quote(word))
		}
		e.addr = addr
	} else {
		host, portWord, ok = strings.Cut(word, ":")
		n, isHex := hexadecimal(host)
		if !ok || !isHex || len(host) != 8 || len(portWord) != 4 {
			return e, fmt.Errorf("%s: expected an address of 8 hexadecimal digits, a colon and a port of 4", quote(word))
		}
		e.addr = addrOf(n)
	}
	n, isHex := hexadecimal(portWord)
	if !isHex {
		return e, fmt.Errorf("port %s of %s: expected 4 hexadecimal digits", quote(portWord), quote(word))
	}
	e.port, e.portKnown = uint16(n), true
	return e, nil
}

func addrOf(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
