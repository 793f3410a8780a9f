package iptablessave

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// logLevels are syslog's names (extensions/libxt_LOG.c, ipt_log_names).
var logLevels = map[string]uint8{
	"emerg": 0, "panic": 0, "alert": 1, "crit": 2, "error": 3, "err": 3, "warning": 4, "warn": 4, "notice": 5, "info": 6, "debug": 7,
}

var log = extend(func() *netfilter.Log { return &netfilter.Log{Level: netfilter.DefaultLogLevel} },
	one("--log-prefix", func(t *netfilter.Log, o option) error { t.Prefix = o.value(); return nil }),
	one("--log-level", func(t *netfilter.Log, o option) error {
		if level, ok := logLevels[o.value()]; ok {
			t.Level = level
			return nil
		}
		n, err := number(o.value(), 7)
		if err != nil {
			return fmt.Errorf("%q: expected a level of syslog, or its number from 0 to 7", o.value())
		}
		t.Level = uint8(n)
		return nil
	}),
	toggle("--log-tcp-sequence", func(t *netfilter.Log, o option) { t.TCPSequence = true }),
	toggle("--log-tcp-options", func(t *netfilter.Log, o option) { t.TCPOptions = true }),
	toggle("--log-ip-options", func(t *netfilter.Log, o option) { t.IPOptions = true }),
	toggle("--log-uid", func(t *netfilter.Log, o option) { t.UID = true }),
	toggle("--log-macdecode", func(t *netfilter.Log, o option) { t.MACDecode = true }),
)

var nflog = extend(func() *netfilter.NFLog { return new(netfilter.NFLog) },
	one("--nflog-prefix", func(t *netfilter.NFLog, o option) error { t.Prefix = o.value(); return nil }),
	one("--nflog-group", func(t *netfilter.NFLog, o option) (err error) { t.Group, err = number16(o.value()); return err }),
	one("--nflog-size", func(t *netfilter.NFLog, o option) error {
		n, err := number32(o.value())
		t.Size = &n
		return err
	}),
	one("--nflog-range", func(t *netfilter.NFLog, o option) (err error) { t.Range, err = number32(o.value()); return err }),
	one("--nflog-threshold", func(t *netfilter.NFLog, o option) (err error) {
		t.Threshold, err = number16(o.value())
		return err
	}),
)

var trace = extend(func() *netfilter.Trace { return new(netfilter.Trace) })

var audit = extend(func() *netfilter.Audit { return new(netfilter.Audit) },
	one("--type", func(t *netfilter.Audit, o option) error { return oneOf(&t.Type, o, "accept", "drop", "reject") }),
).needing("--type")
