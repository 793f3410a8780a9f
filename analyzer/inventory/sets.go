package inventory

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A SetElement is an element of an ipset.
type SetElement struct {
	Set    *netfilter.IPSet
	Number int
}

// Text is the element as the dump has it.
func (e SetElement) Text() string { return e.Set.ElementSpan(e.Number).Text() }

// Pos is its line.
func (e SetElement) Pos() source.Position {
	span := e.Set.ElementSpan(e.Number)
	return source.Position{File: span.File, Line: span.Line}
}

// inSet looks for the client's packet in a set. Of its source nothing is known
// but that it is neither the node's nor a pod's: an element that differs from
// others by its source only leaves the answer open, and no set of the kernel's
// that holds services' addresses holds a client's.
func (c *client) inSet(m *netfilter.InSet) ternary {
	if m.ReturnNoMatch || m.Packets != nil || m.Bytes != nil {
		return maybe
	}
	for i := range c.asked {
		if a := &c.asked[i]; a.name == m.Set.Name && slices.Equal(a.sides, m.Set.Sides) {
			return a.answer.xor(m.Not)
		}
	}
	set := c.sets[m.Set.Name]
	if set == nil || len(set.Parts()) == 0 {
		return maybe
	}
	answer := c.askSet(set, m.Set.Sides)
	if len(c.asked) < maxAsked {
		c.asked = append(c.asked, askedSet{m.Set.Name, set, m.Set.Sides, answer})
	} else {
		c.unkept = true
	}
	return answer.xor(m.Not)
}

// An askedSet is what a set has answered to a rule: kube-proxy has several rules
// for one set.
type askedSet struct {
	name   string
	set    *netfilter.IPSet
	sides  []netfilter.Side
	answer ternary
}

// maxAsked is how many answers a client keeps: to look for one among many takes
// longer than to ask.
const maxAsked = 12

// askSet asks a set for all destinations.
func (c *client) askSet(set *netfilter.IPSet, sides []netfilter.Side) ternary {
	to := c.to
	if len(to) == 0 {
		to = []netip.Addr{{}} // the address is not known; a set of ports needs none
	}
	if parts := set.Parts(); len(parts) == 1 && parts[0] == netfilter.PartPort {
		to = to[:1]
	}
	answer := maybe
	for i, addr := range to {
		one := c.inSetAt(set, sides, addr)
		if i > 0 && one != answer {
			return maybe
		}
		answer = one
	}
	return answer
}

func (c *client) inSetAt(set *netfilter.IPSet, sides []netfilter.Side, to netip.Addr) ternary {
	parts := set.Parts()
	if len(sides) < len(parts) {
		return maybe
	}
	key := netfilter.IPSetKey{Protocol: c.protocol, Port: c.port}
	addr := 0
	for i, part := range parts {
		switch part {
		case netfilter.PartIP, netfilter.PartNet:
			if sides[i] == netfilter.Destination && to.IsValid() {
				key.Addrs[addr] = to
				key.Known |= 1 << i
			}
			addr++
		case netfilter.PartPort:
			if sides[i] == netfilter.Destination {
				key.Known |= 1 << i
			}
		}
	}
	var room [4]int
	found := set.Matching(&key, room[:0])
	switch {
	case len(found) == 0 && set.Complete:
		return no
	case len(found) == 0, !set.IsWhole(&key):
		if sides[0] == netfilter.Source && set.Complete && isClusterIPSet(set.Name) {
			return no // no cluster IP is the address of a client outside the node
		}
		return maybe
	case set.NoMatch(found[0]) && set.Type.HasNetworks():
		return no
	}
	return yes
}

func isClusterIPSet(name string) bool { return kubeproxy.IsIPVSSet(name) }

// find appends the elements of a set for an address, a protocol and a port; those
// of a set of ports for the port alone.
func find(set *netfilter.IPSet, d dial, to []SetElement) []SetElement {
	key := netfilter.IPSetKey{Protocol: d.protocol, Port: d.port}
	for i, part := range set.Parts() {
		switch {
		case part == netfilter.PartPort:
			key.Known |= 1 << i
		case i == 0 && part == netfilter.PartIP && d.address.IsValid():
			key.Addrs[0] = d.address
			key.Known |= 1 << i
		}
	}
	var room [4]int
	for _, n := range set.Matching(&key, room[:0]) {
		to = append(to, SetElement{set, n})
	}
	return to
}

// A Line is a piece of the input that proves something: a rule, an element of
// a set, a virtual server or a real server.
type Line struct {
	// In is what the line is part of: a table and chain, "ipset" and the set's
	// name, "ipvs" and the virtual server.
	In   [2]string
	Pos  source.Position
	Text string
}

// Lines are the evidence of an entry: the rules of its path, then the elements
// of sets and the virtual servers with their real servers.
func (e *Entry) Lines() []Line {
	n := len(e.Path) + len(e.Mapped) + len(e.Elements)
	for _, v := range e.Virtual {
		n += 1 + v.NumServers()
	}
	lines := e.AppendPathLines(make([]Line, 0, n))
	for _, element := range e.Elements {
		lines = append(lines, ElementLine(element))
	}
	for _, v := range e.Virtual {
		lines = AppendVirtualLines(lines, v, v.NumServers())
	}
	return lines
}

// AppendPathLines appends the rules of the entry's path, and behind each the
// elements of maps by which it leads on.
func (e *Entry) AppendPathLines(lines []Line) []Line {
	for _, r := range e.Path {
		lines = append(lines, ruleLine(r))
		for _, m := range e.Mapped {
			if m.Rule == r {
				lines = append(lines, Line{[2]string{m.Set.Table.Name, m.Set.Name}, m.Pos(), m.Text()})
			}
		}
	}
	return lines
}

// RuleLines are rules as lines.
func RuleLines(rules []*netfilter.Rule) []Line {
	lines := make([]Line, 0, len(rules))
	for _, r := range rules {
		lines = append(lines, ruleLine(r))
	}
	return lines
}

func ruleLine(r *netfilter.Rule) Line {
	return Line{[2]string{r.Chain().Table.Name, r.Chain().Name}, r.Pos(), r.Text()}
}

// ElementLine is a set's element as a line.
func ElementLine(e SetElement) Line {
	return Line{[2]string{"ipset", e.Set.Name}, e.Pos(), e.Text()}
}

// AppendVirtualLines appends a virtual server's line and those of its first n real
// servers, or of all if it has fewer.
func AppendVirtualLines(lines []Line, v *ipvs.VirtualServer, n int) []Line {
	in := [2]string{"ipvs", v.String()}
	lines = append(lines, Line{in, v.Pos(), v.Text()})
	for i := range min(n, v.NumServers()) {
		r := v.Server(i)
		lines = append(lines, Line{in, r.Pos(), r.Text()})
	}
	return lines
}
