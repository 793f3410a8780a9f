package netfilter

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The statements here are those of nft that iptables has no like of. Their
// String is as nft prints them.

// Provided is a match that stands behind a statement: for a packet that it does
// not hold for, the rule ends here, and what stands before it is done.
type Provided struct {
	Match Match
}

func (t *Provided) String() string { return t.Match.String() }

// Count counts the packet; it changes nothing. Own are the counters, nil for
// those of the rule.
type Count struct {
	Own *Counters
}

func (t *Count) String() string {
	if t.Own == nil {
		return "counter"
	}
	return t.Own.nft()
}

func (c Counters) nft() string {
	return "counter packets " + strconv.FormatUint(c.Packets, 10) + " bytes " + strconv.FormatUint(c.Bytes, 10)
}

// VerdictMap looks the packet up in a verdict map and does what it finds there
// ("ip daddr . meta l4proto . th dport vmap @service-ips"). Where it finds
// nothing, the rule ends (net/netfilter/nft_lookup.c, nft_lookup_eval).
type VerdictMap struct {
	Key Expr
	Map *Set
}

func (t *VerdictMap) String() string { return t.Key.String() + " vmap " + t.Map.Ref() }

// A NATKind is what a MapNAT does.
type NATKind uint8

// The kinds.
const (
	ToDestination NATKind = iota // dnat
	ToSource                     // snat
	ToSelf                       // redirect
	ToInterface                  // masquerade
)

var natKindNames = [...]string{"dnat", "snat", "redirect", "masquerade"}

// String is the statement's name: "dnat".
func (k NATKind) String() string { return natKindNames[k] }

// MapNAT translates an address to what an expression gives: a value out of a
// map, mostly. What is written out as addresses and ports is DNAT, SNAT,
// Masquerade or Redirect.
type MapNAT struct {
	Kind NATKind
	// Family is written ("dnat ip to"); AnyFamily when it is not.
	Family Family
	Addr   Expr // an address, or an address and a port concatenated; nil for the packet's own
	Port   Expr // nil for the packet's own
	Prefix bool // the host bits stay as they are: "dnat ip prefix to"
	Flags  NATFlags
}

func (t *MapNAT) String() string {
	var b strings.Builder
	b.WriteString(t.Kind.String())
	if t.Family != AnyFamily {
		b.WriteString(" " + t.Family.NFT())
	}
	if t.Prefix {
		b.WriteString(" prefix")
	}
	if t.Addr != nil || t.Port != nil {
		b.WriteString(" to ")
	}
	if t.Addr != nil {
		b.WriteString(t.Addr.String())
	}
	if t.Port != nil {
		b.WriteString(":" + t.Port.String())
	}
	b.WriteString(t.Flags.nft())
	return b.String()
}

func (f NATFlags) nft() string {
	var names []string
	if f.Random {
		names = append(names, "random")
	}
	if f.RandomFully {
		names = append(names, "fully-random")
	}
	if f.Persistent {
		names = append(names, "persistent")
	}
	if names == nil {
		return ""
	}
	return " " + strings.Join(names, ",")
}

// Assign sets a field of the packet or its connection to what an expression
// gives: "meta mark set ip saddr map @m", "ip dscp set cs1". Marks that only
// constants change are SetMark and its like.
type Assign struct {
	To    Field
	ToRaw string // what is set, where it is no Field: "tcp option maxseg size"
	Value Expr
}

func (t *Assign) String() string {
	to := t.ToRaw
	if to == "" {
		to = t.To.String()
	}
	return to + " set " + t.Value.String()
}

// A SetOp is what a ChangeSet does.
type SetOp uint8

// The operations.
const (
	AddElement    SetOp = iota // an element that is there stays as it is
	UpdateElement              // its time begins anew
	DeleteElement
)

var setOpNames = [...]string{"add", "update", "delete"}

// ChangeSet changes a set or map of nftables by what the packet has ("update
// @affinity { ip saddr }"). Where the set is full, the rule ends
// (net/netfilter/nft_dynset.c, nft_dynset_eval).
type ChangeSet struct {
	Op      SetOp
	Set     *Set
	Key     Expr
	Data    Expr // of a map, else nil
	Timeout time.Duration
	Comment string
	// With is done with the element: counters, and limits, as Provided, beyond
	// which the rule ends.
	With []Statement
}

func (t *ChangeSet) String() string {
	var b strings.Builder
	b.WriteString(setOpNames[t.Op] + " " + t.Set.Ref() + " { " + t.Key.String())
	if t.Timeout != 0 {
		b.WriteString(" timeout " + FormatDuration(t.Timeout))
	}
	for _, w := range t.With {
		b.WriteString(" " + w.String())
	}
	if t.Comment != "" {
		b.WriteString(` comment "` + t.Comment + `"`)
	}
	if t.Data != nil {
		b.WriteString(" : " + t.Data.String())
	}
	b.WriteString(" }")
	return b.String()
}

// UseObject refers the packet or its connection to a stateful object of the
// table: counts it, or gives it a conntrack helper or timeout. The packet goes
// on.
type UseObject struct {
	Kind string // "counter", "ct helper", "ct timeout", "ct expectation", "synproxy", "secmark"
	Name string // "" with By
	By   *MapValue
}

func (t *UseObject) String() string {
	if strings.HasPrefix(t.Kind, "ct ") {
		return objectText(t.Kind+" set ", t.Name, t.By)
	}
	return objectText(t.Kind+" name ", t.Name, t.By)
}

// Divert hands the packet to a local socket without changing it ("tproxy to
// 127.0.0.1:80"), and the rule goes on. Where there is no such socket, the rule
// ends (net/netfilter/nft_tproxy.c, nft_tproxy_eval_v4).
type Divert struct {
	Family Family // as written; AnyFamily when it is not
	Addr   netip.Addr
	Port   uint16 // 0 for the packet's own
}

func (t *Divert) String() string {
	s := "tproxy "
	if t.Family != AnyFamily {
		s += t.Family.NFT() + " "
	}
	s += "to "
	if t.Addr.IsValid() {
		if t.Addr.Is6() {
			s += "[" + addrString(t.Addr) + "]"
		} else {
			s += t.Addr.String()
		}
	}
	if t.Port != 0 {
		s += ":" + strconv.Itoa(int(t.Port))
	}
	return s
}

// NFT is the family's name in nft(8); "" for AnyFamily.
func (f Family) NFT() string {
	return [...]string{"", "ip", "ip6", "inet", "arp", "bridge", "netdev"}[f]
}

func (*Provided) isStatement()   {}
func (*Count) isStatement()      {}
func (*VerdictMap) isStatement() {}
func (*MapNAT) isStatement()     {}
func (*Assign) isStatement()     {}
func (*ChangeSet) isStatement()  {}
func (*UseObject) isStatement()  {}
func (*Divert) isStatement()     {}
