package flows

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// Any is the source of which nothing is supposed.
const Any = "any"

// ParseOrigin reads where a packet comes from.
func ParseOrigin(s string) (trace.Origin, error) {
	switch o := trace.Origin(s); o {
	case trace.FromExternal, trace.FromPod, trace.FromNode:
		return o, nil
	}
	return "", errors.New("expected external, pod or node")
}

// ParseAddr reads an address without a port.
func ParseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, errors.New("expected an IPv4 or IPv6 address")
	}
	return addr.Unmap(), nil
}

// ParsePort reads a port from 1 to 65535.
func ParsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("expected a port from 1 to 65535")
	}
	return uint16(n), nil
}

// ParseProtocol reads a transport protocol's name, as iptables-save prints it,
// or its number.
func ParseProtocol(s string) (uint8, error) {
	name := strings.ToLower(s)
	if name == "icmpv6" {
		return netfilter.ICMPv6, nil
	}
	for n := 1; n <= 255; n++ {
		if name == netfilter.ProtocolName(uint8(n)) || name == strconv.Itoa(n) {
			return uint8(n), nil
		}
	}
	return 0, errors.New("expected tcp, udp, sctp, icmp, ipv6-icmp or a number from 1 to 255")
}

// ParseInterface reads the name of a network interface
// (net/core/dev.c, dev_valid_name).
func ParseInterface(s string) (string, error) {
	if s == "" || len(s) > 15 || s == "." || s == ".." || strings.ContainsAny(s, "/: \t\n\v\f\r") {
		return "", errors.New("expected the name of an interface, up to 15 bytes")
	}
	return s, nil
}

// ParseState reads the state of a packet's connection.
func ParseState(s string) (netfilter.ConnStates, error) {
	switch state, err := netfilter.ParseConnStates(strings.ToUpper(s)); {
	case err != nil:
	case state == netfilter.StateNew, state == netfilter.StateEstablished, state == netfilter.StateRelated,
		state == netfilter.StateInvalid, state == netfilter.StateUntracked:
		return state, nil
	}
	return 0, fmt.Errorf("expected one of %s", strings.Join(States, ", "))
}

// States are the states that a packet's connection can be in.
var States = []string{"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"}

func parseVerdict(s string) (trace.Verdict, error) {
	switch v := trace.Verdict(s); v {
	case trace.DNAT, trace.Accept, trace.Reject, trace.Drop:
		return v, nil
	}
	return "", errors.New("expected dnat, accept, reject or drop")
}

// parseEndpoint reads an address with a port, without one for protocols that
// have none.
func parseEndpoint(s string, protocol uint8) (netip.AddrPort, error) {
	if !trace.HasPorts(protocol) {
		addr, err := ParseAddr(s)
		return netip.AddrPortFrom(addr, 0), err
	}
	e, err := netip.ParseAddrPort(s)
	if err != nil || e.Port() == 0 || e.Addr().Zone() != "" {
		return netip.AddrPort{}, errors.New("expected an address and a port such as 10.0.0.1:80 or [fd00::1]:80")
	}
	return netip.AddrPortFrom(e.Addr().Unmap(), e.Port()), nil
}

// ParseTarget reads where a packet is sent to: "10.0.0.1:80", "10.0.0.1:53/udp",
// "[fd00::1]:80", "10.0.0.1/icmp". The port is 0 if there is none.
func ParseTarget(s string) (to netip.AddrPort, protocol uint8, err error) {
	address, name, named := strings.Cut(s, "/")
	protocol = netfilter.TCP
	if named {
		if protocol, err = ParseProtocol(name); err != nil {
			return to, 0, fmt.Errorf("protocol %q: %w", name, err)
		}
	}
	if to, err = parseAddrMaybePort(address); err != nil {
		return to, 0, err
	}
	switch {
	case to.Port() == 0 && trace.HasPorts(protocol):
		form := "ADDR:PORT"
		if to.Addr().Is6() {
			form = "[ADDR]:PORT"
		}
		return to, 0, fmt.Errorf("no port: expected %s for %s", form, netfilter.ProtocolName(protocol))
	case to.Port() != 0 && !trace.HasPorts(protocol):
		return to, 0, fmt.Errorf("port %d: %s has no ports, expected ADDR/%s", to.Port(), netfilter.ProtocolName(protocol), name)
	}
	return to, protocol, nil
}

// ParseSource reads where a packet comes from: an address, with or without a
// port.
func ParseSource(s string) (netip.AddrPort, error) {
	from, err := parseAddrMaybePort(s)
	if err != nil {
		return from, errors.New("expected an address, with a port from 1 to 65535 or without one, such as 10.0.0.1, 10.0.0.1:80 or [fd00::1]:80")
	}
	return from, nil
}

func parseAddrMaybePort(s string) (netip.AddrPort, error) {
	// An IPv6 address in brackets may stand alone too.
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Zone() == "" {
		return netip.AddrPortFrom(addr.Unmap(), 0), nil
	}
	e, err := netip.ParseAddrPort(s)
	if err != nil || e.Port() == 0 || e.Addr().Zone() != "" {
		return netip.AddrPort{}, errors.New("expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80")
	}
	return netip.AddrPortFrom(e.Addr().Unmap(), e.Port()), nil
}
