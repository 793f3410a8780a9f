package iptablessave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A part is a match module or the target of a rule, with the options that
// belong to it wherever in the rule they stand.
type part struct {
	name    string
	ext     *extension // nil if it is not known
	target  bool
	isGoto  bool
	options []option
	pieces  []string // its text, piece by piece
	end     int      // where the last piece ends
	// problem is what makes it opaque; nil when nothing does.
	problem *problem
}

// shortOptions are the options that belong to no module, by their long names.
var shortOptions = map[string]byte{
	"-s": 's', "--source": 's', "--src": 's',
	"-d": 'd', "--destination": 'd', "--dst": 'd',
	"-i": 'i', "--in-interface": 'i',
	"-o": 'o', "--out-interface": 'o',
	"-p": 'p', "--protocol": 'p', "--proto": 'p',
	"-f": 'f', "--fragment": 'f', "--fragments": 'f',
	"-m": 'm', "--match": 'm',
	"-j": 'j', "--jump": 'j',
	"-g": 'g', "--goto": 'g',
	"-c": 'c', "--set-counters": 'c',
}

// An arrangement sorts the options of one rule to the modules that they belong
// to, as iptables does with its options in any order: an option is the newest
// module's that takes it (libxtables/xtables.c, xtables_merge_options).
type arrangement struct {
	p     *ruleParser
	s     string // the rule
	words []word
	cut   bool // the last word breaks off
	// cutTold says that the part with that word tells of it.
	cutTold bool
	at      int // number of the next word

	header   [6]netfilter.Match // by place in "sdiopf"
	parts    []*part
	current  *part // that the last option belongs to
	protocol string
	result   *parsedRule
}

// arrange reads a rule whose options stand in any order, or are in part not
// understood.
func (p *ruleParser) arrange(t *netfilter.Table, start *ruleStart) {
	a := &arrangement{p: p, s: start.text, result: &p.result}
	p.words = p.words[:0]
	for i := start.options; ; {
		w, ok, err := nextWord(a.s, i)
		if !ok {
			break
		}
		p.words = append(p.words, w)
		i = w.end
		if err != nil {
			a.cut = true
			a.result.broken = true
			break
		}
	}
	a.words = p.words
	if start.insert && len(a.words) > 0 {
		if n, ok := decimal(a.words[0].text); ok && n > 0 && n < 1<<31 {
			a.result.place = int(n)
			a.at = 1
		}
	}
	for a.at < len(a.words) {
		a.option()
	}
	if a.cut && !a.cutTold {
		a.trouble(source.Warning, "bad-rule", a.s[a.words[len(a.words)-1].start:], errOpenQuote.Error())
	}
	a.finish(t)
}

// trouble notes something that cannot be used.
func (a *arrangement) trouble(severity source.Severity, code, text, message string) {
	a.result.problems = append(a.result.problems, problem{severity: severity, code: code, text: text, message: message})
}

// option takes the next option with its values.
func (a *arrangement) option() {
	first := a.words[a.at]
	not := false
	if first.isNot() {
		not = true
		a.at++
	}
	if a.at == len(a.words) || !a.words[a.at].isOption() {
		if a.at < len(a.words) {
			a.at++
		}
		a.stray(first)
		return
	}
	w := a.words[a.at]
	a.at++
	name, value, joined := strings.Cut(w.text, "=")
	if joined && strings.HasPrefix(name, "--") { // getopt's --dport=80
		w.text = name
		a.at--
		a.words[a.at] = word{text: value, start: w.start, end: w.end, quoted: true}
	}
	if kind, ok := shortOptions[w.text]; ok && !a.taken(w.text) {
		a.short(kind, not, first)
		return
	}
	part, spec := a.owner(w.text)
	if part == nil {
		a.unknown(first, w)
		return
	}
	o := option{name: spec.name, not: not, family: a.p.family}
	for range spec.args {
		if a.at < len(a.words) && a.words[a.at].isNot() && spec.not && !o.not { // "--dport ! 80" of old
			o.not = true
			a.at++
		}
		if a.at == len(a.words) {
			a.fail(part, fmt.Sprintf("%s: expected %s, found the rule's end", spec.name, count(spec.args, "value")))
			a.result.broken = true
			break
		}
		o.args = append(o.args, a.words[a.at].text)
		a.at++
	}
	part.options = append(part.options, o)
	a.current = part
	a.piece(part, first)
	a.failIfCut(part)
}

