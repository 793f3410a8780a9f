package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A question is something that the capture does not tell, with what either
// answer to it says.
type question struct {
	rule    *netfilter.Rule // that asked first; nil for a fact about the node
	yes, no string
	// match is set, and yes and no are "", when the question is whether that
	// match holds, and of is for a test of an address; addr is valid likewise when
	// it is whether the node has that address.
	match string
	of    *netfilter.Addr
	addr  netip.Addr
	// granted says that only one of the answers is followed.
	granted bool
	// list is the name of a list of addresses when the question is whether it
	// has client; see recent.go. isSet says that it is a set of nftables; see
	// element.go.
	list, client string
	recent       *netfilter.Recent // in place of yes and no
	isSet        bool
	// group is of the questions of which at most one is answered with yes.
	group *group
	texts [2]string // for no and for yes, if they were needed
}

// answer says how a question is answered.
func (w *words) answer(q *question, yes bool) string {
	text := &q.texts[flag(yes)]
	if *text == "" {
		*text = w.answerAnew(q, yes)
	}
	return *text
}

func (w *words) answerAnew(q *question, yes bool) string {
	matches := " matches"
	if !yes {
		matches = " does not match"
	}
	switch {
	case q.match != "":
		return w.joined(q.match, matches)
	case q.of != nil:
		test := netfilter.Addr{Side: q.of.Side, Net: q.of.Net}
		return w.keep(append(test.AppendTo(w.begin("")), matches...))
	case q.addr.IsValid() && yes:
		return q.addr.String() + " is one of the node's addresses"
	case q.addr.IsValid():
		return q.addr.String() + " is none of the node's addresses"
	case q.recent != nil:
		return w.seen(q, yes)
	case yes:
		return q.yes
	case q.no == "":
		return "it is not so that " + q.yes // of what is granted, and made no difference
	}
	return q.no
}

// ownAddress is the condition that the node has an address.
func (w *walk) ownAddress(a netip.Addr) condition {
	if w.unrouted && a == w.flow.Destination {
		w.mustRoute()
	}
	n, ok := w.askedOwn[a]
	if !ok {
		n = int32(len(w.questions))
		w.questions = append(w.questions, question{addr: a})
		w.askedOwn[a] = n
	}
	return w.literal(n)
}

// question finds the number of a question by its key. It is asked once: the
// same question again is answered alike.
func (w *walk) question(key string, q question) condition {
	w.key = append(w.key[:0], key...)
	n, ok := w.asked.find(w.key)
	if !ok {
		n = w.ask(q)
	}
	return w.literal(n)
}

// ask adds a question with the key that was written last.
func (w *walk) ask(q question) int32 {
	n := int32(len(w.questions))
	w.questions = append(w.questions, q)
	w.asked.add(w.key, n)
	return n
}

// asking tries the matches of a rule on a packet.
type asking struct {
	*walk
	rule   *netfilter.Rule
	packet *packet
	// native says that the rule is one of nftables, whose matches have no
	// answer where a packet lacks what they ask for: then the rule ends.
	native bool
	trying netfilter.Match // that is being tried
	why    netfilter.Match // the match that does not hold
	// want says that open questions are to be put; holds becomes the
	// condition that they are answered so that the match holds.
	want  bool
	holds condition
}

// scope says what the answer to an open match depends on besides its text.
type scope uint8

const (
	byText       scope = iota // nothing that changes on the way
	byHop                     // the time to live, which forwarding and rules change
	byHeaders                 // addresses, ports and marks, and what rules did to ipsets
	byHeadersIn               // and the interface that the packet came in by
	byHeadersOut              // and the one that it leaves by
	byPacket                  // all of it, the hook included
	byRule                    // a counter that the rule has for itself
)

// unsure is the answer maybe. text is the match without its negation.
func (q *asking) unsure(negated bool, by scope, text func() string) ternary {
	if q.want {
		t := q.textOf(negated, text)
		q.key = q.appendScope(append(q.key[:0], t...), by)
		n, ok := q.asked.find(q.key)
		if !ok {
			n = q.ask(question{rule: q.rule, match: t})
		}
		q.require(negated, q.literal(n))
	}
	return maybe
}

