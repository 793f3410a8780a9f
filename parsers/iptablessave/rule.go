package iptablessave

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A ruleParser reads the options of rules. What many rules have alike it makes
// once: a million rules are not four million little objects.
type ruleParser struct {
	family *family

	// Values that do not change once made, by their text. They depend on
	// nothing but it, and on the dump's family.
	matches map[string]netfilter.Match
	targets map[string]netfilter.Statement

	matchSlab     []netfilter.Match
	statementSlab []netfilter.Statement
	addrs         []netfilter.Addr
	comments      []netfilter.Comment
	dnats         []netfilter.DNAT
	lastComment   *netfilter.Comment

	// Room that is used again for each rule.
	found   []netfilter.Match
	options []option
	args    []string
	words   []word
	scratch []byte
}

// A parsedRule is what was read of a rule.
type parsedRule struct {
	matches    []netfilter.Match
	statements []netfilter.Statement
	counted    bool // "-c" is among the options
	counters   netfilter.Counters
	place      int // of "-I CHAIN 5"; 0 when not said
	problems   []problem
	// broken says that the rule does not read to its end.
	broken bool
}

// A problem is something in a rule that cannot be used as it stands.
type problem struct {
	severity source.Severity
	code     string
	text     string // what it is about
	message  string
}

// maxShared bounds the values that are kept for rules to come.
const maxShared = 1 << 14

// parse reads a rule, the quick way if it is written as iptables-save does.
func (p *ruleParser) parse(t *netfilter.Table, start ruleStart) parsedRule {
	p.found = p.found[:0]
	if !start.insert {
		var r parsedRule
		if p.plain(t, start.text, start.options, &r) {
			r.matches = p.keepMatches(p.found)
			return r
		}
		p.found = p.found[:0]
	}
	return p.arrange(t, start)
}

// plain reads options that stand in the order of iptables-save: addresses,
// interfaces, protocol, match modules each with its own options, the target.
// It is false for every other rule.
func (p *ruleParser) plain(t *netfilter.Table, s string, i int, r *parsedRule) bool {
	last := byte(0)
	for i < len(s) {
		// s[i] is the blank before an option.
		start := i + 1
		k := start
		not := false
		if strings.HasPrefix(s[k:], "! ") {
			not = true
			k += 2
		}
		if len(s) < k+2 || s[k] != '-' || len(s) > k+2 && s[k+2] != ' ' {
			return false
		}
		kind := s[k+1]
		at := strings.IndexByte("sdiopfmcjg", kind)
		if at < 0 || last != 0 && kind != 'm' && at <= strings.IndexByte("sdiopfmcjg", last) {
			return false
		}
		last = kind
		valueAt := min(k+3, len(s))
		if valueAt == len(s) && kind != 'f' {
			return false
		}
		end := valueAt
		switch kind {
		case 's', 'd':
			end = bareEnd(s, valueAt)
			m := p.addr(kind == 'd', not, s[valueAt:end])
			if m == nil {
				return false
			}
			p.found = append(p.found, m)
		case 'i', 'o', 'p', 'f':
			if kind == 'f' {
				end = k + 2
			} else {
				end = bareEnd(s, valueAt)
			}
			key := s[start:end]
			m, ok := p.matches[key]
			if !ok {
				var err error
				if m, err = headerMatch(kind, not, s[valueAt:max(end, valueAt)], p.family); err != nil {
					return false
				}
				p.share(key, m)
			}
			p.found = append(p.found, m)
		case 'm':
			if not {
				return false
			}
			end = moduleEnd(s, valueAt)
			m := p.module(s, start, end)
			if m == nil {
				return false
			}
			p.found = append(p.found, m)
		case 'c':
			packets := bareEnd(s, valueAt)
			if packets == len(s) || not {
				return false
			}
			end = bareEnd(s, packets+1)
			var ok1, ok2 bool
			r.counters.Packets, ok1 = decimal(s[valueAt:packets])
			r.counters.Bytes, ok2 = decimal(s[packets+1 : end])
			r.counted = true
			if !ok1 || !ok2 {
				return false
			}
		default: // j, g
			if not {
				return false
			}
			st := p.target(t, s[start:], kind == 'g')
			if st == nil {
				return false
			}
			r.statements = p.keepStatement(st)
			return true
		}
		i = end
	}
	return true
}

