package trace

import (
	"hash/maphash"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A packet is everything that rules can change about a packet, and where it
// is. What never changes on the way stands in the Flow. Packets that are equal
// meet the same fate: the walk computes nothing twice for them.
type packet struct {
	kind
	dst     netip.Addr
	dstPort port
	ttl     int16 // below 0 if it is not known, see ttl.go
	facts   int32 // what rules did to lists of addresses, see recent.go
}

// A kind is what packets have in common that behind the routing decision differ
// in nothing that rules look at but in their destination, see rest.go.
//
// Addresses are invalid, ports not known, when a translation does not tell which
// it chose.
type kind struct {
	hook    netfilter.Hook
	in, out link

	src     netip.Addr
	srcPort port

	mark, connMark bits
	tos            bits

	tracking tracking
	done     does
	balanced int32  // what IPVS did with it: place in walk.schedulings, from 1; 0 for nothing
	sets     uint16 // how many updates of ipsets the packet caused
}

func (p *packet) hash() uint32 {
	rare := uint64(uint16(p.ttl))<<32 | uint64(uint32(p.facts))
	return uint32(mixed(p.kind.hash()^rare, hashOfAddr(p.dst)^uint64(p.dstPort.number)))
}

func (k *kind) hash() uint64 {
	marks := uint64(k.mark.value)<<32 | uint64(k.connMark.value)
	known := uint64(k.mark.known)<<32 | uint64(k.connMark.known)
	small := uint64(k.hook) | uint64(k.tracking)<<8 | uint64(k.done)<<16 | uint64(k.srcPort.number)<<32 | uint64(k.sets)<<48
	rare := uint64(k.tos.value) | uint64(k.tos.known)<<8 | uint64(k.balanced)<<20
	h := mixed(mixed(hashOfAddr(k.src), small), mixed(marks, known^rare))
	return mixed(h, k.in.hash()<<1^k.out.hash())
}

// A link is an interface's name, "" for none.
type link struct {
	name  string
	known bool
}

var (
	noLink   = link{known: true}
	loopback = link{name: "lo", known: true}
)

func (l link) hash() uint64 {
	if l.name == "" {
		return 0
	}
	return maphash.String(nameSeed, l.name)
}

type port struct {
	number uint16
	known  bool
}

// bits are a number some bits of which are known.
type bits struct {
	value, known uint32
}

func knownBits(value uint32) bits { return bits{value, 1<<32 - 1} }

// equals tells whether the bits under the mask are those of value.
func (b bits) equals(value, mask uint32) ternary {
	switch {
	case value&^mask != 0, (b.value^value)&mask&b.known != 0:
		return no
	case mask&^b.known != 0:
		return maybe
	}
	return yes
}

// set is (b &^ mask) ^ value, as xt_mark.c has it.
func (b bits) set(value, mask uint32) bits {
	b.known |= mask
	b.value = (b.value&^mask ^ value) & b.known
	return b
}

// copied is (b &^ mask) ^ from.
func (b bits) copied(from bits, mask uint32) bits {
	b.known = (b.known | mask) & from.known
	b.value = (b.value&^mask ^ from.value) & b.known
	return b
}

func (b bits) masked(mask uint32) bits {
	return bits{b.value & mask, b.known | ^mask}
}

// shifted is b shifted to the left, or to the right if left is negative.
func (b bits) shifted(left int8) bits {
	if left >= 0 {
		return bits{b.value << left, b.known<<left | (1<<left - 1)}
	}
	right := -int(left)
	return bits{b.value >> right, b.known>>right | ^(^uint32(0) >> right)}
}

// tracking is what conntrack knows of the packet.
type tracking uint8

const (
	notYet    tracking = iota // conntrack runs at priority -200, after raw
	tracked                   // it belongs to a connection
	untracked                 // "-j CT --notrack"
	invalid                   // conntrack made nothing of it
)

// does are things that happened to the packet on its way.
type does uint16

const (
	destinationBound   does = 1 << iota // nat has decided on the destination (IPS_DST_NAT_DONE)
	sourceBound                         // nat has decided on the source (IPS_SRC_NAT_DONE)
	translated                          // a rule translated the destination, if only to what it was
	destinationChanged                  // the destination is another (IPS_DST_NAT)
	sourceChanged                       // the source is another (IPS_SRC_NAT)
	masqueraded                         // a rule of postrouting translated the source
	toSocket                            // TPROXY gave it to a local socket
	toNode                              // a rule redirected it to the node, at an address that is not known
	looping                             // it left by lo and came in again
	templated                           // a CT rule said what its connection is to be like
)

func (p *packet) has(d does) bool { return p.done&d != 0 }

// isTemplate reports whether the packet carries a template in place of a
// connection: from a CT rule until conntrack makes its connection of it. The
// kernel sets a template's state to NEW (xt_CT.c, xt_ct_target).
func (p *packet) isTemplate() bool { return p.tracking == notYet && p.has(templated) }

// ternary is an answer that may be open.
type ternary uint8

const (
	no ternary = iota
	maybe
	yes
)

func (t ternary) xor(negated bool) ternary {
	if negated {
		return yes - t
	}
	return t
}

func ternaryOf(b bool) ternary {
	if b {
		return yes
	}
	return no
}
