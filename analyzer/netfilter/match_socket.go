package netfilter

import (
	"strconv"
	"strings"
)

// An IDTest is a test of a user or group number against a range, both ends
// included.
type IDTest struct {
	Not         bool
	First, Last uint32
}

func (t IDTest) String() string {
	s := strconv.FormatUint(uint64(t.First), 10)
	if t.Last != t.First {
		s += "-" + strconv.FormatUint(uint64(t.Last), 10)
	}
	return s
}

// Owner matches by the local socket that sent the packet ("-m owner"). Packets
// that are forwarded have none.
type Owner struct {
	UID, GID                *IDTest // nil when not tested
	SupplementaryGroups     bool    // --suppl-groups: GID looks at these too
	SocketExists, SocketNot bool    // "--socket-exists" is written, negated
}

func (m *Owner) String() string {
	// Order of libxt_owner.c, owner_mt_save.
	var b strings.Builder
	b.WriteString("-m owner")
	if m.SocketExists {
		b.WriteString(" " + not(m.SocketNot) + "--socket-exists")
	}
	if t := m.UID; t != nil {
		b.WriteString(" " + not(t.Not) + "--uid-owner " + t.String())
	}
	if t := m.GID; t != nil {
		b.WriteString(" " + not(t.Not) + "--gid-owner " + t.String())
	}
	if m.SupplementaryGroups {
		b.WriteString(" --suppl-groups")
	}
	return b.String()
}

// Socket matches packets that a local socket is open for ("-m socket").
type Socket struct {
	Transparent   bool // only sockets that are transparent
	NoWildcard    bool // also sockets that are bound to no address
	RestoreSKMark bool // the packet gets the socket's mark
}

func (m *Socket) String() string {
	s := "-m socket"
	if m.Transparent {
		s += " --transparent"
	}
	if m.NoWildcard {
		s += " --nowildcard"
	}
	if m.RestoreSKMark {
		s += " --restore-skmark"
	}
	return s
}

// RPFilter matches packets whose answer would leave by the interface that they
// came in by ("-m rpfilter").
type RPFilter struct {
	Loose       bool // by any interface
	ValidMark   bool // the packet's mark is used to look up the route
	AcceptLocal bool // also with a local source address
	Invert      bool // match those that fail the test
}

func (m *RPFilter) String() string {
	s := "-m rpfilter"
	if m.Loose {
		s += " --loose"
	}
	if m.ValidMark {
		s += " --validmark"
	}
	if m.AcceptLocal {
		s += " --accept-local"
	}
	if m.Invert {
		s += " --invert"
	}
	return s
}

func (*Owner) isMatch()    {}
func (*Socket) isMatch()   {}
func (*RPFilter) isMatch() {}
