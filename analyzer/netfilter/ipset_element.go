package netfilter

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// An IPSetElement is one element of a set. Which fields are set depends on the
// set's type.
type IPSetElement struct {
	// Nets are the addresses, in order. An address that is no network has its
	// full length.
	Nets [2]netip.Prefix
	// Lasts are the ends of ranges that begin with the address in Nets, as
	// people write them; tools print the addresses. Invalid otherwise.
	Lasts [2]netip.Addr
	// Protocol and Ports are those of a port: for ICMP the type times 256 plus
	// the code, for a protocol without ports 0. A bitmap of ports has no
	// protocol.
	Protocol uint8
	Ports    PortRange

	Interface string
	// Physdev says that the interface is a port of a bridge, Wildcard that it
	// is how the interface's name begins.
	Physdev, Wildcard bool
	Mark              uint32
	MAC               [6]byte
	HasMAC            bool   // a bitmap can hold an address without one, to be learned
	Member            string // the name of a set

	// NoMatch makes the element say no for what it covers.
	NoMatch bool
	IPSetExtension
	Span source.Span // the element in the dump, with its options
}

// An IPSetExtension is what an element carries, if its set's header says so.
type IPSetExtension struct {
	// Timeout is how many seconds the element had left when the dump was
	// taken, 0 for one that stays.
	Timeout    uint32
	HasTimeout bool
	Counters   Counters
	HasComment bool
	Comment    string
	// What "-j SET --map-set" gives to a packet: skbmark, skbprio, skbqueue.
	SKBMark, SKBMarkMask uint32
	HasSKBMark           bool
	SKBPrio              [2]uint16
	SKBQueue             uint16
}
