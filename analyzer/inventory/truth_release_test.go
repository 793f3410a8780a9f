package inventory_test

import "net/netip"

// A release is a version of kube-proxy, 1.minor, with the feature gates that
// its configuration sets. Its methods say what it does differently from others;
// the defaults of feature gates are those of pkg/features/kube_features.go.
type release struct {
	minor int
	gates map[string]bool
}

func (r release) enabled(gate string, since int) bool {
	if set, ok := r.gates[gate]; ok {
		return set
	}
	return r.minor >= since
}

// keepsPoliciesApart: internal and external clients get lists of endpoints of
// their own since pkg/proxy/topology.go has CategorizeEndpoints (1.24).
// FilterEndpoints before it chose one list for both.
func (r release) keepsPoliciesApart() bool { return r.minor >= 24 }

// fallsBackToTerminating: endpoints that terminate but still serve are used when
// none is ready.
func (r release) fallsBackToTerminating() bool { return r.enabled("ProxyTerminatingEndpoints", 26) }

// hasNodeHints: hints.forNodes are honoured (PreferSameNode).
func (r release) hasNodeHints() bool {
	return r.minor >= 33 && r.enabled("PreferSameTrafficDistribution", 34)
}

// followsHints says whether the service's endpoints are chosen by zone hints. From 1.31
// on the hints alone decide, before that an annotation has to ask for them.
func (r release) followsHints(annotations map[string]string) bool {
	if r.minor >= 30 && r.enabled("ServiceTrafficDistribution", 31) {
		return true
	}
	if !r.enabled("TopologyAwareHints", 24) {
		return false
	}
	value, ok := annotations["service.kubernetes.io/topology-aware-hints"]
	if r.minor < 27 {
		return value == "Auto" || value == "auto"
	}
	if !ok {
		value = annotations["service.kubernetes.io/topology-mode"]
	}
	return value != "" && value != "Disabled" && value != "disabled"
}

// heedsIPMode: a load-balancer address of ipMode Proxy is not kube-proxy's.
func (r release) heedsIPMode() bool { return r.minor >= 29 && r.enabled("LoadBalancerIPMode", 30) }

// heedsPolicyOfExternalIPs: externalTrafficPolicy counts for a ClusterIP service with
// external IPs too (pkg/api/v1/service/util.go, ExternalPolicyLocal).
func (r release) heedsPolicyOfExternalIPs() bool { return r.minor >= 29 }

// knowsLocalhostNodePorts: node ports on the loopback address can be off, and
// are for IPv6 (--iptables-localhost-nodeports). Before that they were always on.
func (r release) knowsLocalhostNodePorts() bool { return r.minor >= 26 }

// masqueradesExternalIPsByDetector: external IPs were masqueraded like cluster
// IPs, for clients that the local detector does not know, not for all.
func (r release) masqueradesExternalIPsByDetector() bool { return r.minor < 24 }

// detectsLocal says whether kube-proxy can tell traffic of the cluster's pods
// from other traffic (cmd/kube-proxy/app, getLocalDetectors).
func (r *recording) detectsLocal(family family) bool {
	switch r.config.DetectLocalMode {
	case "", "ClusterCIDR":
		return len(family.prefixes(splitList(r.config.ClusterCIDR))) > 0
	case "NodeCIDR":
		return len(family.prefixes(r.node.Spec.PodCIDRs)) > 0
	case "BridgeInterface":
		return r.config.DetectLocal.BridgeInterface != ""
	case "InterfaceNamePrefix":
		return r.config.DetectLocal.InterfaceNamePrefix != ""
	}
	return false
}

// nodePortAddresses are the node's addresses that node ports listen on, and
// those that are left out (pkg/proxy/util/nodeport_addresses.go).
func (r *recording) nodePortAddresses(family family) (on, except []netip.Prefix) {
	loopback := family.loopback()
	localhost := true
	if r.release.knowsLocalhostNodePorts() {
		set := r.config.IPTables.LocalhostNodePorts
		localhost = family == ipv4 && (set == nil || *set)
	}

	var words []string
	for _, word := range r.config.NodePortAddresses {
		switch word {
		case "primary":
			for _, a := range r.node.Status.Addresses {
				if a.Type == "InternalIP" {
					words = append(words, hostPrefix(netip.MustParseAddr(a.Address)).String())
				}
			}
		case "localhost":
			words = append(words, "127.0.0.0/8", "::1/128")
		case "all":
			words = append(words, "0.0.0.0/0", "::/0")
		default:
			words = append(words, word)
		}
	}
	ranges := family.prefixes(words)
	if len(ranges) == 0 {
		ranges = []netip.Prefix{family.everything()}
	}

	for _, prefix := range ranges {
		if prefix.Bits() == 0 {
			if !localhost {
				except = []netip.Prefix{loopback}
			}
			return []netip.Prefix{prefix}, except
		}
		for _, a := range r.addresses {
			if prefix.Contains(a) && (localhost || !a.IsLoopback()) {
				on = append(on, hostPrefix(a))
			}
		}
	}
	return on, nil
}
