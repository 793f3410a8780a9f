package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// translate binds the connection's destination or source, once for each: the
// nat stage does not run its chains when that has happened.
func (w *walk) translate(rule *netfilter.Rule, statement netfilter.Statement, p particle, out []exit) []exit {
	packet := w.packet(p.packet)
	source := changesSource(packet.hook)
	if base := rule.Chain().Table.Name; base != "nat" && rule.Chain().Table.Backend != netfilter.Native || !allowedAt(statement, source) {
		return w.uncertain(rule, p, statement.String()+", at a hook where no kernel takes it,", out)
	}
	var to netfilter.NATRange
	var flags netfilter.NATFlags
	switch s := statement.(type) {
	case *netfilter.DNAT:
		to, flags = s.To(), s.Flags()
	case *netfilter.SNAT:
		to, flags = s.To, s.Flags
	case *netfilter.Masquerade:
		to = netfilter.NATRange{Ports: s.Ports, HasPorts: s.HasPorts}
		to.First = w.masqueradeAddress(packet)
		to.Last, flags = to.First, s.Flags
	case *netfilter.Redirect:
		to = netfilter.NATRange{Ports: s.Ports, HasPorts: s.HasPorts}
		to.First = w.redirectAddress(packet)
		to.Last, flags = to.First, s.Flags
		if !to.First.IsValid() && packet.in.known && w.tracer.node.hasAddresses() {
			p.trail = w.step(p.trail, rule, p.packet, drops) // nf_nat_redirect.c: the interface has no address
			return append(out, exit{particle: p, way: dropped})
		}
	case *netfilter.NetMap:
		a := packet.dst
		if source {
			a = packet.src
		}
		to.First = mapped(a, s.Net)
		to.Last = to.First
	}
	_, dnat := statement.(*netfilter.DNAT)
	_, snat := statement.(*netfilter.SNAT)
	if dnat || snat {
		if a := to.First; a.IsValid() && a.Is4() != w.flow.Destination.Is4() {
			return append(out, exit{particle: w.passed(rule, p)}) // nft_nat.c, nft_nat_inet_eval
		}
		w.chosen = w.addresses(rule, to, p, w.chosen[:0])
	} else {
		w.chosen = append(w.chosen[:0], choiceOfAddress{to.First, p.mass})
	}
	keeps := !to.First.IsValid() && (dnat || snat) // only ports are translated
	for _, c := range w.chosen {
		if len(c.mass) == 0 {
			continue
		}
		if source {
			out = append(out, w.bindSource(rule, p, c, keeps, to, flags))
		} else {
			_, redirect := statement.(*netfilter.Redirect)
			out = w.bindDestination(rule, p, c, keeps, redirect, to, flags, out)
		}
	}
	return out
}

// allowedAt reports whether the kernel takes a translation at hooks that are
// for sources, or for destinations (xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c).
func allowedAt(s netfilter.Statement, source bool) bool {
	switch s.(type) {
	case *netfilter.DNAT, *netfilter.Redirect:
		return !source
	case *netfilter.SNAT, *netfilter.Masquerade:
		return source
	}
	return true
}

func (w *walk) bindSource(rule *netfilter.Rule, p particle, c choiceOfAddress, keeps bool, to netfilter.NATRange, flags netfilter.NATFlags) exit {
	p.mass = c.mass
	p.packet = w.changed(p.packet, func(p *packet) {
		before, beforePort := p.src, p.srcPort
		if !keeps {
			p.src = c.addr
		}
		p.srcPort = newSourcePort(p.srcPort, to, flags)
		if p.src != before || !p.src.IsValid() || p.srcPort != beforePort {
			p.done |= sourceChanged
		}
		if p.hook == netfilter.Postrouting {
			p.done |= masqueraded
		}
		p.done |= sourceBound
	})
	p.trail = w.step(p.trail, rule, p.packet, hidesSource)
	return exit{particle: p, way: accepted}
}

func (w *walk) bindDestination(rule *netfilter.Rule, p particle, c choiceOfAddress, keeps, redirect bool, to netfilter.NATRange, flags netfilter.NATFlags, out []exit) []exit {
	w.ports = newDestinationPorts(w.packet(p.packet).dstPort, to, flags, w.ports[:0])
	for _, s := range w.ports {
		e := exit{particle: p, way: accepted}
		e.mass = w.share(c.mass, s.chance)
		e.packet = w.changed(p.packet, func(p *packet) {
			to := p.dst
			if !keeps {
				to = c.addr
			}
			w.bindTo(p, to, s.port)
			if redirect && !p.dst.IsValid() {
				p.done |= toNode
			}
		})
		e.trail = w.step(p.trail, rule, e.packet, sendsTo)
		out = append(out, e)
	}
	return out
}

// bindTo changes a packet's destination, the port too if it has one.
func (w *walk) bindTo(p *packet, addr netip.Addr, at port) {
	if !HasPorts(w.flow.Protocol) {
		at = p.dstPort
	}
	if addr != p.dst || !addr.IsValid() || at != p.dstPort {
		p.done |= destinationChanged
	}
	p.dst, p.dstPort = addr, at
	p.done |= destinationBound | translated
}

// choiceOfAddress is an address that a translation may choose.
type choiceOfAddress struct {
	addr netip.Addr
	mass mass
}

// maxAddresses is the size of a range whose addresses are told apart.
const maxAddresses = 16

