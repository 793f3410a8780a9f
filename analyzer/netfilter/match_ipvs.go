package netfilter

import (
	"strconv"
	"strings"
)

// IPVS matches packets of connections that IPVS balances ("-m ipvs"). Any of
// the tests holds for such packets only.
type IPVS struct {
	Not bool // with Any: the packet belongs to no such connection
	Any bool // "--ipvs" is written

	HasProtocol, ProtocolNot bool
	Protocol                 uint8
	Address                  *AddrTest // of the virtual server, nil when not tested
	HasPort, PortNot         bool
	Port                     uint16 // of the virtual server
	Direction                ConnDirection
	Method                   string // "GATE", "IPIP" or "MASQ"; "" when not tested
	MethodNot                bool
	HasControl, ControlNot   bool
	ControlPort              uint16 // of the connection that controls this one
}

func (m *IPVS) String() string {
	// Order of libxt_ipvs.c, ipvs_mt_save.
	var b strings.Builder
	b.WriteString("-m ipvs")
	if m.Any {
		b.WriteString(" " + not(m.Not) + "--ipvs")
	}
	if m.HasProtocol {
		b.WriteString(" " + not(m.ProtocolNot) + "--vproto " + strconv.Itoa(int(m.Protocol)))
	}
	if a := m.Address; a != nil {
		b.WriteString(" " + not(a.Not) + "--vaddr " + hostOrNetwork(a.Net))
	}
	if m.HasPort {
		b.WriteString(" " + not(m.PortNot) + "--vport " + strconv.Itoa(int(m.Port)))
	}
	if m.Direction != AnyDirection {
		b.WriteString(" --vdir " + m.Direction.String())
	}
	if m.Method != "" {
		b.WriteString(" " + not(m.MethodNot) + "--vmethod " + m.Method)
	}
	if m.HasControl {
		b.WriteString(" " + not(m.ControlNot) + "--vportctl " + strconv.Itoa(int(m.ControlPort)))
	}
	return b.String()
}

func (*IPVS) isMatch() {}
