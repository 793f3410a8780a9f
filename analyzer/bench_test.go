package analyzer_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/samples/generate"
)

// sizes are the nodes that every stage is measured with: one of a middling
// cluster, a large one, and one with a million rules.
var sizes = []generate.Size{
	{Services: 1000, Endpoints: 5},
	{Services: 10_000, Endpoints: 10},
	{Services: 30_000, Endpoints: 10},
}

// BenchmarkStages measures each stage by itself, on what the stages before it
// made. Beside the time it tells, for each rule of the input, what was
// allocated; and how much memory the result holds.
func BenchmarkStages(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.String(), func(b *testing.B) {
			var text bytes.Buffer
			if err := generate.New(size).WriteRules(&text); err != nil {
				b.Fatal(err)
			}
			file := &source.File{Path: "iptables-save.txt", Text: text.String()}
			text = bytes.Buffer{}
			s := parse(file)
			a := analyzer.Analyze(s)
			entries, next, rules := entriesOf(a), counter(), 0
			for _, t := range s.Tables {
				rules += t.NumRules()
			}
			for _, stage := range []stage{
				{"parse", func() any { return parse(file) }},
				{"graph", func() any { return graphs(s) }},
				{"inventory", func() any { return inventory.Build(s, a.Graphs) }},
				{"one trace", func() any { return explained(a, entries, next(), 1) }},
				{"10,000 traces", func() any { return explained(a, entries, 0, 10_000) }},
				{"text", writes(func(w io.Writer) error { return report.AnalysisText(w, a, report.TextOptions{}) })},
				{"json", writes(func(w io.Writer) error { return report.AnalysisJSON(w, a) })},
				{"yaml", writes(func(w io.Writer) error { return report.AnalysisYAML(w, a) })},
				{"dot", writes(func(w io.Writer) error { return report.GraphDOT(w, a, report.GraphOptions{}) })},
				{"mermaid", writes(func(w io.Writer) error { return report.GraphMermaid(w, a, report.GraphOptions{}) })},
			} {
				b.Run(stage.name, func(b *testing.B) { measure(b, int64(len(file.Text)), rules, stage.run) })
			}
		})
	}
}

// BenchmarkStagesIPVS is BenchmarkStages for nodes in IPVS mode, whose texts are
// read from files.
func BenchmarkStagesIPVS(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.String(), func(b *testing.B) {
			dir := b.TempDir()
			if err := generate.New(size).WriteIPVSRecording(dir); err != nil {
				b.Fatal(err)
			}
			read, bytes := reads(b, dir, "iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ipvsadm-save.txt", "ip-addr.txt")
			s := read()
			a := analyzer.Analyze(s)
			entries, next, servers := entriesOf(a), counter(), 0
			for _, source := range s.Sources {
				servers += source.RealServers
			}
			for _, stage := range []stage{
				{"read", func() any { return read() }},
				{"inventory", func() any { return inventory.Build(s, a.Graphs) }},
				{"one trace", func() any { return explained(a, entries, next(), 1) }},
				{"text", writes(func(w io.Writer) error { return report.AnalysisText(w, a, report.TextOptions{}) })},
			} {
				b.Run(stage.name, func(b *testing.B) { measure(b, bytes, servers, stage.run) })
			}
		})
	}
}

