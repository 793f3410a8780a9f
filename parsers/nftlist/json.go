package nftlist

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A jsonParser reads the objects of "nft -j list ruleset".
type jsonParser struct {
	parser
	reader jsonReader
	text   jsonText
	tables map[tableKey]*netfilter.Table
	line   int // of the offset that was counted last
	offset int
}

type tableKey struct {
	family, name string
}

// ParseJSON reads the JSON value at the cursor: {"nftables": [ … ]}. It gives
// the dump and the cursor behind it. A rule's position is the line that its
// object begins in, and its text is the rule as nft would print it.
func ParseJSON(at source.Cursor) (*Dump, source.Cursor) {
	dump := &Dump{}
	var remarks source.Remarks
	p := &jsonParser{
		parser: parser{file: at.File, remarks: &remarks, dump: dump, rendered: true},
		reader: jsonReader{text: at.File.Text, at: at.Offset},
		tables: map[tableKey]*netfilter.Table{}, line: at.Line, offset: at.Offset,
	}
	p.reader.fields(func(key string) {
		if key != "nftables" || p.reader.next() != '[' {
			p.reader.skip()
			return
		}
		p.reader.values(func() {
			p.reader.blanks()
			p.pos = source.Position{File: at.File, Line: p.lineAt(p.reader.at)}
			p.reader.fields(func(kind string) {
				value := p.reader.skip()
				if !p.reader.bad {
					p.object(kind, value)
				}
			})
		})
	})
	p.reader.at = min(p.reader.at, len(at.File.Text))
	next := source.Cursor{File: at.File, Offset: p.reader.at, Line: p.lineAt(p.reader.at)}
	if p.reader.bad {
		p.pos = source.Position{File: at.File, Line: next.Line}
		p.report(source.Error, 0, "cut-short", "the JSON breaks off or is damaged here: what comes before is read", 1)
		for _, t := range dump.Tables {
			t.Complete = false
		}
	}
	if next.Offset < len(at.File.Text) {
		_, next = next.Next()
	}
	for _, t := range dump.Tables {
		finish(t)
		markDynamic(t)
	}
	dump.Diagnostics = remarks.All()
	return dump, next
}

// markDynamic gives the sets that rules add to the flag which JSON leaves out
// (nft 1.0.6, json.c, set_print_json).
func markDynamic(t *netfilter.Table) {
	for r := range t.Rules() {
		for _, s := range r.Statements() {
			if c, ok := s.(*netfilter.ChangeSet); ok && c.Op != netfilter.DeleteElement {
				c.Set.Flags |= netfilter.DynamicSet
			}
		}
	}
}

// lineAt is the line of an offset, which is none before those asked for.
func (p *jsonParser) lineAt(offset int) int {
	p.line += strings.Count(p.reader.text[p.offset:offset], "\n")
	p.offset = offset
	return p.line
}

// object reads one object of the ruleset.
func (p *jsonParser) object(kind, text string) {
	if kind == "metainfo" {
		return
	}
	o := readObject(text)
	for _, key := range [...]string{"name", "table", "chain"} {
		if name := o.str(key); o.get(key) != "" && !isName(name) {
			p.report(source.Warning, 0, "unread-nft", fmt.Sprintf("found %s, expected the name of a %s", source.Quote(name), key), 1)
			if p.table != nil {
				p.table.Complete = false
			}
			return
		}
	}
	if kind == "table" {
		p.newTable(&o)
		return
	}
	if !p.choose(o.str("family"), o.str("table")) {
		p.report(source.Warning, 0, "unread-nft", fmt.Sprintf("found an object %s, expected it to name its table", source.Quote(kind)), 1)
		return
	}
	switch kind {
	case "chain":
		p.chain(&o)
	case "set", "map":
		p.set(kind, &o)
	case "element":
		p.table.SetRef(o.str("name"))
		if s := p.table.Set(o.str("name")); s != nil {
			p.setElements(s, o.get("elem"))
		}
	case "rule":
		p.rule(&o)
	case "flowtable":
		f := netfilter.Flowtable{Name: o.str("name"), Pos: p.pos, Hook: hooks[o.str("hook")]}
		f.Priority, _ = strconv.Atoi(o.get("prio"))
		if dev := o.get("dev"); dev != "" {
			f.Devices = list(dev)
		}
		p.table.Flowtables = append(p.table.Flowtables, f)
	case "counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy":
		p.table.Objects = append(p.table.Objects, netfilter.Object{Kind: kind, Name: o.str("name"), Pos: p.pos, Text: objectLines(kind, &o)})
	default:
		p.report(source.Warning, 0, "unread-nft", fmt.Sprintf("found an object %s, expected a chain, set, map or rule", source.Quote(kind)), 1)
		p.table.Complete = false
	}
}

