package nftlist

import (
	"net/netip"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// constant reads a value of these types, or a range: "10.0.0.0/8 . 80-90".
func (p *parser) constant(types []netfilter.DataType) (c netfilter.Constant, ok bool) {
	c.Type = types
	if len(types) == 1 {
		saved := p.lexer
		if tok := p.next(); tok.kind == word {
			var room [16]byte
			if key, ok := appendPlain(room[:0], types[0], tok.text); ok {
				c.First = netfilter.Key(key)
				c.Last = c.First
				return c, true
			}
		}
		p.lexer = saved
		c.First, c.Last, ok = p.valueRange(types[0])
		return c, ok
	}
	var room [128]byte
	first, last := room[:0:64], room[64:64]
	ranges := false
	for i, t := range types {
		if i > 0 && !p.accept(".") {
			return c, p.fail(p.peek(), `"."`)
		}
		saved := p.lexer
		if tok := p.next(); tok.kind == word {
			before := len(first)
			if first, ok = appendPlain(first, t, tok.text); ok {
				last = append(last, first[before:]...)
				continue
			}
		}
		p.lexer = saved
		a, z, ok := p.valueRange(t)
		if !ok {
			return c, false
		}
		ranges = ranges || a != z
		first, last = append(first, a...), append(last, z...)
	}
	c.First = netfilter.Key(first)
	c.Last = c.First
	if ranges {
		c.Last = netfilter.Key(last)
	}
	return c, true
}

// appendPlain appends the key of a value as most are: an IPv4 address, a port, a
// number, a well-known protocol. It is valueRange without detours.
func appendPlain(to []byte, t netfilter.DataType, text string) ([]byte, bool) {
	switch t {
	case netfilter.TypeIPv4:
		var a [4]byte
		part, digits, n := 0, 0, 0
		for i := range len(text) {
			switch c := text[i]; {
			case c == '.' && digits > 0 && part < 3:
				a[part] = byte(n)
				part, digits, n = part+1, 0, 0
			case c >= '0' && c <= '9' && (digits == 0 || n > 0):
				n, digits = n*10+int(c-'0'), digits+1
				if n > 255 {
					return to, false
				}
			default:
				return to, false
			}
		}
		if part != 3 || digits == 0 {
			return to, false
		}
		a[3] = byte(n)
		return append(to, a[:]...), true
	case netfilter.TypePort:
		if n, ok := shortNumber(text); ok {
			return append(to, byte(n>>8), byte(n)), true
		}
	case netfilter.TypeProtocol:
		switch text {
		case "tcp":
			return append(to, netfilter.TCP), true
		case "udp":
			return append(to, netfilter.UDP), true
		case "sctp":
			return append(to, netfilter.SCTP), true
		}
	case netfilter.TypeInteger:
		if n, ok := shortNumber(text); ok {
			return append(to, 0, 0, 0, 0, 0, 0, byte(n>>8), byte(n)), true
		}
	}
	return to, false
}

// valueRange reads one value of a type, or a range or prefix.
func (p *parser) valueRange(t netfilter.DataType) (first, last netfilter.Key, ok bool) {
	tok := p.next()
	if tok.is("(") && t.IsFlags() {
		first, ok = p.flagList(t)
		return first, first, ok && p.want(")")
	}
	if tok.kind != word && tok.kind != quoted {
		return "", "", p.fail(tok, "a value of type "+t.String())
	}
	first, last, ok = parseRange(t, tok)
	if !ok {
		return "", "", p.fail(tok, "a value of type "+t.String())
	}
	if t.IsFlags() {
		for p.accept("|") {
			more, ok := p.flag(t)
			if !ok {
				return "", "", false
			}
			first = netfilter.UintKey(t, first.Uint()|more.Uint())
		}
		last = first
	}
	return first, last, true
}

// flagList reads "fin | syn".
func (p *parser) flagList(t netfilter.DataType) (netfilter.Key, bool) {
	all, ok := p.flag(t)
	for ok && p.accept("|") {
		var more netfilter.Key
		more, ok = p.flag(t)
		all = netfilter.UintKey(t, all.Uint()|more.Uint())
	}
	return all, ok
}

func (p *parser) flag(t netfilter.DataType) (netfilter.Key, bool) {
	tok := p.next()
	k, err := netfilter.ParseValue(t, tok.text)
	if err != nil {
		return "", p.fail(tok, "a value of type "+t.String())
	}
	return k, true
}

// parseRange reads a word as a value, prefix or range.
func parseRange(t netfilter.DataType, tok token) (first, last netfilter.Key, ok bool) {
	text := tok.text
	switch t {
	case netfilter.TypeText:
		if tok.kind == quoted {
			text = `"` + text + `"`
		}
		return netfilter.Key(text), netfilter.Key(text), true
	case netfilter.TypeIfName, netfilter.TypeIfIndex:
		if prefix, ok := strings.CutSuffix(text, "*"); ok && len(prefix) < 15 && !strings.HasSuffix(prefix, `\`) {
			first, last = netfilter.NamePrefixKeys(prefix)
			return first, last, true
		}
		k, err := netfilter.ParseValue(t, text)
		return k, k, err == nil
	case netfilter.TypeIPv4, netfilter.TypeIPv6:
		return addressRange(t, text)
	case netfilter.TypePort:
		if n, ok := shortNumber(text); ok {
			k := netfilter.UintKey(t, n)
			return k, k, true
		}
	}
	if k, err := netfilter.ParseValue(t, text); err == nil {
		return k, k, true
	}
	i := strings.IndexByte(text, '-')
	if i <= 0 || t.IsFlags() {
		return "", "", false
	}
	first, err1 := netfilter.ParseValue(t, text[:i])
	last, err2 := netfilter.ParseValue(t, text[i+1:])
	return first, last, err1 == nil && err2 == nil && first <= last
}

// shortNumber reads a decimal number of a port.
func shortNumber(s string) (n uint64, ok bool) {
	if s == "" || len(s) > 5 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, n < 1<<16
}

// addressRange reads an address, a prefix or a range of addresses.
func addressRange(t netfilter.DataType, text string) (first, last netfilter.Key, ok bool) {
	v4 := t == netfilter.TypeIPv4
	if i := strings.IndexByte(text, '/'); i >= 0 {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Is4() != v4 {
			return "", "", false
		}
		first, last = netfilter.PrefixKeys(prefix)
		return first, last, true
	}
	if i := strings.IndexByte(text, '-'); i >= 0 {
		a, ok1 := parseAddr(text[:i], v4)
		z, ok2 := parseAddr(text[i+1:], v4)
		first, last = netfilter.AddrKey(a), netfilter.AddrKey(z)
		return first, last, ok1 && ok2 && first <= last
	}
	a, ok := parseAddr(text, v4)
	if !ok {
		return "", "", false
	}
	first = netfilter.AddrKey(a)
	return first, first, true
}

func parseAddr(text string, v4 bool) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Is4() != v4 || a.Zone() != "" {
		return netip.IPv4Unspecified(), false
	}
	return a, true
}

// duration reads a time.
func (p *parser) duration() (time.Duration, bool) {
	t := p.next()
	d, ok := netfilter.ParseDuration(t.text)
	if !ok || t.kind != word {
		return 0, p.fail(t, "a time like 1h30m")
	}
	return d, true
}

// counts reads "packets 5 bytes 10" behind "counter"; ok without it too.
func (p *parser) counts() (c netfilter.Counters, counted, ok bool) {
	if !p.accept("packets") {
		return c, false, true
	}
	if c.Packets, ok = p.number(64); !ok || !p.want("bytes") {
		return c, true, false
	}
	c.Bytes, ok = p.number(64)
	return c, true, ok
}
