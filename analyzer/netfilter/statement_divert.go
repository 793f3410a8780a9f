package netfilter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// TProxy hands the packet to a local socket without changing it, and ends the
// walk through the table: with accept if there is such a socket, else with drop
// (net/netfilter/xt_TPROXY.c, tproxy_tg4).
type TProxy struct {
	Port uint16 // 0: the packet's own destination port
	// Addr is the socket's address: unspecified for the address of the
	// interface that the packet came in by.
	Addr netip.Addr
	// The packet's mark becomes (mark &^ Mask) ^ Value.
	Value, Mask uint32
}

func (t *TProxy) String() string {
	return fmt.Sprintf("-j TPROXY --on-port %d --on-ip %s --tproxy-mark %#x/%#x", t.Port, addrString(t.Addr), t.Value, t.Mask)
}

// NFQueue gives the packet to a program that decides what becomes of it.
type NFQueue struct {
	First, Last uint16 // queue numbers, equal for one
	Bypass      bool   // accept while no program listens, else drop
	CPUFanout   bool   // the queue is the CPU's, not the connection's
}

func (t *NFQueue) String() string {
	s := "-j NFQUEUE --queue-num " + strconv.Itoa(int(t.First))
	if t.Last != t.First {
		s = fmt.Sprintf("-j NFQUEUE --queue-balance %d:%d", t.First, t.Last)
	}
	if t.Bypass {
		s += " --queue-bypass"
	}
	if t.CPUFanout {
		s += " --queue-cpu-fanout"
	}
	return s
}

// Tee sends a copy of the packet to another host. The packet itself goes on to
// the next rule.
type Tee struct {
	Gateway   netip.Addr
	Interface string // that the copy leaves by; "" for what routing says
}

func (t *Tee) String() string {
	s := "-j TEE --gateway " + addrString(t.Gateway)
	if t.Interface != "" {
		s += " --oif " + t.Interface
	}
	return s
}

// Track says how a packet's connection is to be tracked ("-j CT", "-j
// NOTRACK"). The packet goes on to the next rule.
type Track struct {
	NoTrack   bool   // not at all
	Bare      bool   // NoTrack is written "-j NOTRACK"
	Helper    string // "" for none
	Timeout   string // name of a timeout policy, "" for none
	Events    string // conntrack events to report: "new,reply"; "" when not said
	ExpEvents string // expectation events to report: "new"
	Zone      *Zone  // nil when not said
}

// A Zone keeps connections with equal addresses and ports apart.
type Zone struct {
	Direction ConnDirection // for which the zone is set; AnyDirection for both
	FromMark  bool          // the packet's mark is the zone
	ID        uint16        // without FromMark
}

func (t *Track) String() string {
	if t.Bare {
		return "-j NOTRACK"
	}
	// Order of libxt_CT.c, ct_save_v1.
	var b strings.Builder
	b.WriteString("-j CT")
	if t.NoTrack {
		b.WriteString(" --notrack")
	}
	for _, o := range [...][2]string{
		{" --helper ", t.Helper}, {" --timeout ", t.Timeout}, {" --ctevents ", t.Events}, {" --expevents ", t.ExpEvents},
	} {
		if o[1] != "" {
			b.WriteString(o[0] + o[1])
		}
	}
	if z := t.Zone; z != nil {
		b.WriteString([...]string{" --zone ", " --zone-orig ", " --zone-reply "}[z.Direction])
		if z.FromMark {
			b.WriteString("mark")
		} else {
			b.WriteString(strconv.Itoa(int(z.ID)))
		}
	}
	return b.String()
}

// UpdateSet changes an ipset's elements, or takes values from them ("-j SET").
// The packet goes on to the next rule.
type UpdateSet struct {
	Add, Del, Map *SetRef // nil when not done
	Exist         bool    // --exist: an element that Add finds is refreshed
	Timeout       *uint32 // seconds that the added element lives, nil for the set's own

	MapMark, MapPriority, MapQueue bool
}

func (t *UpdateSet) String() string {
	// Order of libxt_SET.c, set_target_save_v3.
	var b strings.Builder
	b.WriteString("-j SET")
	if t.Add != nil {
		b.WriteString(" --add-set " + t.Add.String())
	}
	if t.Exist {
		b.WriteString(" --exist")
	}
	if t.Timeout != nil {
		b.WriteString(" --timeout " + strconv.FormatUint(uint64(*t.Timeout), 10))
	}
	if t.Del != nil {
		b.WriteString(" --del-set " + t.Del.String())
	}
	if t.Map != nil {
		b.WriteString(" --map-set " + t.Map.String())
	}
	if t.MapMark {
		b.WriteString(" --map-mark")
	}
	if t.MapPriority {
		b.WriteString(" --map-prio")
	}
	if t.MapQueue {
		b.WriteString(" --map-queue")
	}
	return b.String()
}

func (*TProxy) isStatement()    {}
func (*NFQueue) isStatement()   {}
func (*Tee) isStatement()       {}
func (*Track) isStatement()     {}
func (*UpdateSet) isStatement() {}
