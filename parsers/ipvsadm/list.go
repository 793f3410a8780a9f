package ipvsadm

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// ListBegins reports whether a line is the first of "ipvsadm -L" or of
// /proc/net/ip_vs: of their titles, or a virtual server that a grep left over.
func ListBegins(line string) bool {
	return isTitle(line) || isServiceLine(line)
}

// isTitle reports whether a line is one of the first two of a listing.
func isTitle(line string) bool {
	first, rest := cutWord(line)
	if first != "IP" && first != "Prot" {
		return false
	}
	w, n := words(rest)
	return first == "IP" && n >= 3 && w[0] == "Virtual" && w[1] == "Server" && w[2] == "version" ||
		first == "Prot" && n >= 1 && w[0] == "LocalAddress:Port"
}

// isServiceLine tells a virtual server from a connection of "ipvsadm -Lc", which
// begins with a protocol and a time.
func isServiceLine(line string) bool {
	word, rest := cutWord(line)
	if !isProtocol(word) {
		return false
	}
	dial, rest := cutWord(rest)
	scheduler, _ := cutWord(rest)
	if word == "FWM" && scheduler == "IPv6" {
		scheduler, _ = cutWord(strings.TrimLeft(rest, " \t")[len(scheduler):])
	}
	if ipvs.Scheduler(scheduler).Sharing() == ipvs.UnknownSharing {
		return false
	}
	return word == "FWM" || strings.IndexByte(dial, ':') > 0
}

func isProtocol(word string) bool {
	switch word {
	case "TCP", "UDP", "SCTP", "FWM":
		return true
	}
	return false
}

// columns are what stands behind a real server's address.
type columns uint8

const (
	untitled      columns = iota
	plain                 // Forward Weight ActiveConn InActConn
	tunnels               // Forward TunnelInfo Weight ActiveConn InActConn
	statistics            // Conns InPkts OutPkts InBytes OutBytes
	rates                 // CPS InPPS OutPPS InBPS OutBPS
	thresholds            // Uthreshold Lthreshold ActiveConn InActConn
	clients               // Weight PersistConn ActiveConn InActConn
	unknownColumn         // of a version to come
)

// A listReader reads one listing.
type listReader struct {
	reader
	columns columns
	how     notation
	// titled says how far the title has been read: nothing, the version, the
	// first line of the columns, all.
	titled int
}

// ParseList reads what "ipvsadm -L" prints, or the kernel in /proc/net/ip_vs,
// from at on, up to the first line that is no part of it or that foreign
// claims; a second title begins another text. What follows is at next. proc
// says that it is the kernel's listing.
func ParseList(at source.Cursor, foreign func(line string) bool) (t *Text, proc bool, next source.Cursor) {
	r := listReader{reader: newReader(at), how: listed}
	next = at
	versioned := false
reading:
	for at.More() {
		line, after := at.Next()
		word, rest := cutWord(line)
		switch {
		case word == "" && !after.IsCut():
			at = after
			continue
		case isTitle(line):
			stage := 1
			if word == "Prot" {
				stage = 2
			}
			if stage <= r.titled || r.titled == 0 && len(r.table.Services()) > 0 {
				break reading
			}
			r.titled, versioned = stage, versioned || stage == 1
			if stage == 2 {
				r.title(rest)
			}
		case after.IsCut() && mayBegin(word, rest):
			r.cutOff(at, word != "" && word[0] != '-')
			next = after
			break reading
		case word == "->":
			if target, more := cutWord(rest); target == "RemoteAddress:Port" {
				r.titled = 3
				r.secondTitle(at, more)
			} else {
				r.server(at, target, more, line)
			}
		case isProtocol(word) && isNoConnection(rest) || isServiceLine(line):
			r.titled = 3
			r.serviceLine(at, word, rest, line)
		case foreign != nil && foreign(line) || !resumes(after, foreign, isTitle, goesOn):
			break reading
		default:
			r.foreign(at, line)
		}
		at, next = after, after
	}
	// "ipvsadm -L -t ADDRESS:PORT" prints no version (ipvsadm.c, list_service),
	// and a table without a virtual server has its titles.
	r.table.Complete = r.table.Complete && versioned && r.titled == 3
	return r.text(), r.how == hexed, next
}

// isNoConnection tells a virtual server, whatever is wrong with it, from a
// connection, whose second word is a time.
func isNoConnection(rest string) bool {
	dial, _ := cutWord(rest)
	return dial != "" && !(len(dial) <= 6 && strings.IndexByte(dial, ':') >= 0 && allDigits(strings.Replace(dial, ":", "", 1)))
}

