package trace_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestSharedTracer has one tracer follow packets for several goroutines: what a
// walk leaves behind for the next one must change nothing, and results stay as
// they are while others are made.
func TestSharedTracer(t *testing.T) {
	s := sample(t, "service-zoo")
	var flows []trace.Flow
	for i, to := range destinations(s) {
		from := []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode}[i%3]
		flows = append(flows, trace.Flow{From: from, Destination: to.address, Port: to.port, Protocol: to.protocol})
	}
	want := make([][]string, len(flows))
	for i, f := range flows {
		tr, err := trace.New(s).Trace(f)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = paths(tr)
	}
	shared := trace.New(s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			kept := make([]*trace.Trace, len(flows))
			for i, f := range flows {
				var err error
				if kept[i], err = shared.Trace(f); err != nil {
					t.Error(err)
					return
				}
			}
			for i, tr := range kept {
				if !slices.Equal(want[i], paths(tr)) {
					t.Errorf("%s to %s:%d: another trace than a tracer of its own finds", flows[i].From, flows[i].Destination, flows[i].Port)
				}
			}
		})
	}
	all.Wait()
}

// TestOutcomesWithoutPaths holds traces without paths against those with.
func TestOutcomesWithoutPaths(t *testing.T) {
	tracer := trace.New(sample(t, "service-zoo"))
	for _, to := range []string{"10.96.0.10:53", "172.18.0.3:30083", "203.0.113.24:80"} {
		f := flow(trace.FromPod, zooPod, to)
		full, err := tracer.Trace(f)
		if err != nil {
			t.Fatal(err)
		}
		bare, err := tracer.TraceOutcomes(f)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(summary(full), summary(bare)) {
			t.Errorf("%s: got %q, want %q", to, summary(bare), summary(full))
		}
		if bare.Outcomes[0].Path != nil || full.Outcomes[0].Path == nil {
			t.Errorf("%s: a path where none is, or none where one is", to)
		}
	}
}