// isName reports whether nft could print the name as one word.
func isName(s string) bool {
	return s != "" && !strings.ContainsAny(s, " \t\r\n{};,()\"#")
}

func (p *jsonParser) newTable(o *object) {
	key := tableKey{o.str("family"), o.str("name")}
	family, ok := families[key.family]
	if !ok || key.name == "" {
		p.report(source.Warning, 0, "unread-nft", fmt.Sprintf("found a table of family %s, expected ip, ip6, inet, arp, bridge or netdev", source.Quote(key.family)), 1)
		return
	}
	if p.tables[key] != nil {
		p.report(source.Warning, 0, "table-twice", fmt.Sprintf("table %s is declared a second time; both are read as one", key.name), 0)
		return
	}
	t := netfilter.NewTable(family, key.name)
	t.Pos, t.Complete, t.Backend, t.Omits = p.pos, true, netfilter.Native, netfilter.OmitsDetails
	t.Comment = o.str("comment")
	t.Dormant = strings.Contains(o.get("flags"), "dormant")
	if p.iptables(key, family) {
		t.Backend, t.Omits = netfilter.NFTCompat, netfilter.OmitsTranslations
	}
	p.tables[key] = t
	p.dump.Tables = append(p.dump.Tables, t)
}

// choose makes the table the one that is read, and makes one where the text,
// which has lost its beginning, never declares it.
func (p *jsonParser) choose(family, name string) bool {
	key := tableKey{family, name}
	t := p.tables[key]
	if t == nil {
		if families[family] == netfilter.AnyFamily || name == "" {
			return false
		}
		t = netfilter.NewTable(families[family], name)
		t.Pos, t.Backend, t.Omits = p.pos, netfilter.Native, netfilter.OmitsDetails
		p.tables[key] = t
		p.dump.Tables = append(p.dump.Tables, t)
	}
	p.table, p.compat = t, t.Backend == netfilter.NFTCompat
	return true
}

// iptables reports whether a table is one of iptables-nft, by the objects that
// follow.
func (p *jsonParser) iptables(key tableKey, family netfilter.Family) bool {
	if family != netfilter.IPv4 && family != netfilter.IPv6 {
		return false
	}
	switch key.name {
	case "raw", "mangle", "nat", "filter", "security":
	default:
		return false
	}
	// Chains come before rules, and sets before chains; the tables stand one
	// after another.
	ahead := jsonReader{text: p.reader.text, at: p.reader.at}
	chains := 0
	for own := true; own && !ahead.bad; {
		if ahead.next() == '}' {
			ahead.at++
		}
		if !ahead.take(',') || ahead.next() != '{' {
			break
		}
		ahead.fields(func(kind string) {
			value := ahead.skip()
			if kind == "rule" || kind == "table" {
				own = false
				return
			}
			o := readObject(value)
			if kind != "chain" {
				own, chains = false, -1
				return
			}
			chains++
			if o.get("hook") == "" {
				return
			}
			base, ok := netfilter.IPTablesBase(key.name, o.str("name"))
			if !ok || chainTypes[o.str("type")] != base.Type || hooks[o.str("hook")] != base.Hook || o.get("prio") != strconv.Itoa(base.Priority) {
				own, chains = false, -1
			}
		})
	}
	return chains > 0
}

func (p *jsonParser) chain(o *object) {
	c, added := p.table.AddChain(o.str("name"), p.pos)
	if !added && !c.Implied {
		p.report(source.Warning, 0, "chain-twice", fmt.Sprintf("chain %s is declared a second time; its rules are added to the first", c.Name), 0)
	}
	c.SetComment(o.str("comment"))
	c.Implied = false
	if o.get("hook") == "" {
		return
	}
	b := &netfilter.Base{Type: chainTypes[o.str("type")], Hook: hooks[o.str("hook")]}
	b.Priority, _ = strconv.Atoi(o.get("prio"))
	switch o.str("policy") {
	case "accept":
		b.Policy = netfilter.Accept
	case "drop":
		b.Policy = netfilter.Drop
	}
	if dev := o.get("dev"); dev != "" {
		b.Devices = list(dev)
	}
	c.Base = b
}

// parse sets the parser to read a text that was made.
func (p *jsonParser) parse(text string) {
	p.parser.lexer = lexer{text: text, line: p.pos.Line}
}

