package netfilter

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Mark matches the packet's mark ("-m mark"): mark & Mask == Value.
type Mark struct {
	Not         bool
	Value, Mask uint32
}

func (m *Mark) String() string {
	return "-m mark " + not(m.Not) + "--mark " + maskedHex(m.Value, m.Mask)
}

// maskedHex is "0x4000/0x4000", or "0x1" under a full mask.
func maskedHex(value, mask uint32) string {
	if mask == 0xffffffff {
		return fmt.Sprintf("%#x", value)
	}
	return fmt.Sprintf("%#x/%#x", value, mask)
}

// AddrTypes is a set of address types, one bit each
// (include/uapi/linux/netfilter/xt_addrtype.h).
type AddrTypes uint16

// The types in the order of their bits, as iptables prints them.
const (
	AddrUnspec AddrTypes = 1 << iota
	AddrUnicast
	AddrLocal
	AddrBroadcast
	AddrAnycast
	AddrMulticast
	AddrBlackhole
	AddrUnreachable
	AddrProhibit
	AddrThrow
	AddrNAT
	AddrXResolve
)

var addrTypeNames = [...]string{
	"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST",
	"BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE",
}

// ParseAddrTypes reads a list like "LOCAL,BROADCAST".
func ParseAddrTypes(s string) (AddrTypes, error) {
	var set AddrTypes
names:
	for word := range strings.SplitSeq(s, ",") {
		for i, name := range addrTypeNames {
			if strings.EqualFold(word, name) {
				set |= 1 << i
				continue names
			}
		}
		return 0, fmt.Errorf("address type %q: expected one of %s", word, strings.Join(addrTypeNames[:], ", "))
	}
	return set, nil
}

