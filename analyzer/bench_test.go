package analyzer_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
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
			for _, stage := range []struct {
				name string
				run  func() any // its result, nil for text
			}{
				{"parse", func() any { return parse(file) }},
				{"graph", func() any { return graphs(s) }},
				{"inventory", func() any { return inventory.Build(s, a.Graphs) }},
				{"text", writes(func(w io.Writer) error { return report.AnalysisText(w, a, report.TextOptions{}) })},
				{"json", writes(func(w io.Writer) error { return report.AnalysisJSON(w, a) })},
				{"yaml", writes(func(w io.Writer) error { return report.AnalysisYAML(w, a) })},
				{"dot", writes(func(w io.Writer) error { return report.GraphDOT(w, a, report.GraphOptions{}) })},
				{"mermaid", writes(func(w io.Writer) error { return report.GraphMermaid(w, a, report.GraphOptions{}) })},
			} {
				b.Run(stage.name, func(b *testing.B) { measure(b, s, stage.run) })
			}
		})
	}
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

func measure(b *testing.B, s *snapshot.Snapshot, run func() any) {
	rules := 0
	for _, t := range s.Tables {
		rules += t.NumRules()
	}
	bytes := len(s.Tables[0].Pos.File.Text)
	b.SetBytes(int64(bytes))
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
