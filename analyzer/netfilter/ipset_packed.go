package netfilter

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A packedElement is an element as its set keeps it.
type packedElement struct {
	// values are IPv4 addresses, or numbers of IPv6 addresses in IPSet.wide.
	// What has no second address can have a mark there, the number of a
	// hardware address in IPSet.wide, or of a word.
	values       [2]uint32
	offset       uint32 // in the set's file
	line         uint32
	extra        uint32 // number in IPSet.extras, plus 1
	ports        PortRange
	length       uint16
	protocol     uint8
	flags        elementFlags
	bits         [2]uint8
	inexactParts uint8 // bit i: the i-th part stands for more than one value
}

type elementFlags uint8

const (
	noMatch elementFlags = 1 << iota
	physdev
	wildcard
	hasMAC
	expires
)

// An elementExtra is what few elements have.
type elementExtra struct {
	IPSetExtension
	lasts [2]netip.Addr
	span  source.Span // if it does not fit elsewhere
}

// Add adds an element. Its addresses must be of the set's family; they are cut
// as the set cuts them. An IPv4 range in a set of networks becomes the networks
// that make it up, as in the kernel (ip_set_core.c, ip_set_range_to_cidr).
func (s *IPSet) Add(e IPSetElement) {
	addr := 0
	for _, part := range s.parts {
		if part != PartIP && part != PartNet {
			continue
		}
		if last := e.Lasts[addr]; part == PartNet && last.IsValid() {
			for _, net := range networksOf(e.Nets[addr].Addr(), last) {
				e.Nets[addr], e.Lasts[addr] = net, netip.Addr{}
				s.Add(e)
			}
			return
		}
		e.Nets[addr] = s.cut(e.Nets[addr])
		addr++
	}
	s.add(s.pack(&e))
}

func (s *IPSet) add(p packedElement) {
	if n := len(s.elements); n == cap(s.elements) {
		// Doubled: append alone moves large ones more often. And it writes zeros
		// where the elements to come will lie, which new memory has anyway.
		s.elements = append(make([]packedElement, 0, max(2*n, 8)), s.elements...)
	}
	s.elements = append(s.elements, p)
}

// TakesPlain reports whether AddPlain can add to the set: whether its elements
// are IPv4 addresses, and perhaps a port, that it keeps as they are.
func (s *IPSet) TakesPlain() bool {
	return s.Family == IPv4 && s.Netmask == 0 && !s.Bitmask.IsValid() &&
		(s.Type == HashIP || s.Type == HashIPPort || s.Type == HashIPPortIP)
}

// AddPlain is Add for an element of single addresses, of which the set may have
// one or two, and a port, if it has ports; it has nothing beside.
func (s *IPSet) AddPlain(addrs [2][4]byte, protocol uint8, port uint16, at source.Span) {
	if uint64(at.Offset) > math.MaxUint32 || at.Len > math.MaxUint16 || at.File != s.Pos.File {
		e := IPSetElement{Protocol: protocol, Ports: PortRange{First: port, Last: port}, Span: at}
		for i, a := range addrs {
			e.Nets[i] = netip.PrefixFrom(netip.AddrFrom4(a), 32)
		}
		s.Add(e)
		return
	}
	p := packedElement{
		protocol: protocol, ports: PortRange{First: port, Last: port},
		offset: uint32(at.Offset), length: uint16(at.Len), line: uint32(at.Line),
	}
	addr := 0
	for _, part := range s.parts {
		if part == PartIP {
			p.values[addr], p.bits[addr] = binary.BigEndian.Uint32(addrs[addr][:]), 32
			addr++
		}
	}
	s.add(p)
}

// cut is an address of an element as the set keeps it.
func (s *IPSet) cut(p netip.Prefix) netip.Prefix {
	if s.Netmask != 0 && p.Bits() == int(s.Netmask) {
		p = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
	}
	return netip.PrefixFrom(s.mask(p.Addr()), p.Bits()).Masked()
}

// mask is an address with the set's netmask or bitmask laid over it. Sets of
// other types than these have none.
func (s *IPSet) mask(a netip.Addr) netip.Addr {
	if s.Netmask != 0 {
		if p, err := a.Prefix(int(s.Netmask)); err == nil {
			a = p.Addr()
		}
	}
	if s.Bitmask.IsValid() && s.Bitmask.BitLen() == a.BitLen() {
		x, m := a.AsSlice(), s.Bitmask.AsSlice()
		for i := range x {
			x[i] &= m[i]
		}
		a, _ = netip.AddrFromSlice(x)
	}
	return a
}

