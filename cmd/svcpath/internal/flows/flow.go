package flows

import (
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// flowOf reads one flow. What is wrong with it as a packet, such as a port that
// its protocol does not have, is the tracer's to say.
func (r *reader) flowOf(n *yaml.Node) Flow {
	f := Flow{Pos: r.pos(n)}
	var expect *yaml.Node
	hasDestination := false
	r.fields(n, "a flow: a mapping",
		field{"name", func(v *yaml.Node) { f.Name = r.text(v, "name") }},
		field{"from", func(v *yaml.Node) {
			r.parsed(v, "from", func(s string) (err error) { f.From, err = ParseOrigin(s); return })
		}},
		field{"source", func(v *yaml.Node) { r.source(v, &f) }},
		field{"destination", func(v *yaml.Node) { hasDestination = true; f.Destination = r.address(v, "destination") }},
		field{"port", func(v *yaml.Node) {
			r.parsed(v, "port", func(s string) (err error) { f.Port, err = ParsePort(s); return })
		}},
		field{"sourcePort", func(v *yaml.Node) {
			r.parsed(v, "sourcePort", func(s string) (err error) { f.SourcePort, err = ParsePort(s); return })
		}},
		field{"protocol", func(v *yaml.Node) {
			r.parsed(v, "protocol", func(s string) (err error) { f.Protocol, err = ParseProtocol(s); return })
		}},
		field{"inInterface", func(v *yaml.Node) {
			r.parsed(v, "inInterface", func(s string) (err error) { f.InInterface, err = ParseInterface(s); return })
		}},
		field{"state", func(v *yaml.Node) {
			r.parsed(v, "state", func(s string) (err error) { f.State, err = ParseState(s); return })
		}},
		field{"expect", func(v *yaml.Node) { expect = v }},
	)
	if n.Kind != yaml.MappingNode {
		return f
	}
	if !hasDestination {
		r.fail(n, "no destination")
	}
	if f.Protocol == 0 {
		f.Protocol = netfilter.TCP
	}
	if expect != nil { // after the protocol, which says whether endpoints have ports
		f.Expect = r.expectation(expect, f.Protocol)
	}
	return f
}

func (r *reader) source(n *yaml.Node, f *Flow) {
	if n.Kind == yaml.ScalarNode && n.Value == Any {
		f.AnySource = true
		return
	}
	f.Source = r.address(n, "source")
}

func (r *reader) expectation(n *yaml.Node, protocol uint8) *trace.Expectation {
	e := &trace.Expectation{}
	hasVerdict := false
	r.fields(n, "a mapping with the key verdict",
		field{"verdict", func(v *yaml.Node) {
			hasVerdict = true
			r.parsed(v, "verdict", func(s string) (err error) { e.Verdict, err = parseVerdict(s); return })
		}},
		field{"endpoints", func(v *yaml.Node) { e.Endpoints = r.endpoints(v, protocol) }},
		field{"masquerade", func(v *yaml.Node) { e.Masquerade = r.boolean(v, "masquerade") }},
		field{"rejectWith", func(v *yaml.Node) { e.RejectWith = r.text(v, "rejectWith") }},
	)
	if n.Kind != yaml.MappingNode {
		return e
	}
	switch {
	case !hasVerdict:
		r.fail(n, "expect has no verdict")
	case e.Verdict == "": // and that was said
	case e.Verdict != trace.DNAT && len(e.Endpoints) > 0:
		r.fail(n, "endpoints are expected of verdict dnat, not of %s", e.Verdict)
	case e.Verdict != trace.Reject && e.RejectWith != "":
		r.fail(n, "rejectWith is expected of verdict reject, not of %s", e.Verdict)
	case (e.Verdict == trace.Reject || e.Verdict == trace.Drop) && e.Masquerade != nil && *e.Masquerade:
		r.fail(n, "masquerade: a packet with verdict %s is never masqueraded", e.Verdict)
	}
	return e
}

// fewEndpoints are looked through one by one.
const fewEndpoints = 32

func (r *reader) endpoints(n *yaml.Node, protocol uint8) []netip.AddrPort {
	endpoints := []netip.AddrPort{}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "endpoints is %s, expected a list such as [10.0.0.1:80]", kindOf(n))
		return endpoints
	}
	if r.ends += len(n.Content); r.ends > MaxEndpoints {
		r.fail(n, "more than the %d endpoints that are read of a file", MaxEndpoints)
		return endpoints
	}
	var seen map[netip.AddrPort]bool
	if len(n.Content) > fewEndpoints {
		seen = make(map[netip.AddrPort]bool, len(n.Content))
	} else {
		endpoints = make([]netip.AddrPort, 0, len(n.Content))
	}
	for _, item := range n.Content {
		item = resolved(item)
		r.parsed(item, "endpoint", func(s string) error {
			e, err := parseEndpoint(s, protocol)
			if err == nil && (seen[e] || seen == nil && slices.Contains(endpoints, e)) {
				r.fail(item, "endpoint %s stands there twice", source.Quote(s))
			}
			if seen != nil {
				seen[e] = true
			}
			endpoints = append(endpoints, e)
			return err
		})
	}
	return endpoints
}

// text is the value of a node that must be a plain text.
func (r *reader) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "%s is %s, expected a text", what, kindOf(n))
		return ""
	}
	return n.Value
}

// parsed has the text of a node read.
func (r *reader) parsed(n *yaml.Node, what string, parse func(string) error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "%s is %s, expected a single value", what, kindOf(n))
		return
	}
	if err := parse(n.Value); err != nil {
		r.fail(n, "%s %s: %w", what, source.Quote(n.Value), err)
	}
}

func (r *reader) address(n *yaml.Node, what string) (addr netip.Addr) {
	r.parsed(n, what, func(s string) (err error) { addr, err = ParseAddr(s); return })
	return addr
}

func (r *reader) boolean(n *yaml.Node, what string) *bool {
	var b bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&b) != nil {
		r.fail(n, "%s is %s, expected true or false", what, kindOf(n))
		return nil
	}
	return &b
}

// kindOf names what stands at a node.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Tag == "!!null":
		return "empty"
	}
	return source.Quote(n.Value)
}

func quoted(key *yaml.Node) string {
	if key.Kind == yaml.ScalarNode {
		return source.Quote(key.Value)
	}
	return "that is " + kindOf(key)
}

func oneOf(known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.key
	}
	if len(names) == 1 {
		return names[0]
	}
	slices.Sort(names)
	return "one of " + strings.Join(names, ", ")
}
