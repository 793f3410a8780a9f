package netfilter

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ParseValue reads one value of a type as nft prints it, quotes taken off.
func ParseValue(t DataType, word string) (Key, error) {
	d := &dataTypes[t]
	switch d.base {
	case addressBase:
		a, err := netip.ParseAddr(word)
		if err != nil || a.Is4() != (t == TypeIPv4) || a.Zone() != "" {
			return "", fmt.Errorf("%q: expected a value of type %s", word, d.name)
		}
		return AddrKey(a), nil
	case etherBase:
		b, err := hex.DecodeString(strings.ReplaceAll(word, ":", ""))
		if err != nil || len(b) != d.width {
			return "", fmt.Errorf("%q: expected a value of type %s", word, d.name)
		}
		return Key(b), nil
	case nameBase:
		if word == "" || len(word) >= nameWidth || strings.IndexByte(word, 0) >= 0 {
			return "", fmt.Errorf("%q: expected an interface's name", word)
		}
		return NameKey(word), nil
	case timeBase:
		if period, ok := ParseDuration(word); ok {
			return UintKey(t, uint64(period/time.Millisecond)), nil
		}
		return "", fmt.Errorf("%q: expected a time like 1h30m", word)
	case textBase:
		return Key(word), nil
	case flagBase:
		var all uint64
		for name := range strings.SplitSeq(word, ",") {
			n, ok := number(t, strings.TrimSpace(name))
			if !ok {
				return "", fmt.Errorf("%q: expected a value of type %s", name, d.name)
			}
			all |= n
		}
		return UintKey(t, all), nil
	}
	n, ok := number(t, word)
	if !ok {
		return "", fmt.Errorf("%q: expected a value of type %s", word, d.name)
	}
	return UintKey(t, n), nil
}

// number reads a symbol of a type, or a number that fits its width.
func number(t DataType, word string) (uint64, bool) {
	d := &dataTypes[t]
	if word != "" && (word[0] < '0' || word[0] > '9' || t == TypeEtherType) {
		for _, s := range d.symbols {
			if s.name == word {
				return s.value, true
			}
		}
	}
	n, err := strconv.ParseUint(word, 0, 64)
	if err != nil || d.width < 8 && n>>(8*d.width) != 0 {
		return 0, false
	}
	return n, true
}

// FormatValue writes a value of a type as nft prints it.
func FormatValue(t DataType, k Key) string {
	d := &dataTypes[t]
	switch d.base {
	case addressBase:
		if a, ok := k.Addr(); ok {
			return addrString(a)
		}
	case etherBase:
		var b strings.Builder
		for i := range len(k) {
			if i > 0 {
				b.WriteByte(':')
			}
			fmt.Fprintf(&b, "%02x", k[i])
		}
		return b.String()
	case nameBase:
		return `"` + k.Name() + `"`
	case textBase:
		return string(k)
	case hexBase:
		return fmt.Sprintf("0x%08x", k.Uint())
	case timeBase:
		return FormatDuration(time.Duration(k.Uint()) * time.Millisecond)
	case symbolBase:
		for _, s := range d.symbols {
			if s.value == k.Uint() {
				return s.name
			}
		}
		if t == TypeEtherType {
			return fmt.Sprintf("0x%04x", k.Uint())
		}
	case flagBase:
		return formatFlags(d.symbols, k.Uint(), ",")
	}
	return strconv.FormatUint(k.Uint(), 10)
}

func formatFlags(symbols []symbol, n uint64, between string) string {
	if n == 0 {
		return "0x0"
	}
	var b strings.Builder
	for _, s := range symbols {
		if n&s.value != 0 {
			if b.Len() > 0 {
				b.WriteString(between)
			}
			b.WriteString(s.name)
			n &^= s.value
		}
	}
	if n != 0 {
		if b.Len() > 0 {
			b.WriteString(between)
		}
		fmt.Fprintf(&b, "%#x", n)
	}
	return b.String()
}

// FormatRange writes the values from first to last as nft prints them: as one
// value, a prefix or a range.
func FormatRange(t DataType, first, last Key) string {
	if first == last {
		return FormatValue(t, first)
	}
	switch dataTypes[t].base {
	case addressBase:
		if p, ok := RangePrefix(first, last); ok {
			return FormatValue(t, first) + "/" + strconv.Itoa(p.Bits())
		}
	case nameBase:
		return `"` + first.Name() + `*"`
	}
	return FormatValue(t, first) + "-" + FormatValue(t, last)
}

// RangePrefix is the prefix whose addresses are those from first to last. ok is
// false if there is none.
func RangePrefix(first, last Key) (p netip.Prefix, ok bool) {
	a, ok := first.Addr()
	if !ok || len(first) != len(last) {
		return netip.Prefix{}, false
	}
	bits := 0
	for bits < 8*len(first) && first.bit(bits) == last.bit(bits) {
		bits++
	}
	for i := bits; i < 8*len(first); i++ {
		if first.bit(i) != 0 || last.bit(i) != 1 {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(a, bits), true
}

func (k Key) bit(i int) byte { return k[i/8] >> (7 - i%8) & 1 }

// PrefixKeys are the first and the last address of a prefix.
func PrefixKeys(p netip.Prefix) (first, last Key) {
	first = AddrKey(p.Masked().Addr())
	b := []byte(first)
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return first, Key(b)
}

// FormatKeys writes a key, or a range of keys, of these types.
func FormatKeys(types []DataType, first, last Key) string {
	if len(types) == 1 {
		return FormatRange(types[0], first, last)
	}
	var b strings.Builder
	a, z := first.Split(types), last.Split(types)
	for i, t := range types {
		if i > 0 {
			b.WriteString(" . ")
		}
		b.WriteString(FormatRange(t, a[i], z[i]))
	}
	return b.String()
}

// durationUnits are those of nft's times (datatype.c, time_print).
var durationUnits = [...]struct {
	name string
	unit time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// ParseDuration reads a time like "2h59m58s12ms", or a number of seconds.
func ParseDuration(word string) (time.Duration, bool) {
	if n, err := strconv.ParseUint(word, 10, 32); err == nil {
		return time.Duration(n) * time.Second, true
	}
	const most = 100 * 365 * 24 * time.Hour
	var sum time.Duration
	unit := 0
	for word != "" {
		digits := 0
		for digits < len(word) && word[digits] >= '0' && word[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseUint(word[:digits], 10, 40)
		word = word[digits:]
		if err != nil {
			return 0, false
		}
		found := false
		for ; unit < len(durationUnits) && !found; unit++ {
			u := durationUnits[unit]
			letters := len(word) - len(strings.TrimLeft(word, "abcdefghijklmnopqrstuvwxyz"))
			if word[:letters] != u.name {
				continue
			}
			if n > uint64(most/u.unit) {
				return 0, false
			}
			sum += time.Duration(n) * u.unit
			word, found = word[letters:], true
		}
		if !found {
			return 0, false
		}
	}
	return sum, true
}

// FormatDuration writes a time as nft prints it: "2h59m58s12ms", "0s".
func FormatDuration(d time.Duration) string {
	if d < time.Millisecond {
		return "0s"
	}
	var b strings.Builder
	for _, u := range durationUnits {
		if n := d / u.unit; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			d -= n * u.unit
		}
	}
	return b.String()
}
