package nftlist

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// readTable reads a table behind the word "table".
func (p *parser) readTable(start int, warned bool) {
	family := p.next()
	name, _ := p.name("a table's name")
	p.want("{")
	if t := p.partOf(families[family.text], name); t != nil {
		p.table, p.compat = t, t.Backend == netfilter.NFTCompat
		t.Complete = true // until finish finds otherwise
		p.block(func(tok token) { p.tableItem(tok) })
		return
	}
	t := netfilter.NewTable(families[family.text], name)
	t.Pos = p.here(start)
	p.table = t
	p.compat = iptablesTable(t.Family, name, p.text[p.at:], warned)
	t.Backend = netfilter.Native
	if p.compat {
		t.Backend, t.Omits = netfilter.NFTCompat, netfilter.OmitsOptions
	}
	t.Complete = true
	p.dump.Tables = append(p.dump.Tables, t)
	p.block(func(tok token) { p.tableItem(tok) })
	if p.bad != nil {
		p.reportBad("table "+name, 1)
	}
}

// partOf is the table that the text has a part of already: "nft list chain" and
// "nft list map", one after another, show parts of one table.
func (p *parser) partOf(family netfilter.Family, name string) *netfilter.Table {
	for _, t := range p.dump.Tables {
		if t.Family == family && t.Name == name && !t.Inferred {
			if finish(t); !t.Complete {
				return t
			}
		}
	}
	return nil
}

// block reads the items of a block up to its closing brace. What an item's
// reader leaves of its line is skipped.
func (p *parser) block(item func(token)) {
	for {
		t := p.next()
		switch {
		case t.kind == newline, t.kind == remark, t.is(";"):
			continue
		case t.is("}"):
			return
		case t.kind == endOfText, p.breaksOff(t):
			if t.kind != endOfText { // that stands behind a word which may have gone on
				p.at = t.start
			}
			if p.table != nil && p.table.Complete {
				p.table.Complete = false
				p.report(source.Warning, p.line, "cut-short",
					fmt.Sprintf("table %s breaks off here, expected \"}\"", p.table.Name), 0)
			}
			return
		}
		p.seeElision(t)
		item(t)
	}
}

// seeElision notes that somebody has left out a part of the table, if that is
// what a line says which begins with the token: "...".
func (p *parser) seeElision(t token) {
	if p.table != nil && source.IsElision(p.text[t.start:p.lineEnd(t.start)]) {
		p.table.Complete = false
	}
}

// tableItem reads one item of a table.
func (p *parser) tableItem(t token) {
	line := p.line
	kind := t.text
	if t.is("ct") {
		kind += " " + p.next().text
	}
	switch kind {
	case "chain":
		if name, ok := p.named(); ok {
			p.readChain(name, line)
			return
		}
	case "set", "map":
		if name, ok := p.named(); ok {
			p.readSet(name, kind, line)
			return
		}
	case "counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy":
		if name, ok := p.named(); ok {
			p.readObject(kind, name, line)
			return
		}
	case "flowtable":
		if name, ok := p.named(); ok {
			p.readFlowtable(name, line)
			return
		}
	case "comment":
		p.table.Comment, _ = p.quotedText("a comment")
		return
	case "flags":
		for t := p.next(); !ends(t); t = p.next() {
			p.table.Dormant = p.table.Dormant || t.is("dormant")
		}
		return
	default:
		p.fail(t, "a chain, set, map or stateful object")
	}
	p.reportBad("table "+p.table.Name, 1)
	p.table.Complete = false
	p.skipLine()
}

// named takes a name and the brace that opens its block.
func (p *parser) named() (string, bool) {
	name, ok := p.name("a name")
	return name, ok && p.want("{")
}

// readFragment reads a chain, set or map that stands under no table.
func (p *parser) readFragment(t *netfilter.Table, what token, start int) *netfilter.Table {
	if t == nil {
		name, family, compat := fragmentTable(p.text[p.at:])
		t = netfilter.NewTable(family, name)
		t.Pos, t.Inferred, t.Backend = p.here(start), true, netfilter.Native
		if compat {
			t.Backend, t.Omits = netfilter.NFTCompat, netfilter.OmitsOptions
		}
		p.dump.Tables = append(p.dump.Tables, t)
	}
	p.table, p.compat = t, t.Backend == netfilter.NFTCompat
	p.tableItem(what)
	return t
}

// readObject reads a stateful object; its properties stay text.
func (p *parser) readObject(kind, name string, line int) {
	o := netfilter.Object{Kind: kind, Name: name, Pos: p.here(line)}
	for {
		start := p.at
		t := p.next()
		switch {
		case t.kind == newline, t.kind == remark, t.is(";"):
			continue
		case t.is("}"), t.kind == endOfText:
			p.table.Objects = append(p.table.Objects, o)
			return
		}
		depth := 0
		for t.kind != newline && t.kind != endOfText && t.kind != remark {
			switch {
			case t.is("{"):
				depth++
			case t.is("}"):
				depth--
			}
			if depth < 0 || depth == 0 && t.is(";") {
				break
			}
			start = min(start, t.start)
			saved := p.lexer
			if t = p.next(); t.is("}") && depth == 0 {
				p.lexer = saved
				break
			}
		}
		o.Text = append(o.Text, strings.TrimSpace(p.text[start:t.start]))
	}
}

