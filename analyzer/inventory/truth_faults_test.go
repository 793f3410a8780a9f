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

	// Nothing jumps to the service's chain any more; the jump was also what showed
	// the internal policy.
	"service-rule-deleted": func(t *testing.T, views []serviceView) {
		const service = "zoo/multiport:https tcp 443 IPv4"
		e := entryOf(t, views, service, "ClusterIP")
		e.Verdict, e.Masquerade, e.Endpoints = "broken", "never", nil
		views[indexOf(views, service)].InternalPolicy = ""
	},
}

// entryOf finds the one entry of a kind that a service port has.
func entryOf(t *testing.T, views []serviceView, service, kind string) *entryView {
	t.Helper()
	if i := indexOf(views, service); i >= 0 {
		entries := views[i].Entries
		if j := slices.IndexFunc(entries, func(e entryView) bool { return e.Kind == kind }); j >= 0 {
			return &entries[j]
		}
	}
	t.Fatalf("the manifests have no %s with a %s", service, kind)
	return nil
}

func indexOf(views []serviceView, service string) int {
	return slices.IndexFunc(views, func(v serviceView) bool { return v.Service == service })
}