// BenchmarkStagesNFT is BenchmarkStages for nodes in nftables mode, whose texts
// are read from files. An element of a map counts as a rule: it stands for one of
// iptables mode.
func BenchmarkStagesNFT(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.String(), func(b *testing.B) {
			dir := b.TempDir()
			if err := generate.New(size).WriteNFTRecording(dir); err != nil {
				b.Fatal(err)
			}
			read, bytes := reads(b, dir, "nft-ruleset.txt", "ip-addr.txt")
			s := read()
			a := analyzer.Analyze(s)
			entries, next, rules := entriesOf(a), counter(), 0
			for _, t := range s.Tables {
				rules += t.NumRules()
				for _, set := range t.Sets() {
					rules += set.Len()
				}
			}
			for _, stage := range []stage{
				{"read", func() any { return read() }},
				{"graph", func() any { return graphs(s) }},
				{"inventory", func() any { return inventory.Build(s, a.Graphs) }},
				{"one trace", func() any { return explained(a, entries, next(), 1) }},
				{"10,000 traces", func() any { return explained(a, entries, 0, 10_000) }},
				{"text", writes(func(w io.Writer) error { return report.AnalysisText(w, a, report.TextOptions{}) })},
			} {
				b.Run(stage.name, func(b *testing.B) { measure(b, bytes, rules, stage.run) })
			}
		})
	}
}

// reads is how texts of a recording are read, and how many bytes they have.
func reads(b *testing.B, dir string, names ...string) (read func() *snapshot.Snapshot, bytes int64) {
	var dumps []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		dumps, bytes = append(dumps, path), bytes+info.Size()
	}
	return func() *snapshot.Snapshot {
		s, err := capture.Open(dumps, capture.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}, bytes
}

// counter counts its calls.
func counter() func() int {
	n := 0
	return func() int { n++; return n }
}

func entriesOf(a *analyzer.Analysis) (entries []*inventory.Entry) {
	for _, s := range a.Inventory.Services {
		entries = append(entries, s.Entries...)
	}
	return entries
}

// explained follows packets to so many of the entries, from one on, spread over
// all.
func explained(a *analyzer.Analysis, entries []*inventory.Entry, first, traces int) []*trace.Trace {
	out := make([]*trace.Trace, 0, 1) // the last one: who follows many looks at one after another
	for i := range traces {
		e := entries[(first+i)*7919%len(entries)]
		f := trace.Flow{
			From: trace.FromExternal, Source: netip.MustParseAddr("198.51.100.9"),
			Destination: netip.MustParseAddr("172.18.0.3"), Port: e.Port, Protocol: e.Service.Protocol,
		}
		if e.Kind != inventory.NodePort {
			f.Destination = e.Addresses[0].Addr()
		}
		t, err := a.Tracer.Trace(f)
		if err != nil {
			panic(fmt.Sprintf("a flow to an entry: %v", err))
		}
		out = append(out[:0], t)
	}
	return out
}

// A stage is what is measured by itself.
type stage struct {
	name string
	run  func() any // its result, nil for text
}

// parse is a snapshot of one file.
func parse(file *source.File) *snapshot.Snapshot {
	s := &snapshot.Snapshot{}
	for at := source.Start(file); at.More(); {
		dump, next := iptablessave.Parse(at, nil)
		s.Tables = append(s.Tables, dump.Tables...)
		at = next
	}
	return s
}

func graphs(s *snapshot.Snapshot) (all []*chaingraph.Graph) {
	for _, t := range s.Tables {
		all = append(all, chaingraph.Build(t))
	}
	return all
}

func writes(write func(io.Writer) error) func() any {
	return func() any {
		if err := write(io.Discard); err != nil {
			panic(fmt.Sprintf("a writer that takes everything: %v", err))
		}
		return nil
	}
}

// measure measures a stage on a text of so many bytes and rules, or servers of
// the IPVS table.
func measure(b *testing.B, bytes int64, rules int, run func() any) {
	b.SetBytes(bytes)
	b.ReportAllocs()

	before := heap()
	result := run()
	held := heap() - before
	runtime.KeepAlive(result)
	result = nil

	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	for b.Loop() {
		run()
	}
	runtime.ReadMemStats(&end)
	total := float64(rules) * float64(b.N)
	b.ReportMetric(total/b.Elapsed().Seconds(), "rules/s")
	b.ReportMetric(float64(end.Mallocs-start.Mallocs)/total, "allocs/rule")
	b.ReportMetric(max(0, float64(held))/float64(bytes), "held/file")
}

// heap is how much memory is in use once the garbage is gone.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