// bareEnd is the end of the word at s[i]; i itself if no plain word begins there.
func bareEnd(s string, i int) int {
	for k := i; k < len(s); k++ {
		switch s[k] {
		case ' ':
			return k
		case '"', '!', '\t', '\r':
			return i
		}
	}
	return len(s)
}

// moduleEnd is where the options of the match module at s[i] end: before the
// next short option, or before the "!" of one.
func moduleEnd(s string, i int) int {
	for k := i; k+2 < len(s); k++ {
		switch s[k] {
		case '"':
			end, _, err := quotedEnd(s, k)
			if err != nil {
				return len(s)
			}
			k = end - 1
		case ' ':
			o := k + 1
			if s[o] == '!' && s[o+1] == ' ' {
				o += 2
			}
			if o+1 < len(s) && s[o] == '-' && s[o+1] != '-' && (o+2 == len(s) || s[o+2] == ' ') {
				return k
			}
		}
	}
	return len(s)
}

// module reads the match module whose text is s[start:end]. It is nil if that
// text does not stand for itself.
func (p *ruleParser) module(s string, start, end int) netfilter.Match {
	text := s[start:end]
	if m := p.comment(text); m != nil {
		return m
	}
	if m, ok := p.matches[text]; ok {
		return m
	}
	name, rest, _ := strings.Cut(text[len("-m "):], " ")
	e := matches[name]
	if e == nil || e == comment {
		return nil
	}
	if !p.readOptions(e, rest) {
		return nil
	}
	if e.fresh == nil {
		return &netfilter.Opaque{Module: name, Text: text}
	}
	v, err := e.build(p.options, p.family)
	if err != nil {
		return nil
	}
	m := v.(netfilter.Match)
	if e != recent && e != nfacct { // their names make each but unique
		p.share(text, m)
	}
	return m
}

const commentOption = "-m comment --comment "

// comment reads a comment, the part of a rule that is its own most often.
func (p *ruleParser) comment(text string) netfilter.Match {
	if !strings.HasPrefix(text, commentOption) || len(text) == len(commentOption) {
		return nil
	}
	text = text[len(commentOption):]
	if text[0] != '"' {
		if bareEnd(text, 0) != len(text) {
			return nil
		}
		return p.makeComment(text)
	}
	inner, end, err := quoted(text, 0)
	if err != nil || end != len(text) {
		return nil
	}
	return p.makeComment(inner)
}

func (p *ruleParser) makeComment(text string) *netfilter.Comment {
	if p.lastComment != nil && p.lastComment.Text == text {
		return p.lastComment
	}
	if len(p.comments) == cap(p.comments) {
		p.comments = make([]netfilter.Comment, 0, slabSize)
	}
	p.comments = append(p.comments, netfilter.Comment{Text: text})
	p.lastComment = &p.comments[len(p.comments)-1]
	return p.lastComment
}

// readOptions reads the options of an extension, and nothing else, from text.
func (p *ruleParser) readOptions(e *extension, text string) bool {
	p.options, p.args = p.options[:0], p.args[:0]
	for i := 0; ; {
		w, ok, err := nextWord(text, i)
		if err != nil {
			return false
		}
		if !ok {
			return true
		}
		not := w.isNot()
		if not {
			if w, ok, err = nextWord(text, w.end); !ok || err != nil {
				return false
			}
		}
		if w.quoted {
			return false
		}
		spec, _ := e.spec(w.text)
		if spec == nil {
			return false
		}
		i = w.end
		first := len(p.args)
		for range spec.args {
			if w, ok, err = nextWord(text, i); !ok || err != nil || w.isNot() {
				return false
			}
			p.args = append(p.args, w.text)
			i = w.end
		}
		p.options = append(p.options, option{name: spec.name, not: not, args: p.args[first:len(p.args):len(p.args)], family: p.family})
	}
}

