package netfilter

import (
	"fmt"
	"strconv"
)

// Reject drops the packet and answers: with an ICMP error, or with a TCP reset.
type Reject struct {
	With string // "icmp-port-unreachable", "tcp-reset", …
}

func (t *Reject) String() string { return "-j REJECT --reject-with " + t.With }

// SetMSS changes the maximum segment size that a TCP handshake announces. The
// packet goes on to the next rule.
type SetMSS struct {
	Clamp bool   // to what the path's MTU allows
	Size  uint16 // without Clamp
}

func (t *SetMSS) String() string {
	if t.Clamp {
		return "-j TCPMSS --clamp-mss-to-pmtu"
	}
	return "-j TCPMSS --set-mss " + strconv.Itoa(int(t.Size))
}

// SetDSCP sets the upper six bits of the type of service. The packet goes on
// to the next rule.
type SetDSCP struct {
	Value uint8 // 0 to 63
}

func (t *SetDSCP) String() string { return fmt.Sprintf("-j DSCP --set-dscp 0x%02x", t.Value) }

// SetTOS changes the type of service: field = (field &^ Mask) ^ Value. The
// packet goes on to the next rule.
type SetTOS struct {
	Value, Mask uint8
}

func (t *SetTOS) String() string {
	return fmt.Sprintf("-j TOS --set-tos 0x%02x/0x%02x", t.Value, t.Mask)
}

// A TTLChange is what a SetTTL does with the old value.
type TTLChange uint8

// The changes.
const (
	TTLSet TTLChange = iota
	TTLDecrement
	TTLIncrement
)

// String is "set", "dec" or "inc", as it ends an option's name.
func (c TTLChange) String() string { return [...]string{"set", "dec", "inc"}[c] }

// SetTTL changes the time to live, or the hop limit of IPv6. The packet goes
// on to the next rule.
type SetTTL struct {
	V6     bool
	Change TTLChange
	Value  uint8
}

func (t *SetTTL) String() string {
	target, option := "TTL", "ttl"
	if t.V6 {
		target, option = "HL", "hl"
	}
	return fmt.Sprintf("-j %s --%s-%s %d", target, option, t.Change, t.Value)
}

// Classify puts the packet into a class of traffic control. The packet goes
// on to the next rule.
type Classify struct {
	Major, Minor uint16
}

func (t *Classify) String() string {
	return fmt.Sprintf("-j CLASSIFY --set-class %04x:%04x", t.Major, t.Minor)
}

// FillChecksum computes the checksum that a device would otherwise fill in.
// The packet goes on to the next rule.
type FillChecksum struct{}

func (*FillChecksum) String() string { return "-j CHECKSUM --checksum-fill" }

func (*Reject) isStatement()       {}
func (*SetMSS) isStatement()       {}
func (*SetDSCP) isStatement()      {}
func (*SetTOS) isStatement()       {}
func (*SetTTL) isStatement()       {}
func (*Classify) isStatement()     {}
func (*FillChecksum) isStatement() {}
