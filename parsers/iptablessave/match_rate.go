package iptablessave

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var statistic = checking(extend(func() *statisticOptions { return new(statisticOptions) },
	one("--mode", func(m *statisticOptions, o option) error {
		m.Nth = o.value() == "nth"
		var mode string
		return oneOf(&mode, o, "random", "nth")
	}),
	one("--probability", func(m *statisticOptions, o option) error {
		p, err := strconv.ParseFloat(o.value(), 64)
		if err != nil || !(p >= 0 && p <= 1) {
			return fmt.Errorf("%q: expected a number from 0 to 1", o.value())
		}
		m.random, m.Not = true, o.not
		// extensions/libxt_statistic.c, statistic_mt_parse: lround(0x80000000 * p).
		m.Probability = uint32(math.Round(p * netfilter.ProbabilityOne))
		return nil
	}).negatable(),
	one("--every", func(m *statisticOptions, o option) (err error) {
		m.every, m.Not = true, o.not
		m.Every, err = number32(o.value())
		if err == nil && m.Every == 0 {
			err = fmt.Errorf("%q: expected a number above 0", o.value())
		}
		return err
	}).negatable(),
	one("--packet", func(m *statisticOptions, o option) (err error) {
		m.packet = true
		m.Packet, err = number32(o.value())
		return err
	}),
).needing("--mode"), func(m *statisticOptions, _ *family) error {
	switch {
	case m.Nth && (!m.every || m.random):
		return fmt.Errorf("--mode nth: expected --every, and no --probability")
	case !m.Nth && (!m.random || m.every || m.packet):
		return fmt.Errorf("--mode random: expected --probability, and neither --every nor --packet")
	case m.Nth && m.Packet >= m.Every:
		return fmt.Errorf("--packet %d: expected a number below --every %d", m.Packet, m.Every)
	}
	return nil
}).into(func(m any) any { return &m.(*statisticOptions).Statistic })

// statisticOptions is a Statistic, and which of its options were given.
type statisticOptions struct {
	netfilter.Statistic
	random, every, packet bool
}

var recent = func() *extension {
	type match = netfilter.Recent
	action := func(name string, a netfilter.RecentAction) arg[*match] {
		return toggle(name, func(m *match, o option) { m.Action, m.Not = a, o.not }).negatable()
	}
	return checking(extend(func() *match { return &match{Name: "DEFAULT"} },
		action("--set", netfilter.RecentSet),
		action("--rcheck", netfilter.RecentCheck),
		action("--update", netfilter.RecentUpdate),
		action("--remove", netfilter.RecentRemove),
		one("--seconds", func(m *match, o option) (err error) { m.Seconds, err = number32(o.value()); return err }),
		toggle("--reap", func(m *match, o option) { m.Reap = true }),
		one("--hitcount", func(m *match, o option) (err error) { m.HitCount, err = number32(o.value()); return err }),
		toggle("--rttl", func(m *match, o option) { m.TTL = true }),
		one("--name", func(m *match, o option) error { return text(&m.Name, o) }),
		one("--mask", func(m *match, o option) error {
			m.Mask = o.value()
			_, err := address(o.value(), o.family)
			return err
		}),
		toggle("--rsource", func(m *match, o option) { m.Side = netfilter.Source }),
		toggle("--rdest", func(m *match, o option) { m.Side = netfilter.Destination }),
	).needing("--set", "--rcheck", "--update", "--remove").excluding("--set", "--rcheck", "--update", "--remove").excluding("--rsource", "--rdest"),
		func(m *match, _ *family) error {
			if m.Reap && m.Seconds == 0 {
				return fmt.Errorf("--reap: expected --seconds as well")
			}
			return nil
		})
}()

// rateUnits are the units of a rate, which iptables takes by their beginnings.
var rateUnits = []struct {
	name string
	per  time.Duration
}{{"second", time.Second}, {"minute", time.Minute}, {"hour", time.Hour}, {"day", 24 * time.Hour}}

