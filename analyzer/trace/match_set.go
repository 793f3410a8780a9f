package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// inSet tells whether the packet has an element in an ipset
// (net/netfilter/xt_set.c, set_match_v4).
func (q *asking) inSet(m *netfilter.InSet) ternary {
	set := q.tracer.ipsets.find(m.Set.Name)
	if set == nil {
		return q.unsureOfSet(m, nil)
	}
	t := q.setHas(set, m.Set.Sides, lookup{returnNoMatch: m.ReturnNoMatch, counted: m.Packets != nil || m.Bytes != nil})
	if t == maybe {
		return q.unsureOfSet(m, set)
	}
	return t.xor(m.Not)
}

// unsureOfSet is the answer maybe. It depends on the packet's headers, and for
// interfaces in the second place also on where the packet is.
func (q *asking) unsureOfSet(m *netfilter.InSet, set *netfilter.IPSet) ternary {
	by := byHeaders
	if len(m.Set.Sides) > 1 && (set == nil || set.Type == netfilter.HashNetIface || set.Type == netfilter.ListSet) {
		by = byHeadersIn
		if m.Set.Sides[1] == netfilter.Destination {
			by = byHeadersOut
		}
	}
	return q.unsure(m.Not, by, plain(m, m.Not))
}

// A lookup says how a set is asked.
type lookup struct {
	returnNoMatch bool // elements with nomatch are those that match
	counted       bool // counters are tested
}

// setHas tells whether the packet, looked at from the sides, is in a set
// (ip_set_core.c, ip_set_test).
func (q *asking) setHas(set *netfilter.IPSet, sides []netfilter.Side, how lookup) ternary {
	family := netfilter.IPv4
	if q.flow.Destination.Is6() {
		family = netfilter.IPv6
	}
	switch {
	case len(sides) < len(set.Parts()), !set.CanHold(family):
		return no
	case q.tracer.ipsets.mayHaveChanged(set, q.packet), set.HeaderOnly:
		return maybe
	case set.Type == netfilter.ListSet:
		return q.listHas(set, sides, how)
	}
	key, possible := q.setKey(set, sides)
	if !possible {
		return no
	}
	var room [8]int
	if set.Type == netfilter.HashNetIface && set.HasTimeout {
		// An element that has expired no longer keeps shorter networks from
		// being looked at, so that more of them may match.
		key.Known &^= 2
	}
	found := set.Matching(&key, room[:0])
	if !set.IsWhole(&key) {
		return min(ternaryOf(!set.Complete || len(found) > 0), maybe)
	}
	if !set.Complete && set.Type.HasNetworks() {
		return maybe // a longer network may say otherwise
	}
	return q.decide(set, found, how)
}

// decide goes through the elements that the packet meets, in order: the first
// one that counts decides.
func (q *asking) decide(set *netfilter.IPSet, found []int, how lookup) ternary {
	var can [yes + 1]bool
	for _, i := range found {
		// nomatch makes a hit an error, which --return-nomatch turns round
		// (ip_set_core.c, ip_set_test).
		can[ternaryOf(set.NoMatch(i) == (how.returnNoMatch && set.Type.HasNetworks()))] = true
		can[no] = can[no] || set.IsPhysdev(i)
		// ip_set_match_extensions: an element that has expired is passed over,
		// and so is one whose counters do not pass; without counters in the
		// set they are not tested.
		if !set.Expires(i) && !set.IsPhysdev(i) && !(how.counted && set.Counters) {
			return only(can)
		}
	}
	can[no] = can[no] || set.Complete
	can[maybe] = !set.Complete
	return only(can)
}

// only is the answer that alone is possible, else maybe.
func only(can [yes + 1]bool) ternary {
	switch {
	case can[maybe] || can[no] && can[yes]:
		return maybe
	case can[yes]:
		return yes
	}
	return no
}

