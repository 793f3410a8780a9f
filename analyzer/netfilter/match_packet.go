package netfilter

import (
	"fmt"
	"net/netip"
	"strconv"
)

// ICMPType matches the type and code of an ICMP or ICMPv6 message ("-m icmp",
// "-m icmp6").
type ICMPType struct {
	V6        bool
	Not       bool
	Any       bool // every type
	Type      uint8
	FirstCode uint8
	LastCode  uint8 // codes 0 to 255 when only the type is tested
}

func (m *ICMPType) String() string {
	option := "-m icmp " + not(m.Not) + "--icmp-type "
	if m.V6 {
		option = "-m icmp6 " + not(m.Not) + "--icmpv6-type "
	}
	switch {
	case m.Any:
		return option + "any"
	case m.FirstCode == 0 && m.LastCode == 255:
		return option + strconv.Itoa(int(m.Type))
	}
	return fmt.Sprintf("%s%d/%d", option, m.Type, m.FirstCode)
}

// Length matches the length of the packet, network header included, in bytes
// ("-m length"), both ends included.
type Length struct {
	Not         bool
	First, Last uint16
}

func (m *Length) String() string {
	return "-m length " + not(m.Not) + "--length " + PortRange{m.First, m.Last}.String()
}

// A Comparison is how a number in the packet is compared with one in the rule.
type Comparison uint8

// The comparisons.
const (
	Equal Comparison = iota
	Less
	Greater
)

// Holds reports whether a compares with b in this way.
func (c Comparison) Holds(a, b uint64) bool {
	switch c {
	case Less:
		return a < b
	case Greater:
		return a > b
	}
	return a == b
}

// String is "eq", "lt" or "gt", as it ends an option's name.
func (c Comparison) String() string { return [...]string{"eq", "lt", "gt"}[c] }

// TTL matches the time to live, or the hop limit of IPv6 ("-m ttl", "-m hl").
type TTL struct {
	V6      bool
	Not     bool // with Equal only
	Compare Comparison
	Value   uint8
}

func (m *TTL) String() string {
	name := "ttl"
	if m.V6 {
		name = "hl"
	}
	return fmt.Sprintf("-m %s %s--%s-%s %d", name, not(m.Not), name, m.Compare, m.Value)
}

// TOS matches the type of service, or the traffic class of IPv6 ("-m tos"):
// field & Mask == Value.
type TOS struct {
	Not         bool
	Value, Mask uint8
}

func (m *TOS) String() string {
	return fmt.Sprintf("-m tos %s--tos 0x%02x/0x%02x", not(m.Not), m.Value, m.Mask)
}

// DSCP matches the upper six bits of the type of service ("-m dscp").
type DSCP struct {
	Not   bool
	Value uint8 // 0 to 63
}

func (m *DSCP) String() string {
	return fmt.Sprintf("-m dscp %s--dscp 0x%02x", not(m.Not), m.Value)
}

// PktType matches how the link layer addressed the packet ("-m pkttype").
type PktType struct {
	Not  bool
	Type string // "unicast", "broadcast" or "multicast"
}

func (m *PktType) String() string { return "-m pkttype " + not(m.Not) + "--pkt-type " + m.Type }

// MAC matches the link layer's source address ("-m mac"); only packets that
// came in by an Ethernet device have one.
type MAC struct {
	Not  bool
	Addr [6]byte
}

func (m *MAC) String() string {
	a := m.Addr
	return fmt.Sprintf("-m mac %s--mac-source %02x:%02x:%02x:%02x:%02x:%02x", not(m.Not), a[0], a[1], a[2], a[3], a[4], a[5])
}

// A RangeTest is a test of an address against a range, both ends included.
type RangeTest struct {
	Not         bool
	First, Last netip.Addr
}

// IPRange matches the packet's addresses against ranges ("-m iprange").
type IPRange struct {
	Src, Dst *RangeTest // nil when not tested
}

func (m *IPRange) String() string {
	s := "-m iprange"
	if r := m.Src; r != nil {
		s += " " + not(r.Not) + "--src-range " + addrString(r.First) + "-" + addrString(r.Last)
	}
	if r := m.Dst; r != nil {
		s += " " + not(r.Not) + "--dst-range " + addrString(r.First) + "-" + addrString(r.Last)
	}
	return s
}

func (*ICMPType) isMatch() {}
func (*Length) isMatch()   {}
func (*TTL) isMatch()      {}
func (*TOS) isMatch()      {}
func (*DSCP) isMatch()     {}
func (*PktType) isMatch()  {}
func (*MAC) isMatch()      {}
func (*IPRange) isMatch()  {}
