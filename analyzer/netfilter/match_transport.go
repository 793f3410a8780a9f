package netfilter

import (
	"fmt"
	"strconv"
	"strings"
)

// A PortRange is a range of ports, both ends included; a single port is a
// range of one.
type PortRange struct {
	First, Last uint16
}

// Contains reports whether the port is in the range.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// IsSingle reports whether the range is one port.
func (r PortRange) IsSingle() bool { return r.First == r.Last }

// String is "80" or "8000:8080".
func (r PortRange) String() string {
	if r.IsSingle() {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// A PortTest is a test of one port in a Transport match. The zero PortTest
// tests nothing.
type PortTest struct {
	Set   bool // false: every port passes
	Not   bool
	Range PortRange
}

// Transport matches the header of a transport protocol ("-m tcp", "-m udp",
// "-m sctp", "-m dccp", "-m udplite"): all that it tests must hold. Without any
// test it holds for every packet of the protocol that has a whole header.
type Transport struct {
	Protocol         uint8 // TCP, UDP, SCTP, DCCP or UDPLite
	SrcPort, DstPort PortTest
	Option           *TCPOption // nil when not tested
	Flags            *TCPFlags  // nil when not tested
	// Rest holds the tests that are not modelled, as text: "--chunk-types …"
	// of SCTP, "--dccp-types …" and "--dccp-option 4" of DCCP. With one the
	// match can be unknown.
	Rest string
}

// TCPOption is the test "--tcp-option kind": the header has that option.
type TCPOption struct {
	Not  bool
	Kind uint8
}

// TCPFlags is the test "--tcp-flags mask comp".
type TCPFlags struct {
	Not        bool
	Mask, Comp uint8
}

func (m *Transport) String() string {
	var b strings.Builder
	b.WriteString("-m ")
	b.WriteString(ProtocolName(m.Protocol))
	if t := m.SrcPort; t.Set {
		b.WriteString(" " + not(t.Not) + "--sport " + t.Range.String())
	}
	if t := m.DstPort; t.Set {
		b.WriteString(" " + not(t.Not) + "--dport " + t.Range.String())
	}
	if o := m.Option; o != nil {
		b.WriteString(" " + not(o.Not) + "--tcp-option " + strconv.Itoa(int(o.Kind)))
	}
	if f := m.Flags; f != nil {
		b.WriteString(" " + not(f.Not) + "--tcp-flags " + flagNames(f.Mask) + " " + flagNames(f.Comp))
	}
	if m.Rest != "" {
		b.WriteString(" " + m.Rest)
	}
	return b.String()
}

// tcpFlagNames are in the order of their bits, as iptables prints them
// (extensions/libxt_tcp.c, tcp_flag_names).
var tcpFlagNames = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

// ParseTCPFlags reads a list like "SYN,RST"; also "ALL" and "NONE".
func ParseTCPFlags(s string) (uint8, error) {
	var bits uint8
names:
	for word := range strings.SplitSeq(s, ",") {
		switch {
		case strings.EqualFold(word, "ALL"):
			bits |= 1<<len(tcpFlagNames) - 1
			continue
		case strings.EqualFold(word, "NONE"):
			continue
		}
		for i, name := range tcpFlagNames {
			if strings.EqualFold(word, name) {
				bits |= 1 << i
				continue names
			}
		}
		return 0, fmt.Errorf("TCP flag %q: expected one of %s", word, strings.Join(tcpFlagNames[:], ", "))
	}
	return bits, nil
}

func flagNames(bits uint8) string {
	if bits == 0 {
		return "NONE"
	}
	var names []string
	for i, name := range tcpFlagNames {
		if bits&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// MultiPort matches ports out of a list ("-m multiport"), of tcp, udp, udplite,
// sctp or dccp.
type MultiPort struct {
	Not    bool
	Side   Side // Either: source or destination port is in the list
	Ranges []PortRange
}

func (m *MultiPort) String() string {
	var b strings.Builder
	b.WriteString("-m multiport " + not(m.Not))
	b.WriteString([...]string{"--sports ", "--dports ", "--ports "}[m.Side])
	for i, r := range m.Ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

func (*Transport) isMatch() {}
func (*MultiPort) isMatch() {}
