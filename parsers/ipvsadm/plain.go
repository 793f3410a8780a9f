package ipvsadm

import (
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// plainServer reads the line of a real server as ipvsadm-save prints nearly all
// of a node's: "-a" and the words of its virtual server, an IPv4 address and
// port, -m and a weight. ok is false for a line that is written in another way,
// which may say the same all the same.
func plainServer(line, words string) (s ipvs.RealServer, ok bool) {
	const command, server, method = "-a ", " -r ", " -m -w "
	n := len(command) + len(words)
	if len(line) < n+len(server) || line[n:n+len(server)] != server || line[len(command):n] != words || line[:len(command)] != command {
		return s, false
	}
	address, port, at := plainEndpoint(line, n+len(server))
	if port == 0 || !strings.HasPrefix(line[at:], method) {
		return s, false
	}
	at += len(method)
	begin, weight := at, uint32(0)
	for at < len(line) && line[at]-'0' <= 9 {
		weight = 10*weight + uint32(line[at]-'0')
		at++
	}
	const digits = 9 // that every 32 bits have room for
	if at != len(line) || at == begin || at-begin > digits {
		return s, false
	}
	s.Address, s.Port, s.PortKnown = netip.AddrFrom4(address), port, true
	s.Method, s.Weight, s.WeightKnown = ipvs.Masquerading, weight, true
	return s, true
}

// plainEndpoint reads an IPv4 address and port, and gives where they end. port is
// 0 when there are none.
func plainEndpoint(line string, at int) (address [4]byte, port uint16, end int) {
	for i := range address {
		begin, n := at, 0
		for at < len(line) && line[at]-'0' <= 9 && at < begin+3 {
			n = 10*n + int(line[at]-'0')
			at++
		}
		between := byte('.')
		if i == 3 {
			between = ':'
		}
		if at == begin || n > 255 || at-begin > 1 && line[begin] == '0' || at == len(line) || line[at] != between {
			return address, 0, at
		}
		address[i] = byte(n)
		at++
	}
	begin, n := at, 0
	for at < len(line) && line[at]-'0' <= 9 && at < begin+5 {
		n = 10*n + int(line[at]-'0')
		at++
	}
	if n > 1<<16-1 {
		n = 0
	}
	return address, uint16(n), at
}