// String is "LOCAL" or "LOCAL,BROADCAST".
func (t AddrTypes) String() string {
	var names []string
	for i, name := range addrTypeNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// AddrType matches by what the kernel's routing says of an address ("-m
// addrtype"). A set of 0 is not tested.
type AddrType struct {
	SrcNot, DstNot bool
	Src, Dst       AddrTypes
	LimitIn        bool // --limit-iface-in: local on the interface it came in by
	LimitOut       bool // --limit-iface-out
}

func (m *AddrType) String() string {
	var b strings.Builder
	b.WriteString("-m addrtype")
	if m.Src != 0 {
		b.WriteString(" " + not(m.SrcNot) + "--src-type " + m.Src.String())
	}
	if m.Dst != 0 {
		b.WriteString(" " + not(m.DstNot) + "--dst-type " + m.Dst.String())
	}
	if m.LimitIn {
		b.WriteString(" --limit-iface-in")
	}
	if m.LimitOut {
		b.WriteString(" --limit-iface-out")
	}
	return b.String()
}

// Statistic matches by chance or by count ("-m statistic").
type Statistic struct {
	Not bool
	// Nth selects the mode: every Every-th packet beginning with number
	// Packet, instead of at random.
	Nth           bool
	Every, Packet uint32
	// Probability is the chance of random mode in units of 2⁻³¹, as the
	// kernel holds it (include/uapi/linux/netfilter/xt_statistic.h): 0 never
	// to 2³¹ always.
	Probability uint32
}

// ProbabilityOne is the chance of 1 in the units of Statistic.Probability.
const ProbabilityOne = 1 << 31

// Chance is the exact probability that the kernel gives a match in random
// mode, negation included.
func (m *Statistic) Chance() *big.Rat {
	// xt_statistic.c, statistic_mt: (get_random_u32() & 0x7FFFFFFF) < probability.
	p := min(m.Probability, ProbabilityOne)
	if m.Not {
		p = ProbabilityOne - p
	}
	return big.NewRat(int64(p), ProbabilityOne)
}

func (m *Statistic) String() string {
	if m.Nth {
		return fmt.Sprintf("-m statistic --mode nth %s--every %d --packet %d", not(m.Not), m.Every, m.Packet)
	}
	// extensions/libxt_statistic.c, print_match: %.11f of probability/2³¹.
	return "-m statistic --mode random " + not(m.Not) + "--probability " +
		strconv.FormatFloat(float64(m.Probability)/ProbabilityOne, 'f', 11, 64)
}

// A RecentAction is what a Recent match does with its list of addresses.
type RecentAction uint8

// The actions of "-m recent".
const (
	RecentSet    RecentAction = iota // add or refresh; always true
	RecentCheck                      // is it in the list
	RecentUpdate                     // is it in the list; if so refresh
	RecentRemove                     // is it in the list; if so remove
)

// String is the option: "--set", "--rcheck", "--update" or "--remove".
func (a RecentAction) String() string {
	return [...]string{"--set", "--rcheck", "--update", "--remove"}[a]
}

// Recent matches addresses seen before ("-m recent"). kube-proxy's session
// affinity is made of it.
type Recent struct {
	Not      bool
	Action   RecentAction
	Seconds  uint32 // seen within so many seconds; 0: at any time
	Reap     bool
	HitCount uint32 // seen at least so often; 0: not tested
	TTL      bool   // --rttl
	Name     string // of the list
	Mask     string // of the address, as printed; "" when not printed
	Side     Side   // which address: --rsource, --rdest
}

func (m *Recent) String() string {
	var b strings.Builder
	b.WriteString("-m recent " + not(m.Not) + m.Action.String())
	if m.Seconds != 0 {
		fmt.Fprintf(&b, " --seconds %d", m.Seconds)
	}
	if m.Reap {
		b.WriteString(" --reap")
	}
	if m.HitCount != 0 {
		fmt.Fprintf(&b, " --hitcount %d", m.HitCount)
	}
	if m.TTL {
		b.WriteString(" --rttl")
	}
	b.WriteString(" --name " + m.Name) // bare, whatever is in it (libxt_recent.c, recent_save)
	if m.Mask != "" {
		b.WriteString(" --mask " + m.Mask)
	}
	if m.Side == Destination {
		b.WriteString(" --rdest")
	} else {
		b.WriteString(" --rsource")
	}
	return b.String()
}

// Physdev matches the bridge port of a packet that crosses a bridge ("-m
// physdev"). Outside a bridge none of its tests holds.
type Physdev struct {
	In, Out       string // port names as printed, "+" at the end for a prefix; "" when not tested
	InNot, OutNot bool
	IsIn, IsOut   bool // --physdev-is-in, --physdev-is-out
	IsInNot       bool
	IsOutNot      bool
	IsBridged     bool
	IsBridgedNot  bool
}

func (m *Physdev) String() string {
	// Order of extensions/libxt_physdev.c, physdev_save.
	var b strings.Builder
	b.WriteString("-m physdev")
	if m.IsIn {
		b.WriteString(" " + not(m.IsInNot) + "--physdev-is-in")
	}
	if m.In != "" {
		b.WriteString(" " + not(m.InNot) + "--physdev-in " + m.In)
	}
	if m.IsOut {
		b.WriteString(" " + not(m.IsOutNot) + "--physdev-is-out")
	}
	if m.Out != "" {
		b.WriteString(" " + not(m.OutNot) + "--physdev-out " + m.Out)
	}
	if m.IsBridged {
		b.WriteString(" " + not(m.IsBridgedNot) + "--physdev-is-bridged")
	}
	return b.String()
}

// NFAcct counts packets for a named object ("-m nfacct") and is true for all
// of them. iptables-save prints two blanks before the name.
type NFAcct struct {
	Name string
}

func (m *NFAcct) String() string { return "-m nfacct --nfacct-name  " + Quote(m.Name) }

func (*Mark) isMatch()      {}
func (*AddrType) isMatch()  {}
func (*Statistic) isMatch() {}
func (*Recent) isMatch()    {}
func (*Physdev) isMatch()   {}
func (*NFAcct) isMatch()    {}
