package nftlist

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// stateful reads a counter, limit, quota or count of connections: what counts
// is a statement, what ends the rule is a condition.
func (p *parser) stateful() (netfilter.Statement, bool) {
	t := p.next()
	switch t.text {
	case "counter":
		c, counted, ok := p.counts()
		if !counted {
			return &netfilter.Count{}, ok
		}
		return &netfilter.Count{Own: &c}, ok
	case "last":
		s := &netfilter.OpaqueTarget{Name: "last", Text: "last"}
		if p.accept("used") {
			s.Text += " used " + p.next().text
		}
		return s, true
	case "limit":
		return provided(p.limit())
	case "quota":
		return provided(p.quota())
	case "ct":
		if !p.want("count") {
			return nil, false
		}
		m := &netfilter.ConnCount{Over: p.accept("over")}
		n, ok := p.number(32)
		m.Count = uint32(n)
		return provided(m, ok)
	}
	return nil, p.fail(t, "counter, limit, quota or ct count")
}

func provided(m netfilter.Match, ok bool) (netfilter.Statement, bool) {
	if !ok {
		return nil, false
	}
	return &netfilter.Provided{Match: m}, true
}

// limit reads "rate over 5 kbytes/second burst 7 packets" behind "limit".
func (p *parser) limit() (netfilter.Match, bool) {
	if p.accept("name") {
		name, by, ok := p.objectName("limit")
		return &netfilter.ObjectTest{Kind: "limit", Name: name, By: by}, ok
	}
	if !p.want("rate") {
		return nil, false
	}
	m := &netfilter.RateLimit{Over: p.accept("over")}
	t := p.next()
	rate, per, slash := strings.Cut(t.text, "/")
	n, err := strconv.ParseUint(rate, 10, 64)
	if err != nil {
		return nil, p.fail(t, "a rate")
	}
	m.Rate = n
	if !slash {
		var unit string
		t = p.next()
		unit, per, slash = strings.Cut(t.text, "/")
		factor, ok := byteUnit(unit)
		if !ok || !slash || n > 1<<40 {
			return nil, p.fail(t, "bytes, kbytes or mbytes, and a time")
		}
		m.Bytes, m.Rate = true, n*factor
	}
	var ok bool
	if m.Per, ok = rateUnits[per]; !ok {
		return nil, p.fail(t, "second, minute, hour, day or week")
	}
	if !m.Bytes {
		m.Burst = netfilter.DefaultLimitBurst
	}
	if p.accept("burst") {
		if m.Burst, ok = p.number(40); !ok {
			return nil, false
		}
		t := p.next()
		factor, isBytes := byteUnit(t.text)
		if isBytes != m.Bytes || !isBytes && !t.is("packets") {
			return nil, p.fail(t, "packets, bytes, kbytes or mbytes")
		}
		if isBytes {
			m.Burst *= factor
		}
	}
	if !m.Over && !m.Bytes && m.Rate < 1<<32 && m.Burst < 1<<32 {
		return &netfilter.Limit{Count: uint32(m.Rate), Per: m.Per, Burst: uint32(m.Burst)}, true
	}
	return m, true
}

var rateUnits = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

func byteUnit(name string) (factor uint64, ok bool) {
	switch name {
	case "bytes":
		return 1, true
	case "kbytes":
		return 1 << 10, true
	case "mbytes":
		return 1 << 20, true
	}
	return 0, false
}

// quota reads "over 5 mbytes used 3 bytes" behind "quota".
func (p *parser) quota() (netfilter.Match, bool) {
	if p.accept("name") {
		name, by, ok := p.objectName("quota")
		return &netfilter.ObjectTest{Kind: "quota", Name: name, By: by}, ok
	}
	m := &netfilter.Quota{Over: p.accept("over")}
	if !m.Over {
		p.accept("until")
	}
	var ok bool
	if m.Bytes, ok = p.bytes(); ok && p.accept("used") {
		m.Used, ok = p.bytes()
	}
	return m, ok
}

