package kubeproxy

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Names of kube-proxy's sets in IPVS mode (pkg/proxy/ipvs/ipset.go and
// proxier.go, ipsetInfo), as IPv4's have them; SetName gives IPv6's.
const (
	LoopBackSet        = "KUBE-LOOP-BACK"                 // endpoints of this node: ip,port,ip
	ClusterIPSet       = "KUBE-CLUSTER-IP"                // ip,port
	ExternalIPSet      = "KUBE-EXTERNAL-IP"               // ip,port, policy Cluster
	ExternalIPLocalSet = "KUBE-EXTERNAL-IP-LOCAL"         // ip,port, policy Local
	LoadBalancerSet    = "KUBE-LOAD-BALANCER"             // ip,port, either policy
	LoadBalancerLocal  = "KUBE-LOAD-BALANCER-LOCAL"       // ip,port, policy Local
	LoadBalancerFW     = "KUBE-LOAD-BALANCER-FW"          // ip,port with source ranges
	SourceCIDRSet      = "KUBE-LOAD-BALANCER-SOURCE-CIDR" // ip,port,net: the ranges
	SourceIPSet        = "KUBE-LOAD-BALANCER-SOURCE-IP"   // ip,port,ip: the node itself
	NodePortTCPSet     = "KUBE-NODE-PORT-TCP"             // port, either policy
	NodePortLocalTCP   = "KUBE-NODE-PORT-LOCAL-TCP"       // port, policy Local
	NodePortUDPSet     = "KUBE-NODE-PORT-UDP"
	NodePortLocalUDP   = "KUBE-NODE-PORT-LOCAL-UDP"
	NodePortSCTPSet    = "KUBE-NODE-PORT-SCTP-HASH"       // ip,port
	NodePortLocalSCTP  = "KUBE-NODE-PORT-LOCAL-SCTP-HASH" // ip,port
	HealthCheckPortSet = "KUBE-HEALTH-CHECK-NODE-PORT"    // port
	IPVSAddressesSet   = "KUBE-IPVS-IPS"                  // the addresses of kube-ipvs0
)

// Names of chains that only IPVS mode has.
const (
	NodePortChain   = "KUBE-NODE-PORT"   // nat: marks; filter: health checks
	IPVSFilterChain = "KUBE-IPVS-FILTER" // filter: refuses what is no service, since 1.26
)

// IPVSInterface holds the addresses of services, so that the kernel takes their
// packets for its own (pkg/proxy/ipvs/proxier.go, defaultDummyDevice).
const IPVSInterface = "kube-ipvs0"

// SetName is the name that a set has in a family: IPv6's carry a 6, and are cut
// to the 31 bytes that the kernel allows (pkg/proxy/ipvs/ipset.go, NewIPSet).
func SetName(name string, family netfilter.Family) string {
	if family != netfilter.IPv6 {
		return name
	}
	name = "KUBE-6-" + strings.TrimPrefix(name, "KUBE-")
	const longest = 31
	return name[:min(len(name), longest)]
}

// NodePortSets are the sets of a protocol's node ports: of all, and of those
// under externalTrafficPolicy Local. "" for a protocol that has none.
func NodePortSets(protocol uint8) (all, local string) {
	switch protocol {
	case netfilter.TCP:
		return NodePortTCPSet, NodePortLocalTCP
	case netfilter.UDP:
		return NodePortUDPSet, NodePortLocalUDP
	case netfilter.SCTP:
		return NodePortSCTPSet, NodePortLocalSCTP
	}
	return "", ""
}

// IsIPVSSet reports whether a set is one that only kube-proxy's IPVS mode makes.
func IsIPVSSet(name string) bool {
	return name == ClusterIPSet || name == SetName(ClusterIPSet, netfilter.IPv6)
}
