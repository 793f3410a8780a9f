package ipsetsave

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// plainLines reads lines as "ipset save" prints nearly all of a node's: elements
// of the set that was begun, of IPv4 addresses and ports of TCP and UDP, and
// nothing beside. It gives the cursor before the first line that is written in
// another way. The reader of all lines makes the same of them.
func (r *reader) plainLines(at source.Cursor) source.Cursor {
	if r.set == nil || !r.set.TakesPlain() {
		return at
	}
	text := at.File.Text
	for at.More() {
		addrs, protocol, port, length := plainElement(text[at.Offset:], r.set)
		if length == 0 {
			return at
		}
		r.set.AddPlain(addrs, protocol, port, source.Span{File: at.File, Offset: at.Offset, Len: length, Line: at.Line})
		at.Offset += length + 1
		at.Line++
	}
	return at
}

// plainElement reads an element of a set from the line that a text begins with. It
// gives the line's length, 0 for one that is not plain, or that has no end.
func plainElement(text string, set *netfilter.IPSet) (addrs [2][4]byte, protocol uint8, port uint16, length int) {
	const command = "add "
	at := len(command) + len(set.Name)
	if len(text) <= at || text[:len(command)] != command || text[len(command):at] != set.Name || text[at] != ' ' {
		return addrs, 0, 0, 0
	}
	addr := 0
	for i, part := range set.Parts() {
		if i > 0 && (at == len(text) || text[at] != ',') {
			return addrs, 0, 0, 0
		}
		at++
		if part == netfilter.PartIP {
			addrs[addr], at = plainAddress(text, at)
			addr++
		} else {
			protocol, port, at = plainPort(text, at)
		}
		if at == 0 {
			return addrs, 0, 0, 0
		}
	}
	if at == len(text) || text[at] != '\n' {
		return addrs, 0, 0, 0
	}
	return addrs, protocol, port, at
}

// plainAddress reads an IPv4 address, and gives where it ends: 0 for none.
func plainAddress(text string, at int) (address [4]byte, end int) {
	for i := range address {
		if i > 0 {
			if at == len(text) || text[at] != '.' {
				return address, 0
			}
			at++
		}
		n, behind := plainNumber(text, at, 3)
		if behind == 0 || n > 255 || behind-at > 1 && text[at] == '0' {
			return address, 0
		}
		address[i], at = byte(n), behind
	}
	return address, at
}

// plainPort reads a port of TCP or UDP with its protocol, and gives where it
// ends: 0 for none.
func plainPort(text string, at int) (protocol uint8, port uint16, end int) {
	switch {
	case strings.HasPrefix(text[at:], "tcp:"):
		protocol = netfilter.TCP
	case strings.HasPrefix(text[at:], "udp:"):
		protocol = netfilter.UDP
	default:
		return 0, 0, 0
	}
	n, end := plainNumber(text, at+len("tcp:"), 5)
	if n > 1<<16-1 {
		return 0, 0, 0
	}
	return protocol, uint16(n), end
}

// plainNumber reads a number of up to so many digits, and gives where it ends: 0
// for none.
func plainNumber(text string, at, digits int) (n, end int) {
	begin := at
	for at < len(text) && at < begin+digits && text[at]-'0' <= 9 {
		n = 10*n + int(text[at]-'0')
		at++
	}
	if at == begin {
		return 0, 0
	}
	return n, at
}