func (p *parser) bytes() (uint64, bool) {
	n, ok := p.number(43)
	if !ok {
		return 0, false
	}
	t := p.next()
	factor, ok := byteUnit(t.text)
	if !ok {
		return 0, p.fail(t, "bytes, kbytes or mbytes")
	}
	return n * factor, true
}

// log reads what follows "log".
func (p *parser) log() bool {
	l := &netfilter.Log{Level: netfilter.DefaultLogLevel}
	n := &netfilter.NFLog{}
	grouped := false
	for {
		ok := true
		switch t := p.peek(); t.text {
		case "prefix":
			p.next()
			l.Prefix, ok = p.quotedText("a prefix")
		case "level":
			p.next()
			ok = p.logLevel(l)
		case "group":
			p.next()
			var group uint64
			group, ok = p.number(16)
			n.Group, grouped = uint16(group), true
		case "snaplen":
			p.next()
			var size uint64
			size, ok = p.number(32)
			length := uint32(size)
			n.Size, grouped = &length, true
		case "queue-threshold":
			p.next()
			var threshold uint64
			threshold, ok = p.number(16)
			n.Threshold, grouped = uint16(threshold), true
		case "flags":
			p.next()
			ok = p.logFlags(l)
		default:
			if grouped {
				n.Prefix = l.Prefix
				return p.statement(n)
			}
			return p.statement(l)
		}
		if !ok {
			return false
		}
	}
}

// logLevel reads a level of syslog, or "audit", which is a level above them and
// goes to the audit system (include/uapi/linux/netfilter/nf_tables.h,
// NFT_LOGLEVEL_AUDIT).
func (p *parser) logLevel(l *netfilter.Log) bool {
	t := p.next()
	for i, name := range [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"} {
		if t.is(name) {
			l.Level = uint8(i)
			return true
		}
	}
	return p.fail(t, "a level of syslog")
}

func (p *parser) logFlags(l *netfilter.Log) bool {
	t := p.next()
	switch t.text {
	case "tcp":
		t = p.next()
		for flag := range strings.SplitSeq(t.text, ",") {
			switch flag {
			case "sequence":
				l.TCPSequence = true
			case "options":
				l.TCPOptions = true
			default:
				return p.fail(t, "sequence or options")
			}
		}
	case "ip":
		l.IPOptions = p.want("options")
		return l.IPOptions
	case "skuid":
		l.UID = true
	case "ether":
		l.MACDecode = true
	case "all":
		l.TCPSequence, l.TCPOptions, l.IPOptions, l.UID, l.MACDecode = true, true, true, true, true
	default:
		return p.fail(t, "tcp, ip, skuid, ether or all")
	}
	return true
}

// reject reads what follows "reject". Without "with" it is what nft leaves out:
// port unreachable, in the family's way (nft 1.0.6, statement.c,
// reject_stmt_print).
func (p *parser) reject() bool {
	if !p.accept("with") {
		with := "icmpx-port-unreachable"
		switch p.table.Family {
		case netfilter.IPv4:
			with = "icmp-port-unreachable"
		case netfilter.IPv6:
			with = "icmp6-port-unreachable"
		}
		return p.statement(&netfilter.Reject{With: with})
	}
	t := p.next()
	prefix := t.text
	switch prefix {
	case "tcp":
		return p.want("reset") && p.statement(&netfilter.Reject{With: "tcp-reset"})
	case "icmp", "icmpx":
	case "icmpv6":
		prefix = "icmp6"
	default:
		return p.fail(t, "tcp, icmp, icmpv6 or icmpx")
	}
	p.accept("type")
	code := p.next()
	if code.kind != word {
		return p.fail(code, "a code")
	}
	return p.statement(&netfilter.Reject{With: prefix + "-" + code.text})
}

