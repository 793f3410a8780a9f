//go:build linux

package kernel

import (
	"fmt"
	"net/netip"
)

// The protocols that probes can be sent with (IANA).
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
	SCTP   = 132
)

// Bits of a TCP header's flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// A Probe is a packet to be sent, the first of a connection of its own.
type Probe struct {
	// In is the interface that the packet comes in by; "" for one that a
	// process of the node sends.
	In string
	// Protocol is TCP, UDP, SCTP (an INIT), ICMP or ICMPv6 (an echo request).
	Protocol uint8
	// Source and Destination are of one family. The port of Source may be 0:
	// then each probe gets another one. ICMP has no ports: they must be 0.
	Source, Destination netip.AddrPort
	// TCPFlags are the header's flags; 0 stands for SYN.
	TCPFlags uint8
	// TTL and TOS are the header's fields; a TTL of 0 stands for 64.
	TTL, TOS uint8
	// Payload is how many bytes are added to the shortest packet that carries
	// the probe's number.
	Payload int
	// Fills says that rules may add the probe's source to a set of nftables
	// because of it. Sets are emptied before the next probe of that source.
	Fills bool
	// Alone says that the sets are emptied before the probe, whatever the
	// others did. The kernel takes a hundredth of a second for it.
	Alone bool
}

// A Kind is how a probe ended.
type Kind uint8

// The kinds. Lost is what neither left, nor was delivered, nor was answered
// by an error.
const (
	Lost Kind = iota
	Forwarded
	Delivered
	Rejected
)

// String is "lost", "forwarded", "delivered" or "rejected".
func (k Kind) String() string {
	return [...]string{"lost", "forwarded", "delivered", "rejected"}[k]
}

// A Fate is what became of a probe.
type Fate struct {
	Kind Kind
	// Source and Destination are those of the packet as it left or as it was
	// delivered; invalid for the other kinds.
	Source, Destination netip.AddrPort
	// Masqueraded says that the source address was replaced.
	Masqueraded bool
	// Interface is the one that the packet left by; "" unless Forwarded.
	Interface string
	// Reject names the answer as iptables' --reject-with does; "" unless
	// Rejected.
	Reject string
}

// String is "forwarded by eth0 198.18.0.1:4711 → 10.0.0.1:80".
func (f Fate) String() string {
	switch f.Kind {
	case Rejected:
		return "rejected with " + f.Reject
	case Forwarded:
		return fmt.Sprintf("forwarded by %s %v → %v", f.Interface, f.Source, f.Destination)
	case Delivered:
		return fmt.Sprintf("delivered %v → %v", f.Source, f.Destination)
	}
	return f.Kind.String()
}
