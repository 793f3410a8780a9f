package netfilter

import (
	"iter"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// An IPSet is a named set of the kernel's, which rules ask for the parts of a
// packet ("-m set"). Rules of all tables share one list of sets.
//
// A node has hundreds of thousands of elements, so they lie packed: Element
// takes one out. A set is built by one goroutine; Matching may then be asked
// by any number of them.
type IPSet struct {
	Name string
	Type IPSetType
	// Family is AnyFamily for types without addresses.
	Family Family
	IPSetHeader
	Pos source.Position // the line that begins the set in the dump

	// Complete says that the dump holds all elements of the set. Only then is
	// what it does not hold missing on the node as well.
	Complete bool
	// HeaderOnly says that the dump tells nothing of the elements, as
	// "ipset list -t" does not.
	HeaderOnly bool
	// Entries is how many elements the dump says there are, -1 without a word
	// about it.
	Entries int
	// References is how many rules and sets the dump says name the set, -1
	// without a word about it.
	References int

	parts    []IPSetPart
	elements []packedElement
	wide     slab[[16]byte] // IPv6 addresses, and hardware addresses
	words    []string       // interfaces and members, each once
	wordsAt  map[string]uint32
	extras   []elementExtra

	indexes [1 << maxDimensions]elementIndex // by the parts that are asked for
}

// An IPSetHeader is what a set was created with. A value that was not given is
// zero.
type IPSetHeader struct {
	First, Last         netip.Addr // of a bitmap of addresses
	FirstPort, LastPort uint16     // of a bitmap of ports
	// Netmask is the prefix length that addresses are cut to, Bitmask what
	// they are masked with: elements when they are added, and packets when
	// they are looked for.
	Netmask uint8
	Bitmask netip.Addr
	// MarkMask is what marks are masked with; 0 where it is not given.
	MarkMask uint32

	HashSize, MaxElem, BucketSize uint32
	InitVal                       string // as the dump writes it
	Size                          uint32 // of a list of sets

	// Timeout is how many seconds elements live that do not say so
	// themselves. Elements of a set without HasTimeout live for ever.
	Timeout    uint32
	HasTimeout bool
	// What elements of the set carry.
	Counters, Comment, SKBInfo bool
	ForceAdd                   bool
}

// NewIPSet makes an empty set of a type. The set's options must be in place
// before its first element is.
func NewIPSet(name string, t IPSetType, family Family) *IPSet {
	return &IPSet{Name: name, Type: t, Family: family, Entries: -1, References: -1, parts: t.Parts()}
}

// Parts are what the set's elements consist of, in order. The caller must not
// change the slice.
func (s *IPSet) Parts() []IPSetPart { return s.parts }

// NumElements counts the set's elements.
func (s *IPSet) NumElements() int { return len(s.elements) }

// Elements runs over the set's elements in the dump's order, by their numbers.
func (s *IPSet) Elements() iter.Seq2[int, IPSetElement] {
	return func(yield func(int, IPSetElement) bool) {
		for i := range s.elements {
			if !yield(i, s.Element(i)) {
				return
			}
		}
	}
}

// CanHold reports whether packets of the family can have an element in the set
// (net/netfilter/ipset/ip_set_core.c, ip_set_test: another family never does).
func (s *IPSet) CanHold(f Family) bool { return s.Family == AnyFamily || s.Family == f }
