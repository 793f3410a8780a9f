package trace

import (
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
	// addr is valid when the question is whether the node has that address;
	// then yes and no are "".
	addr netip.Addr
	// granted says that only one of the answers is followed.
	granted bool
	// list is the name of a list of addresses when the question is whether it
	// has client; see recent.go.
	list, client string
}

// text says in words how the question is answered.
func (q *question) text(yes bool) string {
	switch {
	case q.addr.IsValid() && yes:
		return q.addr.String() + " is one of the node's addresses"
	case q.addr.IsValid():
		return q.addr.String() + " is none of the node's addresses"
	case yes:
		return q.yes
	}
	return q.no
}

// ownAddress is the condition that the node has an address.
func (w *walk) ownAddress(a netip.Addr) condition {
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
	n, ok := w.asked[key]
	if !ok {
		n = int32(len(w.questions))
		w.questions = append(w.questions, q)
		w.asked[key] = n
	}
	return w.literal(n)
}

// asking tries the matches of a rule on a packet.
type asking struct {
	*walk
	rule   *netfilter.Rule
	packet *packet
	why    netfilter.Match // the match that does not hold
	// want says that open questions are to be put; holds becomes the
	// condition that they are answered so that the match holds.
	want  bool
	holds condition
}

// scope says what the answer to an open match depends on besides its text.
type scope uint8

const (
	byText    scope = iota // nothing that changes on the way
	byHop                  // the time to live, which forwarding changes
	byHeaders              // addresses, ports and marks, and what rules did to ipsets
	byPacket               // all of it, the hook included
	byRule                 // a counter that the rule has for itself
)

// unsure is the answer maybe. text is the match without its negation.
func (q *asking) unsure(negated bool, by scope, text func() string) ternary {
	if q.want {
		t := text()
		q.suppose(negated, t+q.scoped(by), question{rule: q.rule, yes: t + " matches", no: t + " does not match"})
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

func (q *asking) scoped(by scope) string {
	p := q.packet
	switch by {
	case byHop:
		return fmt.Sprint("\x00hop ", p.hook >= netfilter.Forward && q.flow.From != FromNode)
	case byHeaders:
		return fmt.Sprint("\x00headers ", p.src, p.dst, p.srcPort, p.dstPort, p.mark, p.connMark, p.tos, p.sets)
	case byPacket:
		return fmt.Sprintf("\x00packet %+v", *p)
	case byRule:
		return fmt.Sprintf("\x00rule %p", q.rule)
	}
	return ""
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
