package iptablessave

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// number reads an unsigned number that is not above limit, decimal or with 0x,
// as iptables takes both (libxtables/xtables.c, xtables_strtoul).
func number(s string, limit uint64) (uint64, error) {
	if s != "" && s[0] != '0' { // decimal, if anything
		if n, ok := decimal(s); ok && n <= limit {
			return n, nil
		}
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil || n > limit || strings.IndexByte(s, '_') >= 0 {
		return 0, fmt.Errorf("%q: expected a number from 0 to %d", s, limit)
	}
	return n, nil
}

func number8(s string) (uint8, error) {
	n, err := number(s, 1<<8-1)
	return uint8(n), err
}

func number16(s string) (uint16, error) {
	n, err := number(s, 1<<16-1)
	return uint16(n), err
}

func number32(s string) (uint32, error) {
	n, err := number(s, 1<<32-1)
	return uint32(n), err
}

// span reads "5" or "5:9", with parted by sep; a missing end is the lowest or
// the highest number.
func span(s, sep string, limit uint64) (first, last uint64, err error) {
	low, high, isRange := strings.Cut(s, sep)
	if !isRange {
		first, err = number(s, limit)
		return first, first, err
	}
	last = limit
	if low != "" {
		if first, err = number(low, limit); err != nil {
			return 0, 0, err
		}
	}
	if high != "" {
		if last, err = number(high, limit); err != nil {
			return 0, 0, err
		}
	}
	if first > last {
		return 0, 0, fmt.Errorf("%q: expected a range that ends where it begins or later", s)
	}
	return first, last, nil
}

func portRange(s, sep string) (netfilter.PortRange, error) {
	first, last, err := span(s, sep, 1<<16-1)
	return netfilter.PortRange{First: uint16(first), Last: uint16(last)}, err
}

// masked reads "0x4000/0x4000"; without a mask all bits count.
func masked(s string) (value, mask uint32, err error) {
	v, m, has := strings.Cut(s, "/")
	if value, err = number32(v); err != nil {
		return 0, 0, err
	}
	if !has {
		return value, 1<<32 - 1, nil
	}
	mask, err = number32(m)
	return value, mask, err
}

// masked8 is masked for a byte.
func masked8(s string) (value, mask uint8, err error) {
	v, m, has := strings.Cut(s, "/")
	if value, err = number8(v); err != nil {
		return 0, 0, err
	}
	if !has {
		return value, 0xff, nil
	}
	mask, err = number8(m)
	return value, mask, err
}

// parseAddr is netip.ParseAddr, with less ado about IPv4.
func parseAddr(s string) (netip.Addr, error) {
	if a, end, ok := dotted(s, 0); ok && end == len(s) {
		return a, nil
	}
	return netip.ParseAddr(s)
}

// dotted reads the address of IPv4 at s[i], and where it ends. ok is false if
// none begins there.
func dotted(s string, i int) (a netip.Addr, end int, ok bool) {
	var b [4]byte
	for k := range b {
		if k > 0 {
			if i == len(s) || s[i] != '.' {
				return a, i, false
			}
			i++
		}
		octet, next := digits(s, i, 3)
		if next == i || octet > 255 || s[i] == '0' && next > i+1 {
			return a, i, false
		}
		b[k], i = byte(octet), next
	}
	return netip.AddrFrom4(b), i, true
}

// digits reads a number of up to so many digits at s[i], and where it ends.
func digits(s string, i, most int) (n, end int) {
	for end = i; end < len(s) && end-i < most && s[end]-'0' <= 9; end++ {
		n = 10*n + int(s[end]-'0')
	}
	return n, end
}

// dottedPrefix reads the word at s[i] if it is an address of IPv4, with a length
// or none, and where it ends.
func dottedPrefix(s string, i int) (p netip.Prefix, end int, ok bool) {
	a, end, ok := dotted(s, i)
	if !ok {
		return p, end, false
	}
	length := a.BitLen()
	if end < len(s) && s[end] == '/' {
		first := end + 1
		if length, end = digits(s, first, 2); end == first || length > a.BitLen() {
			return p, end, false
		}
	}
	return netip.PrefixFrom(a, length), end, end == len(s) || s[end] == ' '
}

// dottedPort reads text that is an address of IPv4 and a port.
func dottedPort(s string) (a netip.Addr, port uint16, ok bool) {
	a, end, ok := dotted(s, 0)
	if !ok || end+1 >= len(s) || s[end] != ':' || s[end+1] == '0' { // the zero of another base
		return a, 0, false
	}
	n, last := digits(s, end+1, 5)
	return a, uint16(n), last == len(s) && n <= 1<<16-1
}

func address(s string, f *family) (netip.Addr, error) {
	a, err := parseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q: expected an address", s)
	}
	return a, f.see(a)
}

