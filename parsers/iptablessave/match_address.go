package iptablessave

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var addrtype = checking(extend(func() *netfilter.AddrType { return new(netfilter.AddrType) },
	one("--src-type", func(m *netfilter.AddrType, o option) (err error) {
		m.SrcNot = o.not
		m.Src, err = netfilter.ParseAddrTypes(o.value())
		return err
	}).negatable(),
	one("--dst-type", func(m *netfilter.AddrType, o option) (err error) {
		m.DstNot = o.not
		m.Dst, err = netfilter.ParseAddrTypes(o.value())
		return err
	}).negatable(),
	toggle("--limit-iface-in", func(m *netfilter.AddrType, o option) { m.LimitIn = true }),
	toggle("--limit-iface-out", func(m *netfilter.AddrType, o option) { m.LimitOut = true }),
).needing("--src-type", "--dst-type"), func(m *netfilter.AddrType, _ *family) error {
	if m.LimitIn && m.LimitOut {
		return fmt.Errorf("--limit-iface-in and --limit-iface-out exclude each other")
	}
	return nil
})

var iprange = extend(func() *netfilter.IPRange { return new(netfilter.IPRange) },
	one("--src-range", func(m *netfilter.IPRange, o option) (err error) {
		m.Src, err = rangeTest(o)
		return err
	}).negatable(),
	one("--dst-range", func(m *netfilter.IPRange, o option) (err error) {
		m.Dst, err = rangeTest(o)
		return err
	}).negatable(),
).needing("--src-range", "--dst-range")

func rangeTest(o option) (*netfilter.RangeTest, error) {
	low, high, isRange := strings.Cut(o.value(), "-")
	first, err := address(low, o.family)
	if err != nil {
		return nil, err
	}
	last := first
	if isRange {
		if last, err = address(high, o.family); err != nil {
			return nil, err
		}
	}
	if last.Less(first) {
		return nil, fmt.Errorf("%q: expected a range that ends where it begins or later", o.value())
	}
	return &netfilter.RangeTest{Not: o.not, First: first, Last: last}, nil
}

var inSet = func() *extension {
	counter := func(name string, not bool, of func(m *netfilter.InSet) **netfilter.CounterTest, c netfilter.Comparison) arg[*netfilter.InSet] {
		a := one(name, func(m *netfilter.InSet, o option) error {
			n, err := number(o.value(), 1<<64-1)
			if *of(m) != nil {
				return fmt.Errorf("given twice")
			}
			*of(m) = &netfilter.CounterTest{Not: o.not, Compare: c, Value: n}
			return err
		})
		a.not = not
		return a
	}
	packets := func(m *netfilter.InSet) **netfilter.CounterTest { return &m.Packets }
	bytes := func(m *netfilter.InSet) **netfilter.CounterTest { return &m.Bytes }
	return extend(func() *netfilter.InSet { return new(netfilter.InSet) },
		arg[*netfilter.InSet]{name: "--match-set", args: 2, not: true, set: func(m *netfilter.InSet, o option) (err error) {
			m.Not = o.not
			m.Set, err = setRef(o)
			return err
		}},
		toggle("--return-nomatch", func(m *netfilter.InSet, o option) { m.ReturnNoMatch = true }),
		toggle("--update-counters", func(m *netfilter.InSet, o option) { m.NoUpdateCounters = o.not }).negatable(),
		toggle("--update-subcounters", func(m *netfilter.InSet, o option) { m.NoUpdateSubCounters = o.not }).negatable(),
		counter("--packets-eq", true, packets, netfilter.Equal),
		counter("--packets-lt", false, packets, netfilter.Less),
		counter("--packets-gt", false, packets, netfilter.Greater),
		counter("--bytes-eq", true, bytes, netfilter.Equal),
		counter("--bytes-lt", false, bytes, netfilter.Less),
		counter("--bytes-gt", false, bytes, netfilter.Greater),
	).needing("--match-set")
}()

// setRef reads a set's name and the sides, "src,dst".
func setRef(o option) (netfilter.SetRef, error) {
	ref := netfilter.SetRef{Name: o.args[0]}
	if err := bare(ref.Name); err != nil {
		return ref, err
	}
	for word := range strings.SplitSeq(o.args[1], ",") {
		switch word {
		case "src":
			ref.Sides = append(ref.Sides, netfilter.Source)
		case "dst":
			ref.Sides = append(ref.Sides, netfilter.Destination)
		default:
			return ref, fmt.Errorf("%q: expected src and dst, parted by commas", o.args[1])
		}
	}
	if len(ref.Sides) > 6 { // include/uapi/linux/netfilter/ipset/ip_set.h, IPSET_DIM_MAX
		return ref, fmt.Errorf("%q: expected at most 6 sides", o.args[1])
	}
	return ref, nil
}

var mac = extend(func() *netfilter.MAC { return new(netfilter.MAC) },
	one("--mac-source", func(m *netfilter.MAC, o option) error {
		m.Not = o.not
		digits := strings.ReplaceAll(o.value(), ":", "")
		if len(o.value()) != 17 || len(digits) != 12 {
			return fmt.Errorf("%q: expected an address like 00:11:22:aa:bb:cc", o.value())
		}
		if _, err := hex.Decode(m.Addr[:], []byte(digits)); err != nil {
			return fmt.Errorf("%q: expected an address like 00:11:22:aa:bb:cc", o.value())
		}
		return nil
	}).negatable()).needing("--mac-source")

var pktType = extend(func() *netfilter.PktType { return new(netfilter.PktType) },
	one("--pkt-type", func(m *netfilter.PktType, o option) error {
		m.Not = o.not
		return oneOf(&m.Type, o, "unicast", "broadcast", "multicast")
	}).negatable()).needing("--pkt-type")

var physdev = extend(func() *netfilter.Physdev { return new(netfilter.Physdev) },
	one("--physdev-in", func(m *netfilter.Physdev, o option) error {
		m.InNot, m.In = o.not, o.value()
		return interfaceName(o.value())
	}).negatable(),
	one("--physdev-out", func(m *netfilter.Physdev, o option) error {
		m.OutNot, m.Out = o.not, o.value()
		return interfaceName(o.value())
	}).negatable(),
	toggle("--physdev-is-in", func(m *netfilter.Physdev, o option) { m.IsIn, m.IsInNot = true, o.not }).negatable(),
	toggle("--physdev-is-out", func(m *netfilter.Physdev, o option) { m.IsOut, m.IsOutNot = true, o.not }).negatable(),
	toggle("--physdev-is-bridged", func(m *netfilter.Physdev, o option) { m.IsBridged, m.IsBridgedNot = true, o.not }).negatable(),
).needing("--physdev-in", "--physdev-out", "--physdev-is-in", "--physdev-is-out", "--physdev-is-bridged")
