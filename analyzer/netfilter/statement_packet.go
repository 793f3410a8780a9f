package netfilter

import "fmt"

// SetMark changes the packet's mark: mark = (mark &^ Mask) ^ Value ("-j MARK
// --set-xmark value/mask", net/netfilter/xt_mark.c, mark_tg). The packet goes
// on to the next rule.
type SetMark struct {
	Value, Mask uint32
}

// Apply is the mark that a packet with this mark has afterwards.
func (t *SetMark) Apply(mark uint32) uint32 { return mark&^t.Mask ^ t.Value }

func (t *SetMark) String() string {
	return fmt.Sprintf("-j MARK --set-xmark %#x/%#x", t.Value, t.Mask)
}

// Reject drops the packet and answers: with an ICMP error, or with a TCP reset.
type Reject struct {
	With string // "icmp-port-unreachable", "tcp-reset", …
}

func (t *Reject) String() string { return "-j REJECT --reject-with " + t.With }

func (*SetMark) isStatement() {}
func (*Reject) isStatement()  {}
