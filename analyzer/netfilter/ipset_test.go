package netfilter_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

func element(nets ...string) netfilter.IPSetElement {
	var e netfilter.IPSetElement
	for i, text := range nets {
		e.Nets[i] = netip.MustParsePrefix(text)
	}
	return e
}

// with changes an element.
func with(e netfilter.IPSetElement, change func(*netfilter.IPSetElement)) netfilter.IPSetElement {
	change(&e)
	return e
}

func onPort(protocol uint8, first, last uint16) func(*netfilter.IPSetElement) {
	return func(e *netfilter.IPSetElement) {
		e.Protocol, e.Ports = protocol, netfilter.PortRange{First: first, Last: last}
	}
}

func on(name string) func(*netfilter.IPSetElement) {
	return func(e *netfilter.IPSetElement) { e.Interface = name }
}

// setLike is what a set is made of.
type setLike struct {
	Type   netfilter.IPSetType
	Family netfilter.Family
	netfilter.IPSetHeader
}

func TestIPSetMatching(t *testing.T) {
	addr := netip.MustParseAddr
	ranged := element("10.0.0.5/32")
	ranged.Lasts[0] = addr("10.0.0.9")
	none := func(e *netfilter.IPSetElement) { e.NoMatch = true }
	tests := []struct {
		name     string
		set      setLike
		elements []netfilter.IPSetElement
		key      netfilter.IPSetKey
		want     []int
	}{{
		name:     "an address",
		set:      setLike{Type: netfilter.HashIP, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{element("10.0.0.1/32"), element("10.0.0.2/32"), ranged, element("10.1.0.0/24")},
		key:      netfilter.IPSetKey{Known: 1, Addrs: [2]netip.Addr{addr("10.0.0.2")}},
		want:     []int{1},
	}, {
		name:     "an address in a range",
		set:      setLike{Type: netfilter.HashIP, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{element("10.0.0.1/32"), ranged, element("10.1.0.0/24")},
		key:      netfilter.IPSetKey{Known: 1, Addrs: [2]netip.Addr{addr("10.0.0.9")}},
		want:     []int{1},
	}, {
		name:     "an address behind a netmask",
		set:      setLike{Type: netfilter.HashIP, Family: netfilter.IPv4, IPSetHeader: netfilter.IPSetHeader{Netmask: 24}},
		elements: []netfilter.IPSetElement{element("10.0.0.0/32"), element("10.0.7.0/24")},
		key:      netfilter.IPSetKey{Known: 1, Addrs: [2]netip.Addr{addr("10.0.7.9")}},
		want:     []int{1},
	}, {
		name:     "an address behind a bitmask",
		set:      setLike{Type: netfilter.HashIP, Family: netfilter.IPv4, IPSetHeader: netfilter.IPSetHeader{Bitmask: addr("255.0.255.0")}},
		elements: []netfilter.IPSetElement{element("10.0.7.0/32")},
		key:      netfilter.IPSetKey{Known: 1, Addrs: [2]netip.Addr{addr("10.9.7.9")}},
		want:     []int{0},
	}, {
		name:     "the longest network first",
		set:      setLike{Type: netfilter.HashNet, Family: netfilter.IPv6},
		elements: []netfilter.IPSetElement{element("2001:db8::/32"), element("2001:db8:1::/48"), with(element("2001:db8:1::1/128"), none), element("2001:db9::/32")},
		key:      netfilter.IPSetKey{Known: 1, Addrs: [2]netip.Addr{addr("2001:db8:1::1")}},
		want:     []int{2, 1, 0},
	}, {
		name:     "the first of two networks before the second",
		set:      setLike{Type: netfilter.HashNetNet, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{element("10.0.0.0/8", "10.0.0.2/32"), element("10.0.0.0/24", "0.0.0.0/0"), element("10.0.0.0/24", "10.0.0.0/8")},
		key:      netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1"), addr("10.0.0.2")}},
		want:     []int{2, 1, 0},
	}, {
		name: "ports and their protocols",
		set:  setLike{Type: netfilter.HashIPPort, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.1/32"), onPort(17, 80, 80)), with(element("10.0.0.1/32"), onPort(6, 80, 80)),
			with(element("10.0.0.1/32"), onPort(6, 70, 90)), with(element("10.0.0.2/32"), onPort(6, 80, 80)),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Protocol: 6, Port: 80},
		want: []int{1, 2},
	}, {
		name:     "a bitmap of ports has no protocol",
		set:      setLike{Type: netfilter.BitmapPort},
		elements: []netfilter.IPSetElement{with(element(), onPort(0, 80, 80)), with(element(), onPort(0, 443, 443))},
		key:      netfilter.IPSetKey{Known: 1, Protocol: 17, Port: 443},
		want:     []int{1},
	}, {
		name: "the longest network decides, whatever the interface",
		set:  setLike{Type: netfilter.HashNetIface, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.0/8"), on("eth0")), with(element("10.0.0.0/24"), on("eth1")),
		},
		key: netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Interface: "eth0"},
	}, {
		name: "of a network's interfaces, those that are meant",
		set:  setLike{Type: netfilter.HashNetIface, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.0/8"), on("eth0")), with(element("10.0.0.0/24"), on("eth1")), with(element("10.0.0.0/24"), on("eth0")),
			with(element("10.0.0.0/24"), func(e *netfilter.IPSetElement) { e.Interface, e.Wildcard = "et", true }),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Interface: "eth0"},
		want: []int{2, 3},
	}, {
		name: "the port of a bridge hides no shorter network",
		set:  setLike{Type: netfilter.HashNetIface, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.0/8"), on("eth0")),
			with(element("10.0.0.0/24"), func(e *netfilter.IPSetElement) { e.Interface, e.Physdev = "eth0", true }),
			with(element("11.0.0.0/24"), func(e *netfilter.IPSetElement) { e.Interface, e.Physdev = "eth0", true }),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Interface: "eth0"},
		want: []int{1, 0},
	}, {
		name: "with a part unknown, what may match",
		set:  setLike{Type: netfilter.HashIPPortIP, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.1/32", "10.0.0.2/32"), onPort(6, 80, 80)),
			with(element("10.0.0.2/32", "10.0.0.2/32"), onPort(6, 80, 80)),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.2")}, Protocol: 6, Port: 80},
		want: []int{1},
	}, {
		name:     "with a part unknown, that nothing matches",
		set:      setLike{Type: netfilter.HashIPPortIP, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{with(element("10.0.0.1/32", "10.0.0.2/32"), onPort(6, 80, 80))},
		key:      netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Protocol: 6, Port: 81},
	}, {
		name: "marks under their mask",
		set:  setLike{Type: netfilter.HashIPMark, Family: netfilter.IPv4, IPSetHeader: netfilter.IPSetHeader{MarkMask: 0xff00}},
		elements: []netfilter.IPSetElement{
			with(element("10.0.0.1/32"), func(e *netfilter.IPSetElement) { e.Mark = 0x100 }),
			with(element("10.0.0.1/32"), func(e *netfilter.IPSetElement) { e.Mark = 0x200 }),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, Mark: 0x4234},
		want: nil,
	}, {
		name: "a hardware address, or none yet",
		set:  setLike{Type: netfilter.BitmapIPMAC, Family: netfilter.IPv4},
		elements: []netfilter.IPSetElement{
			element("10.0.0.1/32"),
			with(element("10.0.0.1/32"), func(e *netfilter.IPSetElement) { e.MAC, e.HasMAC = [6]byte{1}, true }),
			with(element("10.0.0.1/32"), func(e *netfilter.IPSetElement) { e.MAC, e.HasMAC = [6]byte{2}, true }),
		},
		key:  netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{addr("10.0.0.1")}, MAC: [6]byte{2}},
		want: []int{2, 0},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := netfilter.NewIPSet("s", test.set.Type, test.set.Family)
			set.IPSetHeader = test.set.IPSetHeader
			for _, e := range test.elements {
				set.Add(e)
			}
			if diff := cmp.Diff(test.want, set.Matching(&test.key, nil), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Elements come out as they went in.
func TestIPSetElement(t *testing.T) {
	file := &source.File{Path: "sets", Text: "add s …\n"}
	set := netfilter.NewIPSet("s", netfilter.HashNetPortNet, netfilter.IPv6)
	set.Pos = source.Position{File: file, Line: 1}
	want := with(element("2001:db8::/32", "::/0"), onPort(6, 80, 90))
	want.NoMatch, want.Span = true, source.Span{File: file, Len: 3, Line: 1}
	want.IPSetExtension = netfilter.IPSetExtension{Timeout: 7, HasTimeout: true, Counters: netfilter.Counters{Packets: 1, Bytes: 2}, SKBQueue: 3, HasComment: true}
	plain := with(element("2001:db8:1::1/128", "::1/128"), onPort(17, 0, 0))
	plain.Span = source.Span{File: file, Offset: 4, Len: 3, Line: 1}
	set.Add(want)
	set.Add(plain)
	for i, e := range set.Elements() {
		if diff := cmp.Diff([]netfilter.IPSetElement{want, plain}[i], e, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		if protocol, ports := set.ElementPorts(i); set.ElementNet(i) != e.Nets[0] || protocol != e.Protocol || ports != e.Ports {
			t.Errorf("element %d is %v, %d, %v by itself", i, set.ElementNet(i), protocol, ports)
		}
	}
	ports := netfilter.NewIPSet("p", netfilter.BitmapPort, netfilter.AnyFamily)
	ports.Add(netfilter.IPSetElement{Ports: netfilter.PortRange{First: 80, Last: 80}})
	if ports.ElementNet(0).IsValid() {
		t.Error("a port has an address")
	}
	if !set.NoMatch(0) || !set.Expires(0) || set.NoMatch(1) || set.Expires(1) || set.NumElements() != 2 {
		t.Error("an element's flags are another's")
	}
}

// A range in a set of networks becomes the networks of it.
func TestIPSetRanges(t *testing.T) {
	for text, want := range map[string][]string{
		"10.0.0.1-10.0.0.9":               {"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"},
		"0.0.0.0-255.255.255.255":         {"0.0.0.0/0"},
		"255.255.255.255-255.255.255.255": {"255.255.255.255/32"},
		"10.0.0.2-10.0.0.1":               nil,
	} {
		first, last, _ := strings.Cut(text, "-")
		set := netfilter.NewIPSet("s", netfilter.HashNet, netfilter.IPv4)
		e := element(first + "/32")
		e.Lasts[0] = netip.MustParseAddr(last)
		set.Add(e)
		var got []string
		for _, e := range set.Elements() {
			got = append(got, e.Nets[0].String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(text, diff)
		}
	}
}

// The index finds what looking through all elements finds.
func TestIPSetTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []netfilter.IPSetType{netfilter.HashNet, netfilter.HashNetNet, netfilter.HashNetPort, netfilter.HashNetPortNet, netfilter.HashIPPortNet, netfilter.HashIPPort, netfilter.HashIP} {
		set := netfilter.NewIPSet("s", typ, netfilter.IPv4)
		seen := map[netfilter.IPSetElement]bool{}
		for range 400 {
			var e netfilter.IPSetElement
			for i := range e.Nets {
				bits := 24 + r.IntN(9)
				if i == 0 && typ.Parts()[0] == netfilter.PartIP {
					bits = 32
				}
				e.Nets[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(8))}), bits).Masked()
			}
			if e.Protocol, e.Ports.First = 6, uint16(r.IntN(3)); r.IntN(10) > 0 {
				e.Ports.Last = e.Ports.First
			} else {
				e.Ports.Last = e.Ports.First + 1
			}
			if !slices.Contains(typ.Parts(), netfilter.PartPort) {
				e.Protocol, e.Ports = 0, netfilter.PortRange{}
			}
			if len(typ.Parts()) == 1 || typ == netfilter.HashNetPort || typ == netfilter.HashIPPort {
				e.Nets[1] = netip.Prefix{}
			}
			if !seen[e] {
				seen[e] = true
				set.Add(e)
			}
		}
		for range 400 {
			key := netfilter.IPSetKey{Known: uint8(r.IntN(8)), Protocol: 6, Port: uint16(r.IntN(4))}
			for i := range key.Addrs {
				key.Addrs[i] = netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(8))})
			}
			var want []int
			for i, e := range set.Elements() {
				if holds(typ, e, key) {
					want = append(want, i)
				}
			}
			got := set.Matching(&key, nil)
			if !set.IsWhole(&key) {
				if (len(got) == 0) != (len(want) == 0) {
					t.Fatalf("%s, %+v: found %v of %v", typ, key, got, want)
				}
				continue
			}
			slices.SortStableFunc(want, func(i, j int) int {
				a, b := set.Element(i), set.Element(j)
				if d := b.Nets[0].Bits() - a.Nets[0].Bits(); d != 0 {
					return d
				}
				return b.Nets[1].Bits() - a.Nets[1].Bits()
			})
			if !slices.IsSortedFunc(got, func(i, j int) int {
				a, b := set.Element(i), set.Element(j)
				if d := b.Nets[0].Bits() - a.Nets[0].Bits(); d != 0 {
					return d
				}
				return b.Nets[1].Bits() - a.Nets[1].Bits()
			}) {
				t.Fatalf("%s: %v is not in order", typ, got)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%s, %+v: found %v, expected %v", typ, key, got, want)
			}
		}
	}
}

func holds(typ netfilter.IPSetType, e netfilter.IPSetElement, key netfilter.IPSetKey) bool {
	addr := 0
	for i, part := range typ.Parts() {
		known := key.Known&(1<<i) != 0
		switch part {
		case netfilter.PartIP, netfilter.PartNet:
			if known && !e.Nets[addr].Contains(key.Addrs[addr]) {
				return false
			}
			addr++
		case netfilter.PartPort:
			if known && !e.Ports.Contains(key.Port) {
				return false
			}
		}
	}
	return true
}

func BenchmarkIPSetMatching(b *testing.B) {
	set := netfilter.NewIPSet("s", netfilter.HashIPPort, netfilter.IPv4)
	for i := range 100_000 {
		e := netfilter.IPSetElement{Protocol: 6, Ports: netfilter.PortRange{First: 80, Last: 80}}
		e.Nets[0] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		set.Add(e)
	}
	key := netfilter.IPSetKey{Known: 3, Addrs: [2]netip.Addr{netip.MustParseAddr("10.0.1.2")}, Protocol: 6, Port: 80}
	var room [4]int
	b.ReportAllocs()
	for b.Loop() {
		if len(set.Matching(&key, room[:0])) != 1 {
			b.Fatal("not found")
		}
	}
}
