package redact

import (
	"encoding/hex"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// addressWord replaces the addresses in a word: alone, with a prefix length or
// a mask, with a port, as a range, or in the midst of other things.
func (r *Redactor) addressWord(word, after string) string {
	switch {
	case strings.Count(word, ":") == 5 && isMAC(word):
		return r.mac(word)
	case strings.Count(word, ":") < 2 && strings.Count(word, ".") < 3:
		return word
	}
	if to, ok := r.wholeAddress(word, after); ok {
		return to
	}
	// At the end of a sentence, or before nft's colon.
	if bare := strings.TrimRight(word, ".:"); bare != word {
		if to, ok := r.wholeAddress(bare, ""); ok {
			return to + word[len(bare):]
		}
	}
	return dotted.ReplaceAllStringFunc(word, func(four string) string {
		if a, err := netip.ParseAddr(four); err == nil {
			return r.address(a).String()
		}
		return four
	})
}

// dotted finds what can be an IPv4 address within a word.
var dotted = regexp.MustCompile(`[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)

// nftLength is what stands behind the address of a network in nft's JSON:
// {"prefix": {"addr": "10.96.0.0", "len": 12}}.
var nftLength = regexp.MustCompile(`^",\s*"len":\s*([0-9]{1,3})`)

// nftRange is what stands behind the word in nft's JSON:
// {"range": ["10.0.0.1", "10.0.0.9"]}.
var nftRange = regexp.MustCompile(`^(": ?\[")([0-9a-fA-F.:]+)(", ?")([0-9a-fA-F.:]+)"\]`)

// jsonRange writes the word "range" with the range of addresses that follows,
// as nft's text has it, and gives the length of what it replaced; 0 for none.
func (r *Redactor) jsonRange(out *strings.Builder, after string) int {
	m := nftRange.FindStringSubmatch(after)
	if m == nil {
		return 0
	}
	first, err1 := netip.ParseAddr(m[2])
	last, err2 := netip.ParseAddr(m[4])
	if err1 != nil || err2 != nil || first.Is4() != last.Is4() {
		return 0
	}
	first, last = r.span(first, last)
	out.WriteString("range" + m[1] + first.String() + m[3] + last.String() + `"]`)
	return len(m[0])
}

// bitmapRange writes the word "range" of an ipset with the network that holds
// the range which follows. What the set can hold is of no account to what it
// holds, and each element must lie in it. A bitmap has no more than 65,536.
func (r *Redactor) bitmapRange(out *strings.Builder, after string) int {
	word, _, _ := strings.Cut(strings.TrimPrefix(after, " "), " ")
	word = strings.TrimRight(word, "\r\n")
	from, to, _ := strings.Cut(word, "-")
	first, err1 := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if err1 != nil || err2 != nil || !first.Is4() || !last.Is4() {
		return 0
	}
	for bits := 32; bits >= 16; bits-- {
		if p := netip.PrefixFrom(first, bits).Masked(); p.Contains(last) {
			p = r.network(p)
			out.WriteString("range " + p.Addr().String() + "-" + end(p).String())
			return 1 + len(word)
		}
	}
	return 0
}

func (r *Redactor) wholeAddress(word, after string) (to string, ok bool) {
	if a, err := netip.ParseAddr(word); err == nil {
		if m := nftLength.FindStringSubmatch(after); m != nil {
			if bits, err := strconv.Atoi(m[1]); err == nil && bits <= a.BitLen() {
				return r.network(netip.PrefixFrom(a.WithZone(""), bits)).Addr().String(), true
			}
		}
		return r.address(a.WithZone("")).WithZone(a.Zone()).String(), true
	}
	if first, last, found := strings.Cut(word, "-"); found {
		return r.rangeWord(first, last)
	}
	if host, length, found := strings.Cut(word, "/"); found {
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" {
			return "", false
		}
		if bits, err := strconv.Atoi(length); err == nil && bits >= 0 && bits <= a.BitLen() {
			return r.network(netip.PrefixFrom(a, bits)).Addr().String() + "/" + length, true
		}
		if mask, err := netip.ParseAddr(length); err == nil && mask.BitLen() == a.BitLen() {
			return r.masked(a, mask).String() + "/" + length, true
		}
		return "", false
	}
	if i := strings.LastIndexByte(word, ':'); i > 0 {
		// IPv6 addresses stand in brackets before a port, and so alone.
		if a, err := netip.ParseAddr(word[:i]); err == nil && a.Is4() {
			return r.address(a).String() + word[i:], true
		}
	}
	return "", false
}

// masked replaces an address that a mask goes with. A mask with holes cannot be
// kept to.
func (r *Redactor) masked(a, mask netip.Addr) netip.Addr {
	ones := 0
	for bytes := mask.AsSlice(); ones < mask.BitLen() && bytes[ones/8]>>(7-ones%8)&1 == 1; ones++ {
	}
	if p := netip.PrefixFrom(mask, ones); p.Masked().Addr() == mask {
		return r.network(netip.PrefixFrom(a, ones)).Addr()
	}
	r.ranges++
	bytes, bits := r.address(a).AsSlice(), mask.AsSlice()
	for i := range bytes {
		bytes[i] &= bits[i]
	}
	to, _ := netip.AddrFromSlice(bytes)
	return to
}

// rangeWord replaces "10.0.0.1-10.0.0.9", with a port or ports behind it or not.
func (r *Redactor) rangeWord(first, last string) (to string, ok bool) {
	a, err := netip.ParseAddr(first)
	if err != nil {
		// 10.0.0.1:80-90
		if host, port, found := strings.Cut(first, ":"); found {
			if a, err := netip.ParseAddr(host); err == nil {
				return r.address(a).String() + ":" + port + "-" + last, true
			}
		}
		return "", false
	}
	port := ""
	b, err := netip.ParseAddr(last)
	if i := strings.IndexByte(last, ':'); err != nil && i > 0 {
		b, err = netip.ParseAddr(last[:i])
		port = last[i:]
	}
	if err != nil || a.Is4() != b.Is4() {
		return "", false
	}
	a, b = r.span(a, b)
	return a.String() + "-" + b.String() + port, true
}

func isMAC(word string) bool {
	parts := strings.Split(word, ":")
	for _, part := range parts {
		if _, err := hex.DecodeString(part); err != nil || len(part) != 2 {
			return false
		}
	}
	return len(parts) == 6
}

// mac replaces a link's address. Those for several receivers, and none at all,
// are the same everywhere.
func (r *Redactor) mac(word string) string {
	bytes, _ := hex.DecodeString(strings.ReplaceAll(word, ":", ""))
	if bytes[0]&1 == 1 || word == "00:00:00:00:00:00" {
		return word
	}
	sum := r.digest("mac", strings.ToLower(word))
	copy(bytes, sum[:6])
	bytes[0] = bytes[0]&^3 | 2 // one receiver, administered locally
	digits := hex.EncodeToString(bytes)
	var parts []string
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, digits[i:i+2])
	}
	return strings.Join(parts, ":")
}
