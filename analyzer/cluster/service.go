package cluster

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Service is a Kubernetes Service.
type Service struct {
	Pos             source.Position
	Namespace, Name string
	Type            ServiceType
	// Headless says that the Service has no cluster IP by wish ("None").
	// kube-proxy leaves such Services alone.
	Headless bool
	// OtherProxy says that a label keeps kube-proxy from looking at the
	// Service: service.kubernetes.io/service-proxy-name or …/headless, whatever
	// their values (cmd/kube-proxy/app/server.go).
	OtherProxy bool

	ClusterIPs  []netip.Addr // empty for a headless one
	ExternalIPs []netip.Addr
	// Ingress are the addresses that a load balancer has given out.
	Ingress      []Ingress
	SourceRanges []netip.Prefix // loadBalancerSourceRanges; empty for all sources
	Families     []netfilter.Family

	ExternalPolicy, InternalPolicy Policy
	Affinity                       *Affinity // nil for none
	HealthCheckNodePort            uint16    // 0 for none

	Ports []Port
}

// String is "namespace/name".
func (s *Service) String() string { return s.Namespace + "/" + s.Name }

// Proxied reports whether kube-proxy handles the Service (pkg/proxy/util,
// ShouldSkipService).
func (s *Service) Proxied() bool {
	return !s.Headless && s.Type != ExternalName && !s.OtherProxy
}

// A ServiceType is a Service's spec.type.
type ServiceType string

// The types of Services.
const (
	ClusterIP    ServiceType = "ClusterIP"
	NodePort     ServiceType = "NodePort"
	LoadBalancer ServiceType = "LoadBalancer"
	ExternalName ServiceType = "ExternalName"
)

// A Policy is an externalTrafficPolicy or internalTrafficPolicy.
type Policy string

// The policies. An object that names none has "" for a policy, which kube-proxy
// takes for Cluster.
const (
	Cluster Policy = "Cluster"
	Local   Policy = "Local"
)

// Affinity is session affinity by client address.
type Affinity struct {
	TimeoutSeconds uint32
}

// Ingress is an address of a load balancer.
type Ingress struct {
	Address netip.Addr
	// Proxy is ipMode Proxy: the load balancer hands over what it got with
	// another destination, and kube-proxy does nothing for the address.
	Proxy bool
}

// A Port is one port of a Service.
type Port struct {
	Name     string // "" for an unnamed one
	Protocol uint8  // netfilter.TCP, UDP or SCTP
	Port     uint16
	NodePort uint16 // 0 for none
}
