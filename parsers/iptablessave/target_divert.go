package iptablessave

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var tproxy = checking(extend(func() *netfilter.TProxy { return new(netfilter.TProxy) },
	one("--on-port", func(t *netfilter.TProxy, o option) (err error) { t.Port, err = number16(o.value()); return err }),
	one("--on-ip", func(t *netfilter.TProxy, o option) (err error) {
		t.Addr, err = address(o.value(), o.family)
		return err
	}),
	one("--tproxy-mark", func(t *netfilter.TProxy, o option) (err error) {
		t.Value, t.Mask, err = masked(o.value())
		return err
	}),
).needing("--on-port"), func(t *netfilter.TProxy, f *family) error {
	switch {
	case t.Addr.IsValid():
	case f.is == netfilter.IPv6:
		t.Addr = netip.IPv6Unspecified()
	default:
		t.Addr = netip.IPv4Unspecified()
	}
	return nil
})

var nfqueue = extend(func() *netfilter.NFQueue { return new(netfilter.NFQueue) },
	one("--queue-num", func(t *netfilter.NFQueue, o option) error {
		n, err := number16(o.value())
		t.First, t.Last = n, n
		return err
	}),
	one("--queue-balance", func(t *netfilter.NFQueue, o option) error {
		r, err := portRange(o.value(), ":")
		t.First, t.Last = r.First, r.Last
		return err
	}),
	toggle("--queue-bypass", func(t *netfilter.NFQueue, o option) { t.Bypass = true }),
	toggle("--queue-cpu-fanout", func(t *netfilter.NFQueue, o option) { t.CPUFanout = true }),
).excluding("--queue-num", "--queue-balance")

var tee = extend(func() *netfilter.Tee { return new(netfilter.Tee) },
	one("--gateway", func(t *netfilter.Tee, o option) (err error) {
		t.Gateway, err = address(o.value(), o.family)
		return err
	}),
	one("--oif", func(t *netfilter.Tee, o option) error { t.Interface = o.value(); return interfaceName(o.value()) }),
).needing("--gateway")

var track = func() *extension {
	zone := func(name string, d netfilter.ConnDirection) arg[*netfilter.Track] {
		return one(name, func(t *netfilter.Track, o option) (err error) {
			z := &netfilter.Zone{Direction: d, FromMark: o.value() == "mark"}
			if !z.FromMark {
				if z.ID, err = number16(o.value()); err != nil {
					return fmt.Errorf("%w, or mark", err)
				}
			}
			t.Zone = z
			return nil
		})
	}
	return extend(func() *netfilter.Track { return new(netfilter.Track) },
		toggle("--notrack", func(t *netfilter.Track, o option) { t.NoTrack = true }),
		one("--helper", func(t *netfilter.Track, o option) error { return text(&t.Helper, o) }),
		one("--timeout", func(t *netfilter.Track, o option) error { return text(&t.Timeout, o) }),
		one("--ctevents", func(t *netfilter.Track, o option) error { return text(&t.Events, o) }),
		one("--expevents", func(t *netfilter.Track, o option) error { return text(&t.ExpEvents, o) }),
		zone("--zone", netfilter.AnyDirection),
		zone("--zone-orig", netfilter.OriginalDirection),
		zone("--zone-reply", netfilter.ReplyDirection),
	).excluding("--zone", "--zone-orig", "--zone-reply")
}()

var notrack = extend(func() *netfilter.Track { return &netfilter.Track{NoTrack: true, Bare: true} })

var updateSet = func() *extension {
	set := func(name string, of func(t *netfilter.UpdateSet) **netfilter.SetRef) arg[*netfilter.UpdateSet] {
		return arg[*netfilter.UpdateSet]{name: name, args: 2, set: func(t *netfilter.UpdateSet, o option) error {
			ref, err := setRef(o)
			*of(t) = &ref
			return err
		}}
	}
	return extend(func() *netfilter.UpdateSet { return new(netfilter.UpdateSet) },
		set("--add-set", func(t *netfilter.UpdateSet) **netfilter.SetRef { return &t.Add }),
		set("--del-set", func(t *netfilter.UpdateSet) **netfilter.SetRef { return &t.Del }),
		set("--map-set", func(t *netfilter.UpdateSet) **netfilter.SetRef { return &t.Map }),
		toggle("--exist", func(t *netfilter.UpdateSet, o option) { t.Exist = true }),
		one("--timeout", func(t *netfilter.UpdateSet, o option) error {
			n, err := number32(o.value())
			t.Timeout = &n
			return err
		}),
		toggle("--map-mark", func(t *netfilter.UpdateSet, o option) { t.MapMark = true }),
		toggle("--map-prio", func(t *netfilter.UpdateSet, o option) { t.MapPriority = true }),
		toggle("--map-queue", func(t *netfilter.UpdateSet, o option) { t.MapQueue = true }),
	).needing("--add-set", "--del-set", "--map-set")
}()
