package iptablessave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// dnatOptions are the options of a DNAT.
type dnatOptions struct {
	to    netfilter.NATRange
	more  []netfilter.NATRange
	flags netfilter.NATFlags
}

var dnat = extend(func() *dnatOptions { return new(dnatOptions) },
	one("--to-destination", func(t *dnatOptions, o option) error { return addRange(&t.to, &t.more, o) }).repeatable(),
	toggle("--random", func(t *dnatOptions, o option) { t.flags.Random = true }),
	toggle("--persistent", func(t *dnatOptions, o option) { t.flags.Persistent = true }),
).needing("--to-destination").into(func(m any) any {
	t := m.(*dnatOptions)
	return new(netfilter.NewDNAT(t.to, t.flags, t.more...))
})

var snat = extend(func() *netfilter.SNAT { return new(netfilter.SNAT) },
	one("--to-source", func(t *netfilter.SNAT, o option) error { return addRange(&t.To, &t.More, o) }).repeatable(),
	toggle("--random", func(t *netfilter.SNAT, o option) { t.Flags.Random = true }),
	toggle("--random-fully", func(t *netfilter.SNAT, o option) { t.Flags.RandomFully = true }),
	toggle("--persistent", func(t *netfilter.SNAT, o option) { t.Flags.Persistent = true }),
).needing("--to-source")

func addRange(first *netfilter.NATRange, more *[]netfilter.NATRange, o option) error {
	r, err := natRange(o.value(), o.family)
	if *first == (netfilter.NATRange{}) {
		*first = r
	} else {
		*more = append(*more, r)
	}
	return err
}

// natRange reads "10.0.0.1-10.0.0.9:80-90/80" (extensions/libxt_NAT.c,
// parse_to); addresses of IPv6 with ports stand in brackets.
func natRange(s string, f *family) (r netfilter.NATRange, err error) {
	addrs, ports, hasPorts := s, "", false
	switch {
	case strings.HasPrefix(s, "["):
		var closed bool
		if addrs, ports, closed = strings.Cut(s[1:], "]"); !closed {
			return r, fmt.Errorf("%q: expected a closing bracket", s)
		}
		if ports != "" {
			if ports, hasPorts = strings.CutPrefix(ports, ":"); !hasPorts {
				return r, fmt.Errorf("%q: expected a colon and ports behind the bracket", s)
			}
		}
	default: // more than one colon is an address of IPv6
		if i := strings.IndexByte(s, ':'); i >= 0 && strings.IndexByte(s[i+1:], ':') < 0 {
			addrs, ports, hasPorts = s[:i], s[i+1:], true
		}
	}
	if addrs != "" {
		low, high, isRange := strings.Cut(addrs, "-")
		if r.First, err = address(low, f); err != nil {
			return r, err
		}
		r.Last = r.First
		if isRange {
			if r.Last, err = address(high, f); err != nil {
				return r, err
			}
		}
	}
	if !hasPorts {
		if addrs == "" {
			return r, errEmpty
		}
		return r, nil
	}
	ports, base, hasBase := strings.Cut(ports, "/")
	if hasBase {
		if r.BasePort, err = number16(base); err != nil {
			return r, err
		}
	}
	r.HasPorts = true
	r.Ports, err = portRange(ports, "-")
	return r, err
}

var masquerade = extend(func() *netfilter.Masquerade { return new(netfilter.Masquerade) },
	one("--to-ports", func(t *netfilter.Masquerade, o option) (err error) {
		t.HasPorts = true
		t.Ports, err = portRange(o.value(), "-")
		return err
	}),
	toggle("--random", func(t *netfilter.Masquerade, o option) { t.Flags.Random = true }),
	toggle("--random-fully", func(t *netfilter.Masquerade, o option) { t.Flags.RandomFully = true }),
)

var redirect = extend(func() *netfilter.Redirect { return new(netfilter.Redirect) },
	one("--to-ports", func(t *netfilter.Redirect, o option) (err error) {
		t.HasPorts = true
		t.Ports, err = portRange(o.value(), "-")
		return err
	}),
	toggle("--random", func(t *netfilter.Redirect, o option) { t.Flags.Random = true }),
)

var netmap = extend(func() *netfilter.NetMap { return new(netfilter.NetMap) },
	one("--to", func(t *netfilter.NetMap, o option) (err error) {
		t.Net, err = network(o.value(), o.family)
		if err == nil && t.Net.Mask.IsValid() {
			err = fmt.Errorf("%q: expected a mask without holes", o.value())
		}
		return err
	}),
).needing("--to")