var limit = extend(func() *netfilter.Limit {
	// extensions/libxt_limit.c, XT_LIMIT_AVG.
	return &netfilter.Limit{Count: 3, Per: time.Hour, Burst: netfilter.DefaultLimitBurst}
},
	one("--limit", func(m *netfilter.Limit, o option) (err error) {
		count, unit, has := strings.Cut(o.value(), "/")
		if m.Count, err = number32(count); err != nil {
			return err
		}
		m.Per = time.Second
		if !has {
			return nil
		}
		for _, u := range rateUnits {
			if unit != "" && strings.HasPrefix(u.name, unit) {
				m.Per = u.per
				return nil
			}
		}
		return fmt.Errorf("%q: expected a rate like 5/min", o.value())
	}),
	one("--limit-burst", func(m *netfilter.Limit, o option) (err error) {
		m.Burst, err = number32(o.value())
		return err
	}),
)

var hashlimit = func() *extension {
	type match = netfilter.HashLimit
	rest := func(m *match, o option) error { m.Rest = appendOption(m.Rest, o); return bare(o.value()) }
	args := []arg[*match]{
		one("--hashlimit-upto", func(m *match, o option) error { return text(&m.Rate, o) }),
		one("--hashlimit", func(m *match, o option) error { return text(&m.Rate, o) }), // before 1.4.1
		one("--hashlimit-above", func(m *match, o option) error { m.Above = true; return text(&m.Rate, o) }),
		one("--hashlimit-burst", func(m *match, o option) error { return text(&m.Burst, o) }),
		one("--hashlimit-mode", func(m *match, o option) error { return text(&m.Mode, o) }),
		one("--hashlimit-name", func(m *match, o option) error { return text(&m.Name, o) }),
		toggle("--hashlimit-rate-match", func(m *match, o option) { m.Rest = appendOption(m.Rest, o) }),
	}
	for _, name := range []string{"srcmask", "dstmask", "htable-size", "htable-max", "htable-gcinterval", "htable-expire", "rate-interval"} {
		args = append(args, one("--hashlimit-"+name, rest))
	}
	return checking(extend(func() *match { return new(match) }, args...).
		needing("--hashlimit-upto", "--hashlimit", "--hashlimit-above").
		excluding("--hashlimit-upto", "--hashlimit", "--hashlimit-above"),
		func(m *match, _ *family) error {
			if m.Name == "" {
				return fmt.Errorf("expected --hashlimit-name")
			}
			return nil
		})
}()

var connlimit = func() *extension {
	type match = netfilter.ConnLimit
	return extend(func() *match { return new(match) },
		one("--connlimit-upto", func(m *match, o option) (err error) { m.Limit, err = number32(o.value()); return err }),
		one("--connlimit-above", func(m *match, o option) (err error) {
			m.Above = !o.not
			m.Limit, err = number32(o.value())
			return err
		}).negatable(),
		one("--connlimit-mask", func(m *match, o option) error {
			n, err := number(o.value(), 128)
			m.HasMask, m.Mask = true, uint8(n)
			return err
		}),
		toggle("--connlimit-saddr", func(m *match, o option) { m.Side = netfilter.Source }),
		toggle("--connlimit-daddr", func(m *match, o option) { m.Side = netfilter.Destination }),
	).needing("--connlimit-upto", "--connlimit-above").
		excluding("--connlimit-upto", "--connlimit-above").excluding("--connlimit-saddr", "--connlimit-daddr")
}()

var connbytes = func() *extension {
	type match = netfilter.ConnBytes
	return checking(extend(func() *match { return new(match) },
		one("--connbytes", func(m *match, o option) (err error) {
			m.Not = o.not
			low, high, isRange := strings.Cut(o.value(), ":")
			if m.From, err = number(low, 1<<64-1); err != nil {
				return err
			}
			m.To = 1<<64 - 1
			if isRange && high != "" {
				m.To, err = number(high, 1<<64-1)
			}
			return err
		}).negatable(),
		one("--connbytes-mode", func(m *match, o option) error { return oneOf(&m.Mode, o, "packets", "bytes", "avgpkt") }),
		one("--connbytes-dir", func(m *match, o option) error { return oneOf(&m.Direction, o, "original", "reply", "both") }),
	).needing("--connbytes"), func(m *match, _ *family) error {
		if m.Mode == "" || m.Direction == "" {
			return fmt.Errorf("expected --connbytes-mode and --connbytes-dir")
		}
		return nil
	})
}()

var nfacct = extend(func() *netfilter.NFAcct { return new(netfilter.NFAcct) },
	one("--nfacct-name", func(m *netfilter.NFAcct, o option) error { return text(&m.Name, o) }),
).needing("--nfacct-name")
