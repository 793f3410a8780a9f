//go:build linux

package kernel

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Layout is how a node lies in its networks.
type Layout struct {
	Interfaces []Interface
	Routes     []Route
}

// An Interface is one of the node's, with its addresses in the order of "ip
// addr"; those of a link are left out. Loopback is there without being named.
type Interface struct {
	Name      string // at most 15 bytes
	Addresses []netip.Prefix
}

// A Route sends destinations out by an interface.
type Route struct {
	Dst netip.Prefix
	Dev string
}

// Marker addresses are those that MASQUERADE takes: each interface has one of
// each family, out of the networks for benchmarks (RFC 2544, RFC 5180), which
// no dump uses. So masquerading shows even where the node would have given the
// packet the address that it has already. Over lo no interface's marker is
// taken, but the first address of the first interface (IPv4) or the
// destination (IPv6).
func marker4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte((i + 1) >> 8), byte(i + 1)})
}

func marker6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 3: 0x02, 14: byte((i + 1) >> 8), 15: byte(i + 1)})
}

// script is what "ip -batch" makes the namespace of, once its devices exist.
//
// The kernel prefers the marker for MASQUERADE, and nothing else does: for IPv4
// its network holds every next hop, where the interface's own addresses have
// none (net/ipv4/devinet.c, inet_select_addr); for IPv6 the others are
// deprecated (net/ipv6/addrconf.c, ipv6_get_saddr_eval). REDIRECT takes an
// interface's first address (nf_nat_redirect.c), which is one of its own. The
// networks of the node's addresses come as routes.
func (l Layout) script() string {
	var b strings.Builder
	b.WriteString("link set lo up\n")
	for _, dev := range l.Interfaces {
		fmt.Fprintf(&b, "link set %s txqueuelen %d addrgenmode none\n", dev.Name, tunQueue)
		fmt.Fprintf(&b, "link set %s up\n", dev.Name)
	}
	for i, dev := range l.Interfaces {
		for _, p := range dev.Addresses {
			a := p.Addr()
			if a.IsLinkLocalUnicast() {
				continue
			}
			if a.Is4() {
				fmt.Fprintf(&b, "addr add %v/32 dev %s\n", a, dev.Name)
			}
			if !p.IsSingleIP() {
				fmt.Fprintf(&b, "route replace %v dev %s\n", p.Masked(), dev.Name)
			}
			if broadcast, ok := broadcastOf(p); ok {
				fmt.Fprintf(&b, "route replace broadcast %v dev %s table local\n", broadcast, dev.Name)
			}
		}
		fmt.Fprintf(&b, "addr add %v/0 dev %s noprefixroute\n", marker4(i), dev.Name)
		fmt.Fprintf(&b, "addr add %v/128 dev %s nodad\n", marker6(i), dev.Name)
		// A device's IPv6 addresses stand in the order that "ip addr" shows,
		// the last one added first.
		for _, p := range slices.Backward(dev.Addresses) {
			if a := p.Addr(); a.Is6() && !a.IsLinkLocalUnicast() {
				fmt.Fprintf(&b, "addr add %v/128 dev %s nodad preferred_lft 0\n", a, dev.Name)
			}
		}
	}
	for _, r := range l.Routes {
		fmt.Fprintf(&b, "route replace %v dev %s\n", r.Dst, r.Dev)
	}
	return b.String()
}

// awaitAddresses waits until the kernel knows its IPv6 addresses for local: it
// makes their routes a little after it has acknowledged them
// (net/ipv6/addrconf.c, addrconf_dad_work).
func (l Layout) awaitAddresses() error {
	var own []netip.Addr
	for i, dev := range l.Interfaces {
		own = append(own, marker6(i))
		for _, p := range dev.Addresses {
			if p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() {
				own = append(own, p.Addr())
			}
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		routes, err := os.ReadFile("/proc/thread-self/net/ipv6_route")
		if err != nil {
			return fmt.Errorf("reading the IPv6 routes: %w", err)
		}
		local := map[string]bool{}
		for line := range strings.Lines(string(routes)) {
			// Destination, its length, source, its length, next hop, metric,
			// two counters, flags, device; all numbers in hexadecimal.
			f := strings.Fields(line)
			if len(f) != 10 {
				continue
			}
			if flags, err := strconv.ParseUint(f[8], 16, 32); err == nil && flags&unix.RTF_LOCAL != 0 {
				local[f[0]] = true
			}
		}
		missing := slices.IndexFunc(own, func(a netip.Addr) bool { return !local[hex.EncodeToString(a.AsSlice())] })
		if missing < 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the kernel does not take %v for local", own[missing])
		}
	}
}

// broadcastOf is the network's broadcast address (net/ipv4/fib_frontend.c,
// fib_add_ifaddr: none for networks of two addresses or one).
func broadcastOf(p netip.Prefix) (netip.Addr, bool) {
	if !p.Addr().Is4() || p.Bits() >= 31 {
		return netip.Addr{}, false
	}
	a := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(a), true
}

// sysctls are what the namespace needs so that nothing but the rules and the
// routes decides on a packet. Those that a kernel does not have, or has for
// all namespaces at once, are left as they are.
var sysctls = []struct{ path, value string }{
	{"ipv4/ip_forward", "1"},
	{"ipv6/conf/all/disable_ipv6", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
	{"ipv6/conf/lo/disable_ipv6", "0"},
	{"ipv6/conf/all/forwarding", "1"},
	{"ipv6/conf/default/forwarding", "1"},
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/router_solicitations", "0"},
	// Answers of the routing code to spoofed or looping packets.
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/lo/rp_filter", "0"},
	{"ipv4/conf/all/send_redirects", "0"},
	{"ipv4/conf/default/send_redirects", "0"},
	{"ipv4/conf/all/route_localnet", "1"},
	// Else REJECT falls silent after a few packets. A mask of no types takes
	// ICMP errors out of both limits (net/ipv4/icmp.c, icmpv4_mask_allow).
	{"ipv4/icmp_ratelimit", "0"},
	{"ipv4/icmp_ratemask", "0"},
	{"ipv4/icmp_msgs_per_sec", "1000000000"},
	{"ipv4/icmp_msgs_burst", "1000000000"},
	{"ipv6/icmp/error_anycast_as_unicast", "1"},
	{"ipv6/icmp/ratelimit", "0"},
	{"ipv6/icmp/ratemask", "\n"},
}

// setSysctls must run in the namespace: /proc/sys/net shows that of the
// calling thread.
func setSysctls() error {
	for _, s := range sysctls {
		err := os.WriteFile("/proc/sys/net/"+s.path, []byte(s.value), 0)
		if err != nil && !os.IsNotExist(err) && !os.IsPermission(err) {
			return fmt.Errorf("setting net/%s to %q: %w", s.path, s.value, err)
		}
	}
	return nil
}