// network reads "10.0.0.1", "10.0.0.0/8", "10.0.0.0/255.0.0.0", and keeps
// masks with holes as they are.
func network(s string, f *family) (netfilter.Network, error) {
	host, mask, has := strings.Cut(s, "/")
	a, err := parseAddr(host)
	if err != nil || a.Zone() != "" {
		return netfilter.Network{}, fmt.Errorf("%q: expected an address or a network", s)
	}
	if err := f.see(a); err != nil {
		return netfilter.Network{}, err
	}
	if !has {
		return netfilter.Network{Prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if n, ok := decimal(mask); ok && n <= uint64(a.BitLen()) {
		return netfilter.Network{Prefix: netip.PrefixFrom(a, int(n))}, nil
	}
	m, err := netip.ParseAddr(mask)
	if err != nil || m.BitLen() != a.BitLen() {
		return netfilter.Network{}, fmt.Errorf("%q: expected a mask of %s or a length up to %d", s, familyOf(a), a.BitLen())
	}
	if n, whole := maskLength(m); whole {
		return netfilter.Network{Prefix: netip.PrefixFrom(a, n)}, nil
	}
	return netfilter.Network{Prefix: netip.PrefixFrom(a, a.BitLen()), Mask: netfilter.MaskOf(m)}, nil
}

func familyOf(a netip.Addr) netfilter.Family {
	if a.Is4() {
		return netfilter.IPv4
	}
	return netfilter.IPv6
}

// maskLength counts the mask's ones; whole reports whether no zero is before one.
func maskLength(mask netip.Addr) (n int, whole bool) {
	ended := false
	for _, b := range mask.AsSlice() {
		ones := bits.LeadingZeros8(^b)
		if ended && b != 0 || b<<ones != 0 {
			return 0, false
		}
		n += ones
		ended = ended || ones < 8
	}
	return n, true
}

var errEmpty = errors.New("expected a value, found an empty word")

// text takes a value that iptables-save prints without quotes. What would need
// them cannot be told from the words around it.
func text(to *string, o option) error {
	*to = o.value()
	return bare(o.value())
}

func bare(s string) error {
	switch {
	case s == "":
		return errEmpty
	case strings.ContainsAny(s, " \t\r\"") || s == "!":
		return fmt.Errorf("%q: expected a name without blanks and quotes", s)
	}
	return nil
}

// interfaceName checks a name of up to 15 bytes (include/uapi/linux/if.h,
// IFNAMSIZ; net/core/dev.c, dev_valid_name).
func interfaceName(s string) error {
	if len(s) > 15 {
		return fmt.Errorf("%q: expected an interface's name, which has up to 15 bytes", s)
	}
	return bare(s)
}

// oneOf takes one of the values.
func oneOf(to *string, o option, values ...string) error {
	for _, v := range values {
		if o.value() == v {
			*to = v
			return nil
		}
	}
	return fmt.Errorf("%q: expected one of %s", o.value(), strings.Join(values, ", "))
}
