package redact

import (
	"crypto/sha256"
	"net/netip"
	"slices"
)

// kept are the addresses that mean the same on every machine, or are masks.
var kept = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"::/127", "ff00::/8",
)

// pinned are networks whose addresses stay in them: what is private stays
// private, and what is local to a link stays so.
var pinned = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16",
	"fe80::/64", "fc00::/8", "fd00::/8", "2000::/3",
)

// embedding are networks whose last four bytes are an IPv4 address: mapped
// ones, and those of NAT64 (RFC 6052).
var embedding = prefixes("::ffff:0:0/96", "64:ff9b::/96")

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// address is what stands for an address. As in Crypto-PAn (Xu, Fan, Ammar and
// Moon, 2002) each bit is turned or not, as a keyed hash of the bits before it
// says: so addresses that begin alike go on doing so.
func (r *Redactor) address(a netip.Addr) netip.Addr {
	if within(kept, a) {
		return a
	}
	if to, ok := r.addresses[a]; ok {
		return to
	}
	bytes := a.AsSlice()
	switch {
	case a.Is4():
		r.turn(bytes, 4)
	case slices.ContainsFunc(embedding, func(p netip.Prefix) bool { return p.Bits() == 96 && sameStart(p.Addr(), a, 96) }):
		four := r.address(netip.AddrFrom4([4]byte(bytes[12:]))).As4()
		copy(bytes[12:], four[:])
	default:
		r.turn(bytes, 6)
	}
	to, _ := netip.AddrFromSlice(bytes)
	r.addresses[a] = to
	return to
}

// sameStart reports whether two addresses of one family share their first n
// bits. Prefix.Contains takes no IPv4-mapped addresses.
func sameStart(a, b netip.Addr, n int) bool {
	x, y := a.As16(), b.As16()
	for i := range n {
		if (x[i/8]^y[i/8])>>(7-i%8)&1 != 0 {
			return false
		}
	}
	return true
}

// turn turns bits of an address in place.
func (r *Redactor) turn(bytes []byte, family byte) {
	// The block that is hashed: the key, the family, how many bits, the bits.
	var block [sha256.Size + 2 + 16]byte
	copy(block[:], r.key[:])
	block[sha256.Size] = family
	before := block[sha256.Size+2:]
	for i := range 8 * len(bytes) {
		mask := byte(1) << (7 - i%8)
		bit := bytes[i/8] & mask
		if !holds(before, i, family) {
			block[sha256.Size+1] = byte(i)
			sum := sha256.Sum256(block[:])
			bytes[i/8] ^= sum[0] >> 7 << (7 - i%8)
		}
		before[i/8] |= bit
	}
}

// holds reports whether the bit behind these n ones must stay, for a network
// that is kept or pinned begins with them and is longer.
func holds(before []byte, n int, family byte) bool {
	a, _ := netip.AddrFromSlice(before[:4])
	if family == 6 {
		a, _ = netip.AddrFromSlice(before[:16])
	}
	begun := netip.PrefixFrom(a, n)
	longer := func(p netip.Prefix) bool { return p.Bits() > n && begun.Contains(p.Addr()) }
	return slices.ContainsFunc(kept, longer) || slices.ContainsFunc(pinned, longer)
}

// network is what stands for an address with a prefix length. One that has no
// bits set behind it is a network, and stays one.
func (r *Redactor) network(p netip.Prefix) netip.Prefix {
	to := netip.PrefixFrom(r.address(p.Addr()), p.Bits())
	if p == p.Masked() {
		return to.Masked()
	}
	return to
}

// span is what stands for a range of addresses. Only one that is a network can
// be replaced so that the same addresses lie in it.
func (r *Redactor) span(first, last netip.Addr) (netip.Addr, netip.Addr) {
	for bits := first.BitLen(); bits >= 0; bits-- {
		p := netip.PrefixFrom(first, bits)
		if p.Contains(last) {
			if p == p.Masked() && end(p) == last {
				to := r.network(p)
				return to.Addr(), end(to)
			}
			break
		}
	}
	if first.Is4() == last.Is4() && within(kept, first) && within(kept, last) {
		return first, last
	}
	r.ranges++
	first, last = r.address(first), r.address(last)
	if last.Less(first) {
		first, last = last, first
	}
	return first, last
}

// end is the last address of a network.
func end(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}
