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
// ends the walk through the hook's nat chains.
type DNAT struct {
	To NATRange
	// More are further ranges, which kernels before 2.6.11 allowed.
	More  []NATRange
	Flags NATFlags
}

func (t *DNAT) String() string {
	s := "-j DNAT --to-destination " + t.To.String()
	for _, r := range t.More {
		s += " --to-destination " + r.String()
	}
	return s + t.Flags.String()
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
