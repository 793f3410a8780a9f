package kubeproxy

import "github.com/svcpath/svcpath/analyzer/netfilter"

// Names of kube-proxy's chains in iptables mode that every service shares
// (pkg/proxy/iptables/proxier.go). Some stand in nat and in filter, with
// different duties.
const (
	ServicesChain         = "KUBE-SERVICES"
	NodePortsChain        = "KUBE-NODEPORTS"
	ExternalServicesChain = "KUBE-EXTERNAL-SERVICES" // filter
	PostroutingChain      = "KUBE-POSTROUTING"
	ForwardChain          = "KUBE-FORWARD" // filter
	MarkMasqChain         = "KUBE-MARK-MASQ"
	MarkDropChain         = "KUBE-MARK-DROP"      // up to 1.25
	ProxyFirewallChain    = "KUBE-PROXY-FIREWALL" // filter, since 1.25
	KubeFirewallChain     = "KUBE-FIREWALL"       // filter, kubelet's
)

// SetsMark reports whether all that a chain does is to set bits of the packet's
// mark, and which: KUBE-MARK-MASQ and KUBE-MARK-DROP are such chains. Their
// bits differ from cluster to cluster; what tells them apart is who tests them.
func SetsMark(c *netfilter.Chain) (bits uint32, ok bool) {
	for r := range c.Rules() {
		mark, isMark := r.Target().(*netfilter.SetMark)
		if !isMark || len(r.Matches()) > 1 || len(r.Matches()) == 1 && r.Comment() == "" {
			return 0, false
		}
		bits |= mark.Value
	}
	return bits, bits != 0
}
