package ipvsadm

import (
	"net/netip"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// plainLines reads lines as ipvsadm-save prints nearly all of a node's, and gives
// the cursor before the first one that is written in another way. The reader of
// all lines makes the same of them.
func (r *saveReader) plainLines(at source.Cursor) source.Cursor {
	text := at.File.Text
	for at.More() {
		length := 0
		if strings.HasPrefix(text[at.Offset:], "-A") {
			length = r.plainVirtual(at)
		} else {
			length = r.plainServer(at)
		}
		if length == 0 {
			return at
		}
		at.Offset += length + 1
		at.Line++
	}
	return at
}

// plainServer reads the line of a real server of the virtual server in the line
// before. It gives the line's length, 0 for one that is not plain.
func (r *saveReader) plainServer(at source.Cursor) int {
	if r.service == nil || r.last == "" {
		return 0
	}
	line := at.File.Text[at.Offset:]
	if r.before == "" {
		r.before = plainBefore(line, r.last)
	}
	if r.before == "" || !strings.HasPrefix(line, r.before) {
		return 0
	}
	address, length := r.behind.read(line, len(r.before))
	if length > 0 {
		r.service.AddPlain(address, r.behind.port, ipvs.Masquerading, r.behind.weight, source.Span{File: at.File, Offset: at.Offset, Len: length, Line: at.Line})
	}
	return length
}

// plainBefore is what stands before the address of a plain real server of the
// virtual server with these words; "" if the line is none.
func plainBefore(line, words string) string {
	const command, server = "-a ", " -r "
	n := len(command) + len(words)
	if len(line) < n+len(server) || line[n:n+len(server)] != server || line[len(command):n] != words || line[:len(command)] != command {
		return ""
	}
	return line[:n+len(server)]
}

// A plainBehind is what stands behind the address of a plain real server, up to
// the end of its line: most have what the one before has.
type plainBehind struct {
	text   string // with the line feed; "" before the first
	port   uint16
	weight uint32
}

// read reads an IPv4 address and, behind it, a port, -m and a weight, up to the
// end of the line, which is 0 for what is written in another way.
func (b *plainBehind) read(line string, at int) (address [4]byte, end int) {
	const method = " -m -w "
	address, at = plainAddress(line, at)
	if at == 0 {
		return address, 0
	}
	if b.text != "" && strings.HasPrefix(line[at:], b.text) {
		return address, at + len(b.text) - 1
	}
	port, end := plainPort(line, at)
	if port == 0 || !strings.HasPrefix(line[end:], method) {
		return address, 0
	}
	weight, end := plainNumber(line, end+len(method))
	if end == 0 || !endsAt(line, end) {
		return address, 0
	}
	*b = plainBehind{line[at : end+1], port, weight}
	return address, end
}

// plainVirtual reads the line of a virtual server that has not been added yet: -A,
// -t or -u, an IPv4 address and port, -s and a scheduler, and perhaps -p and a
// number. It gives the line's length, 0 for one that is not plain.
func (r *saveReader) plainVirtual(at source.Cursor) int {
	if len(r.odd) > 0 || r.lost != nil {
		return 0
	}
	line := at.File.Text[at.Offset:]
	v, words, length := readPlainVirtual(line)
	if length == 0 {
		return 0
	}
	if v.Scheduler == r.scheduler {
		v.Scheduler = r.scheduler // which is at hand where this one's place in the text is not
	}
	r.scheduler = v.Scheduler
	added, isNew := r.table.Add(v)
	if !isNew {
		return 0
	}
	added.SetText(source.Span{File: at.File, Offset: at.Offset, Len: length, Line: at.Line})
	r.service, r.last, r.before = added, words, ""
	return length
}

func readPlainVirtual(line string) (v ipvs.VirtualServer, words string, end int) {
	const command, scheduler, persistent = "-A ", " -s ", " -p "
	switch begin := len(command + "-t "); {
	case len(line) < begin:
		return v, "", 0
	case line[:begin] == command+"-t ":
		v.Protocol = netfilter.TCP
	case line[:begin] == command+"-u ":
		v.Protocol = netfilter.UDP
	default:
		return v, "", 0
	}
	address, at := plainAddress(line, len(command+"-t "))
	if at == 0 {
		return v, "", 0
	}
	port, at := plainPort(line, at)
	if port == 0 || !strings.HasPrefix(line[at:], scheduler) {
		return v, "", 0
	}
	words = line[len(command):at]
	begin := at + len(scheduler)
	for at = begin; at < len(line) && line[at] >= 'a' && line[at] <= 'z'; at++ {
	}
	if at == begin {
		return v, "", 0
	}
	v.Family, v.Address, v.Port, v.PortKnown = netfilter.IPv4, netip.AddrFrom4(address), port, true
	v.Scheduler = ipvs.Scheduler(line[begin:at])
	if strings.HasPrefix(line[at:], persistent) {
		var seconds uint32
		if seconds, at = plainNumber(line, at+len(persistent)); at == 0 {
			return v, "", 0
		}
		v.Persistence = &ipvs.Persistence{Timeout: time.Duration(seconds) * time.Second}
	}
	if !endsAt(line, at) {
		return v, "", 0
	}
	return v, words, at
}

// plainNumber reads a number, and gives where it ends: 0 for none.
func plainNumber(line string, at int) (n uint32, end int) {
	begin := at
	for at < len(line) && line[at]-'0' <= 9 {
		n = 10*n + uint32(line[at]-'0')
		at++
	}
	const digits = 9 // that every 31 bits have room for
	if at == begin || at-begin > digits {
		return 0, 0
	}
	return n, at
}

// endsAt reports whether the first line ends there, with a line feed: one without
// may be cut off.
func endsAt(line string, at int) bool { return at < len(line) && line[at] == '\n' }

// plainAddress reads an IPv4 address with a colon behind it, and gives where that
// stands, 0 for none. It wants more behind it, which plain lines have.
func plainAddress(line string, at int) (address [4]byte, end int) {
	const longest = len("255.255.255.255:")
	if len(line) < at+longest {
		return address, 0
	}
	text, p := line[at:at+longest], 0
	for i := range address {
		first := text[p] - '0'
		if first > 9 {
			return address, 0
		}
		n := uint(first)
		p++
		if digit := text[p] - '0'; digit <= 9 {
			n = 10*n + uint(digit)
			p++
			if digit := text[p] - '0'; digit <= 9 {
				n = 10*n + uint(digit)
				p++
			}
			if first == 0 || n > 255 {
				return address, 0
			}
		}
		if text[p] != "...:"[i] {
			return address, 0
		}
		address[i] = byte(n)
		p++
	}
	return address, at + p - 1
}

// plainPort reads a port behind the colon that stands there, and gives where it
// ends. It is 0 for none.
func plainPort(line string, colon int) (port uint16, end int) {
	begin, n := colon+1, 0
	at := begin
	for at < len(line) && line[at]-'0' <= 9 && at < begin+5 {
		n = 10*n + int(line[at]-'0')
		at++
	}
	if n > 1<<16-1 {
		n = 0
	}
	return uint16(n), at
}
