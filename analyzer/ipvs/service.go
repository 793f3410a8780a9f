package ipvs

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A VirtualServer is what the kernel calls a service: an address and port, or a
// firewall mark, whose connections it balances over real servers.
type VirtualServer struct {
	// Family is that of the virtual server's address; AnyFamily for a firewall
	// mark in /proc/net/ip_vs, which does not tell.
	Family   netfilter.Family
	Protocol uint8 // netfilter.TCP, UDP or SCTP; 0 with a Mark
	Port     uint16
	// PortKnown says that Port is what the kernel has: false when the text has
	// a service's name that is not known for certain, or cuts the port off.
	// Port 0 means any port, which takes persistence.
	PortKnown bool
	// OnePacket is one-packet scheduling ("-o", "ops"): each datagram is
	// balanced by itself. The kernel allows it for UDP, and by firewall mark.
	OnePacket bool
	// Partial says that it may have more real servers than are listed here.
	Partial bool
	Flags   SchedulerFlags
	Mark    uint32     // firewall mark; 0 without
	Address netip.Addr // invalid with a Mark, and when the text has a name

	// Name is the address and port as the text has them, "" unless one of
	// them is a name or is cut.
	Name string
	// Scheduler is "" when the text does not tell ("ipvsadm -L --stats").
	Scheduler   Scheduler
	Persistence *Persistence // nil without, and when the text does not tell
	Stats       *Stats       // nil when the text has none

	table   *Table
	number  int32 // in Table.services
	servers servers
	text    span
	file    *source.File
}

// Persistence keeps a client with its real server.
type Persistence struct {
	// Timeout is how long a client is remembered after its last connection
	// ended; 0 when only Jiffies is known.
	Timeout time.Duration
	// Jiffies is the timeout in ticks of the kernel's clock, as
	// /proc/net/ip_vs has it. How many go to a second is not told: 100, 250,
	// 300 or 1000.
	Jiffies uint32
	// Mask is the part of an IPv4 client's address that counts; invalid for
	// all of it.
	Mask netip.Addr
	// PrefixLen is how much of an IPv6 client's address counts; 0 for all of
	// it.
	PrefixLen uint8
	// Engine recognises clients by more than their address ("sip"); "" for
	// none, and when the text does not tell.
	Engine string
}

// Stats are the counters of "ipvsadm -L --stats". Without --exact large ones are
// rounded down to thousands, millions, …; the kernel may lag two seconds.
type Stats struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes uint64
}

// Key is what the kernel finds the virtual server by. ok is false when the text
// does not tell all of it.
func (v *VirtualServer) Key() (k Key, ok bool) {
	switch {
	case v.Mark != 0:
		return Key{Family: v.Family, Mark: v.Mark}, true
	case !v.Address.IsValid() || !v.PortKnown:
		return Key{}, false
	}
	return Key{Family: v.Family, Protocol: v.Protocol, Address: v.Address, Port: v.Port}, true
}

// String is the virtual server as "ipvsadm -Ln" names it: "TCP 10.96.0.1:443",
// "FWM 5".
func (v *VirtualServer) String() string {
	if v.Mark != 0 {
		s := "FWM " + strconv.FormatUint(uint64(v.Mark), 10)
		if v.Family == netfilter.IPv6 {
			s += " IPv6"
		}
		return s
	}
	return ProtocolName(v.Protocol) + " " + v.Dial()
}

// AppendTo appends String to text.
func (v *VirtualServer) AppendTo(b []byte) []byte {
	if v.Mark != 0 || v.Name != "" || !v.Address.IsValid() {
		return append(b, v.String()...)
	}
	b = append(append(b, ProtocolName(v.Protocol)...), ' ')
	return netip.AddrPortFrom(v.Address, v.Port).AppendTo(b)
}

// Dial is the address and port, as the text has it where that is not known.
func (v *VirtualServer) Dial() string {
	if v.Name != "" || !v.Address.IsValid() {
		return v.Name
	}
	return netip.AddrPortFrom(v.Address, v.Port).String()
}

// ProtocolName is "TCP", "UDP" or "SCTP".
func ProtocolName(protocol uint8) string {
	switch protocol {
	case netfilter.TCP:
		return "TCP"
	case netfilter.UDP:
		return "UDP"
	case netfilter.SCTP:
		return "SCTP"
	}
	return "protocol " + strconv.Itoa(int(protocol))
}

// Number is the virtual server's place among its table's Services, from 0.
func (v *VirtualServer) Number() int { return int(v.number) }

// Pos is the line of the text that names the virtual server; the zero Position
// when it comes from no text.
func (v *VirtualServer) Pos() source.Position { return v.text.pos(v.file) }

// Text is the virtual server's line as captured, "" when it comes from no text.
func (v *VirtualServer) Text() string { return v.text.of(v.file) }

// SetText says where the virtual server stands. Its real servers stand in the
// same file.
func (v *VirtualServer) SetText(s source.Span) {
	v.unpack() // what is packed goes by where the virtual server stands
	v.file, v.text = s.File, spanOf(s)
}
