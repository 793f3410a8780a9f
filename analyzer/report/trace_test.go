package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/parsers/capture"
)

const node = "testdata/trace/node.txt"

func open(t testing.TB, inputs ...string) *analyzer.Analysis {
	t.Helper()
	s, err := capture.Open(inputs, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return analyzer.Analyze(s)
}

func flow(name string, from trace.Origin, source, destination string, port uint16) trace.Flow {
	f := trace.Flow{Name: name, From: from, Destination: netip.MustParseAddr(destination), Port: port}
	if source != "" {
		f.Source = netip.MustParseAddr(source)
	}
	return f
}

// traced follows flows; those of which something is expected are compared.
func traced(t testing.TB, a *analyzer.Analysis, all bool, flows []trace.Flow, expect map[string]*trace.Expectation) report.Traces {
	t.Helper()
	follow := a.Tracer.Trace
	if all {
		follow = a.Tracer.TraceAllSteps
	}
	var list []report.TracedFlow
	families := []netfilter.Family{netfilter.IPv4}
	for _, f := range flows {
		one := report.TracedFlow{Expect: expect[f.Name]}
		if !f.Source.IsValid() && f.From != trace.FromNode {
			f.Source, one.UsualSource = a.UsualSource(f)
		}
		var err error
		if one.Trace, err = follow(f); err != nil {
			t.Fatal(err)
		}
		if one.Expect != nil {
			one.Difference = one.Expect.Difference(one.Trace)
		}
		list = append(list, one)
	}
	return report.Traces{Analysis: a, Families: families, Verify: expect != nil, Flows: func(yield func(report.TracedFlow) bool) {
		for _, f := range list {
			if !yield(f) {
				return
			}
		}
	}}
}

const hostileName = "a \x1b[31mname\u202e\xff"

// traceCases are what the golden files show.
var traceCases = map[string]func(testing.TB) report.Traces{
	"trace-nodeport": func(t testing.TB) report.Traces {
		return traced(t, open(t, node), false, []trace.Flow{flow("", trace.FromExternal, "", "172.18.0.3", 30080)}, nil)
	},
	"trace-reject": func(t testing.TB) report.Traces {
		return traced(t, open(t, node), false, []trace.Flow{flow("", trace.FromExternal, "203.0.113.9", "172.18.0.3", 30084)}, nil)
	},
	"trace-assumed": func(t testing.TB) report.Traces {
		return traced(t, open(t, node), false, []trace.Flow{flow(hostileName, trace.FromExternal, "203.0.113.9", "10.96.0.8", 80)}, nil)
	},
	"trace-all-steps": func(t testing.TB) report.Traces {
		return traced(t, open(t, node), true, []trace.Flow{flow("", trace.FromPod, "10.1.0.2", "10.96.0.7", 80)}, nil)
	},
	"verify": func(t testing.TB) report.Traces {
		yes, no := true, false
		five := []netip.AddrPort{}
		for i := range 5 {
			five = append(five, netip.MustParseAddrPort(fmt.Sprintf("10.1.0.%d:8080", i+1)))
		}
		flows := []trace.Flow{
			flow("node port", trace.FromExternal, "", "172.18.0.3", 30080),
			flow("hairpin", trace.FromPod, "10.1.0.2", "10.96.0.7", 80),
			flow("no endpoints", trace.FromNode, "", "172.18.0.3", 30084),
			flow(hostileName, trace.FromPod, "", "10.96.0.8", 80),
		}
		return traced(t, open(t, node), false, flows, map[string]*trace.Expectation{
			"node port":    {Verdict: trace.DNAT, Endpoints: five, Masquerade: &yes},
			"hairpin":      {Verdict: trace.DNAT, Endpoints: five, Masquerade: &no},
			"no endpoints": {Verdict: trace.Drop},
			hostileName:    {Verdict: trace.DNAT, Endpoints: five[:1]},
		})
	},
}

var traceRenderings = map[string]func(io.Writer, report.Traces) error{
	"json":         report.TraceJSON,
	"yaml":         report.TraceYAML,
	"txt":          traceText(report.TextOptions{Inputs: []string{"node.txt"}}),
	"quiet.txt":    traceText(report.TextOptions{Detail: report.Quiet}),
	"verbose.txt":  traceText(report.TextOptions{Detail: report.Verbose, Inputs: []string{"a node's file"}}),
	"terminal.txt": traceText(report.TextOptions{Color: true, Width: 100, Inputs: []string{"node.txt"}}),
}

func traceText(o report.TextOptions) func(io.Writer, report.Traces) error {
	return func(w io.Writer, t report.Traces) error {
		if t.Verify {
			return report.VerifyText(w, t, o)
		}
		return report.TraceText(w, t, o)
	}
}

func traceRendered(t *testing.T, render func(io.Writer, report.Traces) error, traces report.Traces) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render(&b, traces); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTraceGolden(t *testing.T) {
	for name, make := range traceCases {
		for ending, render := range traceRenderings {
			t.Run(name+"."+ending, func(t *testing.T) {
				got := traceRendered(t, render, make(t))
				golden(t, name+"."+ending, got)
				if again := traceRendered(t, render, make(t)); !bytes.Equal(got, again) {
					t.Errorf("two renderings differ:\n%s", cmp.Diff(string(got), string(again)))
				}
				for _, r := range string(got) {
					if r != '\n' && r != '\x1b' && !unicode.IsPrint(r) || r == '\x1b' && ending != "terminal.txt" {
						t.Errorf("%q is printed", r)
					}
				}
			})
		}
	}
}

func TestTraceYAMLIsTheJSON(t *testing.T) {
	for name, make := range traceCases {
		var fromJSON, fromYAML any
		if err := json.Unmarshal(traceRendered(t, report.TraceJSON, make(t)), &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(traceRendered(t, report.TraceYAML, make(t)), &fromYAML); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromJSON, again); diff != "" {
			t.Errorf("%s (-JSON +YAML):\n%s", name, diff)
		}
	}
}

func traceSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/trace.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestTraceFitsItsSchema(t *testing.T) {
	schema := traceSchema(t)
	for name, make := range traceCases {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(traceRendered(t, report.TraceJSON, make(t))))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The schema is only worth something if it knows every field.
		eachObject(doc, func(object map[string]any) {
			object["surprise"] = "x"
			if schema.Validate(doc) == nil {
				t.Errorf("%s: an unknown field is taken in %v", name, object)
			}
			delete(object, "surprise")
		})
	}
}

