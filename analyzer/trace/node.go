package trace

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// node is what is known of the node's addresses and routes.
type node struct {
	snapshot  *snapshot.Snapshot
	own       *snapshot.Addresses
	broadcast map[netip.Addr]bool
	// edges are addresses that the kernel may or may not treat as special:
	// the first of a network.
	edges map[netip.Addr]bool
	local []netip.Prefix // whole networks that routes declare local
	// linked are the addresses whose networks the node's links lead to.
	linked []snapshot.Address
	byLink map[string][][2]int // where in the snapshot each interface's addresses begin and end
	routes [2][]snapshot.Route // IPv4, IPv6; the best first
}

func newNode(s *snapshot.Snapshot) node {
	n := node{
		snapshot:  s,
		own:       s.AddressIndex(),
		byLink:    map[string][][2]int{},
		broadcast: map[netip.Addr]bool{netip.AddrFrom4([4]byte{127, 255, 255, 255}): true},
		edges:     map[netip.Addr]bool{},
	}
	begin := 0
	for i, a := range s.Addresses {
		addr := a.Prefix.Addr()
		if i+1 == len(s.Addresses) || s.Addresses[i+1].Interface != a.Interface {
			n.byLink[a.Interface] = append(n.byLink[a.Interface], [2]int{begin, i + 1})
			begin = i + 1
		}
		if !a.Prefix.IsSingleIP() && !addr.IsLoopback() && a.Interface != "" {
			n.linked = append(n.linked, a)
		}
		if addr.IsLoopback() || a.Prefix.Bits() > addr.BitLen()-2 {
			continue
		}
		n.edges[a.Prefix.Masked().Addr()] = true
		if addr.Is4() {
			n.broadcast[lastOf(a.Prefix)] = true // net/ipv4/fib_frontend.c, fib_add_ifaddr
		}
	}
	for _, r := range s.Routes {
		if !r.Dst.IsValid() {
			continue
		}
		switch {
		case r.Type == "local":
			n.local = append(n.local, r.Dst)
		case r.Type == "broadcast" || r.Type == "multicast" || r.Type == "anycast":
		case r.Table == "" || r.Table == "main" || r.Table == "default":
			i := familyIndex(r.Dst.Addr())
			n.routes[i] = append(n.routes[i], r)
		}
	}
	for _, routes := range n.routes {
		slices.SortStableFunc(routes, func(a, b snapshot.Route) int {
			if a.Dst.Bits() != b.Dst.Bits() {
				return b.Dst.Bits() - a.Dst.Bits()
			}
			return int(int64(a.Metric) - int64(b.Metric))
		})
	}
	return n
}

