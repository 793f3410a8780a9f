package manifests

import (
	"strconv"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/source"
)

// Labels that keep kube-proxy from looking at a Service.
const (
	proxyLabel    = "service.kubernetes.io/service-proxy-name"
	headlessLabel = "service.kubernetes.io/headless"
)

// affinityTimeout is how long a client is remembered where nothing is said
// (k8s.io/api/core/v1, DefaultClientIPServiceAffinitySeconds).
const affinityTimeout = 10800

func (r *reader) service(pos source.Position, o *object) {
	s, namespace, name := r.scopeOf(pos, "Service", &o.Metadata)
	spec := &o.Spec
	svc := &cluster.Service{
		Pos: pos, Namespace: namespace, Name: name,
		Type:                serviceType(s, spec.Type),
		ExternalIPs:         s.addresses("externalIPs", spec.ExternalIPs),
		SourceRanges:        s.prefixes("loadBalancerSourceRanges", spec.LoadBalancerSourceRanges),
		ExternalPolicy:      s.policy("externalTrafficPolicy", spec.ExternalTrafficPolicy),
		InternalPolicy:      s.policy("internalTrafficPolicy", spec.InternalTrafficPolicy),
		HealthCheckNodePort: s.port("healthCheckNodePort", spec.HealthCheckNodePort),
	}
	_, other := o.Metadata.Labels[proxyLabel]
	_, headless := o.Metadata.Labels[headlessLabel]
	svc.OtherProxy = other || headless
	ips := spec.ClusterIPs
	if len(ips) == 0 && spec.ClusterIP != "" {
		ips = []text{spec.ClusterIP}
	}
	for _, ip := range ips {
		switch ip {
		case "None":
			svc.Headless = true
		case "":
			// Written by hand, before the API server gave it one.
		default:
			if a, ok := s.address("clusterIPs", ip); ok {
				svc.ClusterIPs = append(svc.ClusterIPs, a)
			}
		}
	}
	for _, f := range spec.IPFamilies {
		if family, ok := s.family("ipFamilies", f); ok {
			svc.Families = append(svc.Families, family)
		}
	}
	for _, in := range o.Status.LoadBalancer.Ingress {
		if in.IP == "" {
			continue // a name, which kube-proxy has no use for
		}
		if a, ok := s.address("status.loadBalancer.ingress", in.IP); ok {
			svc.Ingress = append(svc.Ingress, cluster.Ingress{Address: a, Proxy: in.IPMode == "Proxy"})
		}
	}
	if spec.SessionAffinity == "ClientIP" {
		svc.Affinity = &cluster.Affinity{TimeoutSeconds: affinityTimeout}
		if t := spec.SessionAffinityConfig.ClientIP.TimeoutSeconds; t != "" {
			seconds, err := strconv.ParseUint(string(t), 10, 32)
			if err != nil {
				s.bad("timeoutSeconds", t, "a number of seconds")
			} else {
				svc.Affinity.TimeoutSeconds = uint32(seconds)
			}
		}
	}
	for _, p := range spec.Ports {
		if protocol, ok := s.protocol(p.Protocol); ok {
			svc.Ports = append(svc.Ports, cluster.Port{
				Name: string(p.Name), Protocol: protocol,
				Port: s.port("port", p.Port), NodePort: s.port("nodePort", p.NodePort),
			})
		}
	}
	r.objects.Services = append(r.objects.Services, svc)
}

func serviceType(s scope, value text) cluster.ServiceType {
	switch t := cluster.ServiceType(value); t {
	case "":
		return cluster.ClusterIP
	case cluster.ClusterIP, cluster.NodePort, cluster.LoadBalancer, cluster.ExternalName:
		return t
	}
	s.bad("type", value, "a type of Service")
	return cluster.ClusterIP
}
