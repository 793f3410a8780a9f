package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// unknownTTL is the time to live that a packet begins with. What becomes of it
// is a number below, for a ttlChange: still unknown, and not the same.
const unknownTTL = -1

// A ttlChange is a change of a time to live that is not known.
type ttlChange struct {
	from   int16 // unknownTTL, or the number of the change before
	hop    bool  // forwarding had taken one off
	change netfilter.TTLChange
	value  uint8
}

// maxTTLChanges is how many numbers there are for changes.
const maxTTLChanges = 1<<15 - 2

// changedTTL is the packet's time to live after a rule changed it (xt_HL.c).
func (w *walk) changedTTL(p *packet, s *netfilter.SetTTL) int16 {
	switch {
	case s.Change == netfilter.TTLSet:
		return int16(s.Value)
	case p.ttl < 0:
		return w.unknownTTL(ttlChange{p.ttl, w.hasHopped(p), s.Change, s.Value})
	case s.Change == netfilter.TTLIncrement:
		return min(p.ttl+int16(s.Value), 255)
	}
	return max(p.ttl-int16(s.Value), 0)
}

// unknownTTL is the number of a change.
func (w *walk) unknownTTL(c ttlChange) int16 {
	n, ok := w.ttls[c]
	if !ok {
		if len(w.ttls) == maxTTLChanges {
			w.spent = true
			return unknownTTL
		}
		if w.ttls == nil {
			w.ttls = map[ttlChange]int16{}
		}
		n = unknownTTL - 1 - int16(len(w.ttls))
		w.ttls[c] = n
	}
	return n
}

// hasHopped reports whether forwarding has taken one off the packet's time to
// live (net/ipv4/ip_forward.c, ip_forward, before the hook).
func (w *walk) hasHopped(p *packet) bool {
	return p.hook >= netfilter.Forward && w.flow.From != FromNode
}