// taken reports whether a long name is an option of the current module, where
// it is one of iptables itself as well.
func (a *arrangement) taken(name string) bool {
	if a.current == nil || a.current.ext == nil {
		return false
	}
	spec, _ := a.current.ext.spec(name)
	return spec != nil
}

// piece adds the words from first up to the next one to a part's text.
func (a *arrangement) piece(p *part, first word) {
	end := a.words[a.at-1].end
	if n := len(p.pieces); n > 0 && p.end <= first.start && strings.Trim(a.s[p.end:first.start], " \t") == "" {
		begin := p.end - len(p.pieces[n-1])
		p.pieces[n-1] = a.s[begin:end]
	} else {
		p.pieces = append(p.pieces, a.s[first.start:end])
	}
	p.end = end
}

// fail makes a part opaque.
func (a *arrangement) fail(p *part, message string) {
	if p.problem == nil {
		p.problem = &problem{severity: source.Warning, code: "bad-value", message: message}
	}
}

// failIfCut makes a part opaque that the word belongs to which breaks off.
func (a *arrangement) failIfCut(p *part) {
	if a.cut && a.at == len(a.words) {
		a.fail(p, errOpenQuote.Error())
		a.cutTold = true
	}
}

// owner finds the part that an option belongs to: the current one, else the
// newest, else the module of the protocol, which iptables loads by itself.
func (a *arrangement) owner(name string) (*part, *spec) {
	if a.current != nil && a.current.ext != nil {
		if s, _ := a.current.ext.spec(name); s != nil {
			return a.current, s
		}
	}
	for i := len(a.parts) - 1; i >= 0; i-- {
		if e := a.parts[i].ext; e != nil {
			if s, _ := e.spec(name); s != nil {
				return a.parts[i], s
			}
		}
	}
	if e := matches[a.protocol]; e != nil {
		if s, _ := e.spec(name); s != nil {
			p := &part{name: a.protocol, ext: e}
			a.parts = append(a.parts, p)
			return p, s
		}
	}
	return nil, nil
}

// unknown takes an option that nothing in the rule takes, with what follows it
// up to the next option. It makes the module opaque that it stands behind.
func (a *arrangement) unknown(first, w word) {
	for a.at < len(a.words) && !a.words[a.at].isOption() && !a.words[a.at].isNot() {
		a.at++
	}
	p := a.current
	long := strings.HasPrefix(w.text, "--")
	switch {
	case p == nil:
		a.nobody(first, "no match module of the rule has this option")
		return
	case p.target && !long:
		a.stray(first)
		return
	case p.ext == nil && !isVerdict(p.name):
		// Nothing is known of this target's options.
	case p.problem == nil:
		p.problem = &problem{severity: source.Warning, code: "unknown-option",
			message: fmt.Sprintf("%s is not known, so the outcome of all of this is not", cut(w.text))}
	}
	p.options = append(p.options, option{name: w.text})
	a.piece(p, first)
	a.failIfCut(p)
}

// stray takes words that are no option and no option's value.
func (a *arrangement) stray(first word) {
	text := a.s[first.start:a.words[a.at-1].end]
	if p := a.current; p != nil {
		if p.ext != nil || p.target {
			a.fail(p, "expected an option, found "+quote(text))
		}
		a.piece(p, first)
		return
	}
	a.nobody(first, "expected an option")
}

// nobody takes words that no part can have.
func (a *arrangement) nobody(first word, message string) {
	text := a.s[first.start:a.words[a.at-1].end]
	a.trouble(source.Warning, "bad-value", text, message)
	a.parts = append(a.parts, &part{pieces: []string{text}, end: a.words[a.at-1].end})
}

// short takes an option that belongs to no module.
func (a *arrangement) short(kind byte, not bool, first word) {
	switch kind {
	case 'm', 'j', 'g':
		a.module(kind, not, first)
		return
	case 'c':
		var ok1, ok2 bool
		if a.at+2 <= len(a.words) {
			a.result.counters.Packets, ok1 = decimal(a.words[a.at].text)
			a.result.counters.Bytes, ok2 = decimal(a.words[a.at+1].text)
			a.at += 2
		}
		a.result.counted = ok1 && ok2
		if !a.result.counted {
			a.trouble(source.Warning, "bad-value", a.s[first.start:a.words[a.at-1].end], "expected two numbers, packets and bytes")
		}
		return
	}
	value := ""
	if kind != 'f' {
		if a.at < len(a.words) && a.words[a.at].isNot() && !not { // "-s ! 10.0.0.0/8" of old
			not = true
			a.at++
		}
		if a.at == len(a.words) {
			a.nobody(first, "expected a value, found the rule's end")
			a.result.broken = true
			return
		}
		value = a.words[a.at].text
		a.at++
	}
	place := strings.IndexByte("sdiopf", kind)
	m, err := headerMatch(kind, not, value, a.p.family)
	switch {
	case err != nil:
		a.nobody(first, err.Error())
	case a.header[place] != nil:
		a.nobody(first, "given twice")
	default:
		a.header[place] = m
	}
	if p, ok := m.(*netfilter.Protocol); ok && err == nil && !p.Not {
		a.protocol = protocolModule(p.Number)
	}
}