func (p *jsonParser) rule(o *object) {
	name := o.str("chain")
	c := p.table.Chain(name)
	if c == nil {
		c, _ = p.table.AddChain(name, p.pos)
		c.Implied = true
	}
	w := &p.text
	w.out = w.out[:0]
	r := jsonReader{text: o.get("expr")}
	r.values(func() {
		if len(w.out) > 0 {
			w.write(" ")
		}
		if r.next() == '"' {
			s, _ := r.string()
			w.write(strings.NewReplacer("\n", " ", "\r", " ").Replace(s))
			return
		}
		r.fields(func(key string) { w.statement(key, r.skip()) })
	})
	if r.bad || len(w.out) == 0 {
		w.write("?") // which is no statement
	}
	if o.get("comment") != "" {
		w.write(" comment ")
		w.quoted(o.str("comment"))
	}
	p.parse(string(w.out))
	p.readRule(c, token{})
}

func (p *jsonParser) set(kind string, o *object) {
	name := o.str("name")
	s, added := p.table.AddSet(name, p.pos)
	if !added {
		p.report(source.Warning, 0, "set-twice", fmt.Sprintf("%s %s is declared a second time; the second is not used", kind, name), 0)
		return
	}
	w := &p.text
	w.out = w.out[:0]
	w.typeNames(o.get("type"))
	if data := o.get("map"); data != "" {
		w.write(" : ")
		w.typeNames(data)
	}
	p.parse(string(w.out))
	if !p.setType(s) {
		p.reportBad(kind+" "+name, 1)
		s.SetTypes([]netfilter.DataType{netfilter.TypeText}, nil)
	}
	s.Policy, s.Comment = o.str("policy"), o.str("comment")
	if flags := o.get("flags"); flags != "" {
		p.parse(strings.Join(list(flags), ","))
		if !p.setFlags(s) {
			p.reportBad(kind+" "+name, 1)
		}
	}
	size, _ := strconv.ParseUint(o.get("size"), 10, 32)
	s.Size = uint32(size)
	s.Timeout, s.GCInterval = seconds(o.get("timeout")), seconds(o.get("gc-interval"))
	s.AutoMerge = o.get("auto-merge") == "true"
	if with := o.get("stmt"); with != "" {
		p.setWith(s, with)
	}
	if elements := o.get("elem"); elements != "" {
		p.setElements(s, elements)
	}
}

func seconds(text string) time.Duration {
	n, _ := strconv.ParseUint(text, 10, 32)
	return time.Duration(n) * time.Second
}

// typeNames writes a type, or types concatenated: an array, or for a map's data
// one string (nft 1.0, json.c, set_print_json).
func (w *jsonText) typeNames(text string) {
	if strings.HasPrefix(text, "[") {
		w.joined(text, " . ")
		return
	}
	r := jsonReader{text: text}
	if names, ok := r.string(); ok && strings.Contains(names, " . ") {
		for i, name := range strings.Split(names, " . ") {
			if i > 0 {
				w.write(" . ")
			}
			w.word(name)
		}
		return
	}
	w.value(text)
}

// setWith reads what each new element of a set gets.
func (p *jsonParser) setWith(s *netfilter.Set, text string) {
	r := jsonReader{text: text}
	r.values(func() {
		r.fields(func(key string) {
			w := &p.text
			w.out = w.out[:0]
			w.statement(key, r.skip())
			p.parse(string(w.out))
			if with, ok := p.stateful(); ok {
				s.With = append(s.With, with)
			}
			p.bad = nil
		})
	})
}

func (p *jsonParser) setElements(s *netfilter.Set, text string) {
	w := &p.text
	w.out = w.out[:0]
	w.elements(text)
	w.write(" }")
	p.parse(string(w.out))
	if !p.elements(s) {
		p.reportBad("set "+s.Name, 1)
	}
}

// objectLines are the properties of a stateful object, as nft prints them.
func objectLines(kind string, o *object) []string {
	var w jsonText
	switch kind {
	case "counter":
		return []string{"packets " + o.str("packets") + " bytes " + o.str("bytes")}
	case "limit":
		w.stateful("limit", "", o)
		return []string{strings.TrimPrefix(string(w.out), "limit ")}
	}
	var lines []string
	for i := range o.n {
		switch key := o.keys[i]; key {
		case "family", "name", "table", "handle":
		default:
			lines = append(lines, key+" "+o.values[i])
		}
	}
	return lines
}
