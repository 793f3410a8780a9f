package ipvs

import (
	"math"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A RealServer is where connections to a virtual server go: what the kernel
// calls a destination. A node has a hundred thousand of them, so it is small.
type RealServer struct {
	Address netip.Addr // invalid when the text has a name, or a cut one
	// Port is where packets are sent to. With a firewall mark 0 keeps the
	// packet's own.
	Port      uint16
	PortKnown bool       // as in VirtualServer
	Method    Forwarding // UnknownForwarding when the text does not tell
	// Weight counts when WeightKnown: a text with --stats has none. With
	// weight 0 a real server keeps its connections and gets no new ones.
	WeightKnown bool
	// Counted says that Active and Inactive are known: connections that are
	// established, and others.
	Counted          bool
	Weight           uint32
	Active, Inactive uint32

	text    span
	service *VirtualServer
	more    *Details
}

// Details are what few real servers have, or few texts tell.
type Details struct {
	// Name is the address and port as the text has them, "" unless one of
	// them is a name or is cut.
	Name   string
	Tunnel *Tunnel // nil unless the method is ViaTunnel and the text tells
	// UpperThreshold and LowerThreshold bound the number of connections: when
	// there are more than Upper, no new ones come until there are fewer than
	// Lower. 0 sets no bound. Only a text with --thresholds tells them;
	// ipvsadm-save leaves them out.
	UpperThreshold, LowerThreshold uint32
	ThresholdsKnown                bool
	// Persistent counts the clients that are remembered (--persistent-conn).
	Persistent      uint32
	PersistentKnown bool
	Stats           *Stats // nil when the text has none

	file *source.File // of the text, if it is not the virtual server's
}

// Forwarding is how packets get to a real server.
type Forwarding uint8

// The forwarding methods (include/uapi/linux/ip_vs.h, IP_VS_CONN_F_FWD_MASK).
const (
	UnknownForwarding Forwarding = iota // the text does not tell
	Masquerading                        // "-m", "Masq": destination NAT
	LocalNode                           // "Local": a process of the node takes it, untranslated
	ViaTunnel                           // "-i", "Tunnel": wrapped in another packet
	DirectRouting                       // "-g", "Route": sent on as it is
)

// String is the word of "ipvsadm -L": "Masq", "Local", "Tunnel", "Route"; "" if
// it is not known.
func (f Forwarding) String() string {
	switch f {
	case Masquerading:
		return "Masq"
	case LocalNode:
		return "Local"
	case ViaTunnel:
		return "Tunnel"
	case DirectRouting:
		return "Route"
	}
	return ""
}

// Tunnel is how packets are wrapped for a real server.
type Tunnel struct {
	Type TunnelType
	Port uint16 // of GUE; 0 otherwise
	// Checksum is "--tun-csum", or "--tun-remcsum" (remote checksum offload).
	Checksum TunnelChecksum
}

// TunnelType is a kind of encapsulation (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, …).
type TunnelType uint8

// The encapsulations.
const (
	IPIP TunnelType = iota
	GUE
	GRE
)

// String is the word after --tun-type: "ipip", "gue", "gre".
func (t TunnelType) String() string { return [...]string{"ipip", "gue", "gre"}[min(t, GRE)] }

// TunnelChecksum is what checks a tunnel's outer packets.
type TunnelChecksum uint8

// The checksums.
const (
	NoChecksum TunnelChecksum = iota
	FullChecksum
	RemoteChecksum
)

// String is the option that sets it.
func (c TunnelChecksum) String() string {
	return [...]string{"--tun-nocsum", "--tun-csum", "--tun-remcsum"}[min(c, RemoteChecksum)]
}

// Details are what else is known of the real server.
func (r *RealServer) Details() Details {
	if r.more == nil {
		return Details{}
	}
	return *r.more
}

// SetDetails keeps what few real servers have.
func (r *RealServer) SetDetails(d Details) {
	if d == (Details{}) {
		r.more = nil
		return
	}
	kept := d // so that only those that are kept are put on the heap
	r.more = &kept
}

// Service is the virtual server that it belongs to.
func (r *RealServer) Service() *VirtualServer { return r.service }

// AddrPort is where packets are sent to; the address is invalid if the text
// does not tell.
func (r *RealServer) AddrPort() netip.AddrPort { return netip.AddrPortFrom(r.Address, r.Port) }

// String is the address and port, as the text has it where that is not known.
func (r *RealServer) String() string {
	if name := r.Details().Name; name != "" || !r.Address.IsValid() {
		return name
	}
	return r.AddrPort().String()
}

// Pos is the line of the text that names the real server.
func (r *RealServer) Pos() source.Position { return r.text.pos(r.file()) }

// Text is the real server's line as captured, "" when it comes from no text.
func (r *RealServer) Text() string { return r.text.of(r.file()) }

func (r *RealServer) file() *source.File {
	if r.more != nil && r.more.file != nil {
		return r.more.file
	}
	return r.service.file
}

// SetText says where the real server stands, in its virtual server's file.
func (r *RealServer) SetText(s source.Span) { r.text = spanOf(s) }

// A span is a part of a line of a file that is known from elsewhere.
type span struct {
	offset, length uint32
	line           int32
}

// spanOf is the span in few bytes. Text beyond 4 GiB, which no reader takes,
// would lose its words and keep its line.
func spanOf(s source.Span) span {
	if s.File == nil {
		return span{}
	}
	if uint64(s.Offset)+uint64(s.Len) > math.MaxUint32 {
		return span{line: int32(s.Line)}
	}
	return span{uint32(s.Offset), uint32(s.Len), int32(s.Line)}
}

func (s span) pos(f *source.File) source.Position {
	if f == nil {
		return source.Position{}
	}
	return source.Position{File: f, Line: int(s.line)}
}

func (s span) of(f *source.File) string {
	if f == nil {
		return ""
	}
	return f.Text[s.offset : s.offset+s.length]
}