// readFlowtable reads a flowtable.
func (p *parser) readFlowtable(name string, line int) {
	f := netfilter.Flowtable{Name: name, Pos: p.here(line)}
	p.block(func(t token) {
		switch t.text {
		case "hook":
			f.Hook = hooks[p.next().text]
			if p.want("priority") {
				f.Priority, _ = p.priority()
			}
		case "devices":
			p.accept("=")
			f.Devices = p.names()
		case "flags":
			f.Flags = p.next().text
		case "counter":
			f.Counter = true
		default:
			p.fail(t, "hook, devices, flags or counter")
		}
		p.reportBad("flowtable "+name, 1)
	})
	p.table.Flowtables = append(p.table.Flowtables, f)
}

// names reads a list of names in braces.
func (p *parser) names() (list []string) {
	if !p.want("{") {
		return nil
	}
	for {
		t := p.next()
		switch {
		case t.is("}"), t.kind == endOfText:
			return list
		case t.kind == word, t.kind == quoted:
			for name := range strings.SplitSeq(t.text, ",") {
				list = append(list, name)
			}
		}
	}
}

var hooks = map[string]netfilter.Hook{
	"ingress": netfilter.Ingress, "prerouting": netfilter.Prerouting, "input": netfilter.Input, "forward": netfilter.Forward,
	"output": netfilter.Output, "postrouting": netfilter.Postrouting, "egress": netfilter.Egress,
}

var chainTypes = map[string]netfilter.ChainType{
	"filter": netfilter.FilterType, "nat": netfilter.NATType, "route": netfilter.RouteType,
}

// priority reads "filter", "dstnat - 10", "-110".
func (p *parser) priority() (int, bool) {
	t := p.next()
	if n, err := strconv.Atoi(t.text); err == nil && t.kind == word {
		return n, true
	}
	n, ok := namedPriority(p.table.Family, t.text)
	if !ok {
		return 0, p.fail(t, "a priority")
	}
	sign := 1
	switch next := p.peek(); {
	case next.is("-"):
		sign = -1
	case next.is("+"):
	default:
		return n, true
	}
	p.next()
	t = p.next()
	offset, err := strconv.Atoi(t.text)
	if err != nil {
		return 0, p.fail(t, "a number")
	}
	return n + sign*offset, true
}

// namedPriority is the number of a priority's name (nft 1.0.6, rule.c,
// std_prio_lookup and bridge_std_prios).
func namedPriority(family netfilter.Family, name string) (int, bool) {
	if family == netfilter.Bridge {
		switch name {
		case "dstnat":
			return -300, true
		case "filter":
			return -200, true
		case "out":
			return 100, true
		case "srcnat":
			return 300, true
		}
		return 0, false
	}
	switch name {
	case "raw":
		return netfilter.PriorityRaw, true
	case "mangle":
		return netfilter.PriorityMangle, true
	case "dstnat":
		return netfilter.PriorityNATDestination, true
	case "filter":
		return netfilter.PriorityFilter, true
	case "security":
		return netfilter.PrioritySecurity, true
	case "srcnat":
		return netfilter.PriorityNATSource, true
	}
	return 0, false
}

// readChain reads a chain behind its opening brace.
func (p *parser) readChain(name string, line int) {
	c, added := p.table.AddChain(name, p.here(line))
	if !added {
		p.report(source.Warning, line, "chain-twice", fmt.Sprintf("chain %s is declared in line %d already; its rules are added there", name, c.Pos().Line), 0)
	}
	p.block(func(t token) {
		if c.NumRules() == 0 {
			switch {
			case t.is("type"):
				p.baseChain(c)
				return
			case t.is("comment"):
				comment, _ := p.quotedText("a comment")
				c.SetComment(comment)
				return
			case t.is("flags"), t.is("policy"), t.is("devices"):
				p.chainProperty(c, t)
				return
			}
		}
		p.readRule(c, t)
	})
}

func (p *parser) chainProperty(c *netfilter.Chain, t token) {
	switch {
	case t.is("policy") && c.Base != nil:
		p.policy(c.Base)
	case t.is("devices") && c.Base != nil:
		p.accept("=")
		c.Base.Devices = p.names()
	default:
		p.skipLine()
	}
}

func (p *parser) policy(b *netfilter.Base) {
	switch t := p.next(); {
	case t.is("accept"):
		b.Policy = netfilter.Accept
	case t.is("drop"):
		b.Policy = netfilter.Drop
	default:
		p.fail(t, "accept or drop")
	}
}

// baseChain reads "filter hook input priority filter; policy accept;".
func (p *parser) baseChain(c *netfilter.Chain) {
	b := &netfilter.Base{}
	t := p.next()
	kind, ok := chainTypes[t.text]
	if !ok {
		p.fail(t, "filter, nat or route")
	}
	b.Type = kind
	for p.bad == nil {
		t := p.next()
		switch {
		case t.is("hook"):
			t = p.next()
			if b.Hook, ok = hooks[t.text]; !ok {
				p.fail(t, "a hook")
			}
		case t.is("device"):
			name, _ := p.name("a device")
			b.Devices = []string{name}
		case t.is("devices"):
			p.accept("=")
			b.Devices = p.names()
		case t.is("priority"):
			b.Priority, _ = p.priority()
		case t.is("policy"):
			p.policy(b)
		case t.is(";"):
			continue
		case t.kind == newline, t.kind == endOfText:
			c.Base = b
			return
		case t.is("}"):
			c.Base = b
			p.at = t.start
			return
		default:
			p.fail(t, "hook, device, priority or policy")
		}
	}
	p.reportBad("chain "+c.Name, 1)
	p.table.Complete = false
	if b.Hook != netfilter.NoHook {
		c.Base = b
	}
	p.skipLine()
}
