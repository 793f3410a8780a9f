package netfilter

import (
	"net/netip"
	"strconv"
	"strings"
	"unique"
)

// A Side says which of a packet's two addresses, ports or interfaces is meant.
type Side uint8

// The sides. For interfaces Source is the one the packet came in by and
// Destination the one it leaves by. Either is multiport's --ports.
const (
	Source Side = iota
	Destination
	Either
)

// A Network is an address and which of its bits count. iptables takes any
// mask, also one with holes; then Mask is valid and Prefix is the bare address.
type Network struct {
	Prefix netip.Prefix
	Mask   Mask // valid only if the mask has holes
}

// A Mask says which bits of an address count, whether or not they stand in one
// row. It is small, for hardly any network has one.
type Mask struct{ bits unique.Handle[netip.Addr] }

// MaskOf is the mask with the bits of an address.
func MaskOf(bits netip.Addr) Mask { return Mask{unique.Make(bits)} }

// IsValid reports whether there is a mask: the zero Mask is none.
func (m Mask) IsValid() bool { return m != Mask{} }

// Bits are the mask's bits as an address.
func (m Mask) Bits() netip.Addr { return m.bits.Value() }

// Contains reports whether the address is in the network. Addresses of
// another family are not.
func (n Network) Contains(a netip.Addr) bool {
	if !n.Mask.IsValid() {
		return n.Prefix.Contains(a)
	}
	net := n.Prefix.Addr()
	if net.BitLen() != a.BitLen() {
		return false
	}
	x, y, m := net.As16(), a.As16(), n.Mask.Bits().As16()
	for i := range x {
		if x[i]&m[i] != y[i]&m[i] {
			return false
		}
	}
	return true
}

// String is "10.0.0.0/8", or "10.0.0.1/255.0.255.255" for a mask with holes.
func (n Network) String() string { return string(n.AppendTo(nil)) }

// AppendTo appends String.
func (n Network) AppendTo(text []byte) []byte {
	text = append(appendAddr(text, n.Prefix.Addr()), '/')
	if n.Mask.IsValid() {
		return appendAddr(text, n.Mask.Bits())
	}
	return strconv.AppendInt(text, int64(n.Prefix.Bits()), 10)
}

// Addr matches the packet's source or destination address ("-s", "-d").
type Addr struct {
	Side Side
	Not  bool
	Net  Network
}

func (m *Addr) String() string { return string(m.AppendTo(nil)) }

// AppendTo appends String.
func (m *Addr) AppendTo(text []byte) []byte {
	text = append(text, not(m.Not)...)
	if m.Side == Destination {
		text = append(text, "-d "...)
	} else {
		text = append(text, "-s "...)
	}
	return m.Net.AppendTo(text)
}

// Interface matches the interface a packet came in by or leaves by ("-i",
// "-o"). A packet that a local process sends came in by none, and none of its
// rules with "-i" match; likewise "-o" on the way to a local process.
type Interface struct {
	Side Side
	Not  bool
	Name string
	// Prefix means that all names beginning with Name match ("veth+").
	Prefix bool
}

// Matches reports whether the interface name is meant, before negation.
func (m *Interface) Matches(name string) bool {
	if m.Prefix {
		return strings.HasPrefix(name, m.Name)
	}
	return name == m.Name
}

func (m *Interface) String() string {
	option, plus := "-i ", ""
	if m.Side == Destination {
		option = "-o "
	}
	if m.Prefix {
		plus = "+"
	}
	return not(m.Not) + option + m.Name + plus
}

// Numbers of the protocols that have ports or names here (IANA).
const (
	ICMP    = 1
	TCP     = 6
	UDP     = 17
	DCCP    = 33
	GRE     = 47
	ESP     = 50
	AH      = 51
	ICMPv6  = 58
	SCTP    = 132
	UDPLite = 136
)

// ProtocolName is the name that iptables-save prints for a protocol number
// (libxtables/xtables.c, xtables_chain_protos), else the number.
func ProtocolName(number uint8) string {
	switch number {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case DCCP:
		return "dccp"
	case GRE:
		return "gre"
	case ESP:
		return "esp"
	case AH:
		return "ah"
	case ICMPv6:
		return "ipv6-icmp"
	case SCTP:
		return "sctp"
	case UDPLite:
		return "udplite"
	case 135:
		return "ipv6-mh"
	}
	return strconv.Itoa(int(number))
}

// Protocol matches the transport protocol ("-p"). Number 0 is every protocol.
type Protocol struct {
	Not    bool
	Number uint8
	Name   string // as the dump spells it: "tcp", "ipv6-icmp", "0"
}

func (m *Protocol) String() string { return not(m.Not) + "-p " + m.Name }

// Fragment matches the second and later fragments of a packet ("-f", IPv4).
type Fragment struct {
	Not bool
}

func (m *Fragment) String() string { return not(m.Not) + "-f" }

func (*Addr) isMatch()      {}
func (*Interface) isMatch() {}
func (*Protocol) isMatch()  {}
func (*Fragment) isMatch()  {}
