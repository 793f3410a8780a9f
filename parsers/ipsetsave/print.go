package ipsetsave

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/internal/protocol"
)

// Write prints sets as "ipset save" does.
func Write(w io.Writer, sets []*netfilter.IPSet) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for _, set := range sets {
		line = appendCreate(line[:0], set)
		out.Write(line) // an error stays to be told by Flush
		for _, e := range set.Elements() {
			line = append(line[:0], "add "...)
			line = append(line, set.Name...)
			line = append(line, ' ')
			line = AppendElement(line, set, &e)
			out.Write(append(line, '\n'))
		}
	}
	return out.Flush()
}

// appendCreate appends a set's first line. The order of options is that of
// lib/ipset_*.c in ipset; where netmask and bitmask stand differs by type.
func appendCreate(b []byte, s *netfilter.IPSet) []byte {
	b = fmt.Appendf(b, "create %s %s", s.Name, s.Type)
	if s.Type.HasFamily() && s.Type != netfilter.BitmapIP && s.Type != netfilter.BitmapIPMAC {
		b = append(b, map[netfilter.Family]string{netfilter.IPv4: " family inet", netfilter.IPv6: " family inet6"}[s.Family]...)
	}
	if s.First.IsValid() {
		b = fmt.Appendf(b, " range %s-%s", s.First, s.Last)
	}
	if s.Type == netfilter.BitmapPort {
		b = fmt.Appendf(b, " range %d-%d", s.FirstPort, s.LastPort)
	}
	last := s.Type == netfilter.HashIPPort || s.Type == netfilter.HashNetNet // where masks are new
	number := func(name string, n uint32) {
		if n != 0 {
			b = fmt.Appendf(b, " %s %d", name, n)
		}
	}
	masks := func() {
		number("netmask", uint32(s.Netmask))
		if s.Bitmask.IsValid() {
			b = fmt.Appendf(b, " bitmask %s", s.Bitmask)
		}
	}
	if s.MarkMask != 0 {
		b = fmt.Appendf(b, " markmask 0x%08x", s.MarkMask)
	}
	number("hashsize", s.HashSize)
	number("maxelem", s.MaxElem)
	if !last {
		masks()
	}
	number("size", s.Size)
	if s.HasTimeout {
		b = fmt.Appendf(b, " timeout %d", s.Timeout)
	}
	for _, flag := range [...]struct {
		set  bool
		name string
	}{{s.Counters, "counters"}, {s.Comment, "comment"}, {s.SKBInfo, "skbinfo"}, {s.ForceAdd, "forceadd"}} {
		if flag.set {
			b = append(append(b, ' '), flag.name...)
		}
	}
	number("bucketsize", s.BucketSize)
	if s.InitVal != "" {
		b = append(append(b, " initval "...), s.InitVal...)
	}
	if last {
		masks()
	}
	return append(b, '\n')
}

// AppendElement appends an element as ipset prints it behind the set's name.
func AppendElement(b []byte, s *netfilter.IPSet, e *netfilter.IPSetElement) []byte {
	addr := 0
	for i, part := range s.Parts() {
		if i > 0 && (part != netfilter.PartMAC || e.HasMAC) {
			b = append(b, ',')
		}
		switch part {
		case netfilter.PartIP, netfilter.PartNet:
			b = appendNet(b, e.Nets[addr], e.Lasts[addr])
			addr++
		case netfilter.PartPort:
			b = appendPort(b, s, e)
		case netfilter.PartIface:
			if e.Physdev {
				b = append(b, "physdev:"...)
			}
			b = append(b, e.Interface...)
		case netfilter.PartMark:
			b = fmt.Appendf(b, "0x%08x", e.Mark)
		case netfilter.PartMAC:
			if m := e.MAC; e.HasMAC {
				b = fmt.Appendf(b, "%02X:%02X:%02X:%02X:%02X:%02X", m[0], m[1], m[2], m[3], m[4], m[5])
			}
		case netfilter.PartMember:
			b = append(b, e.Member...)
		}
	}
	return appendExtension(b, s, e)
}

// appendExtension appends an element's options in ipset's order.
func appendExtension(b []byte, s *netfilter.IPSet, e *netfilter.IPSetElement) []byte {
	if e.HasTimeout {
		b = fmt.Appendf(b, " timeout %d", e.Timeout)
	}
	if e.NoMatch {
		b = append(b, " nomatch"...)
	}
	if e.Wildcard {
		b = append(b, " wildcard"...)
	}
	if s.Counters || e.Counters != (netfilter.Counters{}) {
		b = fmt.Appendf(b, " packets %d bytes %d", e.Counters.Packets, e.Counters.Bytes)
	}
	if e.HasComment {
		b = append(append(append(b, ` comment "`...), e.Comment...), '"')
	}
	if e.HasSKBMark {
		b = fmt.Appendf(b, " skbmark 0x%x", e.SKBMark)
		if e.SKBMarkMask != 1<<32-1 {
			b = fmt.Appendf(b, "/0x%x", e.SKBMarkMask)
		}
	}
	if e.SKBPrio != [2]uint16{} {
		b = fmt.Appendf(b, " skbprio %x:%x", e.SKBPrio[0], e.SKBPrio[1])
	}
	if e.SKBQueue != 0 {
		b = fmt.Appendf(b, " skbqueue %d", e.SKBQueue)
	}
	return b
}

func appendNet(b []byte, net netip.Prefix, last netip.Addr) []byte {
	b = appendAddr(b, net.Addr())
	switch {
	case last.IsValid():
		b = appendAddr(append(b, '-'), last)
	case !net.IsSingleIP():
		b = strconv.AppendInt(append(b, '/'), int64(net.Bits()), 10)
	}
	return b
}

// appendAddr appends an address as inet_ntop writes it. It differs from netip
// in one case: behind six zero groups it puts an IPv4 address.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is6() {
		x := a.As16()
		if [12]byte(x[:12]) == [12]byte{} && (x[12] != 0 || x[13] != 0) {
			b = append(b, "::"...)
			a = netip.AddrFrom4([4]byte(x[12:]))
		}
	}
	return a.AppendTo(b)
}

func appendPort(b []byte, s *netfilter.IPSet, e *netfilter.IPSetElement) []byte {
	if s.Type != netfilter.BitmapPort {
		b = append(append(b, protocol.Name(e.Protocol)...), ':')
		if e.Protocol == netfilter.ICMP || e.Protocol == netfilter.ICMPv6 {
			return append(b, icmpText(e.Protocol, e.Ports.First)...)
		}
	}
	b = strconv.AppendUint(b, uint64(e.Ports.First), 10)
	if !e.Ports.IsSingle() {
		b = strconv.AppendUint(append(b, '-'), uint64(e.Ports.Last), 10)
	}
	return b
}