// queue reads "flags bypass,fanout to 1-4", and the older "num 1-4 bypass".
func (p *parser) queue() bool {
	q := &netfilter.NFQueue{}
	t := p.peek()
	if t.is("flags") {
		p.next()
		if !p.queueFlags(q) {
			return false
		}
	}
	if !p.accept("to") && !p.accept("num") {
		return p.statement(q)
	}
	if next := p.peek(); startsExpression(next) {
		return p.unmodelled(t)
	}
	first, last, ok := p.valueRange(netfilter.TypePort)
	q.First, q.Last = uint16(first.Uint()), uint16(last.Uint())
	if next := p.peek(); ok && (next.is("bypass") || next.is("fanout") || next.kind == word && strings.HasPrefix(next.text, "bypass,") ||
		next.kind == word && strings.HasPrefix(next.text, "fanout,")) {
		ok = p.queueFlags(q)
	}
	return ok && p.statement(q)
}

func (p *parser) queueFlags(q *netfilter.NFQueue) bool {
	t := p.next()
	for flag := range strings.SplitSeq(t.text, ",") {
		switch flag {
		case "bypass":
			q.Bypass = true
		case "fanout":
			q.CPUFanout = true
		default:
			return p.fail(t, "bypass or fanout")
		}
	}
	return true
}

// tproxy reads "ip to 127.0.0.1:80".
func (p *parser) tproxy() bool {
	d := &netfilter.Divert{Family: p.optionalFamily()}
	if !p.want("to") {
		return false
	}
	t := p.next()
	r, ok := natRange(t.text)
	if !ok || r.First != r.Last || r.HasPorts && !r.Ports.IsSingle() {
		return p.fail(t, "an address or port")
	}
	d.Addr = r.First
	if r.HasPorts {
		d.Port = r.Ports.First
	}
	return p.statement(d)
}

func (p *parser) optionalFamily() netfilter.Family {
	if p.accept("ip") {
		return netfilter.IPv4
	}
	if p.accept("ip6") {
		return netfilter.IPv6
	}
	return netfilter.AnyFamily
}

// dup reads "to 10.0.0.1 device lo".
func (p *parser) dup() bool {
	if !p.want("to") {
		return false
	}
	t := p.peek()
	tee := &netfilter.Tee{}
	a, err := netip.ParseAddr(t.text)
	if err != nil {
		for p.at > 0 && !strings.HasPrefix(p.text[p.at:], "dup") {
			p.at--
		}
		return p.unmodelled(token{text: "dup", start: p.at})
	}
	p.next()
	tee.Gateway = a
	if p.accept("device") {
		tee.Interface, _ = p.quotedText("a device")
	}
	return p.statement(tee)
}

// changeSet reads "@set { ip saddr timeout 5s counter : value }".
func (p *parser) changeSet(op string) bool {
	s := &netfilter.ChangeSet{Set: p.table.SetRef(p.next().text[1:])}
	switch op {
	case "update":
		s.Op = netfilter.UpdateElement
	case "delete":
		s.Op = netfilter.DeleteElement
	}
	if !p.want("{") {
		return false
	}
	if s.Key = p.expression(); s.Key == nil {
		return false
	}
	for {
		saved := p.lexer
		t := p.next()
		ok := true
		switch {
		case t.is("}"):
			return p.statement(s)
		case t.is("timeout"):
			s.Timeout, ok = p.duration()
		case t.is("comment"):
			s.Comment, ok = p.quotedText("a comment")
		case t.is("counter"), t.is("limit"), t.is("quota"), t.is("ct"), t.is("last"):
			p.lexer = saved
			var with netfilter.Statement
			if with, ok = p.stateful(); ok {
				s.With = append(s.With, with)
			}
		case t.is(":"):
			if startsExpression(p.peek()) {
				s.Data = p.expression()
			} else if types := s.Set.Data; types != nil {
				s.Data = p.value(types)
			}
			ok = s.Data != nil
			if !ok {
				p.fail(t, "an expression")
			}
		default:
			return p.fail(t, `"}"`)
		}
		if !ok {
			return false
		}
	}
}
