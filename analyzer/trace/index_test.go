package trace_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// An index changes no answer: with all chains indexed, and with none, outcomes
// and paths are the same.
func TestIndexIsExact(t *testing.T) {
	same := func(t interface{ Fatalf(string, ...any) }, s *snapshot.Snapshot, f trace.Flow) {
		indexed, err := trace.New(s).IndexFrom(0).Trace(f)
		if err != nil {
			t.Fatalf("%v", err)
		}
		linear, err := trace.New(s).IndexFrom(math.MaxInt).Trace(f)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if diff := cmp.Diff(paths(linear), paths(indexed)); diff != "" {
			t.Fatalf("%s %s to %s:%d (-rule by rule +indexed):\n%s", f.From, f.Source, f.Destination, f.Port, diff)
		}
	}
	t.Run("random rulesets", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			s := read(t, drawDump(rt)+node)
			same(rt, s, rapid.SampledFrom([]trace.Flow{
				outside("192.0.2.10:80"), outside("203.0.113.5:80"), outside("10.1.0.5:81"), pod("192.0.2.10:80"), local("203.0.113.5:80"),
			}).Draw(rt, "flow"))
		})
	})
	t.Run("a match that acts before the port is tested", func(t *testing.T) {
		same(t, read(t, `*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -p tcp -m recent --set --name SEEN --mask 255.255.255.255 --rsource -m tcp --dport 81 -j ACCEPT
-A FORWARD -m recent --rcheck --name SEEN --mask 255.255.255.255 --rsource -j DROP
COMMIT
`+node), outside("10.1.0.5:80"))
	})
	t.Run("a recording", func(t *testing.T) {
		s := sample(t, "service-zoo")
		for _, to := range destinations(s) {
			for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
				f := trace.Flow{From: from, Destination: to.address, Port: to.port, Protocol: to.protocol}
				if from == trace.FromExternal && to.address.Is4() {
					f.Source = netip.MustParseAddr("198.51.100.7")
				}
				same(t, s, f)
			}
		}
	})
}

// paths are the outcomes with all that led to them.
func paths(tr *trace.Trace) []string {
	var all []string
	for i, o := range tr.Outcomes {
		all = append(all, fmt.Sprintf("%d: %s %v %v", i, o.Verdict, o.Endpoint, o.Probability))
		for _, s := range o.Path {
			at := ""
			if s.Rule != nil {
				at = s.Rule.Pos().String()
			}
			all = append(all, fmt.Sprintf("%d: %s %s %s", i, s.Hook, at, s.Effect))
		}
	}
	return all
}

type dialled struct {
	address  netip.Addr
	protocol uint8
	port     uint16
}

// flowsToAll are flows to all destinations that rules name, from everywhere.
func flowsToAll(s *snapshot.Snapshot) (flows []trace.Flow) {
	for _, to := range destinations(s) {
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
			flows = append(flows, trace.Flow{From: from, Destination: to.address, Port: to.port, Protocol: to.protocol})
		}
	}
	return flows
}

// destinations are what the rules of a snapshot name: every single address
// with every port beside it, node ports on the node's address, and each with
// the next port, which may be nobody's.
func destinations(s *snapshot.Snapshot) []dialled {
	var all []dialled
	for _, table := range s.Tables {
		host := netip.MustParseAddr("172.18.0.3")
		if table.Family == netfilter.IPv6 {
			host = netip.MustParseAddr("fc00:f853:ccd:e793::3")
		}
		for r := range table.Rules() {
			d := dialled{address: host}
			for _, m := range r.Matches() {
				switch m := m.(type) {
				case *netfilter.Addr:
					if m.Side == netfilter.Destination && m.Net.Prefix.IsSingleIP() {
						d.address = m.Net.Prefix.Addr()
					}
				case *netfilter.Transport:
					d.protocol, d.port = m.Protocol, m.DstPort.Range.First
				}
			}
			if d.port != 0 {
				all = append(all, d, dialled{d.address, d.protocol, d.port + 1})
			}
		}
	}
	return all
}