// protocolModule is the match module that iptables loads by itself for the
// options of a protocol.
func protocolModule(number uint8) string {
	if number == netfilter.ICMPv6 {
		return "icmp6"
	}
	return netfilter.ProtocolName(number)
}

// module begins a match module, or the target.
func (a *arrangement) module(kind byte, not bool, first word) {
	p := &part{target: kind != 'm', isGoto: kind == 'g'}
	a.parts = append(a.parts, p)
	if a.at < len(a.words) {
		p.name = a.words[a.at].text
		a.at++
	} else {
		a.fail(p, "expected a name, found the rule's end")
		a.result.broken = true
	}
	switch {
	case not:
		a.fail(p, "\"!\" cannot stand before this")
	case !p.target && strings.HasPrefix(p.name, "-"):
		a.fail(p, "expected the name of a match module, found "+quote(p.name))
	case p.target:
		p.ext = targets[p.name]
	default:
		p.ext = matches[p.name]
	}
	a.current = p
	a.piece(p, first)
	if p.ext != nil || p.target {
		return
	}
	// Nothing is known of this module: all up to the next option of iptables
	// itself is its own.
	for a.at < len(a.words) {
		k := a.at
		if a.words[k].isNot() && k+1 < len(a.words) {
			k++
		}
		if _, ok := shortOptions[a.words[k].text]; ok && !a.words[k].quoted {
			break
		}
		first = a.words[a.at]
		a.at = k + 1
		a.piece(p, first)
	}
}

// finish puts the rule together: header matches first, the modules as they
// were loaded, the target.
func (a *arrangement) finish(t *netfilter.Table) {
	for _, m := range a.header {
		if m != nil {
			a.p.found = append(a.p.found, m)
		}
	}
	var target *part
	for _, p := range a.parts {
		if !p.target {
			a.p.found = append(a.p.found, a.match(p))
			continue
		}
		if target != nil {
			a.fail(target, "a rule has one target, found another: "+quote(strings.Join(p.pieces, " ")))
			target.pieces = append(target.pieces, p.pieces...)
			continue
		}
		target = p
	}
	switch {
	case target != nil:
		a.result.statements = t.KeepStatement(a.statement(t, target))
	case len(a.result.problems) > 0:
		// What the rule does stands in the part that could not be read.
		a.result.statements = t.KeepStatement(&netfilter.OpaqueTarget{})
	}
}

// match makes the match of a module.
func (a *arrangement) match(p *part) netfilter.Match {
	text := strings.Join(p.pieces, " ")
	if p.problem == nil && p.ext != nil && p.ext.fresh != nil {
		v, err := p.ext.build(p.options, a.p.family)
		if err == nil {
			return v.(netfilter.Match)
		}
		a.fail(p, err.Error())
	}
	a.problem(p, text)
	return &netfilter.Opaque{Module: p.name, Text: text}
}

func (a *arrangement) problem(p *part, text string) {
	if p.problem != nil {
		p.problem.text = text
		a.result.problems = append(a.result.problems, *p.problem)
	}
}

// statement makes the statement of a target.
func (a *arrangement) statement(t *netfilter.Table, p *part) netfilter.Statement {
	text := strings.Join(p.pieces, " ")
	if p.problem == nil {
		v, named := verdict(p.name)
		bare := len(p.options) == 0
		switch {
		case !isChainName(p.name):
			a.fail(p, quote(p.name)+": expected a target or a chain")
		case p.isGoto && bare:
			return t.Goto(p.name)
		case p.isGoto:
			a.fail(p, "expected nothing behind the chain")
		case named && bare:
			return v
		case p.ext == nil && bare && !named:
			return t.Jump(p.name)
		case p.ext != nil && p.ext.fresh != nil:
			v, err := p.ext.build(p.options, a.p.family)
			if err == nil {
				return v.(netfilter.Statement)
			}
			a.fail(p, err.Error())
		}
	}
	a.problem(p, text)
	return &netfilter.OpaqueTarget{Name: p.name, Text: text}
}
