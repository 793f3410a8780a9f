package report

import (
	"bufio"
	"fmt"
	"io"

	"github.com/svcpath/svcpath/analyzer"
)

// dotLooks are the attributes of nodes by class; the colours are told apart by
// those who see no red or green as well, and each class by its shape or line.
var dotLooks = map[graphClass]string{
	classBase:     `shape=box, style="bold,filled", fillcolor="#dddddd"`,
	classService:  `shape=box, style="rounded,filled", fillcolor="#cfe2f3"`,
	classEndpoint: `shape=box, style="rounded,filled", fillcolor="#fff2cc"`,
	classMark:     `shape=box, style="filled,dotted", fillcolor="#f4f4f4"`,
	classOther:    `shape=box`,
	classDangling: `shape=box, style=dashed, color="#b00020", fontcolor="#b00020"`,
	classEnding:   `shape=oval`,
}

// GraphDOT writes the chain graph in Graphviz's language: each table as a
// cluster, its chains, the jumps between them and what rules do at the last.
// The error is the writer's, or an *UnknownServiceError.
func GraphDOT(w io.Writer, a *analyzer.Analysis, o GraphOptions) error {
	parts, err := selectGraph(a, o)
	if err != nil {
		return err
	}
	out := newWriter(w)
	out.WriteString("digraph svcpath {\n  rankdir=LR;\n  node [fontname=\"monospace\"];\n  edge [fontname=\"monospace\", fontsize=10];\n")
	d := newGraphDrawing(a, parts)
	for i, part := range parts {
		fmt.Fprintf(out, "  subgraph cluster_%d {\n    label=%s;\n", i, dotQuote(tableTitle(part.Table)))
		for _, c := range part.Table.Chains() {
			if !part.has(c) {
				continue
			}
			dotNode(out, d.chain(i, c))
			for e := range d.edges(i, c) {
				if e.leaf != nil {
					dotNode(out, *e.leaf)
				}
				dotEdge(out, e)
			}
		}
		out.WriteString("  }\n")
	}
	dotBalance(out, newGraphBalance(a, d, o))
	out.WriteString("}\n")
	return out.Flush()
}

func dotNode(out *bufio.Writer, n graphNode) {
	fmt.Fprintf(out, "    n%d [label=%s, %s];\n", n.id, dotQuote(n.lines...), dotLooks[n.class])
}

func dotEdge(out *bufio.Writer, e graphEdge) {
	fmt.Fprintf(out, "    n%d -> n%d", e.from, e.to)
	label, style := e.label, ""
	if e.goTo {
		label, style = gotoLabel(e.label), ", style=dashed"
	}
	if label != "" || style != "" {
		fmt.Fprintf(out, " [label=%s%s]", dotQuote(label), style)
	}
	out.WriteString(";\n")
}