// mayBegin reports whether a line of a listing may begin so.
func mayBegin(word, rest string) bool {
	if isProtocol(word) {
		return isBlank(rest) || isNoConnection(rest)
	}
	for _, whole := range []string{"->", "TCP", "UDP", "SCTP", "FWM"} {
		if word == whole || isBlank(rest) && strings.HasPrefix(whole, word) {
			return true
		}
	}
	return false
}

// goesOn reports whether a line is a virtual or a real server's.
func goesOn(line string) bool {
	word, rest := cutWord(line)
	return word == "->" || isProtocol(word) && isNoConnection(rest)
}

// title reads the columns of virtual servers, and with them those of real ones.
func (r *listReader) title(rest string) {
	w, _ := words(rest)
	switch w[1] {
	case "Scheduler":
		r.columns = plain // until the second line says more
	case "Conns":
		r.columns = statistics
	case "CPS":
		r.columns = rates
	case "Uthreshold":
		r.columns = thresholds
	case "Weight":
		r.columns = clients
	default:
		r.columns = unknownColumn
	}
}

// secondTitle reads the columns of real servers. The kernel has one blank
// between them, ipvsadm many.
func (r *listReader) secondTitle(at source.Cursor, rest string) {
	if r.columns != plain && r.columns != untitled {
		return
	}
	w, n := words(rest)
	switch {
	case n >= 5 && w[1] == "TunnelInfo":
		r.columns = tunnels
	case n >= 4 && w[0] == "Forward" && w[1] == "Weight":
		r.columns = plain
		if strings.HasPrefix(rest, " Forward") && isHexListing(at) {
			r.how = hexed
		}
	}
}

// isHexListing looks at the first address, for blanks get lost in pastes.
func isHexListing(at source.Cursor) bool {
	for _, after := at.Next(); after.More(); {
		line, further := after.Next()
		word, rest := cutWord(line)
		if word == "->" || isProtocol(word) && word != "FWM" {
			address, _ := cutWord(rest)
			return strings.IndexByte(address, '.') < 0 && !strings.Contains(address, "::")
		}
		if word != "" && word != "FWM" {
			break
		}
		after = further
	}
	return true
}

func (r *listReader) serviceLine(at source.Cursor, protocol, rest, line string) {
	r.endLost()
	r.service = nil
	v, behind, err := r.readService(at, protocol, rest)
	if err == nil {
		err = r.serviceColumns(at, &v, behind)
	}
	if err != nil {
		r.unread(at, err)
		return
	}
	added, isNew := r.table.Add(v)
	if !isNew {
		// Of pieces of one listing, or of two without titles.
		r.unread(at, fmt.Errorf("virtual server %s is listed a second time, the first time in line %d", added, added.Pos().Line))
		return
	}
	added.SetText(spanOf(at, line))
	r.service = added
}

func (r *listReader) readService(at source.Cursor, protocol, rest string) (v ipvs.VirtualServer, behind string, err error) {
	dial, behind := cutWord(rest)
	switch protocol {
	case "FWM":
		v.Family = netfilter.IPv4
		if r.how == hexed {
			n, ok := hexadecimal(dial)
			if !ok || n == 0 || len(dial) != 8 {
				return v, "", fmt.Errorf("firewall mark %s: expected 8 hexadecimal digits", quote(dial))
			}
			v.Mark, v.Family = n, familyBelow(at)
			return v, behind, nil
		}
		n, ok := decimal(strings.TrimPrefix(dial, "-"), math.MaxUint32)
		if !ok || n == 0 {
			return v, "", fmt.Errorf("firewall mark %s: expected 1 to %d", quote(dial), uint32(math.MaxUint32))
		}
		if v.Mark = uint32(n); strings.HasPrefix(dial, "-") {
			v.Mark = -v.Mark // printed with %d
		}
		if word, more := cutWord(behind); word == "IPv6" {
			v.Family, behind = netfilter.IPv6, more
		}
		return v, behind, nil
	case "TCP":
		v.Protocol = netfilter.TCP
	case "UDP":
		v.Protocol = netfilter.UDP
	case "SCTP":
		v.Protocol = netfilter.SCTP
	}
	e, err := readEndpoint(dial, v.Protocol, r.how)
	if err != nil {
		return v, "", fmt.Errorf("virtual server %w", err)
	}
	r.named(at, e)
	v.Family, v.Address, v.Port, v.PortKnown, v.Name = e.family, e.addr, e.port, e.portKnown, e.name
	return v, behind, nil
}

