package cluster_test

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer/cluster"
)

func TestSlicesOf(t *testing.T) {
	slice := func(namespace, service string, old bool) *cluster.EndpointSlice {
		return &cluster.EndpointSlice{Namespace: namespace, Service: service, FromEndpoints: old}
	}
	o := &cluster.Objects{Slices: []*cluster.EndpointSlice{
		slice("a", "web", true), slice("a", "web", false), slice("b", "web", false), slice("a", "web", false), slice("a", "old", true),
	}}
	for _, tt := range []struct {
		namespace, name string
		want            []*cluster.EndpointSlice
	}{
		{"a", "web", []*cluster.EndpointSlice{o.Slices[1], o.Slices[3]}},
		{"b", "web", o.Slices[2:3]},
		{"a", "old", o.Slices[4:]},
		{"b", "old", nil},
	} {
		got := o.SlicesOf(&cluster.Service{Namespace: tt.namespace, Name: tt.name})
		if len(got) != len(tt.want) {
			t.Fatalf("%s/%s: %d slices, expected %d", tt.namespace, tt.name, len(got), len(tt.want))
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s/%s: another slice at %d", tt.namespace, tt.name, i)
			}
		}
	}
}

func TestProxied(t *testing.T) {
	for _, tt := range []struct {
		service cluster.Service
		want    bool
	}{
		{cluster.Service{Type: cluster.ClusterIP}, true},
		{cluster.Service{Type: cluster.LoadBalancer}, true},
		{cluster.Service{Type: cluster.ExternalName}, false},
		{cluster.Service{Type: cluster.ClusterIP, Headless: true}, false},
		{cluster.Service{Type: cluster.ClusterIP, OtherProxy: true}, false},
	} {
		if got := tt.service.Proxied(); got != tt.want {
			t.Errorf("%+v: proxied %t", tt.service, got)
		}
	}
}
