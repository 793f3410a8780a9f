package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// What Mermaid draws with its settings as they come (mermaid.js.org/config/
// schema-docs/config.html, maxEdges and maxTextSize); of more it draws nothing.
const (
	mermaidMaxEdges = 500
	mermaidMaxText  = 50_000 // characters, and all that is written here is ASCII
	mermaidNoteText = 1_000  // of them kept free to say what was left out
)

const (
	mermaidHead = "flowchart LR\n"
	mermaidFoot = `  classDef base fill:#ddd,stroke:#000,stroke-width:2px
  classDef service fill:#cfe2f3,stroke:#1c4587
  classDef endpoint fill:#fff2cc,stroke:#7f6000
  classDef mark fill:#f4f4f4,stroke:#666,stroke-dasharray:2
  classDef dangling fill:#fff,stroke:#b00020,color:#b00020,stroke-dasharray:5
  classDef note fill:#fff,stroke:#b00020,stroke-width:3px
`
	mermaidEnd = "  end\n"
)

// GraphMermaid writes the chain graph as a Mermaid flowchart, each table as a
// subgraph. It keeps Mermaid's limits: what is far from the base chains is left
// out, and the drawing says so, in a comment and in a node. The error is the
// writer's, or an *UnknownServiceError.
func GraphMermaid(w io.Writer, a *analyzer.Analysis, o GraphOptions) error {
	parts, err := selectGraph(a, o)
	if err != nil {
		return err
	}
	m := newMermaidDrawing(newGraphDrawing(a, parts))
	m.draw()
	m.balance(newGraphBalance(a, m.graphDrawing, o))
	left := m.leftOut()
	if left != nil && o.Service == "" {
		left = append(left, "--service NAMESPACE/NAME draws one service")
	}
	var b strings.Builder
	if left != nil {
		b.WriteString("%% " + strings.Join(left, ", ") + "\n")
	}
	b.WriteString(mermaidHead)
	if left != nil {
		fmt.Fprintf(&b, "  n%d[%s]:::note\n", m.newID(), mermaidQuote(left...))
	}
	for i := range m.bodies {
		if m.bodies[i].Len() > 0 {
			b.WriteString(m.bodies[i].String() + mermaidEnd)
		}
	}
	b.WriteString(m.virtual.body)
	b.WriteString(mermaidFoot)
	_, err = io.WriteString(w, b.String())
	return err
}

// mermaidDrawing is a flowchart in the making, as long as there is room.
type mermaidDrawing struct {
	*graphDrawing
	bodies []strings.Builder // a subgraph each, one a part
	shown  [][]bool          // chains by part and Index
	room   int               // characters
	arrows int               // edges so far
	drawn  graphCount
	// virtual are the virtual servers of IPVS mode.
	virtual struct {
		body       string
		all, drawn int
	}
}

// graphCount counts what a drawing holds, or what there is.
type graphCount struct {
	chains  int
	jumps   int // rules that jump
	endings int // rules that do something else
}

func newMermaidDrawing(d *graphDrawing) *mermaidDrawing {
	m := &mermaidDrawing{
		graphDrawing: d,
		bodies:       make([]strings.Builder, len(d.parts)),
		room:         mermaidMaxText - mermaidNoteText - len(mermaidHead) - len(mermaidFoot),
	}
	for _, p := range d.parts {
		m.shown = append(m.shown, make([]bool, len(p.Table.Chains())))
	}
	return m
}

// draw adds chains by their distance from the base chains, those that no base
// chain leads to last, each with its rules, until something does not fit.
func (m *mermaidDrawing) draw() {
	type place struct {
		part, distance int
		chain          *netfilter.Chain
	}
	var places []place
	for i, p := range m.parts {
		for _, c := range p.Table.Chains() {
			if !p.has(c) {
				continue
			}
			distance, ok := p.Distance(c)
			if !ok {
				distance = math.MaxInt
			}
			places = append(places, place{i, distance, c})
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.distance, b.distance) })
	for _, at := range places {
		if !m.add(at.part, at.chain, "") {
			return
		}
		for e := range m.edges(at.part, at.chain) {
			if !m.addEdge(at.part, e) {
				return
			}
		}
	}
}

func (m *mermaidDrawing) addEdge(part int, e graphEdge) bool {
	if m.arrows == mermaidMaxEdges {
		return false
	}
	text := ""
	if e.leaf != nil {
		text = mermaidNode(*e.leaf)
	}
	if !m.add(part, e.chain, text+mermaidEdge(e)) {
		return false
	}
	m.arrows++
	if e.jump {
		m.drawn.jumps += e.rules
	} else {
		m.drawn.endings += e.rules
	}
	return true
}

// add adds text to a subgraph and, before it, the chain if there is one that
// is not shown yet. It reports false, and adds nothing, when there is no room.
func (m *mermaidDrawing) add(part int, c *netfilter.Chain, text string) bool {
	isNew := c != nil && !m.shown[part][c.Index()]
	if isNew {
		text = mermaidNode(m.chain(part, c)) + text
	}
	body, need := &m.bodies[part], len(text)
	if body.Len() == 0 {
		text = fmt.Sprintf("  subgraph t%d[%s]\n", part, mermaidQuote(tableTitle(m.parts[part].Table))) + text
		need = len(text) + len(mermaidEnd)
	}
	if need > m.room {
		return false
	}
	m.room -= need
	body.WriteString(text)
	if isNew {
		m.shown[part][c.Index()] = true
		m.drawn.chains++
	}
	return true
}

func mermaidNode(n graphNode) string {
	label := mermaidQuote(n.lines...)
	switch n.class {
	case classEnding:
		return fmt.Sprintf("    n%d([%s])\n", n.id, label)
	case classOther:
		return fmt.Sprintf("    n%d[%s]\n", n.id, label)
	}
	return fmt.Sprintf("    n%d[%s]:::%s\n", n.id, label, n.class)
}

func mermaidEdge(e graphEdge) string {
	arrow, label := "-->", e.label
	if e.goTo {
		arrow, label = "-.->", gotoLabel(label)
	}
	if label != "" {
		label = "|" + mermaidQuote(label) + "|"
	}
	return fmt.Sprintf("    n%d %s%s n%d\n", e.from, arrow, label, e.to)
}

// leftOut says in lines what is not in the drawing: "left out: 812 of 1,200
// jumps", …; nil when all is.
func (m *mermaidDrawing) leftOut() []string {
	all := graphCount{}
	for _, p := range m.parts {
		all.add(p)
	}
	var left []string
	for _, kind := range []struct {
		name       string
		all, drawn int
	}{
		{"jumps", all.jumps, m.drawn.jumps},
		{"verdicts and other targets", all.endings, m.drawn.endings},
		{"chains", all.chains, m.drawn.chains},
		{"virtual servers", m.virtual.all, m.virtual.drawn},
	} {
		if n := kind.all - kind.drawn; n > 0 {
			left = append(left, fmt.Sprintf("%s of %s %s", grouped(n), grouped(kind.all), kind.name))
		}
	}
	if left == nil {
		return nil
	}
	left[0] = "left out: " + left[0]
	return append(left, "farthest from the base chains first")
}

func (n *graphCount) add(p graphPart) {
	for _, c := range p.Table.Chains() {
		if !p.has(c) {
			continue
		}
		n.chains++
		for lead := range p.leads(c) {
			if lead.jump != nil {
				n.jumps++
			} else {
				n.endings++
			}
		}
	}
}