// unsureAddr is unsure of an address against a network.
func (q *asking) unsureAddr(m *netfilter.Addr) ternary {
	if q.native {
		return q.unsure(m.Not, byHeaders, plain(m, m.Not))
	}
	if q.want {
		// The text that tells such tests apart is written for who reads it.
		net := m.Net.Prefix.Addr().As16()
		q.key = append(append(q.key[:0], "\x00addr"...), byte(m.Side), flag(m.Net.Prefix.Addr().Is4()))
		q.key = append(q.key, net[:]...)
		if m.Net.Mask.IsValid() {
			mask := m.Net.Mask.Bits().As16()
			q.key = append(append(q.key, flag(true)), mask[:]...)
		} else {
			q.key = append(q.key, flag(false), byte(m.Net.Prefix.Bits()))
		}
		q.key = q.appendScope(q.key, byHeaders)
		n, ok := q.asked.find(q.key)
		if !ok {
			n = q.ask(question{rule: q.rule, of: m})
		}
		q.require(m.Not, q.literal(n))
	}
	return maybe
}

// suppose makes the match hold only if the question is answered with yes, or
// with no if negated.
func (q *asking) suppose(negated bool, key string, open question) {
	q.require(negated, q.walk.question(key, open))
}

// require makes the match hold only if the condition does, or does not if
// negated.
func (q *asking) require(negated bool, c condition) {
	if negated {
		c = q.not(c)
	}
	q.holds = q.and(q.holds, c)
}

// appendScope writes what the answer to an open match depends on besides its
// text behind it.
func (q *asking) appendScope(key []byte, by scope) []byte {
	p := q.packet
	switch by {
	case byHop:
		return fmt.Append(key, "\x00hop ", q.hasHopped(p), p.ttl)
	case byHeadersIn:
		return fmt.Append(q.appendScope(key, byHeaders), "in ", p.in.name, p.in.known)
	case byHeadersOut:
		return fmt.Append(q.appendScope(key, byHeaders), "out ", q.out().name, p.out.known)
	case byHeaders:
		key = append(key, "\x00headers "...)
		for _, a := range [...]netip.Addr{p.src, p.dst} {
			b := a.As16()
			key = append(append(key, byte(a.BitLen())), b[:]...)
		}
		for _, p := range [...]port{p.srcPort, p.dstPort} {
			key = binary.BigEndian.AppendUint16(append(key, flag(p.known)), p.number)
		}
		for _, b := range [...]bits{p.mark, p.connMark, p.tos} {
			key = binary.BigEndian.AppendUint64(key, uint64(b.value)<<32|uint64(b.known))
		}
		return binary.BigEndian.AppendUint16(key, p.sets)
	case byPacket:
		q.seesLink()
		return fmt.Appendf(key, "\x00packet %+v", *p)
	case byRule:
		return fmt.Appendf(key, "\x00rule %p", q.rule)
	}
	return key
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// scopeOf is what the answer of a module that is not modelled depends on.
func scopeOf(module string) scope {
	switch module {
	case "time", "cpu", "string", "length", "tcpmss", "ecn", "ah", "esp", "ipcomp", "rt", "frag", "dst", "hbh",
		"ipv6header", "mh", "osf", "realm", "cluster", "srh":
		return byText
	case "u32", "bpf", "connlabel", "cgroup":
		return byHeaders
	case "quota", "rateest":
		return byRule
	}
	return byPacket
}

// local tells whether an address is one of the node's.
func (q *asking) local(negated bool, of netfilter.Side) ternary {
	a := q.packet.dst
	if of == netfilter.Source {
		a = q.packet.src
		if !a.IsValid() && !q.packet.has(sourceBound) {
			return ternaryOf(q.flow.From == FromNode).xor(negated)
		}
	}
	if of == netfilter.Destination && q.packet.has(toNode) {
		return ternaryOf(!negated)
	}
	if !a.IsValid() {
		side := [...]string{"source", "destination"}[of]
		return q.fact(negated, "the packet's new "+side+" is one of the node's addresses", "the packet's new "+side+" is none of the node's addresses")
	}
	if local, ok := q.tracer.node.isLocal(a); ok {
		return ternaryOf(local).xor(negated)
	}
	if q.want {
		q.require(negated, q.ownAddress(a))
	}
	return maybe
}

// fact is the answer maybe, about the node instead of the packet.
func (q *asking) fact(negated bool, yes, no string) ternary {
	if q.want {
		q.suppose(negated, yes, question{yes: yes, no: no})
	}
	return maybe
}

// plain is the text of a match that has one test, without its negation.
func plain(m netfilter.Match, negated bool) func() string {
	return func() string {
		if negated {
			return strings.Replace(m.String(), "! ", "", 1)
		}
		return m.String()
	}
}
