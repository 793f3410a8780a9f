package report

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A graphClass says what a node of a drawing is, for its look.
type graphClass string

const (
	classBase     graphClass = "base"     // a chain that the kernel runs by itself
	classService  graphClass = "service"  // a service's chains
	classEndpoint graphClass = "endpoint" // a chain that leads to one endpoint
	classMark     graphClass = "mark"     // a chain that only sets the packet's mark; that change
	classOther    graphClass = "other"    // any other chain or statement
	classDangling graphClass = "dangling" // a chain that is not there
	classEnding   graphClass = "ending"   // a verdict or address translation
)

// A graphNode is a chain, or what the rules of a chain do at the last.
type graphNode struct {
	id    int
	class graphClass
	lines []string // text from the dump, not escaped
}

// A graphEdge is a rule, or several that lead from one node to the same other.
type graphEdge struct {
	from, to int
	label    string // text from the dump, not escaped; "" for none
	rules    int
	jump     bool             // leads to a chain, be it there or not
	goTo     bool             // by a goto
	chain    *netfilter.Chain // that it leads to; nil when the node is no chain of the table
	leaf     *graphNode       // the node that it leads to, when that is new and no chain of the table
}

// fewRules is how many rules between the same two nodes are drawn one by one.
const fewRules = 3

// A graphDrawing makes nodes and edges of chains, chain by chain, so that a
// drawing of many chains need not lie in memory. Nodes are numbered as they
// are met.
type graphDrawing struct {
	parts   []graphPart
	classes map[*netfilter.Chain]graphClass // of services' chains
	tables  []graphTable                    // one a part
	nodes   int
}

type graphTable struct {
	ids      []int          // of chains, by Index; 0: not met yet, else one more than the id
	dangling map[string]int // ids by name
}

func newGraphDrawing(a *analyzer.Analysis, parts []graphPart) *graphDrawing {
	d := &graphDrawing{parts: parts, classes: map[*netfilter.Chain]graphClass{}}
	for _, s := range a.Inventory.Services {
		for c, class := range serviceChains(s) {
			d.classes[c] = class
		}
	}
	for _, p := range parts {
		d.tables = append(d.tables, graphTable{ids: make([]int, len(p.Table.Chains())), dangling: map[string]int{}})
	}
	return d
}

func (d *graphDrawing) newID() int {
	d.nodes++
	return d.nodes - 1
}

// id is the number of a chain of a part.
func (d *graphDrawing) id(part int, c *netfilter.Chain) int {
	known := &d.tables[part].ids[c.Index()]
	if *known == 0 {
		*known = d.newID() + 1
	}
	return *known - 1
}

// chain is a chain's node.
func (d *graphDrawing) chain(part int, c *netfilter.Chain) graphNode {
	n := graphNode{id: d.id(part, c), lines: []string{c.Name}}
	switch class, ok := d.classes[c]; {
	case c.Base != nil:
		n.class = classBase
		n.lines = append(n.lines, fmt.Sprintf("hook %s, priority %d", c.Base.Hook, c.Base.Priority))
		if c.Base.Policy != netfilter.NoVerdict {
			n.lines = append(n.lines, "policy "+c.Base.Policy.Name())
		}
	case ok:
		n.class = class
	case onlyMarks(c):
		n.class = classMark
	default:
		n.class = classOther
	}
	return n
}

func onlyMarks(c *netfilter.Chain) bool {
	for r := range c.Rules() {
		if _, ok := r.Target().(*netfilter.SetMark); !ok {
			return false
		}
	}
	return c.NumRules() > 0
}

// graphGroup is the rules of a chain that lead to the same node.
type graphGroup struct {
	jump *netfilter.Jump // shared by all rules that lead to its chain
	does string          // for rules that do not jump
}

// A graphLead is where a rule leads, or one of the elements of its map.
type graphLead struct {
	graphGroup
	class   graphClass
	rule    *netfilter.Rule
	set     *netfilter.Set // the map; nil for the rule itself
	element int
}