// Without forks the probabilities of a flow sum to 1.
func TestTraceProbabilitiesSumToOne(t *testing.T) {
	var doc struct {
		Flows []struct {
			Outcomes []struct {
				Probability float64
				Assumptions []string
			}
		}
	}
	if err := json.Unmarshal(traceRendered(t, report.TraceJSON, traceCases["trace-nodeport"](t)), &doc); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, o := range doc.Flows[0].Outcomes {
		sum += o.Probability
	}
	if math.Abs(sum-1) > 1e-12 || len(doc.Flows[0].Outcomes) != 5 {
		t.Errorf("%d outcomes sum to %v", len(doc.Flows[0].Outcomes), sum)
	}
}

func TestTraceHeadlines(t *testing.T) {
	const zoo = "sample:service-zoo"
	sample, dump := open(t, zoo), open(t, "../../samples/service-zoo/iptables-save.txt")
	tests := []struct {
		name string
		on   *analyzer.Analysis
		flow trace.Flow
		want string
	}{
		{"three endpoints", sample, flow("", trace.FromExternal, "", "172.18.0.3", 30080),
			"33.3% each to 3 endpoints; source rewritten by MASQUERADE"},
		{"one endpoint", sample, flow("", trace.FromPod, "", "10.96.1.2", 80), "goes to 10.244.2.11:8080; source kept"},
		{"hairpin", sample, flow("", trace.FromPod, "10.244.1.10", "10.96.1.1", 80),
			"33.3% each to 3 endpoints; source rewritten by MASQUERADE only on the way to 10.244.1.10:8080"},
		{"no endpoints", sample, flow("", trace.FromPod, "", "10.96.1.5", 80),
			"rejected with icmp-port-unreachable in KUBE-SERVICES (zoo/no-endpoints)"},
		{"no local endpoint", sample, flow("", trace.FromExternal, "", "172.18.0.3", 30083),
			"dropped in KUBE-EXTERNAL-SERVICES (zoo/nodeport-local-none)"},
		{"no service", sample, flow("", trace.FromExternal, "", "172.18.0.3", 22),
			"delivered to the node itself, untranslated; source kept"},
		{"a host elsewhere", sample, flow("", trace.FromPod, "", "192.0.2.1", 443), "goes on untranslated, by eth0; source kept"},
		{"spoofed", sample, flow("", trace.FromExternal, "172.18.0.3", "10.96.1.1", 80), "dropped by routing"},
		{"affinity", sample, flow("", trace.FromPod, "", "10.96.5.1", 80),
			"it depends: goes to one of 3 endpoints; source kept; 6 assumptions"},
		{"without addresses", dump, flow("", trace.FromExternal, "", "172.18.0.3", 30084), "it depends: rejected or goes on untranslated; source kept; 2 assumptions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(traceRendered(t, traceText(report.TextOptions{Detail: report.Quiet}), traced(t, tt.on, false, []trace.Flow{tt.flow}, nil)))
			if got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

// A fullDisk takes only so many bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

// Flows are written as they come: what cannot be written ends even a list of
// them that has no end.
func TestTracesAreStreamed(t *testing.T) {
	traces := traceCases["trace-nodeport"](t)
	once := traces.Flows
	traces.Flows = func(yield func(report.TracedFlow) bool) {
		for {
			for f := range once {
				if !yield(f) {
					return
				}
			}
		}
	}
	for _, ending := range []string{"json", "yaml", "txt", "quiet.txt"} {
		if err := traceRenderings[ending](&fullDisk{100_000}, traces); err == nil || err.Error() != "no space left" {
			t.Errorf("%s: %v", ending, err)
		}
	}
}

// What the user did not capture is said where it matters, and only there.
func TestTraceSaysWhatIsMissing(t *testing.T) {
	a := open(t, node)
	text := string(traceRendered(t, traceText(report.TextOptions{}), traced(t, a, false, []trace.Flow{flow("", trace.FromExternal, "", "172.18.0.3", 22)}, nil)))
	if strings.Contains(text, "Missing") {
		t.Errorf("IPv6 rules do not matter for an IPv4 flow:\n%s", text)
	}
	traces := traced(t, a, false, []trace.Flow{flow("", trace.FromExternal, "", "fd00::1", 22)}, nil)
	traces.Families = []netfilter.Family{netfilter.IPv6}
	if text = string(traceRendered(t, traceText(report.TextOptions{}), traces)); !strings.Contains(text, "run on the node: ip6tables-save -c\n") {
		t.Errorf("it is not said that IPv6 rules are missing:\n%s", text)
	}
}
