//go:build linux

package kernel

import (
	"encoding/binary"
	"net/netip"
)

// A sighting is a packet that has to do with a probe: the probe itself, or an
// answer that refuses it.
type sighting struct {
	number uint32
	src    netip.AddrPort
	dst    netip.AddrPort
	// reject names the answer; "" for the probe itself.
	reject string
	// hasRST says that the packet has TCP's reset flag. It is the answer to
	// the probe with the number reset, unless the probe with the number
	// number has the flag itself.
	hasRST bool
	reset  uint32
}

// ICMP errors by code, named as in iptables' --reject-with.
var (
	errors4 = map[byte]string{
		0: "icmp-net-unreachable", 1: "icmp-host-unreachable", 2: "icmp-proto-unreachable", 3: "icmp-port-unreachable",
		9: "icmp-net-prohibited", 10: "icmp-host-prohibited", 13: "icmp-admin-prohibited",
	}
	errors6 = map[byte]string{
		0: "icmp6-no-route", 1: "icmp6-adm-prohibited", 3: "icmp6-addr-unreachable", 4: "icmp6-port-unreachable",
		5: "icmp6-policy-fail", 6: "icmp6-reject-route",
	}
)

// parseIP reads a packet that begins with an IP header. ok is false for what
// is no sighting.
func parseIP(b []byte) (s sighting, ok bool) {
	src, dst, protocol, rest, ok := splitIP(b)
	if !ok {
		return sighting{}, false
	}
	return parseTransport(src, dst, protocol, rest)
}

func splitIP(b []byte) (src, dst netip.Addr, protocol uint8, rest []byte, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && len(b) >= int(b[0]&15)*4:
		return netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[9], b[int(b[0]&15)*4:], true
	case len(b) >= 40 && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[6], b[40:], true
	}
	return src, dst, 0, nil, false
}

func parseTransport(src, dst netip.Addr, protocol uint8, b []byte) (sighting, bool) {
	if protocol == ICMP || protocol == ICMPv6 {
		return parseICMP(src, dst, protocol, b)
	}
	number, at := uint32(0), numberAt(protocol)
	if at == 0 || len(b) < at+4 {
		return sighting{}, false
	}
	number = binary.BigEndian.Uint32(b[at:])
	s := sighting{
		number: number,
		src:    netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)),
		dst:    netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:])),
	}
	if protocol == TCP && len(b) >= 14 && b[13]&RST != 0 {
		// A reset takes its sequence from the acknowledgement, or else
		// acknowledges the sequence with SYN, FIN and payload, so that it
		// lies between this probe's number and the next one's (net/ipv4/netfilter/nf_reject_ipv4.c, nf_reject_ip_tcphdr_put).
		s.hasRST, s.reset = true, number
		if b[13]&ACK != 0 {
			s.reset = binary.BigEndian.Uint32(b[8:])
		}
	}
	return s, true
}

// numberAt is where the number stands in a transport's header and payload.
func numberAt(protocol uint8) int {
	switch protocol {
	case TCP:
		return 4
	case UDP, ICMP, ICMPv6:
		return 8
	case SCTP:
		return 16
	}
	return 0
}

func parseICMP(src, dst netip.Addr, protocol uint8, b []byte) (sighting, bool) {
	if len(b) < 12 {
		return sighting{}, false
	}
	if b[0] == echoRequest[protocol] {
		id := binary.BigEndian.Uint16(b[4:])
		return sighting{number: binary.BigEndian.Uint32(b[8:]), src: netip.AddrPortFrom(src, id), dst: netip.AddrPortFrom(dst, 0)}, true
	}
	names, unreachable := errors4, byte(3)
	if protocol == ICMPv6 {
		names, unreachable = errors6, 1
	}
	if b[0] != unreachable || names[b[1]] == "" {
		return sighting{}, false
	}
	// The quote begins behind the error's eight bytes.
	_, _, inner, quote, ok := splitIP(b[8:])
	at := numberAt(inner)
	if !ok || at == 0 || len(quote) < at+4 {
		return sighting{}, false
	}
	return sighting{number: binary.BigEndian.Uint32(quote[at:]), reject: names[b[1]]}, true
}
