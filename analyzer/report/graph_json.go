package report

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// GraphJSON writes the chain graph as docs/schema/graph.json describes it, one
// chain and one jump a line, as it goes: a table can have a million jumps. The
// error is the writer's, or an *UnknownServiceError.
func GraphJSON(w io.Writer, a *analyzer.Analysis, o GraphOptions) error {
	parts, err := selectGraph(a, o)
	if err != nil {
		return err
	}
	out := &graphJSON{Writer: newWriter(w)}
	out.WriteString("{\n  \"apiVersion\": \"svcpath/v1\",\n  \"kind\": \"Graph\",\n  \"tables\": [")
	for i, part := range parts {
		out.separate(i, "\n    ")
		out.table(part)
	}
	out.WriteString("\n  ]")
	out.balance(newGraphBalance(a, newGraphDrawing(a, parts), o))
	out.WriteString("\n}\n")
	return out.Flush()
}

// graphJSON writes objects field by field. The writer under it keeps its first
// error and gives it at the end.
type graphJSON struct {
	*bufio.Writer
	line   []byte // the object in hand
	fields int
}

func (w *graphJSON) separate(n int, space string) {
	if n > 0 {
		w.WriteString(",")
	}
	w.WriteString(space)
}

func (w *graphJSON) table(part graphPart) {
	t := part.Table
	w.begin()
	w.text("family", t.Family.String())
	w.text("name", t.Name)
	if b := t.Backend.String(); b != "" {
		w.text("backend", b)
	}
	w.flag("complete", t.Complete)
	w.key("chains")
	w.line = append(w.line, '[')
	w.Write(w.line)

	loops := map[*netfilter.Chain]bool{}
	for _, l := range part.Loops() {
		for _, c := range l.Chains {
			loops[c] = true
		}
	}
	n := 0
	for _, c := range t.Chains() {
		if part.has(c) {
			w.separate(n, "\n      ")
			w.chain(part, c, loops[c])
			n++
		}
	}
	w.WriteString("\n    ], \"jumps\": [")
	n = 0
	for j := range part.Jumps() {
		if part.hasJump(j) {
			w.separate(n, "\n      ")
			w.jump(j)
			n++
		}
	}
	w.WriteString("\n    ]}")
}

func (w *graphJSON) chain(part graphPart, c *netfilter.Chain, loop bool) {
	w.begin()
	w.text("name", c.Name)
	if b := c.Base; b != nil {
		w.text("hook", b.Hook.String())
		w.number("priority", b.Priority)
		if b.Policy != netfilter.NoVerdict {
			w.text("policy", b.Policy.Name())
		}
	}
	w.number("rules", c.NumRules())
	w.pos(c.Pos())
	w.key("hooks")
	w.line = append(w.line, '[')
	for i, h := range part.Hooks(c) {
		if i > 0 {
			w.line = append(w.line, ", "...)
		}
		w.line = appendJSONText(w.line, h.String())
	}
	w.line = append(w.line, ']')
	w.flag("orphan", part.IsOrphan(c))
	w.flag("loop", loop)
	w.end()
}

func (w *graphJSON) jump(j chaingraph.Jump) {
	w.begin()
	w.text("from", j.From.Name)
	w.text("to", j.Name)
	w.flag("goto", j.Goto)
	w.flag("dangling", j.To == nil)
	w.pos(j.Rule.Pos())
	w.text("rule", jumpText(j))
	if j.Map != nil {
		if j.Map.Name != "" {
			w.text("map", j.Map.Name)
		}
		w.text("element", j.Map.FormatElement(j.Map.Element(j.Element)))
	}
	w.end()
}

// fewElements is how many elements a rule's own map may have for the rule to be
// written whole with each of them.
const fewElements = 16

// jumpText is the rule's text. One with a long map of its own, which would be
// written once for every element, is cut off before that.
func jumpText(j chaingraph.Jump) string {
	text := j.Rule.Text()
	if j.Map == nil || j.Map.Name != "" || j.Map.Len() <= fewElements {
		return text
	}
	before, _, _ := strings.Cut(text, " vmap {")
	return before + " vmap { … }"
}

func (w *graphJSON) begin() {
	w.line = append(w.line[:0], '{')
	w.fields = 0
}

func (w *graphJSON) end() {
	w.line = append(w.line, '}')
	w.Write(w.line)
}

func (w *graphJSON) key(name string) {
	if w.fields > 0 {
		w.line = append(w.line, ", "...)
	}
	w.fields++
	w.line = append(w.line, '"')
	w.line = append(w.line, name...)
	w.line = append(w.line, `": `...)
}

func (w *graphJSON) text(name, value string) {
	w.key(name)
	w.line = appendJSONText(w.line, value)
}

func (w *graphJSON) number(name string, value int) {
	w.key(name)
	w.line = strconv.AppendInt(w.line, int64(value), 10)
}

// flag writes a field that is left out when it is false.
func (w *graphJSON) flag(name string, value bool) {
	if value {
		w.key(name)
		w.line = append(w.line, "true"...)
	}
}

// pos writes where something stands, if that is known.
func (w *graphJSON) pos(p source.Position) {
	if p.IsValid() {
		w.text("file", p.Path())
		w.number("line", p.Line)
	}
}
