package inventory_test

import (
	"slices"
	"testing"
)

// faultEffects are what one edit of the rules, told in a recording's truth.yaml,
// changes in what the manifests say.
var faultEffects = map[string]func(*testing.T, []serviceView){
	// KUBE-MARK-MASQ is gone from the chain that external clients take.
	"ext-no-masquerade": func(t *testing.T, views []serviceView) {
		entryOf(t, views, "zoo/nodeport tcp 80 IPv4", "NodePort").Masquerade = "hairpin"
	},

	// The external chain of zoo/lb-ip jumps to the service chain of zoo/nodeport.
	"ext-wrong-service": func(t *testing.T, views []serviceView) {
		other := entryOf(t, views, "zoo/nodeport tcp 80 IPv4", "ClusterIP").Endpoints
		for _, kind := range []string{"NodePort", "LoadBalancerIP"} {
			e := entryOf(t, views, "zoo/lb-ip tcp 80 IPv4", kind)
			e.Verdict, e.Endpoints = "different-backends", other
		}
	},

	// A DNAT to a stranger stands before KUBE-SERVICES. The masquerade mark is
	// never set on its packets.
	"hijack-dnat": func(t *testing.T, views []serviceView) {
		e := entryOf(t, views, "zoo/clusterip tcp 80 IPv4", "ClusterIP")
		e.Verdict, e.Masquerade, e.Endpoints = "different-backends", "never", []string{"10.244.2.250:8080 1"}
	},

	// Nothing jumps to the service's chain any more.
	"service-rule-deleted": func(t *testing.T, views []serviceView) {
		e := entryOf(t, views, "zoo/multiport:https tcp 443 IPv4", "ClusterIP")
		e.Verdict, e.Masquerade, e.Endpoints = "broken", "never", nil
	},
}

// entryOf finds the one entry of a kind that a service port has.
func entryOf(t *testing.T, views []serviceView, service, kind string) *entryView {
	t.Helper()
	for _, v := range views {
		if v.Service != service {
			continue
		}
		if i := slices.IndexFunc(v.Entries, func(e entryView) bool { return e.Kind == kind }); i >= 0 {
			return &v.Entries[i]
		}
	}
	t.Fatalf("the manifests have no %s with a %s", service, kind)
	return nil
}
