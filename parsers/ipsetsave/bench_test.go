package ipsetsave_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/parsers/ipsetsave"
)

// BenchmarkParse reads the sets of a node with 100,000 endpoints.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 131072 maxelem 131072\n")
	for i := range 100_000 {
		fmt.Fprintf(&text, "add KUBE-LOOP-BACK 10.%d.%d.%d,tcp:8080,10.%d.%d.%d\n", i>>16, i>>8&0xff, i&0xff, i>>16, i>>8&0xff, i&0xff)
	}
	at := start(text.String())
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		dump, _ := ipsetsave.ParseSave(at, foreign)
		if n := dump.Sets[0].NumElements(); n != 100_000 {
			b.Fatalf("%d elements", n)
		}
	}
}