func familyIndex(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
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

// isLocal reports whether the address is the node's own; ok is false when that
// is not known.
func (n *node) isLocal(a netip.Addr) (local, ok bool) {
	if n.broadcast[a] {
		return false, true
	}
	local, ok = n.snapshot.IsLocal(a)
	if local {
		return true, true
	}
	for _, p := range n.local {
		if p.Contains(a) {
			return true, true
		}
	}
	return false, ok
}

// hasAddresses reports whether the node's addresses are known, and none of those
// that are not listed is one.
func (n *node) hasAddresses() bool {
	return len(n.snapshot.Addresses) > 0 && !n.snapshot.AddressesCut
}

// isOwn reports whether the node is known to have the address: IsLocal takes
// loopback addresses for the node's that no interface has.
func (n *node) isOwn(a netip.Addr) bool { return n.own.Number(a) >= 0 }

// has reports whether the interface has the address.
func (n *node) has(device string, a netip.Addr) bool {
	return n.own.On(device, a) || a.IsLoopback() && device == "lo"
}

// A hop is where a route leads.
type hop struct {
	link link
	via  netip.Addr // invalid when the destination is on the link
	// refused says that the route refuses packets: "blackhole",
	// "unreachable", "prohibit", "throw"; "" for one that leads on.
	refused string
	// missing says that routes were captured, and none leads there.
	missing bool
}

// route looks a destination up that is not the node's own.
func (n *node) route(a netip.Addr) hop {
	if !a.IsValid() {
		return hop{}
	}
	routes := n.routes[familyIndex(a)]
	for _, r := range routes {
		if !r.Dst.Contains(a) {
			continue
		}
		switch r.Type {
		case "blackhole", "unreachable", "prohibit", "throw":
			return hop{refused: r.Type}
		}
		return hop{link: link{r.Dev, r.Dev != ""}, via: r.Via}
	}
	for _, own := range n.linked {
		if own.Prefix.Contains(a) {
			return hop{link: link{own.Interface, true}}
		}
	}
	return hop{missing: len(routes) > 0}
}

// noRoute is why a packet is refused that no route leads on.
const noRoute = "none"

// routeBy looks a destination up among the routes of one link.
func (n *node) routeBy(l link, a netip.Addr) hop {
	routes := n.routes[familyIndex(a)]
	if !l.known || len(routes) == 0 {
		return hop{}
	}
	for _, r := range routes {
		if r.Dev == l.name && r.Dst.Contains(a) {
			return hop{link: l, via: r.Via}
		}
	}
	return hop{refused: noRoute}
}

// cameBy is the interface that a packet of the flow comes in by.
func (n *node) cameBy(f Flow) link {
	if f.InInterface != "" {
		return link{f.InInterface, true}
	}
	if !f.Source.IsValid() && f.From == FromExternal {
		for _, r := range n.routes[familyIndex(f.Destination)] {
			if r.Dst.Bits() == 0 && r.Dev != "" {
				return link{r.Dev, true}
			}
		}
	}
	hop := n.route(f.Source)
	if f.From == FromPod && hop.via.IsValid() {
		return link{} // no pod of this node is behind a gateway
	}
	return hop.link
}

// primary is the address that translations to "the interface's address" use,
// invalid if it is not known.
func (n *node) primary(device link, is4 bool, toward netip.Addr) netip.Addr {
	var first netip.Addr
	if !device.known {
		return first
	}
	for _, run := range n.byLink[device.name] {
		for _, own := range n.snapshot.Addresses[run[0]:run[1]] {
			a := own.Prefix.Addr()
			if a.Is4() != is4 || a.IsLinkLocalUnicast() || a.IsLoopback() {
				continue
			}
			if toward.IsValid() && own.Prefix.Contains(toward) {
				return a
			}
			if !first.IsValid() {
				first = a
			}
		}
	}
	return first
}

// addressFor is the source that the kernel gives a packet of the node which
// has none yet; invalid if it is not known.
func (n *node) addressFor(dst netip.Addr, out link) netip.Addr {
	switch local, _ := n.isLocal(dst); {
	case dst.Is4() && dst.IsLoopback():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case local:
		return dst
	case !out.known:
		return netip.Addr{}
	}
	for _, r := range n.routes[familyIndex(dst)] {
		if r.Dst.Contains(dst) {
			if r.Src.IsValid() {
				return r.Src
			}
			return n.primary(out, dst.Is4(), cmpAddr(r.Via, dst))
		}
	}
	return n.primary(out, dst.Is4(), dst)
}

// cmpAddr is a, or b if a is no address.
func cmpAddr(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// addrTypes4 is what the kernel calls an IPv4 address, from its table of local
// routes: everything that stands in none is unicast (net/ipv4/fib_frontend.c,
// __inet_dev_addr_type). ok is false when that is not known.
func (n *node) addrTypes4(a netip.Addr) (types netfilter.AddrTypes, ok bool) {
	b := a.As4()
	switch {
	case b[0] == 0 || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || n.broadcast[a]:
		return netfilter.AddrBroadcast, true
	case a.IsMulticast():
		return netfilter.AddrMulticast, true
	}
	local, ok := n.isLocal(a)
	switch {
	case !ok:
		return 0, false
	case local:
		return netfilter.AddrLocal, true
	case n.edges[a]:
		return netfilter.AddrUnicast | netfilter.AddrBroadcast, false // broadcast up to Linux 5.13
	case n.route(a).refused != "":
		return netfilter.AddrUnicast | netfilter.AddrBlackhole | netfilter.AddrUnreachable |
			netfilter.AddrProhibit | netfilter.AddrThrow, false
	}
	return netfilter.AddrUnicast, true
}