// addresses appends those that the kernel may choose from a range. It takes one by
// a hash of the packet's addresses (nf_nat_core.c, find_best_ips_proto), which
// is no chance, and differs between kernels.
func (w *walk) addresses(rule *netfilter.Rule, to netfilter.NATRange, p particle, out []choiceOfAddress) []choiceOfAddress {
	if to.First == to.Last || !to.First.IsValid() {
		return append(out, choiceOfAddress{to.First, p.mass})
	}
	if to.First.Is6() && !sameNetwork(to.First, to.Last, 96) {
		// The kernel chooses each 32 bits by themselves, and once they are
		// not the range's last ones, the bits behind them may be any.
		return append(out, choiceOfAddress{netip.Addr{}, p.mass})
	}
	var all []netip.Addr
	for a := to.First; a.IsValid() && a.Compare(to.Last) <= 0; a = a.Next() {
		if all = append(all, a); len(all) > maxAddresses {
			return append(out, choiceOfAddress{netip.Addr{}, p.mass})
		}
	}
	rest := p
	for i, a := range all {
		if i == len(all)-1 {
			out = append(out, choiceOfAddress{a, rest.mass})
			break
		}
		var this particle
		this, rest = w.fork(rest, fmt.Sprintf("\x00choice %p %d %s", rule, w.itself(p.packet), a), question{
			rule: rule,
			yes:  fmt.Sprintf("the kernel chooses %s from %s-%s", a, to.First, to.Last),
			no:   fmt.Sprintf("the kernel does not choose %s from %s-%s", a, to.First, to.Last),
		})
		out = append(out, choiceOfAddress{a, this.mass})
	}
	return out
}

// masqueradeAddress is the source that MASQUERADE gives a packet: the address
// of the interface that it leaves by, the one in the next hop's network if
// there are several (net/ipv4/devinet.c, inet_select_addr). What loops over lo
// gets that of the first interface which has one to show. Invalid if it is not
// known.
func (w *walk) masqueradeAddress(p *packet) netip.Addr {
	n := &w.tracer.node
	switch {
	case !p.dst.IsValid() || !p.out.known:
		return netip.Addr{}
	case p.out.name != "lo":
		return n.primary(p.out, p.dst.Is4(), cmpAddr(n.route(p.dst).via, p.dst))
	case p.dst.Is6():
		return p.dst // net/ipv6/addrconf.c, ipv6_get_saddr_eval, first rule
	}
	for _, own := range n.snapshot.Addresses {
		if a := own.Prefix.Addr(); a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return a
		}
	}
	return netip.Addr{}
}

// redirectAddress is where REDIRECT sends a packet (nf_nat_redirect.c).
func (w *walk) redirectAddress(p *packet) netip.Addr {
	is4 := w.flow.Destination.Is4()
	switch {
	case p.hook == netfilter.Output && is4:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case p.hook == netfilter.Output:
		return netip.IPv6Loopback()
	}
	return w.tracer.node.primary(p.in, is4, netip.Addr{})
}

func sameNetwork(a, b netip.Addr, bits int) bool {
	network, err := a.Prefix(bits)
	return err == nil && network.Contains(b)
}

// mapped is an address with its host bits kept and its network changed.
func mapped(a netip.Addr, to netfilter.Network) netip.Addr {
	net := to.Prefix.Addr()
	if !a.IsValid() || net.BitLen() != a.BitLen() {
		return netip.Addr{}
	}
	x, y := a.AsSlice(), net.AsSlice()
	for i := range x {
		mask := byte(0xff)
		if to.Mask.IsValid() {
			mask = to.Mask.Bits().AsSlice()[i]
		} else if left := to.Prefix.Bits() - 8*i; left < 8 {
			mask = ^byte(0xff >> max(left, 0))
		}
		x[i] = x[i]&^mask | y[i]&mask
	}
	a, _ = netip.AddrFromSlice(x)
	return a
}

// shareOfPort is a port that a translation chooses with some chance; not known
// where telling the ports apart would tell nothing.
type shareOfPort struct {
	port   port
	chance Chance
}

// maxPorts is the size of a range whose ports are told apart.
const maxPorts = 64

// newDestinationPorts appends the ports that a destination can get
// (nf_nat_core.c, get_unique_tuple and nf_nat_l4proto_unique_tuple; no other
// connection is taken to have the same addresses and ports).
func newDestinationPorts(old port, to netfilter.NATRange, flags netfilter.NATFlags, out []shareOfPort) []shareOfPort {
	first, size := to.Ports.First, int(to.Ports.Last)-int(to.Ports.First)+1
	one := func(p port) []shareOfPort { return append(out, shareOfPort{p, Certain}) }
	switch {
	case !to.HasPorts:
		return one(old)
	case size == 1:
		return one(port{first, true})
	case !old.known || size <= 0:
		return one(port{})
	case to.BasePort != 0:
		return one(port{first + uint16(int(old.number-to.BasePort)%size), true})
	case !flags.Random && !flags.RandomFully:
		if to.Ports.Contains(old.number) {
			return one(old)
		}
		return one(port{first, true})
	case size > maxPorts:
		return one(port{})
	}
	for i := range size {
		// The remainder of 16 random bits.
		hits := 1 << 16 / size
		if i < 1<<16%size {
			hits++
		}
		out = append(out, shareOfPort{port{first + uint16(i), true}, newChance(uint64(hits), 16)})
	}
	return out
}

// newSourcePort is the port that a source gets; most choices are random.
func newSourcePort(old port, to netfilter.NATRange, flags netfilter.NATFlags) port {
	switch {
	case flags.Random || flags.RandomFully:
		return port{}
	case !to.HasPorts || old.known && to.Ports.Contains(old.number):
		return old
	case to.Ports.IsSingle():
		return port{to.Ports.First, true}
	}
	return port{}
}
