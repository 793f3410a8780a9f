package ipsetsave

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// newSet makes a set from the options that it was created with, as words. What
// an option that is not known means for lookups is not known either: such a
// set is not made.
func newSet(name, typ string, words []string) (*netfilter.IPSet, error) {
	t := netfilter.IPSetType(typ)
	if !t.IsKnown() {
		return nil, fmt.Errorf("its type is %s, expected one of ipset's: hash:…, bitmap:… or list:set with parts that are known", source.Quote(typ))
	}
	set := netfilter.NewIPSet(name, t, familyOf(t))
	for len(words) > 0 {
		key := words[0]
		if words = words[1:]; setFlag(set, key) {
			continue
		}
		if len(words) == 0 {
			return nil, fmt.Errorf("found %s at the end of its options, expected a value or one of ipset's options", source.Quote(key))
		}
		if err := setOption(set, key, words[0]); err != nil {
			return nil, fmt.Errorf("option %s: %w", source.Quote(key), err)
		}
		words = words[1:]
	}
	switch t {
	case netfilter.BitmapIP, netfilter.BitmapIPMAC:
		if !set.First.IsValid() {
			return nil, errors.New("expected a range of addresses, found none")
		}
	}
	if m := set.Bitmask; m.IsValid() && m.Is4() != (set.Family == netfilter.IPv4) {
		return nil, fmt.Errorf("bitmask %s: expected one of %s", m, set.Family)
	}
	return set, nil
}

// familyOf is the family of a set of the type that says none.
func familyOf(t netfilter.IPSetType) netfilter.Family {
	if t.HasFamily() {
		return netfilter.IPv4
	}
	return netfilter.AnyFamily
}

func setFlag(set *netfilter.IPSet, key string) bool {
	switch key {
	case "counters":
		set.Counters = true
	case "comment":
		set.Comment = true
	case "skbinfo":
		set.SKBInfo = true
	case "forceadd":
		set.ForceAdd = true
	case "-exist", "-!":
	default:
		return false
	}
	return true
}

func setOption(set *netfilter.IPSet, key, value string) (err error) {
	switch key {
	case "family":
		switch {
		case value == "inet" && set.Family != netfilter.AnyFamily:
			set.Family = netfilter.IPv4
		case value == "inet6" && strings.HasPrefix(string(set.Type), "hash:") && set.Family != netfilter.AnyFamily:
			set.Family = netfilter.IPv6
		default:
			return fmt.Errorf("found %s, expected a family that type %s has", source.Quote(value), set.Type)
		}
	case "range":
		return setRange(set, value)
	case "netmask":
		set.Netmask, err = netmask(value)
	case "bitmask":
		// ipset 7.17 prints a length behind it that says nothing.
		value, _, _ = strings.Cut(value, "/")
		set.Bitmask, err = address(value)
	case "markmask":
		set.MarkMask, err = number32(value)
	case "hashsize":
		set.HashSize, err = number32(value)
	case "maxelem":
		set.MaxElem, err = number32(value)
	case "bucketsize":
		set.BucketSize, err = number32(value)
	case "initval":
		set.InitVal = value
	case "size":
		set.Size, err = number32(value)
	case "timeout":
		set.HasTimeout = true
		set.Timeout, err = number32(value)
	case "probes", "resize", "gc": // of old kernels
	default:
		return errors.New("expected one of ipset's options")
	}
	return err
}

// netmask reads a length, or a mask without holes.
func netmask(s string) (uint8, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n >= 1 && n <= 128 {
		return uint8(n), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		for bits := 1; bits <= 32; bits++ {
			if p := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked(); p.Addr() == a {
				return uint8(bits), nil
			}
		}
	}
	return 0, fmt.Errorf("found %s, expected a prefix length from 1 to 128", source.Quote(s))
}

func setRange(set *netfilter.IPSet, value string) error {
	if set.Type == netfilter.BitmapPort {
		ports, err := portRange(value)
		set.FirstPort, set.LastPort = ports.First, ports.Last
		return err
	}
	if set.Type != netfilter.BitmapIP && set.Type != netfilter.BitmapIPMAC {
		return errors.New("expected a bitmap, which has a range")
	}
	net, last, err := network(value)
	switch {
	case err != nil:
		return err
	case !net.Addr().Is4():
		return fmt.Errorf("found %s, expected addresses of IPv4", source.Quote(value))
	case !last.IsValid():
		last = lastOf(net)
	}
	set.First, set.Last = net.Masked().Addr(), last
	return nil
}
