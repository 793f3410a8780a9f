package iptablessave

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var mark = extend(func() *netfilter.Mark { return new(netfilter.Mark) },
	one("--mark", func(m *netfilter.Mark, o option) (err error) {
		m.Not = o.not
		m.Value, m.Mask, err = masked(o.value())
		return err
	}).negatable()).needing("--mark")

var connmark = extend(func() *netfilter.ConnMark { return new(netfilter.ConnMark) },
	one("--mark", func(m *netfilter.ConnMark, o option) (err error) {
		m.Not = o.not
		m.Value, m.Mask, err = masked(o.value())
		return err
	}).negatable()).needing("--mark")

var state = extend(func() *netfilter.State { return new(netfilter.State) },
	one("--state", func(m *netfilter.State, o option) (err error) {
		m.Not = o.not
		m.States, err = netfilter.ParseConnStates(o.value())
		return err
	}).negatable()).needing("--state")

var helper = extend(func() *netfilter.Helper { return new(netfilter.Helper) },
	one("--helper", func(m *netfilter.Helper, o option) error {
		m.Not, m.Name = o.not, o.value()
		return nil
	}).negatable()).needing("--helper")

var conntrack = func() *extension {
	type match = netfilter.Conntrack
	addr := func(name string, of func(m *match) **netfilter.AddrTest) arg[*match] {
		return one(name, func(m *match, o option) error {
			n, err := network(o.value(), o.family)
			*of(m) = &netfilter.AddrTest{Not: o.not, Net: n}
			return err
		}).negatable()
	}
	port := func(name string, of func(m *match) *netfilter.PortTest) arg[*match] {
		return one(name, func(m *match, o option) error { return portTest(of(m), o) }).negatable()
	}
	return extend(func() *match { return new(match) },
		one("--ctstate", func(m *match, o option) (err error) {
			m.StatesNot = o.not
			m.States, err = netfilter.ParseConnStates(o.value())
			return err
		}).negatable(),
		one("--ctproto", func(m *match, o option) (err error) {
			m.HasProtocol, m.ProtocolNot = true, o.not
			m.Protocol, err = protocol(o.value())
			return err
		}).negatable(),
		addr("--ctorigsrc", func(m *match) **netfilter.AddrTest { return &m.OrigSrc }),
		addr("--ctorigdst", func(m *match) **netfilter.AddrTest { return &m.OrigDst }),
		addr("--ctreplsrc", func(m *match) **netfilter.AddrTest { return &m.ReplSrc }),
		addr("--ctrepldst", func(m *match) **netfilter.AddrTest { return &m.ReplDst }),
		port("--ctorigsrcport", func(m *match) *netfilter.PortTest { return &m.OrigSrcPort }),
		port("--ctorigdstport", func(m *match) *netfilter.PortTest { return &m.OrigDstPort }),
		port("--ctreplsrcport", func(m *match) *netfilter.PortTest { return &m.ReplSrcPort }),
		port("--ctrepldstport", func(m *match) *netfilter.PortTest { return &m.ReplDstPort }),
		one("--ctstatus", func(m *match, o option) (err error) {
			m.HasStatus, m.StatusNot = true, o.not
			m.Status, err = netfilter.ParseConnStatus(o.value())
			return err
		}).negatable(),
		one("--ctexpire", func(m *match, o option) error {
			first, last, err := span(o.value(), ":", 1<<32-1)
			m.HasExpire, m.ExpireNot, m.ExpireFirst, m.ExpireLast = true, o.not, uint32(first), uint32(last)
			return err
		}).negatable(),
		one("--ctdir", func(m *match, o option) error { return connDirection(&m.Direction, o) }),
	).needing("--ctstate", "--ctproto", "--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst", "--ctorigsrcport",
		"--ctorigdstport", "--ctreplsrcport", "--ctrepldstport", "--ctstatus", "--ctexpire", "--ctdir")
}()

func connDirection(to *netfilter.ConnDirection, o option) error {
	switch o.value() {
	case "ORIGINAL":
		*to = netfilter.OriginalDirection
	case "REPLY":
		*to = netfilter.ReplyDirection
	default:
		return fmt.Errorf("%q: expected ORIGINAL or REPLY", o.value())
	}
	return nil
}

var ipvs = func() *extension {
	type match = netfilter.IPVS
	return extend(func() *match { return new(match) },
		toggle("--ipvs", func(m *match, o option) { m.Any, m.Not = true, o.not }).negatable(),
		one("--vproto", func(m *match, o option) (err error) {
			m.HasProtocol, m.ProtocolNot = true, o.not
			m.Protocol, err = protocol(o.value())
			return err
		}).negatable(),
		one("--vaddr", func(m *match, o option) error {
			n, err := network(o.value(), o.family)
			m.Address = &netfilter.AddrTest{Not: o.not, Net: n}
			return err
		}).negatable(),
		one("--vport", func(m *match, o option) (err error) {
			m.HasPort, m.PortNot = true, o.not
			m.Port, err = number16(o.value())
			return err
		}).negatable(),
		one("--vdir", func(m *match, o option) error { return connDirection(&m.Direction, o) }),
		one("--vmethod", func(m *match, o option) error {
			m.MethodNot = o.not
			return oneOf(&m.Method, o, "GATE", "IPIP", "MASQ")
		}).negatable(),
		one("--vportctl", func(m *match, o option) (err error) {
			m.HasControl, m.ControlNot = true, o.not
			m.ControlPort, err = number16(o.value())
			return err
		}).negatable(),
	).needing("--ipvs", "--vproto", "--vaddr", "--vport", "--vdir", "--vmethod", "--vportctl")
}()
