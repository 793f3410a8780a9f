package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// The bits of a connection's state and status in nf_tables
// (include/net/netfilter/nf_conntrack.h, NF_CT_STATE_BIT;
// include/uapi/linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_status).
const (
	statusSNAT    = 1 << 4
	statusDNAT    = 1 << 5
	statusNATDone = 1<<7 | 1<<8
)

var stateBits = [...]struct {
	state netfilter.ConnStates
	bit   uint64
}{
	{netfilter.StateInvalid, 1}, {netfilter.StateEstablished, 2}, {netfilter.StateRelated, 4},
	{netfilter.StateNew, 8}, {netfilter.StateUntracked, 64},
}

// appendConn appends what a connection has; without one only its state is
// there (net/netfilter/nft_ct.c, nft_ct_get_eval). A template for a connection
// stands for one, with nothing in it.
func (q *asking) appendConn(key []byte, f netfilter.Field) ([]byte, grasp) {
	p := q.packet
	switch {
	case f == netfilter.CTState:
		have := q.connStates()
		for _, s := range stateBits {
			if s.state == have {
				return appendNumber(key, f.Type(), s.bit), known
			}
		}
		return key, open
	case p.isTemplate():
		switch f {
		case netfilter.CTMark, netfilter.CTDirectionField:
			return appendNumber(key, f.Type(), 0), known
		}
		return key, open
	case !p.connected():
		return key, absent
	}
	origin := q.origin
	hasPorts := HasPorts(q.flow.Protocol)
	portOf := func(p port) ([]byte, grasp) {
		if !hasPorts {
			return key, open
		}
		return appendPort(key, p)
	}
	switch f {
	case netfilter.CTStatus:
		if n := q.connStatus(); n.known == widthMask(f.Type()) {
			return appendNumber(key, f.Type(), n.value), known
		}
	case netfilter.CTMark:
		if p.connMark == knownBits(p.connMark.value) {
			return appendNumber(key, f.Type(), uint64(p.connMark.value)), known
		}
	case netfilter.CTDirectionField:
		return append(key, 0), known // the original direction
	case netfilter.CTProtocol:
		return append(key, q.flow.Protocol), known
	case netfilter.CTOriginalSaddr, netfilter.CTOriginalSaddr6:
		return q.appendAddr(key, origin.src, f == netfilter.CTOriginalSaddr)
	case netfilter.CTOriginalDaddr, netfilter.CTOriginalDaddr6:
		return q.appendAddr(key, origin.dst, f == netfilter.CTOriginalDaddr)
	case netfilter.CTReplySaddr, netfilter.CTReplySaddr6:
		return q.appendAddr(key, p.dst, f == netfilter.CTReplySaddr)
	case netfilter.CTReplyDaddr, netfilter.CTReplyDaddr6:
		return q.appendAddr(key, p.src, f == netfilter.CTReplyDaddr)
	case netfilter.CTOriginalSport:
		return portOf(origin.srcPort)
	case netfilter.CTOriginalDport:
		return portOf(origin.dstPort)
	case netfilter.CTReplySport:
		return portOf(p.dstPort)
	case netfilter.CTReplyDport:
		return portOf(p.srcPort)
	case netfilter.CTHelper:
		if q.flow.State == netfilter.StateNew {
			return key, absent // no other connection announced it
		}
	case netfilter.CTZone:
		if !p.has(templated) {
			return appendNumber(key, f.Type(), 0), known
		}
	}
	return key, open
}

// connStatus are the flags of the packet's connection.
func (q *asking) connStatus() number {
	n := number{known: statusSNAT | statusDNAT}
	switch q.flow.State {
	case netfilter.StateNew:
		// None until its first packet leaves the node or reaches a process.
		n.known = widthMask(netfilter.TypeCTStatus) &^ statusNATDone
		if q.packet.has(looping) {
			n.value |= uint64(netfilter.StatusConfirmed)
		}
	case netfilter.StateEstablished:
		n.known |= uint64(netfilter.StatusConfirmed)
		n.value |= uint64(netfilter.StatusConfirmed)
	}
	if q.packet.has(sourceChanged) {
		n.value |= statusSNAT
	}
	if q.packet.has(destinationChanged) {
		n.value |= statusDNAT
	}
	return n
}
