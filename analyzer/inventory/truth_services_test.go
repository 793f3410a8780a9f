package inventory_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// policies are what decides which endpoints a service port uses.
type policies struct {
	internalLocal, externalLocal bool
	// outside says that the port has an entry besides its cluster IP.
	outside bool
}

// usesCluster: the endpoints of policy Cluster also serve the node and its pods
// when they dial an external address of a Local service.
func (p policies) usesCluster() bool { return !p.internalLocal || p.outside }
func (p policies) usesLocal() bool   { return p.internalLocal || p.externalLocal && p.outside }

// A door is an address, or a set of them, at which a service port is to be had from outside.
type door struct {
	kind       string
	on, except []netip.Prefix
	port       uint16
}

// serviceViews derives what an inventory has to say of the recording.
func (r *recording) serviceViews() []serviceView {
	var views []serviceView
	for i := range r.services {
		svc := &r.services[i]
		if svc.Spec.Type == "ExternalName" || isNotForKubeProxy(svc.Metadata) {
			continue
		}
		for _, family := range []family{ipv4, ipv6} {
			clusterIPs := family.addrs(svc.Spec.ClusterIPs)
			if len(svc.Spec.ClusterIPs) == 0 {
				clusterIPs = family.addrs([]string{svc.Spec.ClusterIP})
			}
			if len(clusterIPs) == 0 {
				continue
			}
			for _, port := range svc.Spec.Ports {
				views = append(views, r.serviceView(svc, port, family, clusterIPs[0]))
			}
		}
	}
	slices.SortFunc(views, func(a, b serviceView) int { return cmp.Compare(a.Service, b.Service) })
	return views
}

// serviceView derives one service port in one family.
func (r *recording) serviceView(svc *service, port servicePort, family family, clusterIP netip.Addr) serviceView {
	doors, ranges := r.doors(svc, port, family)
	p := policies{
		internalLocal: svc.Spec.InternalTrafficPolicy == "Local",
		externalLocal: r.externalLocal(svc),
		outside:       len(doors) > 0,
	}
	chosen := r.choose(svc, r.backends(svc, port, family), p)
	apart := p.internalLocal && r.release.keepsPoliciesApart()
	inside, outside := chosen.cluster, chosen.cluster
	if apart {
		inside = chosen.local
	}
	if p.externalLocal {
		outside = chosen.local
	}

	view := serviceView{
		Service:   serviceKey(svc.Metadata.Namespace, svc.Metadata.Name, port.Name, strings.ToLower(orTCP(port.Protocol)), port.Port, string(family)),
		Types:     "ClusterIP",
		Endpoints: append(endpointViews("cluster ", chosen.cluster), endpointViews("local ", chosen.local)...),
	}
	if chosen.any {
		if svc.Spec.SessionAffinity == "ClientIP" {
			view.AffinitySeconds = svc.Spec.SessionAffinityConfig.ClientIP.TimeoutSeconds
		}
		if slices.ContainsFunc(doors, func(d door) bool { return d.kind == "LoadBalancerIP" }) {
			view.SourceRanges = ranges
		}
		// 1.23 wrote the same rules for both internal policies.
		if r.release.keepsPoliciesApart() {
			view.InternalPolicy = policyName(p.internalLocal)
		}
		if p.outside {
			view.ExternalPolicy = policyName(p.externalLocal)
		}
	}
	if svc.Spec.Type == "LoadBalancer" && p.externalLocal && svc.Spec.HealthCheckNodePort != 0 {
		view.HealthCheckNodePort = svc.Spec.HealthCheckNodePort
		// No other service has such a port.
		view.ExternalPolicy, view.Types = "Local", addType(view.Types, "LoadBalancer")
	}

	own := entryView{
		Kind: "ClusterIP", Addresses: []string{hostPrefix(clusterIP).String()}, Port: port.Port,
		Verdict: "clusterip", Masquerade: r.masqueradeOfClusterIP(family), Endpoints: endpointViews("", inside),
	}
	if len(inside) == 0 {
		own.Verdict, own.Masquerade = "no-endpoints", "never"
	}
	view.Entries = append(view.Entries, own)

	for _, d := range doors {
		e := entryView{Kind: d.kind, Addresses: prefixViews(d.on), Except: prefixViews(d.except), Port: d.port, Masquerade: "always"}
		switch {
		case len(outside) == 0:
			e.Verdict, e.Masquerade = "no-endpoints", "never"
		case p.externalLocal:
			e.Verdict, e.Masquerade = "local-endpoints", "hairpin"
		case apart && slices.Equal(endpointViews("", inside), endpointViews("", outside)):
			e.Verdict = "same-backends"
		case apart:
			e.Verdict = "different-backends"
		case d.kind == "LoadBalancerIP" && len(ranges) > 0:
			e.Verdict = "filtered"
		default:
			e.Verdict = "joins-clusterip"
		}
		if d.kind == "ExternalIP" && e.Masquerade == "always" && r.release.masqueradesExternalIPsByDetector() && r.detectsLocal(family) {
			e.Masquerade = "conditional"
		}
		e.Endpoints = endpointViews("", outside)
		view.Entries = append(view.Entries, e)
		switch {
		case d.kind == "NodePort":
			view.Types = addType(view.Types, "NodePort")
		case d.kind == "LoadBalancerIP" && chosen.any: // else nothing tells it from an external IP
			view.Types = addType(view.Types, "LoadBalancer")
		}
	}
	slices.SortFunc(view.Entries, compareEntries)
	return view
}

