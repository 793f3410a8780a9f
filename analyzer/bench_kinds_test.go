package analyzer_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/samples/generate"
)

// BenchmarkKinds measures one explained trace of each kind: from outside, from a
// pod and from the node itself, to each kind of entry, with session affinity and
// without. Nothing is known but the rules, so that much is left open; then the
// node's addresses are known as well.
func BenchmarkKinds(b *testing.B) {
	var text bytes.Buffer
	if err := generate.New(sizes[len(sizes)-1]).WriteRules(&text); err != nil {
		b.Fatal(err)
	}
	s := parse(&source.File{Path: "iptables-save.txt", Text: text.String()})
	text = bytes.Buffer{}
	known := *s
	known.Addresses = []snapshot.Address{
		{Interface: "lo", Prefix: netip.MustParsePrefix("127.0.0.1/8")},
		{Interface: "eth0", Prefix: netip.MustParsePrefix("172.18.0.3/16")},
		{Interface: "cni0", Prefix: netip.MustParsePrefix("10.128.0.1/24")},
	}
	for _, node := range []struct {
		name     string
		analysis *analyzer.Analysis
	}{{"rules alone", analyzer.Analyze(s)}, {"addresses known", analyzer.Analyze(&known)}} {
		byKind := map[string][]*inventory.Entry{}
		for _, e := range entriesOf(node.analysis) {
			if e.Service.Endpoints.Len() == 0 {
				continue
			}
			affinity := "no affinity"
			if e.Service.Affinity != nil {
				affinity = "affinity"
			}
			name := fmt.Sprintf("%s/%s", e.Kind, affinity)
			byKind[name] = append(byKind[name], e)
		}
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
			for _, kind := range []inventory.Kind{inventory.ClusterIP, inventory.NodePort, inventory.LoadBalancerIP, inventory.ExternalIP} {
				for _, affinity := range []string{"no affinity", "affinity"} {
					to := fmt.Sprintf("%s/%s", kind, affinity)
					entries := byKind[to]
					b.Run(fmt.Sprintf("%s/%s to %s", node.name, from, to), func(b *testing.B) {
						benchmarkKind(b, node.analysis, from, entries)
					})
				}
			}
		}
	}
}

func benchmarkKind(b *testing.B, a *analyzer.Analysis, from trace.Origin, entries []*inventory.Entry) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := flowTo(entries[i*7919%len(entries)], from)
		if _, err := a.Tracer.Trace(f); err != nil {
			b.Fatal(err)
		}
	}
}

// flowTo is a packet to an entry.
func flowTo(e *inventory.Entry, from trace.Origin) trace.Flow {
	f := trace.Flow{From: from, Destination: netip.MustParseAddr("172.18.0.3"), Port: e.Port, Protocol: e.Service.Protocol}
	switch from {
	case trace.FromExternal:
		f.Source = netip.MustParseAddr("198.51.100.9")
	case trace.FromPod:
		f.Source = netip.MustParseAddr("10.128.0.5")
	}
	if e.Kind != inventory.NodePort {
		f.Destination = e.Addresses[0].Addr()
	}
	return f
}
