package iptablessave

import (
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var owner = extend(func() *netfilter.Owner { return new(netfilter.Owner) },
	one("--uid-owner", func(m *netfilter.Owner, o option) (err error) {
		m.UID, err = idTest(o)
		return err
	}).negatable(),
	one("--gid-owner", func(m *netfilter.Owner, o option) (err error) {
		m.GID, err = idTest(o)
		return err
	}).negatable(),
	toggle("--suppl-groups", func(m *netfilter.Owner, o option) { m.SupplementaryGroups = true }),
	toggle("--socket-exists", func(m *netfilter.Owner, o option) { m.SocketExists, m.SocketNot = true, o.not }).negatable(),
).needing("--uid-owner", "--gid-owner", "--socket-exists")

func idTest(o option) (*netfilter.IDTest, error) {
	first, last, err := span(o.value(), "-", 1<<32-1)
	return &netfilter.IDTest{Not: o.not, First: uint32(first), Last: uint32(last)}, err
}

var socket = extend(func() *netfilter.Socket { return new(netfilter.Socket) },
	toggle("--transparent", func(m *netfilter.Socket, o option) { m.Transparent = true }),
	toggle("--nowildcard", func(m *netfilter.Socket, o option) { m.NoWildcard = true }),
	toggle("--restore-skmark", func(m *netfilter.Socket, o option) { m.RestoreSKMark = true }),
)

var rpfilter = extend(func() *netfilter.RPFilter { return new(netfilter.RPFilter) },
	toggle("--loose", func(m *netfilter.RPFilter, o option) { m.Loose = true }),
	toggle("--validmark", func(m *netfilter.RPFilter, o option) { m.ValidMark = true }),
	toggle("--accept-local", func(m *netfilter.RPFilter, o option) { m.AcceptLocal = true }),
	toggle("--invert", func(m *netfilter.RPFilter, o option) { m.Invert = true }),
)
