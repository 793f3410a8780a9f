package trace

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An Origin says where a packet comes from.
type Origin string

// The origins.
const (
	FromExternal Origin = "external" // from outside, by one of the node's links
	FromPod      Origin = "pod"      // from a pod on the node, which has a network namespace of its own
	FromNode     Origin = "node"     // from a process in the node's own network namespace
)

// A Flow is a packet to follow: the first of a connection, unless State says
// otherwise.
type Flow struct {
	Name string // what the user calls it; "" for none

	// From is where the packet comes from; "" for what the source address
	// says: the node, a pod of the ranges in Snapshot.PodCIDRs, else outside.
	From Origin
	// Source may be left out. A packet of the node then has the address that
	// the kernel would choose, others one that is not known.
	Source      netip.Addr
	Destination netip.Addr
	// Protocol is the transport protocol's number; 0 means TCP. A packet of
	// ICMP is an echo request.
	Protocol uint8
	Port     uint16 // of the destination; 0 only for protocols without ports
	// SourcePort is 0 when it is not known.
	SourcePort uint16
	// InInterface is the interface that the packet comes in by; "" for the
	// one that leads to its source. Never set for packets of the node.
	InInterface string
	// State is the packet's connection state: one of the first five of
	// netfilter.ConnStates; 0 means NEW. A packet of an established
	// connection goes in the direction of the connection's first packet.
	State netfilter.ConnStates
}

// HasPorts reports whether a transport protocol has ports.
func HasPorts(protocol uint8) bool {
	switch protocol {
	case netfilter.TCP, netfilter.UDP, netfilter.UDPLite, netfilter.SCTP, netfilter.DCCP:
		return true
	}
	return false
}

// checked is the flow with its defaults filled in, or why there is no such
// packet.
func (f Flow) checked() (Flow, error) {
	f.Source, f.Destination = f.Source.Unmap().WithZone(""), f.Destination.Unmap().WithZone("")
	if f.Protocol == 0 {
		f.Protocol = netfilter.TCP
	}
	if f.State == 0 {
		f.State = netfilter.StateNew
	}
	if err := f.impossible(); err != nil {
		if f.Name != "" {
			return f, fmt.Errorf("flow %q: %w", f.Name, err)
		}
		return f, fmt.Errorf("flow: %w", err)
	}
	return f, nil
}

func (f Flow) impossible() error {
	switch f.From {
	case "", FromExternal, FromPod, FromNode:
	default:
		return fmt.Errorf("from %q: expected external, pod or node", f.From)
	}
	switch {
	case !f.Destination.IsValid():
		return errors.New("no destination address")
	case f.Destination.IsUnspecified():
		return fmt.Errorf("destination %s: expected the address of a host", f.Destination)
	case f.Source.IsValid() && f.Source.Is4() != f.Destination.Is4():
		return fmt.Errorf("source %s and destination %s: expected addresses of one family", f.Source, f.Destination)
	case f.Source.IsMulticast() || f.Source.IsValid() && f.Source.IsUnspecified():
		return fmt.Errorf("source %s: expected the address of a host", f.Source)
	case HasPorts(f.Protocol) && f.Port == 0:
		return fmt.Errorf("port 0: expected 1 to 65535 for %s", netfilter.ProtocolName(f.Protocol))
	case !HasPorts(f.Protocol) && (f.Port != 0 || f.SourcePort != 0):
		return fmt.Errorf("protocol %s has no ports: expected none, found %d", netfilter.ProtocolName(f.Protocol), max(f.Port, f.SourcePort))
	case f.Protocol == netfilter.ICMP && !f.Destination.Is4(), f.Protocol == netfilter.ICMPv6 && f.Destination.Is4():
		return fmt.Errorf("protocol %s to %s: expected an address of its own family", netfilter.ProtocolName(f.Protocol), f.Destination)
	case f.From == FromNode && f.InInterface != "":
		return fmt.Errorf("interface %s: a packet that the node sends comes in by none", f.InInterface)
	}
	switch f.State {
	case netfilter.StateInvalid, netfilter.StateNew, netfilter.StateRelated, netfilter.StateEstablished, netfilter.StateUntracked:
		return nil
	}
	return fmt.Errorf("connection state %s: expected one of NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED", f.State)
}
