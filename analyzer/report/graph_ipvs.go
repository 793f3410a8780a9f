package report

import (
	"fmt"
	"iter"
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A graphBalance is what stands beside the tables in IPVS mode: from the hook,
// and from the sets that rules ask, to virtual servers and on to real servers.
type graphBalance struct {
	d       *graphDrawing
	entries []*inventory.Entry // with virtual servers, those that the options ask for
	asking  map[string][]graphAsk
	ids     map[any]int // of sets by name, of servers by the text that names them
}

// A graphAsk is a rule that asks a set.
type graphAsk struct {
	part int
	rule *netfilter.Rule
}

// A balanceStep is a virtual server with the nodes that it brings and all
// edges to it and from it.
type balanceStep struct {
	nodes []graphNode
	edges []balanceEdge
}

type balanceEdge struct {
	from, to int
	label    string
	dashed   bool // it decides what becomes of the packet, but not where it goes
	// chain is where it comes from, of a part; nil when that is no chain.
	part  int
	chain *netfilter.Chain
}

// newGraphBalance gives nil where no entry has a virtual server.
func newGraphBalance(a *analyzer.Analysis, d *graphDrawing, o GraphOptions) *graphBalance {
	b := &graphBalance{d: d, asking: map[string][]graphAsk{}, ids: map[any]int{}}
	for _, s := range a.Inventory.Services {
		for _, e := range s.Entries {
			if len(e.Virtual) > 0 && (o.Service == "" || s.NamespacedName() == o.Service) {
				b.entries = append(b.entries, e)
			}
		}
	}
	if len(b.entries) == 0 {
		return nil
	}
	for i, part := range d.parts {
		for _, c := range part.Table.Chains() {
			for r := range c.Rules() {
				if !part.has(c) || !part.hasRule(r) {
					continue
				}
				for _, m := range r.Matches() {
					if in, ok := m.(*netfilter.InSet); ok {
						b.asking[in.Set.Name] = append(b.asking[in.Set.Name], graphAsk{i, r})
					}
				}
			}
		}
	}
	return b
}

// node gives the number of a thing's node; isNew says that it has just been
// made.
func (b *graphBalance) node(key any) (id int, isNew bool) {
	if id, ok := b.ids[key]; ok {
		return id, false
	}
	id = b.d.newID()
	b.ids[key] = id
	return id, true
}

// A balanceKey tells nodes of different kinds apart.
type balanceKey struct{ kind, name string }

// steps runs over the virtual servers in the order of the services.
func (b *graphBalance) steps() iter.Seq[balanceStep] {
	return func(yield func(balanceStep) bool) {
		first := balanceStep{}
		hook, _ := b.node(balanceKey{"hook", ""})
		first.nodes = append(first.nodes, graphNode{id: hook, class: classBase, lines: []string{"IPVS", "behind INPUT; before routing for the node's own packets"}})
		for i, part := range b.d.parts {
			if c := part.Table.Chain("INPUT"); c != nil && part.Table.Name == "filter" && part.has(c) {
				first.edges = append(first.edges, balanceEdge{from: b.d.id(i, c), to: hook, part: i, chain: c})
			}
		}
		if !yield(first) {
			return
		}
		for _, e := range b.entries {
			for _, v := range e.Virtual {
				if !yield(b.step(hook, e, v)) {
					return
				}
			}
		}
	}
}

func (b *graphBalance) step(hook int, e *inventory.Entry, v *ipvs.VirtualServer) (s balanceStep) {
	virtual, isNew := b.node(v)
	if !isNew {
		return s
	}
	lines := []string{v.String(), strings.TrimSpace(string(v.Scheduler) + " " + strings.Join(v.Flags.Words(v.Scheduler), " "))}
	if name := e.Service.PortString(); name != "" {
		lines = append(lines, name+", "+string(e.Kind))
	}
	s.nodes = append(s.nodes, graphNode{id: virtual, class: classService, lines: lines})
	s.edges = append(s.edges, balanceEdge{from: hook, to: virtual})
	for _, element := range e.Elements {
		id, isNew := b.node(balanceKey{"set", element.Set.Name})
		if isNew {
			s.nodes = append(s.nodes, graphNode{id: id, class: classMark, lines: []string{element.Set.Name, "ipset " + string(element.Set.Type)}})
			asked := map[int]bool{}
			for _, ask := range b.asking[element.Set.Name] {
				from := b.d.id(ask.part, ask.rule.Chain())
				if !asked[from] {
					asked[from] = true
					s.edges = append(s.edges, balanceEdge{from: from, to: id, label: "asks", dashed: true, part: ask.part, chain: ask.rule.Chain()})
				}
			}
		}
		s.edges = append(s.edges, balanceEdge{from: id, to: virtual, label: elementOnly(element), dashed: true})
	}
	servers := v.Servers()
	for i := range servers {
		r := &servers[i]
		id, isNew := b.node(balanceKey{"real", r.String()})
		if isNew {
			s.nodes = append(s.nodes, graphNode{id: id, class: classEndpoint, lines: []string{r.String()}})
		}
		label := ""
		if r.WeightKnown {
			label = fmt.Sprintf("weight %d", r.Weight)
		}
		s.edges = append(s.edges, balanceEdge{from: virtual, to: id, label: label})
	}
	return s
}

// elementOnly is an element without the words around it that its set's dump
// has.
func elementOnly(e inventory.SetElement) string {
	words := strings.Fields(e.Text())
	if len(words) > 2 && words[0] == "add" {
		return words[2]
	}
	if len(words) > 0 {
		return words[0]
	}
	return ""
}

// dotBalance writes it as a cluster of its own.
func dotBalance(out interface{ WriteString(string) (int, error) }, b *graphBalance) {
	if b == nil {
		return
	}
	out.WriteString("  subgraph cluster_ipvs {\n    label=\"IPVS\";\n")
	for s := range b.steps() {
		for _, n := range s.nodes {
			out.WriteString(fmt.Sprintf("    n%d [label=%s, %s];\n", n.id, dotQuote(n.lines...), dotLooks[n.class]))
		}
		for _, e := range s.edges {
			attributes := []string{}
			if e.label != "" {
				attributes = append(attributes, "label="+dotQuote(e.label))
			}
			if e.dashed {
				attributes = append(attributes, "style=dotted")
			}
			out.WriteString(fmt.Sprintf("    n%d -> n%d", e.from, e.to))
			if len(attributes) > 0 {
				out.WriteString(" [" + strings.Join(attributes, ", ") + "]")
			}
			out.WriteString(";\n")
		}
	}
	out.WriteString("  }\n")
}

// balance adds virtual servers to the flowchart as long as there is room.
func (m *mermaidDrawing) balance(b *graphBalance) {
	if b == nil {
		return
	}
	m.virtual.all = 0
	for _, e := range b.entries {
		m.virtual.all += len(e.Virtual)
	}
	open := "  subgraph ipvs[\"IPVS\"]\n"
	m.room -= len(open) + len(mermaidEnd)
	var body strings.Builder
	first := true
	for s := range b.steps() {
		var text strings.Builder
		for _, n := range s.nodes {
			text.WriteString(mermaidNode(n))
		}
		for _, e := range s.edges {
			if e.chain != nil && !m.shown[e.part][e.chain.Index()] {
				continue
			}
			arrow, label := "-->", ""
			if e.dashed {
				arrow = "-.->"
			}
			if e.label != "" {
				label = "|" + mermaidQuote(e.label) + "|"
			}
			fmt.Fprintf(&text, "    n%d %s%s n%d\n", e.from, arrow, label, e.to)
		}
		if text.Len() > m.room || m.arrows+len(s.edges) > mermaidMaxEdges {
			break
		}
		m.room -= text.Len()
		m.arrows += len(s.edges)
		body.WriteString(text.String())
		if !first {
			m.virtual.drawn++
		}
		first = false
	}
	if body.Len() > 0 {
		m.virtual.body = open + body.String() + mermaidEnd
	}
}

// balance writes the virtual servers and the sets that rules ask for them.
func (w *graphJSON) balance(b *graphBalance) {
	if b == nil {
		return
	}
	w.WriteString(",\n  \"sets\": [")
	seen, n := map[*netfilter.IPSet]bool{}, 0
	for _, e := range b.entries {
		for _, element := range e.Elements {
			if set := element.Set; !seen[set] {
				seen[set] = true
				w.separate(n, "\n    ")
				w.set(set, b.asking[set.Name])
				n++
			}
		}
	}
	w.WriteString("\n  ],\n  \"virtualServers\": [")
	n = 0
	for _, e := range b.entries {
		for _, v := range e.Virtual {
			w.separate(n, "\n    ")
			w.virtualServer(e, v)
			n++
		}
	}
	w.WriteString("\n  ]")
}

func (w *graphJSON) set(set *netfilter.IPSet, asking []graphAsk) {
	w.begin()
	w.text("name", set.Name)
	w.text("type", string(set.Type))
	w.number("elements", set.NumElements())
	w.pos(set.Pos)
	w.key("askedBy")
	w.line = append(w.line, '[')
	for i, ask := range asking {
		if i > 0 {
			w.line = append(w.line, ", "...)
		}
		w.nest(func() {
			t := ask.rule.Chain().Table
			w.text("family", t.Family.String())
			w.text("table", t.Name)
			w.text("chain", ask.rule.Chain().Name)
			w.pos(ask.rule.Pos())
			w.text("rule", ask.rule.Text())
		})
	}
	w.line = append(w.line, ']')
	w.end()
}

func (w *graphJSON) virtualServer(e *inventory.Entry, v *ipvs.VirtualServer) {
	w.begin()
	w.text("protocol", netfilter.ProtocolName(v.Protocol))
	w.text("address", v.Dial())
	if v.Scheduler != "" {
		w.text("scheduler", string(v.Scheduler))
	}
	if name := e.Service.PortString(); name != "" {
		w.text("service", name)
	}
	w.text("entry", string(e.Kind))
	w.pos(v.Pos())
	w.key("elements")
	w.line = append(w.line, '[')
	for i, element := range e.Elements {
		if i > 0 {
			w.line = append(w.line, ", "...)
		}
		w.nest(func() {
			w.text("set", element.Set.Name)
			w.text("element", elementOnly(element))
			w.pos(element.Pos())
		})
	}
	w.line = append(w.line, ']')
	w.key("realServers")
	w.line = append(w.line, '[')
	servers := v.Servers()
	for i := range servers {
		r := &servers[i]
		if i > 0 {
			w.line = append(w.line, ", "...)
		}
		w.nest(func() {
			w.text("address", r.String())
			if r.WeightKnown {
				w.number("weight", int(r.Weight))
			}
			if method := r.Method.String(); method != "" {
				w.text("method", method)
			}
			w.pos(r.Pos())
		})
	}
	w.line = append(w.line, ']')
	w.end()
}

// nest writes an object within the one in hand.
func (w *graphJSON) nest(write func()) {
	fields := w.fields
	w.fields = 0
	w.line = append(w.line, '{')
	write()
	w.line = append(w.line, '}')
	w.fields = fields
}
