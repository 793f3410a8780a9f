package iptablessave

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var length = extend(func() *netfilter.Length { return new(netfilter.Length) },
	one("--length", func(m *netfilter.Length, o option) error {
		r, err := portRange(o.value(), ":")
		m.Not, m.First, m.Last = o.not, r.First, r.Last
		return err
	}).negatable()).needing("--length")

// timeToLive makes the match of the time to live, whose options begin with name.
func timeToLive(name string, v6 bool) *extension {
	set := func(c netfilter.Comparison) func(m *netfilter.TTL, o option) error {
		return func(m *netfilter.TTL, o option) (err error) {
			m.Not, m.Compare = o.not, c
			m.Value, err = number8(o.value())
			return err
		}
	}
	eq, lt, gt := "--"+name+"-eq", "--"+name+"-lt", "--"+name+"-gt"
	return extend(func() *netfilter.TTL { return &netfilter.TTL{V6: v6} },
		one(eq, set(netfilter.Equal)).negatable(), one(lt, set(netfilter.Less)), one(gt, set(netfilter.Greater)),
	).needing(eq, lt, gt).alone()
}

var (
	ttl      = timeToLive("ttl", false)
	hopLimit = timeToLive("hl", true)
)

// typesOfService are iptables' names for values of the field, which all have
// the mask 0x3f (extensions/tos_values.c).
var typesOfService = map[string]uint8{
	"Minimize-Delay": 0x10, "Maximize-Throughput": 0x08, "Maximize-Reliability": 0x04, "Minimize-Cost": 0x02, "Normal-Service": 0,
}

func serviceType(s string) (value, mask uint8, err error) {
	if v, ok := typesOfService[s]; ok {
		return v, 0x3f, nil
	}
	return masked8(s)
}

var tos = extend(func() *netfilter.TOS { return new(netfilter.TOS) },
	one("--tos", func(m *netfilter.TOS, o option) (err error) {
		m.Not = o.not
		m.Value, m.Mask, err = serviceType(o.value())
		return err
	}).negatable()).needing("--tos")

// dscpClasses are the names of DiffServ classes (extensions/dscp_helper.c).
var dscpClasses = map[string]uint8{
	"CS0": 0x00, "CS1": 0x08, "CS2": 0x10, "CS3": 0x18, "CS4": 0x20, "CS5": 0x28, "CS6": 0x30, "CS7": 0x38, "BE": 0x00,
	"AF11": 0x0a, "AF12": 0x0c, "AF13": 0x0e, "AF21": 0x12, "AF22": 0x14, "AF23": 0x16,
	"AF31": 0x1a, "AF32": 0x1c, "AF33": 0x1e, "AF41": 0x22, "AF42": 0x24, "AF43": 0x26, "EF": 0x2e,
}

func dscpValue(o option) (uint8, error) {
	n, err := number(o.value(), 63)
	return uint8(n), err
}

func dscpClass(o option) (uint8, error) {
	v, ok := dscpClasses[o.value()]
	if !ok {
		return 0, fmt.Errorf("%q: expected a DiffServ class like EF or AF11", o.value())
	}
	return v, nil
}

var dscp = extend(func() *netfilter.DSCP { return new(netfilter.DSCP) },
	one("--dscp", func(m *netfilter.DSCP, o option) (err error) {
		m.Not = o.not
		m.Value, err = dscpValue(o)
		return err
	}).negatable(),
	one("--dscp-class", func(m *netfilter.DSCP, o option) (err error) {
		m.Not = o.not
		m.Value, err = dscpClass(o)
		return err
	}).negatable(),
).needing("--dscp", "--dscp-class").alone()