// target reads the target that is the rule's rest. It is nil if it cannot be
// read in the plain way.
func (p *ruleParser) target(t *netfilter.Table, text string, isGoto bool) netfilter.Statement {
	name, rest, more := strings.Cut(text[min(len("-j "), len(text)):], " ")
	if !isChainName(name) {
		return nil
	}
	if isGoto {
		if more {
			return nil
		}
		return t.Goto(name)
	}
	var e *extension
	if len(name) <= maxTargetName {
		if v, ok := verdicts[name]; ok {
			if more {
				return nil
			}
			return v
		}
		e = targets[name]
	}
	if e == nil {
		if more {
			return nil
		}
		return t.Jump(name)
	}
	if e == dnat {
		if d := p.plainDNAT(rest); d != nil {
			return d
		}
	}
	if st, ok := p.targets[text]; ok {
		return st
	}
	if !p.readOptions(e, rest) {
		return nil
	}
	if e.fresh == nil {
		return &netfilter.OpaqueTarget{Name: name, Text: text}
	}
	v, err := e.build(p.options, p.family)
	if err != nil {
		return nil
	}
	st := v.(netfilter.Statement)
	if len(p.targets) < maxShared {
		if p.targets == nil {
			p.targets = map[string]netfilter.Statement{}
		}
		p.targets[text] = st
	}
	return st
}

// plainDNAT reads the options of a DNAT that has nothing but a destination.
func (p *ruleParser) plainDNAT(options string) *netfilter.DNAT {
	to, ok := strings.CutPrefix(options, "--to-destination ")
	if !ok || bareEnd(to, 0) != len(to) || to == "" {
		return nil
	}
	r, err := natRange(to, p.family)
	if err != nil {
		return nil
	}
	if len(p.dnats) == cap(p.dnats) {
		p.dnats = make([]netfilter.DNAT, 0, slabSize)
	}
	p.dnats = append(p.dnats, netfilter.DNAT{To: r})
	return &p.dnats[len(p.dnats)-1]
}

// addr reads "-s" and "-d"; nil if the value is no network.
func (p *ruleParser) addr(destination, not bool, value string) netfilter.Match {
	if value == "" {
		return nil
	}
	n, err := network(value, p.family)
	if err != nil {
		return nil
	}
	if len(p.addrs) == cap(p.addrs) {
		p.addrs = make([]netfilter.Addr, 0, slabSize)
	}
	p.addrs = append(p.addrs, netfilter.Addr{Not: not, Net: n})
	m := &p.addrs[len(p.addrs)-1]
	if destination {
		m.Side = netfilter.Destination
	}
	return m
}

func (p *ruleParser) share(text string, m netfilter.Match) {
	if len(p.matches) >= maxShared {
		return
	}
	if p.matches == nil {
		p.matches = map[string]netfilter.Match{}
	}
	p.matches[text] = m
}

// slabSize is how many values are allocated at a time.
const slabSize = 256

// keepMatches gives the matches a place of their own.
func (p *ruleParser) keepMatches(found []netfilter.Match) []netfilter.Match {
	if len(found) == 0 {
		return nil
	}
	if cap(p.matchSlab)-len(p.matchSlab) < len(found) {
		p.matchSlab = make([]netfilter.Match, 0, max(4*slabSize, len(found)))
	}
	first := len(p.matchSlab)
	p.matchSlab = append(p.matchSlab, found...)
	return p.matchSlab[first:len(p.matchSlab):len(p.matchSlab)]
}

func (p *ruleParser) keepStatement(st netfilter.Statement) []netfilter.Statement {
	if len(p.statementSlab) == cap(p.statementSlab) {
		p.statementSlab = make([]netfilter.Statement, 0, slabSize)
	}
	first := len(p.statementSlab)
	p.statementSlab = append(p.statementSlab, st)
	return p.statementSlab[first : first+1 : first+1]
}

// headerMatch makes the match of "-s", "-d", "-i", "-o", "-p" or "-f".
func headerMatch(kind byte, not bool, value string, f *family) (netfilter.Match, error) {
	if value == "" && kind != 'f' {
		return nil, errEmpty
	}
	side := netfilter.Source
	if kind == 'd' || kind == 'o' {
		side = netfilter.Destination
	}
	switch kind {
	case 's', 'd':
		n, err := network(value, f)
		return &netfilter.Addr{Side: side, Not: not, Net: n}, err
	case 'i', 'o':
		name, prefix := strings.CutSuffix(value, "+")
		return &netfilter.Interface{Side: side, Not: not, Name: name, Prefix: prefix}, interfaceName(value)
	case 'p':
		n, err := protocol(value)
		if n == netfilter.ICMPv6 && f.is == netfilter.AnyFamily {
			f.is = netfilter.IPv6
		}
		return &netfilter.Protocol{Not: not, Number: n, Name: value}, err
	}
	return &netfilter.Fragment{Not: not}, f.seeFamily(netfilter.IPv4)
}
