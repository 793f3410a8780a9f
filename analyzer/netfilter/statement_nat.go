package netfilter

import (
	"net/netip"
	"strconv"
	"strings"
)

// A NATRange is what an address translation may choose from. The zero
// NATRange changes nothing.
type NATRange struct {
	// First and Last are the addresses; equal for one. Invalid when the
	// address stays as it is.
	First, Last netip.Addr
	// Ports are the ports; HasPorts false when the port stays as it is.
	Ports    PortRange
	HasPorts bool
	// BasePort shifts the range: destination port d becomes Ports.First +
	// d - BasePort. 0 when there is no shift.
	BasePort uint16
}

// String is "10.0.0.1:80", "10.0.0.1-10.0.0.9", "[fd00::1]:80", ":8080-8090".
func (r NATRange) String() string {
	var b strings.Builder
	if r.First.IsValid() {
		brackets := r.First.Is6() && r.HasPorts
		if brackets {
			b.WriteByte('[')
		}
		b.WriteString(addrString(r.First))
		if r.Last != r.First {
			b.WriteString("-" + addrString(r.Last))
		}
		if brackets {
			b.WriteByte(']')
		}
	}
	if r.HasPorts {
		b.WriteString(":" + natPorts(r.Ports))
		if r.BasePort != 0 {
			b.WriteString("/" + strconv.Itoa(int(r.BasePort)))
		}
	}
	return b.String()
}

// natPorts is "80" or "8000-8080": NAT targets write ranges with a dash.
func natPorts(p PortRange) string {
	if p.IsSingle() {
		return strconv.Itoa(int(p.First))
	}
	return strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
}

// NATFlags are the options that NAT targets share.
type NATFlags struct {
	Random, RandomFully, Persistent bool
}

func (f NATFlags) String() string {
	s := ""
	if f.Random {
		s += " --random"
	}
	if f.RandomFully {
		s += " --random-fully"
	}
	if f.Persistent {
		s += " --persistent"
	}
	return s
}

// DNAT translates the destination. It binds the connection's first packet and
// ends the walk through the hook's nat chains. NewDNAT makes it: a node has one
// for each endpoint, so it is small.
type DNAT struct {
	address  [16]byte
	ports    PortRange
	kind     addressKind
	hasPorts bool
	flags    NATFlags
	wide     *wideNAT // in place of all but the flags; nil for one address
}

type addressKind uint8

const (
	noAddress addressKind = iota
	fourBytes
	sixteenBytes
)

// A wideNAT is where a DNAT leads that few nodes have.
type wideNAT struct {
	to   NATRange
	more []NATRange
}

// NewDNAT makes a DNAT. more are further ranges, which kernels before 2.6.11
// allowed.
func NewDNAT(to NATRange, flags NATFlags, more ...NATRange) DNAT {
	t := DNAT{ports: to.Ports, hasPorts: to.HasPorts, flags: flags}
	switch a := to.First; {
	case a.Is4():
		t.kind = fourBytes
		four := a.As4()
		copy(t.address[:], four[:])
	case a.Is6():
		t.kind, t.address = sixteenBytes, a.As16()
	}
	if to.Last != to.First || to.BasePort != 0 || to.First.Zone() != "" || len(more) > 0 {
		t.wide = &wideNAT{to, more}
	}
	return t
}

// To is where the packet's destination is moved.
func (t *DNAT) To() NATRange {
	if t.wide != nil {
		return t.wide.to
	}
	r := NATRange{Ports: t.ports, HasPorts: t.hasPorts}
	switch t.kind {
	case fourBytes:
		r.First = netip.AddrFrom4([4]byte(t.address[:]))
	case sixteenBytes:
		r.First = netip.AddrFrom16(t.address)
	}
	r.Last = r.First
	return r
}

// More are the further ranges.
func (t *DNAT) More() []NATRange {
	if t.wide == nil {
		return nil
	}
	return t.wide.more
}

// Flags are the options.
func (t *DNAT) Flags() NATFlags { return t.flags }

func (t *DNAT) String() string {
	s := "-j DNAT --to-destination " + t.To().String()
	for _, r := range t.More() {
		s += " --to-destination " + r.String()
	}
	return s + t.flags.String()
}

// SNAT translates the source to a fixed address.
type SNAT struct {
	To    NATRange
	More  []NATRange
	Flags NATFlags
}

func (t *SNAT) String() string {
	s := "-j SNAT --to-source " + t.To.String()
	for _, r := range t.More {
		s += " --to-source " + r.String()
	}
	return s + t.Flags.String()
}

// Masquerade translates the source to the address of the interface that the
// packet leaves by.
type Masquerade struct {
	Ports    PortRange
	HasPorts bool
	Flags    NATFlags
}

func (t *Masquerade) String() string {
	s := "-j MASQUERADE"
	if t.HasPorts {
		s += " --to-ports " + natPorts(t.Ports)
	}
	return s + t.Flags.String()
}

// Redirect translates the destination to the node itself.
type Redirect struct {
	Ports    PortRange
	HasPorts bool
	Flags    NATFlags
}

func (t *Redirect) String() string {
	s := "-j REDIRECT"
	if t.HasPorts {
		s += " --to-ports " + natPorts(t.Ports)
	}
	return s + t.Flags.String()
}

// NetMap translates the destination, or the source after routing, to the
// address with the same host bits in another network.
type NetMap struct {
	Net Network
}

func (t *NetMap) String() string { return "-j NETMAP --to " + t.Net.String() }

func (*DNAT) isStatement()       {}
func (*SNAT) isStatement()       {}
func (*Masquerade) isStatement() {}
func (*Redirect) isStatement()   {}
func (*NetMap) isStatement()     {}