// leads are where the rules of a chain lead, in their order.
func (p graphPart) leads(c *netfilter.Chain) iter.Seq[graphLead] {
	return func(yield func(graphLead) bool) {
		for r := range c.Rules() {
			if !p.hasRule(r) {
				continue
			}
			if v, ok := r.Target().(*netfilter.VerdictMap); ok {
				if !p.LeavesOut(r) && !p.mapLeads(r, v.Map, yield) {
					return
				}
				continue
			}
			lead := graphLead{rule: r}
			ok := false
			if lead.jump, ok = r.Jump(); !ok {
				lead.does, lead.class, ok = ending(r)
			}
			if ok && !yield(lead) {
				return
			}
		}
	}
}

// mapLeads are where a map leads; it reports whether to go on.
func (p graphPart) mapLeads(r *netfilter.Rule, set *netfilter.Set, yield func(graphLead) bool) bool {
	for i := range set.Len() {
		lead := graphLead{rule: r, set: set, element: i}
		var to *netfilter.Chain
		switch v := set.Verdict(i).(type) {
		case *netfilter.Jump:
			lead.jump, to = v, v.Chain
		case netfilter.Verdict:
			lead.does, lead.class = netfilter.NFTStatement(r.Chain().Table.Family, v), classEnding
		default:
			continue
		}
		if p.hasElement(set, i, to) && !yield(lead) {
			return false
		}
	}
	return true
}

// label is what a packet must have to be led there.
func (l graphLead) label() string {
	if l.set == nil {
		return conditions(l.rule)
	}
	e := l.set.Element(l.element)
	key := "*"
	if e.First != "" {
		key = netfilter.FormatKeys(l.set.Key, e.First, e.Last)
	}
	if l.set.Name != "" {
		return l.set.Name + ": " + key
	}
	v, _ := l.rule.Target().(*netfilter.VerdictMap)
	return v.Key.String() + ": " + key
}

// edges are where the rules of a chain lead, in their order.
func (d *graphDrawing) edges(part int, c *netfilter.Chain) iter.Seq[graphEdge] {
	return func(yield func(graphEdge) bool) {
		rules := map[graphGroup]int{}
		for lead := range d.parts[part].leads(c) {
			rules[lead.graphGroup]++
		}
		from, drawn := d.id(part, c), map[graphGroup]int{}
		for lead := range d.parts[part].leads(c) {
			group := lead.graphGroup
			to, again := drawn[group]
			if again && rules[group] > fewRules {
				continue
			}
			e := graphEdge{from: from, to: to, rules: 1, label: lead.label()}
			if j := group.jump; j != nil {
				e.jump, e.goTo, e.chain = true, j.Goto, j.Chain
			}
			if rules[group] > fewRules {
				e.rules, e.label = rules[group], grouped(rules[group])+" rules"
				if lead.set != nil {
					e.label = grouped(rules[group]) + " elements"
				}
			}
			if !again {
				e.to, e.leaf = d.target(part, group, lead.class)
				drawn[group] = e.to
			}
			if !yield(e) {
				return
			}
		}
	}
}

// target is the node that a group of rules leads to; leaf is that node when it
// is no chain of the table and was not met before.
func (d *graphDrawing) target(part int, group graphGroup, class graphClass) (id int, leaf *graphNode) {
	switch j := group.jump; {
	case j == nil:
		id = d.newID()
		return id, &graphNode{id: id, class: class, lines: []string{group.does}}
	case j.Chain != nil:
		return d.id(part, j.Chain), nil
	default:
		dangling := d.tables[part].dangling
		id, ok := dangling[j.Name]
		if !ok {
			id = d.newID()
			dangling[j.Name] = id
			leaf = &graphNode{id: id, class: classDangling, lines: []string{j.Name, "not declared"}}
			if !d.parts[part].Table.Complete {
				leaf.lines[1] = "not in the captured text"
			}
		}
		return id, leaf
	}
}

// tableTitle is "IPv4 nat, legacy".
func tableTitle(t *netfilter.Table) string {
	title := t.Family.String() + " " + t.Name
	if t.Family == netfilter.AnyFamily {
		title = t.Name
	}
	if b := t.Backend.String(); b != "" {
		title += ", " + b
	}
	if !t.Complete {
		title += ", captured in part"
	}
	return title
}

// gotoLabel is the label of an edge for a goto.
func gotoLabel(conditions string) string {
	if conditions == "" {
		return "goto"
	}
	return "goto: " + conditions
}

// grouped is a number with commas: 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
