package nftlist

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// nat reads what follows "dnat", "snat", "redirect" or "masquerade".
func (p *parser) nat(what string) bool {
	n := &netfilter.MapNAT{}
	switch what {
	case "snat":
		n.Kind = netfilter.ToSource
	case "redirect":
		n.Kind = netfilter.ToSelf
	case "masquerade":
		n.Kind = netfilter.ToInterface
	}
	n.Family = p.optionalFamily()
	n.Prefix = p.accept("prefix")
	p.accept("addr") // older nft: "dnat ip addr . port to"
	if p.accept(".") {
		p.want("port")
	}
	var fixed netfilter.NATRange
	isFixed := true
	if p.accept("to") {
		var ok bool
		if fixed, isFixed, ok = p.natTarget(n); !ok {
			return false
		}
	} else if t := p.peek(); p.cut && t.kind == endOfText {
		return p.fail(t, "the rest of the line")
	}
	if !p.natFlags(&n.Flags) {
		return false
	}
	if !isFixed || n.Prefix {
		if isFixed {
			n.Addr = fixedAddr(fixed)
		}
		return p.statement(n)
	}
	switch n.Kind {
	case netfilter.ToDestination:
		return p.statement(new(netfilter.NewDNAT(fixed, n.Flags)))
	case netfilter.ToSource:
		return p.statement(&netfilter.SNAT{To: fixed, Flags: n.Flags})
	case netfilter.ToSelf:
		return p.statement(&netfilter.Redirect{Ports: fixed.Ports, HasPorts: fixed.HasPorts, Flags: n.Flags})
	}
	return p.statement(&netfilter.Masquerade{Ports: fixed.Ports, HasPorts: fixed.HasPorts, Flags: n.Flags})
}

func fixedAddr(r netfilter.NATRange) netfilter.Expr {
	if !r.First.IsValid() {
		return nil
	}
	t := netfilter.TypeIPv4
	if r.First.Is6() {
		t = netfilter.TypeIPv6
	}
	return &netfilter.Constant{Type: addressType[t], First: netfilter.AddrKey(r.First), Last: netfilter.AddrKey(r.Last)}
}

// natTarget reads addresses and ports, written out or looked up.
func (p *parser) natTarget(n *netfilter.MapNAT) (fixed netfilter.NATRange, isFixed, ok bool) {
	t := p.peek()
	if rest, found := strings.CutPrefix(t.text, ":"); found && t.kind == word && rest != "" && rest[0] != ':' && !isDigit(rest[0]) {
		p.at = t.start + 1
		n.Port = p.mapped(portType)
		return fixed, false, n.Port != nil
	}
	if !startsExpression(t) {
		p.next()
		if n.Prefix {
			if prefix, err := netip.ParsePrefix(t.text); err == nil {
				first, last := netfilter.PrefixKeys(prefix)
				a, _ := first.Addr()
				z, _ := last.Addr()
				return netfilter.NATRange{First: a, Last: z}, true, true
			}
		}
		if fixed, ok = natRange(t.text); ok {
			return fixed, true, true
		}
		// An address, and behind its colon an expression for the port.
		if i := strings.LastIndexByte(t.text, ':'); i > 0 {
			if fixed, ok = natRange(t.text[:i]); ok {
				p.at = t.start + i + 1
				n.Addr = fixedAddr(fixed)
				n.Port = p.mapped(portType)
				return fixed, false, n.Port != nil
			}
		}
		return fixed, false, p.fail(t, "an address or a port")
	}
	address := netfilter.TypeIPv4
	if n.Family == netfilter.IPv6 || n.Family == netfilter.AnyFamily && p.table.Family == netfilter.IPv6 {
		address = netfilter.TypeIPv6
	}
	n.Addr = p.mapped(addressType[address])
	if next := p.peek(); n.Addr != nil && next.kind == word && strings.HasPrefix(next.text, ":") {
		p.at = next.start + 1
		n.Port = p.mapped(portType)
		return fixed, false, n.Port != nil
	}
	return fixed, false, n.Addr != nil
}

var (
	portType    = []netfilter.DataType{netfilter.TypePort}
	addressType = map[netfilter.DataType][]netfilter.DataType{
		netfilter.TypeIPv4: {netfilter.TypeIPv4}, netfilter.TypeIPv6: {netfilter.TypeIPv6},
	}
	endpointType = map[netfilter.DataType][]netfilter.DataType{
		netfilter.TypeIPv4: {netfilter.TypeIPv4, netfilter.TypePort}, netfilter.TypeIPv6: {netfilter.TypeIPv6, netfilter.TypePort},
	}
)

// mapped reads an expression, and the map that gives a value for it. A map
// that is written out tells by its first element whether it holds addresses, or
// addresses with ports.
func (p *parser) mapped(types []netfilter.DataType) netfilter.Expr {
	key := p.expression()
	if key == nil || !p.accept("map") {
		return key
	}
	if p.peek().is("{") && types[0] != netfilter.TypePort && p.mapHasPorts() {
		types = endpointType[types[0]]
	}
	m := p.mapValue(key, types, "")
	if m == nil {
		return nil
	}
	return m
}

// mapHasPorts reports whether the first element's value in the map ahead is a
// concatenation.
func (p *parser) mapHasPorts() bool {
	saved := p.lexer
	defer func() { p.lexer = saved }()
	colon := false
	for range 64 {
		switch t := p.next(); {
		case t.is(":"):
			colon = true
		case t.is(".") && colon:
			return true
		case t.is(",") || t.is("}") || t.kind == endOfText:
			return false
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// natFlags reads "random,persistent"; words that iptables has for it too.
func (p *parser) natFlags(f *netfilter.NATFlags) bool {
	for {
		t := p.peek()
		if t.kind != word {
			return true
		}
		for flag := range strings.SplitSeq(t.text, ",") {
			switch flag {
			case "random":
				f.Random = true
			case "fully-random", "random-fully":
				f.RandomFully = true
			case "persistent":
				f.Persistent = true
			default:
				return true
			}
		}
		p.next()
	}
}

// natRange reads "10.0.0.1-10.0.0.5:80-90", "[fd00::1]:80", ":80", "fd00::1".
func natRange(text string) (r netfilter.NATRange, ok bool) {
	addrs, ports := text, ""
	switch {
	case strings.HasPrefix(text, "["):
		i := strings.LastIndexByte(text, ']')
		if i < 0 {
			return r, false
		}
		addrs, ports = text[:i+1], text[i+1:]
		addrs = strings.NewReplacer("[", "", "]", "").Replace(addrs)
	case strings.Count(text, ":") == 1:
		i := strings.IndexByte(text, ':')
		addrs, ports = text[:i], text[i:]
	}
	if addrs != "" {
		first, last, isRange := strings.Cut(addrs, "-")
		var err error
		if r.First, err = netip.ParseAddr(first); err != nil || r.First.Zone() != "" {
			return netfilter.NATRange{}, false
		}
		if r.Last = r.First; isRange {
			if r.Last, err = netip.ParseAddr(last); err != nil || r.Last.Zone() != "" || r.Last.Is4() != r.First.Is4() {
				return netfilter.NATRange{}, false
			}
		}
	}
	if ports == "" {
		return r, addrs != ""
	}
	first, last, isRange := strings.Cut(ports[1:], "-")
	n, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return netfilter.NATRange{}, false
	}
	m := n
	if isRange {
		if m, err = strconv.ParseUint(last, 10, 16); err != nil || m < n {
			return netfilter.NATRange{}, false
		}
	}
	r.HasPorts, r.Ports = true, netfilter.PortRange{First: uint16(n), Last: uint16(m)}
	return r, true
}
