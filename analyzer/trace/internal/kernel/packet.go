//go:build linux

package kernel

import (
	"encoding/binary"
	"hash/crc32"
)

// appendPacket appends the probe as an IP packet that carries the number.
func appendPacket(b []byte, p *Probe, port uint16, number uint32) []byte {
	start := len(b)
	src, dst := p.Source.Addr(), p.Destination.Addr()
	ttl := p.TTL
	if ttl == 0 {
		ttl = 64
	}
	if src.Is4() {
		b = append(b, 0x45, p.TOS, 0, 0, 0, 0, 0x40, 0, ttl, p.Protocol, 0, 0) // 0x40: don't fragment
	} else {
		b = append(b, 0x60|p.TOS>>4, p.TOS<<4, 0, 0, 0, 0, p.Protocol, ttl)
	}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	head := len(b)
	b = appendTransport(b, p, port, number)
	b = append(b, make([]byte, p.Payload)...)

	ip, transport := b[start:head], b[head:]
	if p.Protocol == UDP {
		binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
	}
	if src.Is4() {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(b)-start))
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(0, ip)))
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(transport)))
	}
	// Conntrack takes a packet with a wrong checksum for invalid.
	pseudo := sum(sum(uint32(p.Protocol)+uint32(len(transport)), src.AsSlice()), dst.AsSlice())
	switch p.Protocol {
	case TCP:
		binary.BigEndian.PutUint16(transport[16:], ^fold(sum(pseudo, transport)))
	case UDP:
		c := ^fold(sum(pseudo, transport))
		if c == 0 {
			c = 0xffff // 0 means that there is none
		}
		binary.BigEndian.PutUint16(transport[6:], c)
	case ICMP:
		binary.BigEndian.PutUint16(transport[2:], ^fold(sum(0, transport)))
	case ICMPv6:
		binary.BigEndian.PutUint16(transport[2:], ^fold(sum(pseudo, transport)))
	case SCTP:
		binary.LittleEndian.PutUint32(transport[8:], crc32.Checksum(transport, crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

// appendTransport appends what follows the IP header, checksum and UDP length
// left 0. An ICMP message's identifier is the port.
func appendTransport(b []byte, p *Probe, port uint16, number uint32) []byte {
	be := binary.BigEndian
	ports := func() { b = be.AppendUint16(be.AppendUint16(b, port), p.Destination.Port()) }
	switch p.Protocol {
	case TCP:
		flags := p.TCPFlags
		if flags == 0 {
			flags = SYN
		}
		ports()
		// Also as acknowledgement: a reset that answers an ACK repeats that.
		b = be.AppendUint32(be.AppendUint32(b, number), number)
		b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	case UDP:
		ports()
		b = be.AppendUint32(append(b, 0, 0, 0, 0), number)
	case SCTP:
		ports()
		b = append(b, make([]byte, 8)...) // verification tag of an INIT, checksum
		// RFC 9260, 3.3.2: INIT chunk with window, streams, initial TSN.
		b = be.AppendUint32(append(b, 1, 0, 0, byte(20+p.Payload)), number)
		b = be.AppendUint32(append(b, 0, 0, 0xff, 0xff, 0, 1, 0, 1), 1)
	case ICMP, ICMPv6:
		b = append(b, byte(echoRequest[p.Protocol]), 0, 0, 0)
		b = be.AppendUint32(be.AppendUint16(be.AppendUint16(b, port), 1), number)
	}
	return b
}

// echoRequest is the type of the message in each protocol.
var echoRequest = map[uint8]uint8{ICMP: 8, ICMPv6: 128}

// sum adds the data to a ones' complement sum (RFC 1071).
func sum(s uint32, data []byte) uint32 {
	for ; len(data) >= 2; data = data[2:] {
		s += uint32(data[0])<<8 | uint32(data[1])
	}
	if len(data) == 1 {
		s += uint32(data[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
