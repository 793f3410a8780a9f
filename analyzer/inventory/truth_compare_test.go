package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// differences tells of every service port that one side lacks, has twice or
// tells otherwise, with both sides.
func differences(want, got []serviceView) []string {
	return compareViews(want, got, true)
}

// exactDifferences leaves no kind open.
func exactDifferences(want, got []serviceView) []string { return compareViews(want, got, false) }

func compareViews(want, got []serviceView, open bool) []string {
	wanted, gotten := byService(want), byService(got)
	var services []string
	for _, v := range slices.Concat(want, got) {
		services = append(services, v.Service)
	}
	slices.Sort(services)
	var all []string
	for _, s := range slices.Compact(services) {
		if open && len(wanted[s]) == 1 && len(gotten[s]) == 1 {
			leaveKindsOpen(&wanted[s][0], gotten[s][0])
		}
		if diff := cmp.Diff(wanted[s], gotten[s], cmpopts.EquateEmpty()); diff != "" {
			all = append(all, fmt.Sprintf("%s (-manifests +inventory):\n%s", s, diff))
		}
	}
	return all
}

func byService(views []serviceView) map[string][]serviceView {
	m := map[string][]serviceView{}
	for _, v := range views {
		v.Entries = slices.Clone(v.Entries)
		m[v.Service] = append(m[v.Service], v)
	}
	return m
}

// leaveKindsOpen lets the truth accept openKind where the rules cannot tell the
// kind: a service without endpoints stands in the filter table alone, where
// comments do not name it.
func leaveKindsOpen(want *serviceView, got serviceView) {
	if len(want.Endpoints) > 0 {
		return
	}
	for i := range want.Entries {
		w := &want.Entries[i]
		if w.Kind != "LoadBalancerIP" && w.Kind != "ExternalIP" {
			continue
		}
		if slices.ContainsFunc(got.Entries, func(g entryView) bool {
			return g.Kind == openKind && g.Port == w.Port && slices.Equal(g.Addresses, w.Addresses)
		}) {
			w.Kind = openKind
		}
	}
}

// TestDifferencesAreSeen: a comparison that finds nothing proves nothing unless
// it would have found something.
func TestDifferencesAreSeen(t *testing.T) {
	const backends = "{addresses: [10.0.0.1]}"
	lb := func(endpoints ...string) []serviceView {
		spec := "type: LoadBalancer, ports: [{port: 80, nodePort: 30080}], externalIPs: [192.0.2.1]"
		return small(t, 37, smallService(spec, endpoints...)).serviceViews()
	}
	kind := func(views []serviceView, kind string) []serviceView {
		views[0].Entries[2].Kind = kind
		return views
	}
	for _, tt := range []struct {
		name      string
		want, got []serviceView
		says      string // in the one difference; "" for none
	}{
		{"the same", lb(backends), lb(backends), ""},
		{"missing", lb(backends), nil, "team/web tcp 80 IPv4 (-manifests +inventory)"},
		{"extra", nil, lb(backends), "team/web tcp 80 IPv4 (-manifests +inventory)"},
		{"twice", lb(backends), append(lb(backends), lb(backends)...), "team/web tcp 80 IPv4 (-manifests +inventory)"},
		{"without endpoints", lb(backends), lb(), "no-endpoints"},
		{"other endpoint", lb(backends), lb("{addresses: [10.0.0.2]}"), "10.0.0.2:8080"},
		{"entry missing", lb(backends), small(t, 37, smallService("type: NodePort, ports: [{port: 80, nodePort: 30080}]", backends)).serviceViews(), "192.0.2.1"},
		{"open kind of a refused address", lb(), kind(lb(), openKind), ""},
		{"wrong kind of a refused address", lb(), kind(lb(), "LoadBalancerIP"), "LoadBalancerIP"},
		{"open kind where the rules show it", lb(backends), kind(lb(backends), openKind), openKind},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := differences(tt.want, tt.got)
			switch {
			case tt.says == "" && len(got) == 0:
			case tt.says == "" || len(got) != 1 || !strings.Contains(got[0], tt.says):
				t.Errorf("want one difference with %q, got %d: %s", tt.says, len(got), strings.Join(got, "\n"))
			}
		})
	}
}
