package trace_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/trace"
)

// BenchmarkTrace follows a packet to one of many services: the model is in
// memory, the index made.
func BenchmarkTrace(b *testing.B) {
	const services = 10_000
	var chains, rules strings.Builder
	for i := range services {
		fmt.Fprintf(&chains, ":KUBE-SVC-%016d - [0:0]\n:KUBE-SEP-%016d - [0:0]\n", i, i)
		fmt.Fprintf(&rules, "-A KUBE-SERVICES -d 10.96.%d.%d/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-%016d\n", i>>8, i&255, i)
		fmt.Fprintf(&rules, "-A KUBE-SVC-%016d -j KUBE-SEP-%016d\n", i, i)
		fmt.Fprintf(&rules, "-A KUBE-SEP-%016d -p tcp -m tcp -j DNAT --to-destination 10.1.%d.%d:8080\n", i, i>>8, i&255)
	}
	s := read(b, "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n"+chains.String()+"-A PREROUTING -j KUBE-SERVICES\n"+rules.String()+"COMMIT\n"+node)
	tracer := trace.New(s)
	f := outside("10.96.39.15:80")
	if _, err := tracer.Trace(f); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Destination = netip.AddrFrom4([4]byte{10, 96, byte(i % services >> 8), byte(i % 256)})
		if _, err := tracer.Trace(f); err != nil {
			b.Fatal(err)
		}
	}
}
