// Package manifests reads Kubernetes objects as "kubectl get -o yaml" and
// "-o json" print them and as people write them: lists, documents one after
// another, single objects, JSON lines. It keeps Services, EndpointSlices,
// Endpoints and Nodes, and counts the rest.
package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/source"
)

// ParseYAML reads the YAML documents from the cursor to end.
func ParseYAML(at, end source.Cursor) (*cluster.Objects, []source.Diagnostic) {
	return parse(at, splitYAML(at, end))
}

// ParseJSON reads the JSON values from the cursor to end: objects, arrays of
// them, lists.
func ParseJSON(at, end source.Cursor) (*cluster.Objects, []source.Diagnostic) {
	return parse(at, splitJSON(at, end))
}

// A reader makes objects of pieces.
type reader struct {
	file    *source.File
	objects cluster.Objects
	remarks source.Remarks
	// others counts the objects that are passed over, by kind; other is where
	// the first of them stands.
	others map[string]int
	other  source.Position
}

func parse(at source.Cursor, pieces []piece) (*cluster.Objects, []source.Diagnostic) {
	r := &reader{file: at.File, others: map[string]int{}}
	decodeAll(pieces, func(p piece, o object, err error) {
		pos := source.Position{File: r.file, Line: p.line}
		if p.cut {
			r.cutOff(pos, p)
			return
		}
		if err != nil {
			r.damaged(p, err)
		}
		if o.Kind == "" {
			o.Kind = text(p.kind)
		}
		r.take(pos, &o)
	})
	if len(r.others) > 0 {
		r.remarkOnOthers()
	}
	return &r.objects, r.remarks.All()
}

// damaged reports a piece that cannot be read, or not whole.
func (r *reader) damaged(p piece, err error) {
	where, what := p.locate(err)
	message := fmt.Sprintf("%s, expected a Kubernetes object as YAML", what)
	if p.json {
		message = fmt.Sprintf("%s, expected a Kubernetes object as JSON", what)
	}
	r.remarks.Add(source.Diagnostic{
		Severity: source.Error, Code: "damaged-object", Unread: p.lines(),
		Pos: source.Position{File: r.file, Line: where}, Message: message,
	})
}

// cutOff passes over the last object of a text that breaks off: of a part of its
// endpoints nobody can tell which are missing on the node.
func (r *reader) cutOff(pos source.Position, p piece) {
	r.remarks.Add(source.Diagnostic{
		Severity: source.Error, Code: "damaged-object", Unread: p.lines(), Pos: pos,
		Message: "the text breaks off in this object or behind it, which is not used: others may be missing as well",
	})
}

// take keeps an object of a kind that is read.
func (r *reader) take(pos source.Position, o *object) {
	version, kind := string(o.APIVersion), string(o.Kind)
	core := version == "v1" || version == ""
	switch {
	case kind == "Service" && core:
		r.service(pos, o)
	case kind == "EndpointSlice" && (version == "" || strings.HasPrefix(version, "discovery.k8s.io/")):
		r.slice(pos, o)
	case kind == "Endpoints" && core:
		r.endpoints(pos, o)
	case kind == "Node" && core:
		r.node(pos, o)
	case strings.HasSuffix(kind, "List") && len(o.Items) > 0:
		for i := range o.Items {
			item := &o.Items[i]
			if item.Kind == "" {
				item.Kind = text(strings.TrimSuffix(kind, "List"))
			}
			r.take(pos, item)
		}
	case kind == "" || strings.HasSuffix(kind, "List"):
		// An empty document, or a list of nothing.
	default:
		if !core && (kind == "Service" || kind == "Endpoints" || kind == "Node" || kind == "EndpointSlice") {
			kind += " of " + version
		}
		if len(r.others) == 0 {
			r.other = pos
		}
		r.others[kind]++
	}
}

// mostKinds is how many kinds that are passed over are named.
const mostKinds = 8

func (r *reader) remarkOnOthers() {
	kinds := slices.Sorted(maps.Keys(r.others))
	total := 0
	var names []string
	for _, kind := range kinds {
		n := r.others[kind]
		total += n
		switch {
		case len(names) == mostKinds:
		case n == 1:
			names = append(names, source.Quote(kind))
		default:
			names = append(names, fmt.Sprintf("%s (%d)", source.Quote(kind), n))
		}
	}
	more := ""
	if len(kinds) > len(names) {
		more = fmt.Sprintf(" and %d other kinds", len(kinds)-len(names))
	}
	objects := "1 object of a kind that says"
	if total > 1 {
		objects = fmt.Sprintf("%d objects of kinds that say", total)
	}
	r.remarks.Add(source.Diagnostic{
		Severity: source.Info, Pos: r.other, Code: "other-objects",
		Message: fmt.Sprintf("passed over %s nothing of services: %s%s", objects, strings.Join(names, ", "), more),
	})
}