// listHas asks the members of a list of sets, one after the other
// (ip_set_list_set.c, list_set_ktest). A list has no lists in it
// (list_set_uadt).
func (q *asking) listHas(list *netfilter.IPSet, sides []netfilter.Side, how lookup) ternary {
	holds := no
	if !list.Complete {
		holds = maybe
	}
	members := how
	members.counted = false // counters tested are the list's own
	for i, e := range list.Elements() {
		q.effort++
		set := q.tracer.ipsets.find(e.Member)
		t := maybe
		if set != nil && set.Type != netfilter.ListSet {
			t = q.setHas(set, sides, members)
		}
		if list.Expires(i) || how.counted && list.Counters {
			t = min(t, maybe)
		}
		if holds = max(holds, t); holds == yes {
			break
		}
	}
	return holds
}

// setKey is what the packet is asked for in a set. possible is false for a
// packet that has no element whatever the set holds.
func (q *asking) setKey(set *netfilter.IPSet, sides []netfilter.Side) (key netfilter.IPSetKey, possible bool) {
	p, addr := q.packet, 0
	for i, part := range set.Parts() {
		src, known := sides[i] == netfilter.Source, false
		switch part {
		case netfilter.PartIP, netfilter.PartNet:
			if key.Addrs[addr] = p.dst; src {
				key.Addrs[addr] = p.src
			}
			known = key.Addrs[addr].IsValid()
			addr++
		case netfilter.PartPort:
			at := p.dstPort
			if src {
				at = p.srcPort
			}
			if set.Type == netfilter.BitmapPort && q.flow.Protocol != netfilter.TCP && q.flow.Protocol != netfilter.UDP {
				return key, false // ip_set_bitmap_port.c, ip_set_get_ip_port
			}
			key.Protocol = q.flow.Protocol
			key.Port, known = q.setPort(at)
		case netfilter.PartIface:
			l := p.in
			if !src {
				l = q.out()
			}
			if l.known && l.name == "" {
				return key, false // ip_set_hash_netiface.c, hash_netiface4_kadt
			}
			key.Interface, known = l.name, l.known
		case netfilter.PartMark:
			mask := set.MarkMask
			if mask == 0 {
				mask = 1<<32 - 1
			}
			key.Mark, known = p.mark.value&mask, mask&^p.mark.known == 0
		case netfilter.PartMAC:
			// ip_set_hash_mac.c, hash_mac4_kadt: what came in by no Ethernet
			// device has no such address.
			if q.flow.From == FromNode {
				return key, false
			}
		}
		if known {
			key.Known |= 1 << i
		}
	}
	return key, true
}

// setPort is the packet's port as ipsets have it (ip_set_getport.c, get_port):
// of ICMP type and code, 0 for a protocol that they do not know the ports of.
func (q *asking) setPort(at port) (number uint16, known bool) {
	switch q.flow.Protocol {
	case netfilter.TCP, netfilter.UDP, netfilter.UDPLite, netfilter.SCTP:
		return at.number, at.known
	case netfilter.ICMP:
		return echoRequest << 8, q.flow.State != netfilter.StateRelated
	case netfilter.ICMPv6:
		return echoRequestV6 << 8, q.flow.State != netfilter.StateRelated
	}
	return 0, true
}

// mapped is the mark of a packet after "-j SET --map-set --map-mark": that of
// the element which it has in the set (xt_set.c, set_target_v3).
func (w *walk) mapped(s *netfilter.UpdateSet, p *packet) bits {
	set := w.tracer.ipsets.find(s.Map.Name)
	if set == nil {
		return bits{}
	}
	q := asking{walk: w, packet: p}
	switch {
	case q.setHas(set, s.Map.Sides, lookup{}) == no:
		return p.mark
	case set.Type == netfilter.ListSet || set.HasTimeout:
		return bits{}
	}
	key, _ := q.setKey(set, s.Map.Sides)
	var room [8]int
	found := set.Matching(&key, room[:0])
	if len(found) == 0 || !set.IsWhole(&key) || !set.Complete || q.tracer.ipsets.mayHaveChanged(set, p) || set.IsPhysdev(found[0]) {
		return bits{}
	}
	e := set.Element(found[0])
	return p.mark.set(e.SKBMark, e.SKBMarkMask)
}
