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

// SetConnMark changes the connection's mark as SetMark does the packet's ("-j
// CONNMARK --set-xmark", net/netfilter/xt_connmark.c, connmark_tg). The packet
// goes on to the next rule.
type SetConnMark struct {
	Value, Mask uint32
	// LeftShift shifts the new mark to the left by so many bits, or to the
	// right if negative; 0 for kernels and rules without it.
	LeftShift int8
}

func (t *SetConnMark) String() string {
	return fmt.Sprintf("-j CONNMARK --set-xmark %#x/%#x", t.Value, t.Mask) + shift(t.LeftShift)
}

// SaveMark copies the packet's mark to the connection: connection mark =
// (connection mark &^ ConnMask) ^ (packet mark & PacketMask). The packet goes
// on to the next rule.
type SaveMark struct {
	PacketMask, ConnMask uint32
	LeftShift            int8 // as for SetConnMark
}

func (t *SaveMark) String() string {
	return fmt.Sprintf("-j CONNMARK --save-mark --nfmask %#x --ctmask %#x", t.PacketMask, t.ConnMask) + shift(t.LeftShift)
}

// RestoreMark copies the connection's mark to the packet: packet mark = (packet
// mark &^ PacketMask) ^ (connection mark & ConnMask). The packet goes on to the
// next rule.
type RestoreMark struct {
	PacketMask, ConnMask uint32
	LeftShift            int8 // as for SetConnMark
}

func (t *RestoreMark) String() string {
	return fmt.Sprintf("-j CONNMARK --restore-mark --nfmask %#x --ctmask %#x", t.PacketMask, t.ConnMask) + shift(t.LeftShift)
}

func shift(left int8) string {
	switch {
	case left > 0:
		return fmt.Sprintf(" --left-shift-mark %d", left)
	case left < 0:
		return fmt.Sprintf(" --right-shift-mark %d", -int(left))
	}
	return ""
}

func (*SetMark) isStatement()     {}
func (*SetConnMark) isStatement() {}
func (*SaveMark) isStatement()    {}
func (*RestoreMark) isStatement() {}
