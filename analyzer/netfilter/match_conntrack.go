package netfilter

import (
	"fmt"
	"strconv"
	"strings"
)

// ConnStates is a set of states of a packet's connection, one bit each.
type ConnStates uint8

// The states in the order in which iptables prints them
// (extensions/libxt_conntrack.c, print_state). SNAT and DNAT are no states of
// their own: they are true of a connection whose source or destination was
// translated.
const (
	StateInvalid ConnStates = 1 << iota
	StateNew
	StateRelated
	StateEstablished
	StateUntracked
	StateSNAT
	StateDNAT
)

var connStateNames = [...]string{"INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"}

// ParseConnStates reads a list like "RELATED,ESTABLISHED".
func ParseConnStates(s string) (ConnStates, error) {
	var set ConnStates
names:
	for word := range strings.SplitSeq(s, ",") {
		for i, name := range connStateNames {
			if strings.EqualFold(word, name) {
				set |= 1 << i
				continue names
			}
		}
		return 0, fmt.Errorf("connection state %q: expected one of %s", word, strings.Join(connStateNames[:], ", "))
	}
	return set, nil
}

// String is "RELATED,ESTABLISHED".
func (s ConnStates) String() string {
	var names []string
	for i, name := range connStateNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// State matches the state of the packet's connection ("-m state"): the same
// test as Conntrack's States, in its older spelling.
type State struct {
	Not    bool
	States ConnStates
}

func (m *State) String() string { return "-m state " + not(m.Not) + "--state " + m.States.String() }

// ConnStatus is a set of flags of a connection, one bit each, bits as in
// include/uapi/linux/netfilter/nf_conntrack_common.h (enum ip_conntrack_status).
type ConnStatus uint8

// The flags that iptables can test.
const (
	StatusExpected  ConnStatus = 1 << iota // another connection announced it
	StatusSeenReply                        // packets were seen in both directions
	StatusAssured                          // it is not dropped early
	StatusConfirmed                        // its first packet left the node
)

// connStatusNames are in the order in which iptables prints them
// (extensions/libxt_conntrack.c, print_status).
var connStatusNames = [...]string{"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}

// ParseConnStatus reads a list like "SEEN_REPLY,ASSURED"; also "NONE".
func ParseConnStatus(s string) (ConnStatus, error) {
	var set ConnStatus
names:
	for word := range strings.SplitSeq(s, ",") {
		if strings.EqualFold(word, "NONE") {
			continue
		}
		for i, name := range connStatusNames {
			if strings.EqualFold(word, name) {
				set |= 1 << i
				continue names
			}
		}
		return 0, fmt.Errorf("connection status %q: expected NONE or one of %s", word, strings.Join(connStatusNames[:], ", "))
	}
	return set, nil
}

// String is "SEEN_REPLY,ASSURED", "NONE" for the empty set.
func (s ConnStatus) String() string {
	if s == 0 {
		return "NONE"
	}
	var names []string
	for i, name := range connStatusNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// A ConnDirection is a packet's direction within its connection.
type ConnDirection uint8

// The directions.
const (
	AnyDirection      ConnDirection = iota
	OriginalDirection               // as the first packet
	ReplyDirection
)

var connDirectionNames = [...]string{"", "ORIGINAL", "REPLY"}

// String is "ORIGINAL" or "REPLY".
func (d ConnDirection) String() string { return connDirectionNames[d] }

// An AddrTest is a test of an address against a network.
type AddrTest struct {
	Not bool
	Net Network
}

// Conntrack matches by the packet's connection ("-m conntrack"): all that it
// tests must hold. The original addresses and ports are those of the
// connection's first packet before any translation, the reply ones those that
// answers to it carry.
type Conntrack struct {
	StatesNot bool
	States    ConnStates // 0 when not tested

	HasProtocol, ProtocolNot bool
	Protocol                 uint8

	// Addresses, nil when not tested. iptables-save does not tell a mask with
	// holes from a single address (libxt_conntrack.c, conntrack_dump_addr).
	OrigSrc, OrigDst, ReplSrc, ReplDst *AddrTest

	OrigSrcPort, OrigDstPort, ReplSrcPort, ReplDstPort PortTest

	HasStatus, StatusNot bool
	Status               ConnStatus // any of these flags is set

	HasExpire, ExpireNot    bool
	ExpireFirst, ExpireLast uint32 // seconds that the connection still lives unseen

	Direction ConnDirection // AnyDirection when not tested
}

func (m *Conntrack) String() string {
	// Order of libxt_conntrack.c, conntrack_dump.
	var b strings.Builder
	b.WriteString("-m conntrack")
	if m.States != 0 {
		b.WriteString(" " + not(m.StatesNot) + "--ctstate " + m.States.String())
	}
	if m.HasProtocol {
		b.WriteString(" " + not(m.ProtocolNot) + "--ctproto " + strconv.Itoa(int(m.Protocol)))
	}
	for _, a := range []struct {
		option string
		test   *AddrTest
	}{{"--ctorigsrc", m.OrigSrc}, {"--ctorigdst", m.OrigDst}, {"--ctreplsrc", m.ReplSrc}, {"--ctrepldst", m.ReplDst}} {
		if a.test != nil {
			b.WriteString(" " + not(a.test.Not) + a.option + " " + hostOrNetwork(a.test.Net))
		}
	}
	for _, p := range []struct {
		option string
		test   PortTest
	}{
		{"--ctorigsrcport", m.OrigSrcPort}, {"--ctorigdstport", m.OrigDstPort},
		{"--ctreplsrcport", m.ReplSrcPort}, {"--ctrepldstport", m.ReplDstPort},
	} {
		if p.test.Set {
			b.WriteString(" " + not(p.test.Not) + p.option + " " + p.test.Range.String())
		}
	}
	if m.HasStatus {
		b.WriteString(" " + not(m.StatusNot) + "--ctstatus " + m.Status.String())
	}
	if m.HasExpire {
		b.WriteString(" " + not(m.ExpireNot) + "--ctexpire " + strconv.FormatUint(uint64(m.ExpireFirst), 10))
		if m.ExpireLast != m.ExpireFirst {
			b.WriteString(":" + strconv.FormatUint(uint64(m.ExpireLast), 10))
		}
	}
	if m.Direction != AnyDirection {
		b.WriteString(" --ctdir " + m.Direction.String())
	}
	return b.String()
}

// hostOrNetwork is "10.0.0.1" for a single address, else the network.
func hostOrNetwork(n Network) string {
	if !n.Mask.IsValid() && n.Prefix.IsSingleIP() {
		return addrString(n.Prefix.Addr())
	}
	return n.String()
}

// ConnMark matches the connection's mark ("-m connmark"): mark & Mask == Value.
type ConnMark struct {
	Not         bool
	Value, Mask uint32
}

func (m *ConnMark) String() string {
	return "-m connmark " + not(m.Not) + "--mark " + maskedHex(m.Value, m.Mask)
}

// Helper matches connections that a conntrack helper announced ("-m helper").
type Helper struct {
	Not  bool
	Name string // "ftp", "ftp-21"; "" is any helper
}

func (m *Helper) String() string { return "-m helper " + not(m.Not) + "--helper " + Quote(m.Name) }

func (*State) isMatch()     {}
func (*Conntrack) isMatch() {}
func (*ConnMark) isMatch()  {}
func (*Helper) isMatch()    {}
