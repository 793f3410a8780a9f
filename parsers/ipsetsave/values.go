package ipsetsave

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/internal/protocol"
)

// number reads an unsigned number, decimal or with 0x.
func number(s string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil || n > limit || strings.IndexByte(s, '_') >= 0 {
		return 0, fmt.Errorf("found %s, expected a number from 0 to %d", source.Quote(s), limit)
	}
	return n, nil
}

func number32(s string) (uint32, error) {
	n, err := number(s, 1<<32-1)
	return uint32(n), err
}

func number16(s string) (uint16, error) {
	n, err := number(s, 1<<16-1)
	return uint16(n), err
}

func address(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, fmt.Errorf("found %s, expected an address", source.Quote(s))
	}
	return a, nil
}

// network reads "10.0.0.1", "10.0.0.0/8" and "10.0.0.1-10.0.0.9"; last is
// valid for the latter only. The host's bits stay.
func network(s string) (net netip.Prefix, last netip.Addr, err error) {
	first, end, isRange := strings.Cut(s, "-")
	host, length, isNet := strings.Cut(first, "/")
	a, err := address(host)
	if err != nil {
		return net, last, err
	}
	net = netip.PrefixFrom(a, a.BitLen())
	switch {
	case isRange && isNet:
		return net, last, fmt.Errorf("found %s, expected an address, a network or a range", source.Quote(s))
	case isNet:
		n, err := strconv.ParseUint(length, 10, 8)
		if err != nil || int(n) > a.BitLen() {
			return net, last, fmt.Errorf("found %s, expected a prefix length up to %d", source.Quote(length), a.BitLen())
		}
		return netip.PrefixFrom(a, int(n)), last, nil
	case isRange:
		if last, err = address(end); err == nil && (last.Is4() != a.Is4() || last.Less(a)) {
			err = fmt.Errorf("found %s, expected a range that ends where it begins or later", source.Quote(s))
		}
	}
	return net, last, err
}

// lastOf is an IPv4 network's last address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := range b {
		if host := p.Bits() - 8*i; host < 8 {
			b[i] |= 0xff >> max(host, 0)
		}
	}
	return netip.AddrFrom4(b)
}

// protocolOf takes the protocol off "tcp:80"; without one it is TCP.
func protocolOf(e *netfilter.IPSetElement, word string) (port string, err error) {
	name, port, has := strings.Cut(word, ":")
	if !has {
		e.Protocol = netfilter.TCP
		return word, nil
	}
	n, ok := protocol.Number(name)
	if !ok {
		number, err := strconv.ParseUint(name, 10, 8)
		if err != nil {
			return "", errors.New("the name or number of a transport protocol and a port")
		}
		n = uint8(number)
	}
	e.Protocol = n
	return port, nil
}

// portOf reads "80", "80-90", or for ICMP a type and code.
func portOf(protocol uint8, word string) (netfilter.PortRange, error) {
	if protocol == netfilter.ICMP || protocol == netfilter.ICMPv6 {
		return icmpOf(protocol, word)
	}
	return portRange(word)
}

func portRange(s string) (r netfilter.PortRange, err error) {
	first, last, isRange := strings.Cut(s, "-")
	low, err := strconv.ParseUint(first, 10, 16)
	high := low
	if err == nil && isRange {
		high, err = strconv.ParseUint(last, 10, 16)
	}
	if err != nil || high < low {
		return r, errors.New("a port from 0 to 65535 or a range of them")
	}
	return netfilter.PortRange{First: uint16(low), Last: uint16(high)}, nil
}

// hardwareAddress reads "02:42:AC:12:00:03".
func hardwareAddress(s string) (mac [6]byte, err error) {
	if len(s) == 17 {
		compact := strings.ReplaceAll(s, ":", "")
		if b, err := hex.DecodeString(compact); err == nil && len(b) == 6 {
			return [6]byte(b), nil
		}
	}
	return mac, errors.New("a hardware address of six bytes")
}

// class reads "1:10", in hexadecimal.
func class(s string) (c [2]uint16, err error) {
	major, minor, ok := strings.Cut(s, ":")
	a, errA := strconv.ParseUint(major, 16, 16)
	b, errB := strconv.ParseUint(minor, 16, 16)
	if !ok || errA != nil || errB != nil {
		return c, fmt.Errorf("found %s, expected a class of traffic control, MAJOR:MINOR", source.Quote(s))
	}
	return [2]uint16{uint16(a), uint16(b)}, nil
}
