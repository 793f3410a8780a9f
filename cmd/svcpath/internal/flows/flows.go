// Package flows reads FLOWS files: packets to follow, and what is expected of
// them, as docs/trace.md describes them.
package flows

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// A Flow is one flow of a file.
type Flow struct {
	trace.Flow
	// AnySource says that the source is not to be supposed either: "any".
	AnySource bool
	Expect    *trace.Expectation // nil if the file says nothing of it
	Pos       source.Position
}

// What a file may hold. Tests generate such files, so the limits are far above
// what anybody writes.
const (
	MaxBytes     = 16 << 20
	MaxFlows     = 100_000
	MaxEndpoints = 1_000_000 // of all flows together: aliases repeat them for little
	maxErrors    = 100       // that are told one by one
)

// Read reads a file; path is what messages call it. The errors are all that
// is wrong with it, each with path, line and the flow's name.
func Read(path string, content string) ([]Flow, error) {
	if len(content) > MaxBytes {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d that are read", path, len(content), MaxBytes)
	}
	r := &reader{file: &source.File{Path: path}}
	plain := make([]Flow, 0, min(strings.Count(content, "destination:"), MaxFlows))
	if plainFlows(content, func(flow *yaml.Node) { plain = r.add(plain, flow) }) && len(r.errs) == 0 && len(plain) <= MaxFlows {
		return plain, nil
	}
	// Not plain, or wrong, and YAML's own reader knows the line.
	root, err := document(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r = &reader{file: r.file}
	flows := r.root(root)
	if r.more > 0 {
		r.errs = append(r.errs, fmt.Errorf("%s: and %d more errors", path, r.more))
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return flows, nil
}

// document is the root of the only document of a text.
func document(content string) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(content))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty, expected flows")
	} else if err != nil {
		return nil, plainYAML(err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: a second document, expected one", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, plainYAML(err)
	}
	return doc.Content[0], nil
}

func plainYAML(err error) error {
	return fmt.Errorf("no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
}

// A reader gathers what is wrong.
type reader struct {
	file  *source.File
	flow  *yaml.Node // that is read; nil outside of one
	index int        // of the flow
	errs  []error
	more  int
	// ends counts the endpoints that were read.
	ends int
}

// fail notes what is wrong at a node.
func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if len(r.errs) == maxErrors {
		r.more++
		return
	}
	text := fmt.Errorf(format, args...).Error()
	if r.flow != nil {
		text = r.flowName() + ": " + text
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %s", r.pos(n), text))
}

func (r *reader) pos(n *yaml.Node) source.Position {
	return source.Position{File: r.file, Line: n.Line}
}

func (r *reader) root(n *yaml.Node) []Flow {
	var list *yaml.Node
	r.fields(n, "a mapping with the key flows", []string{"flows"}, func(_ string, v *yaml.Node) { list = v })
	switch {
	case len(r.errs) > 0 && list == nil:
		return nil
	case list == nil:
		r.fail(n, "no flows: expected the key flows")
		return nil
	case list.Kind != yaml.SequenceNode:
		r.fail(list, "flows is %s, expected a list", kindOf(list))
		return nil
	case len(list.Content) == 0:
		r.fail(list, "no flows: the list is empty")
		return nil
	case len(list.Content) > MaxFlows:
		r.fail(list, "%d flows, more than the %d that are read", len(list.Content), MaxFlows)
		return nil
	}
	flows := make([]Flow, 0, len(list.Content))
	for _, item := range list.Content {
		flows = r.add(flows, resolved(item))
	}
	return flows
}

// add reads the next flow.
func (r *reader) add(flows []Flow, n *yaml.Node) []Flow {
	r.flow, r.index = n, len(flows)
	flows = append(flows, r.flowOf(n))
	r.flow = nil
	return flows
}

// flowName is what messages call the flow that is read.
func (r *reader) flowName() string {
	if name := nameOf(r.flow); name != "" {
		return "flow " + source.Quote(name)
	}
	return fmt.Sprintf("flow %d", r.index+1)
}

// resolved is the node that an alias stands for, others themselves. Programs
// write aliases for values that repeat.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// nameOf is what a flow is called, wherever among its keys that stands.
func nameOf(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if value := resolved(n.Content[i+1]); n.Content[i].Value == "name" && value.Kind == yaml.ScalarNode {
				return value.Value
			}
		}
	}
	return ""
}

// fields hands out the values of a mapping, by their keys.
func (r *reader) fields(n *yaml.Node, expected string, known []string, take func(key string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s, expected %s", kindOf(n), expected)
		return
	}
	seen := uint64(0) // a bit for each that is known, which are few
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		at := slices.Index(known, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || at < 0:
			r.fail(key, "unknown key %s, expected %s", quoted(key), oneOf(known))
		case seen&(1<<at) != 0:
			r.fail(key, "key %s stands there twice", key.Value)
		default:
			seen |= 1 << at
			take(key.Value, value)
		}
	}
}