// doors are the external entries of a service port, and the source ranges that
// its load-balancer addresses are restricted to.
func (r *recording) doors(svc *service, port servicePort, family family) (doors []door, ranges []string) {
	for _, a := range family.addrs(svc.Spec.ExternalIPs) {
		doors = append(doors, door{"ExternalIP", []netip.Prefix{hostPrefix(a)}, nil, port.Port})
	}
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		if ingress.IPMode == "Proxy" && r.release.heedsIPMode() {
			continue
		}
		for _, a := range family.addrs([]string{ingress.IP}) {
			doors = append(doors, door{"LoadBalancerIP", []netip.Prefix{hostPrefix(a)}, nil, port.Port})
		}
	}
	if port.NodePort != 0 {
		on, except := r.nodePortAddresses(family)
		doors = append(doors, door{"NodePort", on, except, port.NodePort})
	}
	for _, prefix := range family.prefixes(svc.Spec.LoadBalancerSourceRanges) {
		if prefix.Bits() == 0 { // every source: no restriction
			return doors, nil
		}
		ranges = append(ranges, prefix.Masked().String())
	}
	slices.Sort(ranges)
	return doors, ranges
}

// externalLocal says whether externalTrafficPolicy Local is in force.
func (r *recording) externalLocal(svc *service) bool {
	switch svc.Spec.Type {
	case "LoadBalancer", "NodePort":
	default:
		if !r.release.heedsPolicyOfExternalIPs() || len(svc.Spec.ExternalIPs) == 0 {
			return false
		}
	}
	return svc.Spec.ExternalTrafficPolicy == "Local"
}

func (r *recording) masqueradeOfClusterIP(family family) string {
	switch {
	case r.config.IPTables.MasqueradeAll:
		return "always"
	case r.detectsLocal(family):
		return "conditional"
	}
	return "hairpin"
}

// isNotForKubeProxy: kube-proxy watches only objects without these labels
// (cmd/kube-proxy/app/server.go).
func isNotForKubeProxy(meta objectMeta) bool {
	_, other := meta.Labels["service.kubernetes.io/service-proxy-name"]
	_, headless := meta.Labels["service.kubernetes.io/headless"]
	return other || headless
}

func policyName(local bool) string {
	if local {
		return "Local"
	}
	return "Cluster"
}

func orTCP(protocol string) string {
	if protocol == "" {
		return "TCP"
	}
	return protocol
}

func addType(types, one string) string {
	words := strings.Fields(types)
	if !slices.Contains(words, one) {
		words = append(words, one)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// endpointViews are the endpoints of one list with their shares.
func endpointViews(scope string, list []backend) []string {
	var views []string
	for i, share := range shares(len(list)) {
		views = append(views, fmt.Sprintf("%s%s %s", scope, list[i].addr, share))
	}
	slices.Sort(views)
	return views
}