func (s *IPSet) pack(e *IPSetElement) packedElement {
	p := packedElement{ports: e.Ports, protocol: e.Protocol}
	addr := 0
	for i, part := range s.parts {
		inexact := false
		switch part {
		case PartIP, PartNet:
			net := e.Nets[addr]
			p.values[addr], p.bits[addr] = s.packAddr(net.Addr()), uint8(net.Bits())
			inexact = e.Lasts[addr].IsValid() || part == PartIP && !net.IsSingleIP()
			addr++
		case PartPort:
			inexact = !e.Ports.IsSingle()
		case PartIface:
			p.values[1] = s.word(e.Interface)
			inexact = e.Physdev || e.Wildcard
			if e.Physdev {
				p.inexactParts |= 1 // an index has one element a network, and that must be another
			}
		case PartMember:
			p.values[1] = s.word(e.Member)
		case PartMark:
			p.values[1] = e.Mark
		case PartMAC:
			if e.HasMAC {
				p.values[1] = s.wide.add(wideMAC(e.MAC))
			}
			inexact = !e.HasMAC
		}
		if inexact {
			p.inexactParts |= 1 << i
		}
	}
	for _, f := range [...]struct {
		set  bool
		flag elementFlags
	}{
		{e.NoMatch, noMatch}, {e.Physdev, physdev}, {e.Wildcard, wildcard}, {e.HasMAC, hasMAC},
		{e.HasTimeout && e.Timeout > 0, expires},
	} {
		if f.set {
			p.flags |= f.flag
		}
	}
	extra := elementExtra{IPSetExtension: e.IPSetExtension, lasts: e.Lasts}
	if span := e.Span; uint64(span.Offset) <= math.MaxUint32 && span.Len <= math.MaxUint16 && span.File == s.Pos.File {
		p.offset, p.length, p.line = uint32(span.Offset), uint16(span.Len), uint32(span.Line)
	} else {
		extra.span = span
	}
	if extra != (elementExtra{}) {
		s.extras = append(s.extras, extra)
		p.extra = uint32(len(s.extras))
	}
	return p
}

func (s *IPSet) packAddr(a netip.Addr) uint32 {
	if a.Is4() {
		return number4(a)
	}
	return s.wide.add(a.As16())
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func wideMAC(mac [6]byte) (w [16]byte) {
	copy(w[:], mac[:])
	return w
}

// word is the number of a word, each of which the set keeps once.
func (s *IPSet) word(w string) uint32 {
	n, ok := s.wordsAt[w]
	if !ok {
		if s.wordsAt == nil {
			s.wordsAt = map[string]uint32{}
		}
		n = uint32(len(s.words))
		s.words, s.wordsAt[w] = append(s.words, w), n
	}
	return n
}

// Element is the i-th element, from 0.
func (s *IPSet) Element(i int) IPSetElement {
	p := &s.elements[i]
	e := IPSetElement{
		Protocol: p.protocol, Ports: p.ports,
		Physdev: p.flags&physdev != 0, Wildcard: p.flags&wildcard != 0, NoMatch: p.flags&noMatch != 0,
		Span: s.ElementSpan(i),
	}
	addr := 0
	for _, part := range s.parts {
		switch part {
		case PartIP, PartNet:
			e.Nets[addr] = s.net(p, addr)
			addr++
		case PartIface:
			e.Interface = s.words[p.values[1]]
		case PartMember:
			e.Member = s.words[p.values[1]]
		case PartMark:
			e.Mark = p.values[1]
		case PartMAC:
			if e.HasMAC = p.flags&hasMAC != 0; e.HasMAC {
				e.MAC = [6]byte(s.wide.at(p.values[1])[:6])
			}
		}
	}
	if p.extra != 0 {
		x := &s.extras[p.extra-1]
		e.IPSetExtension, e.Lasts = x.IPSetExtension, x.lasts
	}
	return e
}

// ElementSpan is where the i-th element stands in the dump.
func (s *IPSet) ElementSpan(i int) source.Span {
	p := &s.elements[i]
	if p.extra != 0 {
		if span := s.extras[p.extra-1].span; span != (source.Span{}) {
			return span
		}
	}
	return source.Span{File: s.Pos.File, Offset: int(p.offset), Len: int(p.length), Line: int(p.line)}
}

// ElementNet is the first address of the i-th element, invalid in a set without
// addresses. It asks for less than Element.
func (s *IPSet) ElementNet(i int) netip.Prefix {
	if len(s.parts) == 0 || s.parts[0] != PartIP && s.parts[0] != PartNet {
		return netip.Prefix{}
	}
	return s.net(&s.elements[i], 0)
}

// ElementPorts are the protocol and the ports of the i-th element.
func (s *IPSet) ElementPorts(i int) (protocol uint8, ports PortRange) {
	return s.elements[i].protocol, s.elements[i].ports
}

// NoMatch reports whether the i-th element says no for what it covers.
func (s *IPSet) NoMatch(i int) bool { return s.elements[i].flags&noMatch != 0 }

// Expires reports whether the i-th element had only so long to live when the
// dump was taken.
func (s *IPSet) Expires(i int) bool { return s.elements[i].flags&expires != 0 }

// IsPhysdev reports whether the i-th element names a port of a bridge.
func (s *IPSet) IsPhysdev(i int) bool { return s.elements[i].flags&physdev != 0 }

// IsExact reports whether the i-th element stands for one value in each of its
// parts: whoever finds it by all of them has all that it says.
func (s *IPSet) IsExact(i int) bool {
	return s.elements[i].inexactParts == 0 && s.Netmask == 0 && !s.Bitmask.IsValid() && s.MarkMask == 0
}

// net is an address of a packed element.
func (s *IPSet) net(p *packedElement, addr int) netip.Prefix {
	a := netip.Addr{}
	if s.Family == IPv6 {
		a = netip.AddrFrom16(*s.wide.at(p.values[addr]))
	} else {
		a = addr4(p.values[addr])
	}
	return netip.PrefixFrom(a, int(p.bits[addr]))
}

// networksOf are the fewest IPv4 networks that make up a range.
func networksOf(first, last netip.Addr) []netip.Prefix {
	var nets []netip.Prefix
	for at, end := uint64(number4(first)), uint64(number4(last)); at <= end; {
		size := uint64(1) << 32
		for at%size != 0 || at+size-1 > end {
			size /= 2
		}
		bits := 32
		for n := size; n > 1; n /= 2 {
			bits--
		}
		nets = append(nets, netip.PrefixFrom(addr4(uint32(at)), bits))
		at += size
	}
	return nets
}
