package nftlist

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

func TestScratch(t *testing.T) {
	for _, path := range strings.Fields(os.Getenv("NFT")) {
		b, _ := os.ReadFile(path)
		f := &source.File{Path: path, Text: string(b)}
		d, next := Parse(source.Start(f), nil)
		fmt.Println(path, "tables", len(d.Tables), "next line", next.Line, "of", strings.Count(f.Text, "\n"), "skipped", d.Skipped)
		for _, x := range d.Diagnostics {
			fmt.Println("  ", x)
		}
		opaque := 0
		var out strings.Builder
		for _, tb := range d.Tables {
			fmt.Println("  ", tb.Family, tb.Name, tb.Backend, tb.Complete, len(tb.Chains()), tb.NumRules(), len(tb.Sets()))
			for r := range tb.Rules() {
				if hasLost(r) {
					opaque++
					if opaque < 5 {
						fmt.Println("   opaque:", r.Text())
					}
				}
				if tb.Backend == netfilter.Native {
					a := strings.Join(strings.Fields(r.Text()), " ")
					if b := r.String(); a != b {
						fmt.Printf("   DIFF %q\n        %q\n", a, b)
					}
				}
			}
			if tb.Backend == netfilter.Native {
				out.WriteString(tb.NFT())
			}
		}
		fmt.Println("  opaque", opaque)
		os.WriteFile("/tmp/out.nft", []byte(out.String()), 0o644)
	}
}