// familyBelow is the family of a firewall mark in /proc/net/ip_vs, which its
// first real server tells: they are of one family unless they are tunnelled to
// (ip_vs_ctl.c, ip_vs_add_dest).
func familyBelow(at source.Cursor) netfilter.Family {
	_, at = at.Next()
	if !at.More() {
		return netfilter.AnyFamily
	}
	line, _ := at.Next()
	w, n := words(line)
	switch {
	case n < 3 || w[0] != "->" || w[2] == ipvs.ViaTunnel.String():
		return netfilter.AnyFamily
	case strings.HasPrefix(w[1], "["):
		return netfilter.IPv6
	}
	return netfilter.IPv4
}

// serviceColumns reads what stands behind a virtual server's address.
func (r *listReader) serviceColumns(at source.Cursor, v *ipvs.VirtualServer, rest string) error {
	if r.columns == statistics || r.columns == rates || r.columns == untitled {
		stats, ok := numbers(rest)
		switch {
		case ok && r.columns == statistics:
			v.Stats = &ipvs.Stats{Connections: stats[0], InPackets: stats[1], OutPackets: stats[2], InBytes: stats[3], OutBytes: stats[4]}
			return nil
		case ok:
			return nil // rates of the last seconds
		case r.columns != untitled:
			return fmt.Errorf("virtual server with %s: expected 5 numbers", quote(strings.TrimSpace(rest)))
		}
	}
	scheduler, rest := cutWord(rest)
	if scheduler == "" {
		return errors.New("virtual server without a scheduler: the line is cut")
	}
	v.Scheduler = ipvs.Scheduler(scheduler)
	if word, more := cutWord(rest); strings.HasPrefix(word, "(") {
		flags, err := readFlags(strings.TrimSuffix(word[1:], ")"), v.Scheduler)
		if err != nil {
			return err
		}
		v.Flags, rest = flags, more
	}
	for {
		var word string
		if word, rest = cutWord(rest); word == "" {
			return nil
		}
		switch word {
		case "ops":
			v.OnePacket = true
		case "persistent", "opspersistent": // of a firewall mark, without a blank between them
			v.OnePacket = v.OnePacket || word != "persistent"
			if word, rest = cutWord(rest); word == "" {
				return errors.New("persistence without its timeout: the line is cut")
			}
			n, ok := decimal(word, math.MaxUint32)
			if !ok {
				return fmt.Errorf("persistent %s: expected a timeout", quote(word))
			}
			v.Persistence = &ipvs.Persistence{Timeout: time.Duration(n) * time.Second}
			if r.how == hexed {
				v.Persistence = &ipvs.Persistence{Jiffies: uint32(n)}
				if word, rest = cutWord(rest); !setHexMask(v, word) {
					return fmt.Errorf("mask %s: expected 8 hexadecimal digits", quote(word))
				}
			}
		case "mask", "pe":
			var value string
			if value, rest = cutWord(rest); v.Persistence == nil || value == "" {
				return fmt.Errorf("%s %s: expected it behind a timeout", word, quote(value))
			}
			if word == "pe" {
				v.Persistence.Engine = value
			} else if err := setMask(v, value); err != nil {
				return err
			}
		default:
			r.remarks.Add(source.Diagnostic{
				Severity: source.Warning, Pos: at.Pos(), Code: "unread-words", Unread: 1,
				Message: fmt.Sprintf("%s behind a virtual server is not understood: expected persistent, mask, pe, ops", quote(word)),
			})
			return nil
		}
	}
}

func setHexMask(v *ipvs.VirtualServer, word string) bool {
	n, ok := hexadecimal(word)
	if !ok || len(word) != 8 {
		return false
	}
	switch v.Family {
	case netfilter.IPv6:
		length, ok := prefixLen(n)
		if ok && length != 128 {
			v.Persistence.PrefixLen = length
		}
		return ok
	case netfilter.IPv4:
		setIPv4Mask(v.Persistence, addrOf(n))
	}
	return true
}

// numbers reads five numbers, those of --stats and --rate.
func numbers(rest string) (n [5]uint64, ok bool) {
	w, count := words(rest)
	if count != len(n) {
		return n, false
	}
	for i := range n {
		if n[i], ok = largeNumber(w[i]); !ok {
			return n, false
		}
	}
	return n, true
}

// largeNumber reads "12" and "1234K", which is 1234 thousand and something
// (ipvsadm.c, print_largenum).
func largeNumber(word string) (uint64, bool) {
	scale := uint64(1)
	if word != "" {
		switch word[len(word)-1] {
		case 'K':
			scale = 1e3
		case 'M':
			scale = 1e6
		case 'G':
			scale = 1e9
		case 'T':
			scale = 1e12
		}
	}
	if scale > 1 {
		word = word[:len(word)-1]
	}
	n, ok := decimal(word, math.MaxUint64/scale)
	return n * scale, ok
}
