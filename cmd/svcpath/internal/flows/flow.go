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

// Keys of a flow, and of what is expected of it.
var (
	flowKeys = []string{"name", "from", "source", "destination", "port", "sourcePort", "protocol", "inInterface",
		"state", "expect"}
	expectationKeys = []string{"verdict", "endpoints", "masquerade", "rejectWith"}
)

// flowOf reads one flow. What is wrong with it as a packet, such as a port that
// its protocol does not have, is the tracer's to say.
func (r *reader) flowOf(n *yaml.Node) Flow {
	f := Flow{Pos: r.pos(n)}
	var expect *yaml.Node
	hasDestination := false
	r.fields(n, "a flow: a mapping", flowKeys, func(key string, v *yaml.Node) {
		switch key {
		case "name":
			f.Name = r.text(v, key)
		case "from":
			f.From = parsed(r, v, key, ParseOrigin)
		case "source":
			r.source(v, &f)
		case "destination":
			hasDestination, f.Destination = true, parsed(r, v, key, ParseAddr)
		case "port":
			f.Port = parsed(r, v, key, ParsePort)
		case "sourcePort":
			f.SourcePort = parsed(r, v, key, ParsePort)
		case "protocol":
			f.Protocol = parsed(r, v, key, ParseProtocol)
		case "inInterface":
			f.InInterface = parsed(r, v, key, ParseInterface)
		case "state":
			f.State = parsed(r, v, key, ParseState)
		case "expect":
			expect = v
		}
	})
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
	f.Source = parsed(r, n, "source", ParseAddr)
}

func (r *reader) expectation(n *yaml.Node, protocol uint8) *trace.Expectation {
	e := &trace.Expectation{}
	hasVerdict := false
	r.fields(n, "a mapping with the key verdict", expectationKeys, func(key string, v *yaml.Node) {
		switch key {
		case "verdict":
			hasVerdict, e.Verdict = true, parsed(r, v, key, parseVerdict)
		case "endpoints":
			e.Endpoints = r.endpoints(v, protocol)
		case "masquerade":
			e.Masquerade = r.boolean(v, key)
		case "rejectWith":
			e.RejectWith = r.text(v, key)
		}
	})
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
	parse := func(s string) (netip.AddrPort, error) { return parseEndpoint(s, protocol) }
	for _, item := range n.Content {
		item = resolved(item)
		before := len(r.errs) + r.more
		e := parsed(r, item, "endpoint", parse)
		if before == len(r.errs)+r.more && (seen[e] || seen == nil && slices.Contains(endpoints, e)) {
			r.fail(item, "endpoint %s stands there twice", source.Quote(item.Value))
		}
		if seen != nil {
			seen[e] = true
		}
		endpoints = append(endpoints, e)
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

// parsed has the text of a node read. What cannot be read is the zero value.
func parsed[T any](r *reader, n *yaml.Node, what string, parse func(string) (T, error)) T {
	var none T
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "%s is %s, expected a single value", what, kindOf(n))
		return none
	}
	value, err := parse(n.Value)
	if err != nil {
		r.fail(n, "%s %s: %w", what, source.Quote(n.Value), err)
		return none
	}
	return value
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

func oneOf(keys []string) string {
	if len(keys) == 1 {
		return keys[0]
	}
	return "one of " + strings.Join(slices.Sorted(slices.Values(keys)), ", ")
}
