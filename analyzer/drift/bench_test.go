package drift_test

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/drift"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples/generate"
)

// BenchmarkCheck measures the comparison alone, and beside it all of Analyze,
// of which it is a part.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []generate.Size{{Services: 1000, Endpoints: 5}, {Services: 10_000, Endpoints: 10}} {
		for name, write := range map[string]func(*generate.Node, string) error{
			"iptables": (*generate.Node).WriteRecording, "ipvs": (*generate.Node).WriteIPVSRecording,
			"nftables": (*generate.Node).WriteNFTRecording,
		} {
			b.Run(name+"/"+size.String(), func(b *testing.B) {
				dir := b.TempDir()
				if err := write(generate.New(size), dir); err != nil {
					b.Fatal(err)
				}
				s, err := capture.Open([]string{dir}, capture.Options{})
				if err != nil {
					b.Fatal(err)
				}
				a := analyzer.Analyze(s)
				b.Run("check", func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if len(drift.Check(s, a.Inventory)) > 0 {
							b.Fatal("a healthy node drifts")
						}
					}
				})
				b.Run("analyze", func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						analyzer.Analyze(s)
					}
				})
			})
		}
	}
}
