package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/samples"
)

// graphFormats are the renderings of a graph by the ending of their golden files.
var graphFormats = map[string]func(io.Writer, *analyzer.Analysis, report.GraphOptions) error{
	"dot":        report.GraphDOT,
	"mermaid":    report.GraphMermaid,
	"graph.json": report.GraphJSON,
}

func graph(t *testing.T, format string, a *analyzer.Analysis, o report.GraphOptions) string {
	t.Helper()
	var b strings.Builder
	if err := graphFormats[format](&b, a, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// graphOf is an analysis of tables alone.
func graphOf(tables ...*netfilter.Table) *analyzer.Analysis {
	a := &analyzer.Analysis{Inventory: &inventory.Inventory{}}
	for _, t := range tables {
		a.Graphs = append(a.Graphs, chaingraph.Build(t))
	}
	return a
}

// A chart writes a table by hand, a rule a line of its dump.
type chart struct {
	*netfilter.Table
	file *source.File
	line int
}

func newChart(name string) *chart {
	c := &chart{Table: netfilter.NewTable(netfilter.IPv4, name), file: &source.File{Path: name + ".txt"}}
	c.Complete = true
	return c
}

func (c *chart) pos() source.Position {
	c.line++
	return source.Position{File: c.file, Line: c.line}
}

func (c *chart) chains(names ...string) {
	for _, name := range names {
		chain, _ := c.AddChain(name, c.pos())
		if base, ok := netfilter.IPTablesBase(c.Name, name); ok {
			base.Policy = netfilter.Accept
			chain.Base = &base
		}
	}
}

func (c *chart) rule(chain string, does netfilter.Statement, matches ...netfilter.Match) {
	text := "-A " + chain
	for _, m := range matches {
		text += " " + m.String()
	}
	var statements []netfilter.Statement
	if does != nil {
		text += " " + does.String()
		statements = append(statements, does)
	}
	c.Chain(chain).AddRule(netfilter.NewRule(c.pos(), text, matches, statements))
}

func to(addr string) netfilter.Match {
	return &netfilter.Addr{Side: netfilter.Destination, Net: netfilter.Network{Prefix: netip.MustParsePrefix(addr)}}
}

func port(p uint16) netfilter.Match {
	return &netfilter.Transport{Protocol: netfilter.TCP, DstPort: netfilter.PortTest{Set: true, Range: netfilter.PortRange{First: p, Last: p}}}
}

var tcp = &netfilter.Protocol{Number: netfilter.TCP, Name: "tcp"}

// hostileTexts are what a dump's author may write to break out of a label.
var hostileTexts = []string{
	`"]; n0 [label="x`, `\`, `\N\G\l\"`, "&quot;&#34;&", `<b>x</b></text><script>`, "</svg>", "a\nb\r\tc", "\x1b[31mred\x1b]0;t\a", "\u009b31m",
	"\xff\xfe", "\u202egnol\u2066", "\u200b", "\u2028", "\U000e0001", "\u0000", "end", "--x", "-->", "---", "===", "x|y", "`code`", "``", "#quot;#35;", "ﬂ°°35¶ß",
	"%%{init: {\"theme\": \"dark\"}}%%", "%% no", "$$x^2$$", "fa:fa-car", "style a:#f00;b", "classDef a:#f00;b", "1. one", "- item", "* item", "+ item",
	"> quote", "# head", "    code", "[x](javascript:alert(1))", "http://x.example", "www.x.example", "_x_ **y** ~~z~~", "{{x}}", "@{ shape: x }", ":::x",
	"click n0 call x()", "subgraph", "é日本🎈", strings.Repeat("long ", 60), "'", "", " ", "//x", "/* x */", "{", "}", "<!-- x -->",
}

// hostileGraph holds them wherever text of a dump can come from.
func hostileGraph() *analyzer.Analysis {
	a := graphOf()
	for _, name := range []string{"nat", `na"t\` + "\x1b[1m</text>"} {
		c := newChart(name)
		c.Complete = name == "nat"
		c.chains("PREROUTING")
		for i, text := range hostileTexts {
			c.chains(text)
			c.rule("PREROUTING", c.Jump(text), &netfilter.Opaque{Module: "bpf", Text: "-m bpf " + text}, &netfilter.Comment{Text: text})
			c.rule(text, &netfilter.OpaqueTarget{Name: text, Text: "-j " + text})
			if i%8 == 0 {
				c.rule(text, c.Goto("gone "+text), &netfilter.Interface{Name: text})
			}
		}
		a.Graphs = append(a.Graphs, chaingraph.Build(c.Table))
	}
	return a
}

// smallGraph holds one of each thing that a graph shows.
func smallGraph() *analyzer.Analysis {
	c := newChart("nat")
	c.Backend = netfilter.Legacy
	c.chains("PREROUTING", "POSTROUTING", "SERVICES", "SVC", "SEP-1", "SEP-2", "MARK", "NODEPORTS", "ORPHAN", "LOOP")
	c.rule("PREROUTING", c.Jump("SERVICES"), &netfilter.Comment{Text: "portals"})
	c.rule("POSTROUTING", netfilter.Return, &netfilter.Mark{Not: true, Value: 0x4000, Mask: 0x4000})
	c.rule("POSTROUTING", &netfilter.SetMark{Value: 0x4000})
	c.rule("POSTROUTING", &netfilter.Masquerade{Flags: netfilter.NATFlags{RandomFully: true}})
	c.rule("SERVICES", c.Jump("SVC"), to("10.96.0.150/32"), tcp, port(80))
	c.rule("SERVICES", c.Goto("NODEPORTS"), &netfilter.AddrType{Dst: netfilter.AddrLocal})
	c.rule("SERVICES", nil, &netfilter.NFAcct{Name: "counter"})
	for p := range uint16(4) {
		c.rule("NODEPORTS", c.Jump("SVC"), tcp, port(32000+p))
		c.rule("NODEPORTS", &netfilter.Reject{With: "icmp-port-unreachable"}, tcp, port(31000+p))
	}
	c.rule("NODEPORTS", netfilter.Drop, tcp, &netfilter.Transport{Protocol: netfilter.TCP})
	c.rule("SVC", c.Jump("SEP-1"), &netfilter.Statistic{Probability: 715827883})
	c.rule("SVC", c.Jump("SEP-2"))
	for _, sep := range []string{"SEP-1", "SEP-2"} {
		end := netip.MustParseAddr("10.0.0." + sep[4:])
		c.rule(sep, c.Jump("MARK"), &netfilter.Addr{Net: netfilter.Network{Prefix: netip.PrefixFrom(end, 32)}})
		c.rule(sep, new(netfilter.NewDNAT(netfilter.NATRange{First: end, Last: end, Ports: netfilter.PortRange{First: 80, Last: 80}, HasPorts: true}, netfilter.NATFlags{})), tcp)
	}
	c.rule("MARK", &netfilter.SetMark{Value: 0x4000, Mask: 0x4000})
	c.rule("LOOP", c.Jump("LOOP"), &netfilter.Recent{Action: netfilter.RecentCheck, Seconds: 10800, Reap: true, Name: "SEP-1"})
	c.rule("LOOP", c.Goto("GONE"))
	c.rule("LOOP", &netfilter.OpaqueTarget{})

	part := newChart("filter")
	part.Family, part.Complete = netfilter.IPv6, false
	part.chains("FORWARD", "SERVICES")
	part.rule("FORWARD", part.Jump("GONE"))
	part.rule("SERVICES", &netfilter.Reject{With: "icmp6-port-unreachable"}, tcp)

	a := graphOf(c.Table, part.Table)
	a.Inventory.Services = []*inventory.Service{
		{Namespace: "default", Name: "refused", Entries: []*inventory.Entry{{Path: []*netfilter.Rule{part.Chain("SERVICES").Rule(0)}}}},
		{
			Namespace: "default", Name: "web",
			Chains:    inventory.Chains{Service: c.Chain("SVC")},
			Endpoints: inventory.NewEndpoints(inventory.Endpoint{Chain: c.Chain("SEP-1")}, inventory.Endpoint{Chain: c.Chain("SEP-2")}),
		},
		{Namespace: "kube-system", Name: "kube-dns"},
	}
	return a
}

// myth2 is the shipped recording of that name, the IPv4 half of it.
func myth2() *analyzer.Analysis {
	files, err := samples.Open("myth2-loadbalancer")
	if err != nil {
		panic(err)
	}
	text, err := fs.ReadFile(files, "iptables-save.txt")
	if err != nil {
		panic(err)
	}
	dump, _ := iptablessave.Parse(source.Start(&source.File{Path: "iptables-save.txt", Text: string(text)}), nil)
	return analyzer.Analyze(&snapshot.Snapshot{Tables: dump.Tables})
}

var graphs = map[string]struct {
	analysis func() *analyzer.Analysis
	options  report.GraphOptions
}{
	"small":         {analysis: smallGraph},
	"service":       {smallGraph, report.GraphOptions{Service: "default/web"}},
	"refused":       {smallGraph, report.GraphOptions{Service: "default/refused"}},
	"hostile":       {analysis: hostileGraph},
	"empty":         {analysis: func() *analyzer.Analysis { return graphOf() }},
	"myth2":         {analysis: myth2},
	"myth2-service": {myth2, report.GraphOptions{Service: "default/my-loadbalancer-service"}},
}

func TestGraphGolden(t *testing.T) {
	for name, tc := range graphs {
		for format := range graphFormats {
			t.Run(name+"."+format, func(t *testing.T) {
				first, second := graph(t, format, tc.analysis(), tc.options), graph(t, format, tc.analysis(), tc.options)
				if first != second {
					t.Errorf("two renderings differ:\n%s", cmp.Diff(first, second))
				}
				golden(t, "graph-"+name+"."+format, []byte(first))
			})
		}
	}
}

func TestGraphJSONFitsItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/graph.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range graphs {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(graph(t, "graph.json", tc.analysis(), tc.options)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		eachObject(doc, func(object map[string]any) {
			object["surprise"] = "x"
			if schema.Validate(doc) == nil {
				t.Errorf("an unknown field is taken in %v", object)
			}
			delete(object, "surprise")
		})
	}
}

func TestGraphJSONKeepsText(t *testing.T) {
	var doc struct {
		Tables []struct {
			Chains []struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(graph(t, "graph.json", hostileGraph(), report.GraphOptions{})), &doc); err != nil {
		t.Fatal(err)
	}
	for i, want := range hostileTexts {
		// An invalid byte is a character of its own.
		if got := doc.Tables[0].Chains[i+1].Name; got != string([]rune(want)) {
			t.Errorf("chain %q reads %q", want, got)
		}
	}
}

// What DOT and Mermaid may hold line by line: what text is in quotes cannot
// end them.
var graphGrammar = map[string]*regexp.Regexp{
	"dot": regexp.MustCompile(`^(digraph svcpath \{|  rankdir=LR;|  (node|edge) \[fontname="monospace"(, fontsize=10)?\];|` +
		`  subgraph cluster_\d+ \{|    label="(?:[^"\\&]|&amp;|\\.)*";|` +
		`    n\d+ \[label="(?:[^"\\&]|&amp;|\\.)*", shape=(box|oval)(, [a-z]+=("[a-z#,0-9]*"|[a-z]+))*\];|` +
		`    n\d+ -> n\d+( \[label="(?:[^"\\&]|&amp;|\\.)*"(, style=dashed)?\])?;|  \}|\}|)$`),
	"mermaid": regexp.MustCompile(`^(flowchart LR|%% left out: [a-z0-9,; /-]+(NAMESPACE/NAME draws one service)?|` +
		`  subgraph t\d+\[LABEL\]|    n\d+(\[LABEL\]|\(\[LABEL\]\))(:::[a-z]+)?|  n\d+\[LABEL\]:::note|` +
		`    n\d+ -\.?->(\|LABEL\|)? n\d+|  end|  classDef [a-z]+ [-a-z:#0-9,]+|)$`),
}

func TestGraphGrammar(t *testing.T) {
	label := regexp.MustCompile(`"(?:[A-Za-z0-9 ,./%!-]|#\d+;|<br/>)*"`)
	for name, tc := range graphs {
		for format, grammar := range graphGrammar {
			for i, line := range strings.Split(graph(t, format, tc.analysis(), tc.options), "\n") {
				if format == "mermaid" {
					line = label.ReplaceAllString(line, "LABEL")
				}
				if !grammar.MatchString(line) {
					t.Errorf("%s.%s:%d: %q", name, format, i+1, line)
				}
			}
		}
	}
}

// manyServices is a table with three rules and two chains for each service.
func manyServices(n int, name string) *analyzer.Analysis {
	c := newChart("nat")
	c.chains("PREROUTING", "SERVICES")
	c.rule("PREROUTING", c.Jump("SERVICES"))
	for i := range n {
		svc, sep := fmt.Sprintf("SVC-%s%d", name, i), fmt.Sprintf("SEP-%s%d", name, i)
		c.chains(svc, sep)
		c.rule("SERVICES", c.Jump(svc), to("10.96.0.1/32"), tcp, port(uint16(i)))
		c.rule(svc, c.Jump(sep))
		c.rule(sep, netfilter.Accept)
	}
	return graphOf(c.Table)
}

func manyTables(n int) *analyzer.Analysis {
	var all []*netfilter.Table
	for range n {
		c := newChart("nat")
		c.chains("PREROUTING")
		c.rule("PREROUTING", netfilter.Accept)
		all = append(all, c.Table)
	}
	return graphOf(all...)
}

func TestMermaidLimits(t *testing.T) {
	leftOut := regexp.MustCompile(`([0-9,]+) of [0-9,]+ (?:jumps|verdicts)`)
	arrow := regexp.MustCompile(`(?m)^    n\d+ -->`)
	for _, tc := range []struct {
		name  string
		a     *analyzer.Analysis
		edges int    // 0: the text ends the drawing
		left  string // "" for nothing
	}{
		{"all fits", manyServices(20, ""), 61, ""},
		{"just fits", manyServices(166, ""), 499, ""},
		{"too many edges", manyServices(300, ""), 500, "101 of 601 jumps, 300 of 300 verdicts and other targets, 101 of 602 chains"},
		{"very many edges", manyServices(100_000, ""), 500, "199,501 of 200,001 jumps, 100,000 of 100,000 verdicts and other targets, 199,501 of 200,002 chains"},
		{"too much text", manyServices(200, strings.Repeat("é", 30)), 0, "176 of 401 jumps, 200 of 200 verdicts and other targets, 176 of 402 chains"},
		{"many tables", manyTables(2000), 0, "1,687 of 2,000 verdicts and other targets, 1,686 of 2,000 chains"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := graph(t, "mermaid", tc.a, report.GraphOptions{})
			edges := len(arrow.FindAllString(got, -1))
			if len(got) > 50_000 || tc.edges == 0 && len(got) < 48_500 {
				t.Errorf("%d characters, of 50,000 that there is room for", len(got))
			}
			if edges > 500 || tc.edges != 0 && edges != tc.edges {
				t.Errorf("%d edges, want %d", edges, tc.edges)
			}
			if tc.left == "" {
				if strings.Contains(got, "left out") {
					t.Errorf("something is left out: %.200s", got)
				}
				return
			}
			// Each rule of these tables is an arrow of its own, or left out.
			rules, left := 0, 0
			for _, g := range tc.a.Graphs {
				rules += g.Table.NumRules()
			}
			for _, m := range leftOut.FindAllStringSubmatch(tc.left, -1) {
				n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
				if err != nil {
					t.Fatal(err)
				}
				left += n
			}
			if edges+left != rules {
				t.Errorf("%d rules are drawn and %d left out, of %d", edges, left, rules)
			}
			const tail = ", farthest from the base chains first"
			if comment := "%% left out: " + tc.left + tail; !strings.HasPrefix(got, comment) {
				t.Errorf("no comment says that %s are left out: %.200s", tc.left, got)
			}
			if note := `["left out#58; ` + strings.ReplaceAll(tc.left+tail, ", ", "<br/>") + "<br/>"; !strings.Contains(got, note) {
				t.Errorf("no node says that %s are left out: %.400s", tc.left, got)
			}
		})
	}
}

func TestGraphOfOneService(t *testing.T) {
	for _, tc := range []struct{ service, chains, rules string }{
		{"default/web", "PREROUTING SERVICES SVC SEP-1 SEP-2 MARK NODEPORTS", "10.96.0.150"},
		{"default/refused", "SERVICES", ""},
		{"kube-system/kube-dns", "", ""},
	} {
		var doc struct {
			Tables []struct {
				Chains []struct{ Name string }
			}
		}
		if err := json.Unmarshal([]byte(graph(t, "graph.json", smallGraph(), report.GraphOptions{Service: tc.service})), &doc); err != nil {
			t.Fatal(err)
		}
		var chains []string
		for _, table := range doc.Tables {
			for _, c := range table.Chains {
				chains = append(chains, c.Name)
			}
		}
		if got := strings.Join(chains, " "); got != tc.chains {
			t.Errorf("chains of %s = %s, want %s", tc.service, got, tc.chains)
		}
	}
}

func TestGraphOfUnknownService(t *testing.T) {
	for _, tc := range []struct{ service, want string }{
		{"default/wbe", `service "default/wbe": the input names no such service; near are "default/web"`},
		{"kube-dns", `service "kube-dns": the input names no such service; near are "kube-system/kube-dns"`},
		{"prod/web", `service "prod/web": the input names no such service; near are "default/web"`},
		{"a/b", `service "a/b": the input names no such service, expected NAMESPACE/NAME`},
		{"x\x1b[31m", `service "x\x1b[31m": the input names no such service, expected NAMESPACE/NAME`},
	} {
		for format, render := range graphFormats {
			var out bytes.Buffer
			err := render(&out, smallGraph(), report.GraphOptions{Service: tc.service})
			if err == nil || err.Error() != tc.want || out.Len() > 0 {
				t.Errorf("%s of %q: error %v, want %s", format, tc.service, err, tc.want)
			}
			if unknown := (*report.UnknownServiceError)(nil); !errors.As(err, &unknown) || unknown.Service != tc.service {
				t.Errorf("%s of %q: error %#v", format, tc.service, err)
			}
		}
	}
	err := report.GraphDOT(io.Discard, graphOf(), report.GraphOptions{Service: "a/b"})
	if want := `service "a/b": the input names no services`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestGraphWriterErrorsComeBack(t *testing.T) {
	for format, render := range graphFormats {
		if err := render(brokenWriter{}, smallGraph(), report.GraphOptions{}); !errors.Is(err, errBroken) {
			t.Errorf("%s: error %v", format, err)
		}
	}
}

func BenchmarkGraph(b *testing.B) {
	a := manyServices(50_000, "")
	for _, format := range []string{"dot", "mermaid", "graph.json"} {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := graphFormats[format](io.Discard, a, report.GraphOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
