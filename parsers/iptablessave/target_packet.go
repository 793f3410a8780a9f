package iptablessave

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// rejections are the answers that iptables takes, by every name, and the name
// that it prints (extensions/libipt_REJECT.c, libip6t_REJECT.c).
var rejections = map[netfilter.Family]map[string]string{
	netfilter.IPv4: {
		"icmp-net-unreachable": "icmp-net-unreachable", "net-unreach": "icmp-net-unreachable",
		"icmp-host-unreachable": "icmp-host-unreachable", "host-unreach": "icmp-host-unreachable",
		"icmp-proto-unreachable": "icmp-proto-unreachable", "proto-unreach": "icmp-proto-unreachable",
		"icmp-port-unreachable": "icmp-port-unreachable", "port-unreach": "icmp-port-unreachable",
		"icmp-net-prohibited": "icmp-net-prohibited", "net-prohib": "icmp-net-prohibited",
		"icmp-host-prohibited": "icmp-host-prohibited", "host-prohib": "icmp-host-prohibited",
		"icmp-admin-prohibited": "icmp-admin-prohibited", "admin-prohib": "icmp-admin-prohibited",
		"tcp-reset": "tcp-reset", "tcp-rst": "tcp-reset",
	},
	netfilter.IPv6: {
		"icmp6-no-route": "icmp6-no-route", "no-route": "icmp6-no-route",
		"icmp6-adm-prohibited": "icmp6-adm-prohibited", "adm-prohibited": "icmp6-adm-prohibited",
		"icmp6-addr-unreachable": "icmp6-addr-unreachable", "addr-unreach": "icmp6-addr-unreachable",
		"icmp6-port-unreachable": "icmp6-port-unreachable", "port-unreach": "icmp6-port-unreachable",
		"icmp6-policy-fail": "icmp6-policy-fail", "policy-fail": "icmp6-policy-fail",
		"icmp6-reject-route": "icmp6-reject-route", "reject-route": "icmp6-reject-route",
		"tcp-reset": "tcp-reset", "tcp-rst": "tcp-reset",
	},
}

var reject = checking(extend(func() *netfilter.Reject { return new(netfilter.Reject) },
	one("--reject-with", func(t *netfilter.Reject, o option) error {
		f := netfilter.IPv6
		if o.family.is == netfilter.IPv4 || o.family.is == netfilter.AnyFamily && rejections[netfilter.IPv4][o.value()] != "" {
			f = netfilter.IPv4
		}
		t.With = rejections[f][o.value()]
		if t.With == "" {
			return fmt.Errorf("%q: expected a kind of ICMP error of %s, or tcp-reset", o.value(), f)
		}
		if t.With == o.value() && t.With != "tcp-reset" { // the short names are of both families
			return o.family.seeFamily(f)
		}
		return nil
	}),
), func(t *netfilter.Reject, f *family) error {
	switch {
	case t.With != "":
	case f.is == netfilter.IPv6:
		t.With = "icmp6-port-unreachable"
	default:
		t.With = "icmp-port-unreachable"
	}
	return nil
})

var setMSS = extend(func() *netfilter.SetMSS { return new(netfilter.SetMSS) },
	toggle("--clamp-mss-to-pmtu", func(t *netfilter.SetMSS, o option) { t.Clamp = true }),
	one("--set-mss", func(t *netfilter.SetMSS, o option) (err error) { t.Size, err = number16(o.value()); return err }),
).needing("--clamp-mss-to-pmtu", "--set-mss").alone()

var setDSCP = extend(func() *netfilter.SetDSCP { return new(netfilter.SetDSCP) },
	one("--set-dscp", func(t *netfilter.SetDSCP, o option) (err error) { t.Value, err = dscpValue(o); return err }),
	one("--set-dscp-class", func(t *netfilter.SetDSCP, o option) (err error) { t.Value, err = dscpClass(o); return err }),
).needing("--set-dscp", "--set-dscp-class").alone()

// All forms are kept as the one that iptables-save prints
// (extensions/libxt_TOS.c, tos_tg_parse).
var setTOS = extend(func() *netfilter.SetTOS { return new(netfilter.SetTOS) },
	one("--set-tos", func(t *netfilter.SetTOS, o option) (err error) {
		t.Value, t.Mask, err = serviceType(o.value())
		return err
	}),
	one("--and-tos", func(t *netfilter.SetTOS, o option) error {
		bits, err := number8(o.value())
		t.Mask = ^bits
		return err
	}),
	one("--or-tos", func(t *netfilter.SetTOS, o option) error {
		bits, err := number8(o.value())
		t.Value, t.Mask = bits, bits
		return err
	}),
	one("--xor-tos", func(t *netfilter.SetTOS, o option) (err error) {
		t.Value, err = number8(o.value())
		return err
	}),
).needing("--set-tos", "--and-tos", "--or-tos", "--xor-tos").alone()

// changeTTL makes the target whose options begin with name.
func changeTTL(name string, v6 bool) *extension {
	var args []arg[*netfilter.SetTTL]
	var names []string
	for _, change := range []netfilter.TTLChange{netfilter.TTLSet, netfilter.TTLDecrement, netfilter.TTLIncrement} {
		opt := "--" + name + "-" + change.String()
		names = append(names, opt)
		args = append(args, one(opt, func(t *netfilter.SetTTL, o option) (err error) {
			t.Change = change
			t.Value, err = number8(o.value())
			return err
		}))
	}
	return extend(func() *netfilter.SetTTL { return &netfilter.SetTTL{V6: v6} }, args...).needing(names...).alone()
}

var (
	setTTL      = changeTTL("ttl", false)
	setHopLimit = changeTTL("hl", true)
)

var classify = extend(func() *netfilter.Classify { return new(netfilter.Classify) },
	one("--set-class", func(t *netfilter.Classify, o option) error {
		major, minor, ok := strings.Cut(o.value(), ":")
		a, err1 := strconv.ParseUint(major, 16, 16)
		b, err2 := strconv.ParseUint(minor, 16, 16)
		if !ok || err1 != nil || err2 != nil {
			return fmt.Errorf("%q: expected two hexadecimal numbers like 1:10", o.value())
		}
		t.Major, t.Minor = uint16(a), uint16(b)
		return nil
	}),
).needing("--set-class")

var fillChecksum = extend(func() *netfilter.FillChecksum { return new(netfilter.FillChecksum) },
	toggle("--checksum-fill", func(t *netfilter.FillChecksum, o option) {}),
).needing("--checksum-fill")
