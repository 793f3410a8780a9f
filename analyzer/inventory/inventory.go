// Package inventory reads services back from a node's rules: which entries
// they have, where each leads, and the proof of it.
package inventory

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An Inventory is all that kube-proxy's rules tell about services.
type Inventory struct {
	Mode kubeproxy.Mode
	// Services are sorted by namespace, name, port name, protocol, family,
	// port; nameless ones by address. One that has both families stands
	// twice.
	Services []*Service
	// Diagnostics are what does not fit together: names whose hash is
	// another's, rules that lead nowhere, chains that nothing leads to.
	Diagnostics []source.Diagnostic
	// Mismatches are, in IPVS mode, what one of the kernel's lists has and
	// another lacks.
	Mismatches []Mismatch
}

// A Service is one port of a Kubernetes Service in one address family.
type Service struct {
	// Namespace, Name and PortName are "" where nothing in the input names
	// the service; PortName is also "" for an unnamed port.
	Namespace, Name, PortName string
	Protocol                  uint8 // netfilter.TCP, UDP or SCTP
	// Port is the service port: that of the cluster IP. 0 when unknown.
	Port   uint16
	Family netfilter.Family

	Types Types
	// ExternalPolicy and InternalPolicy are "" where the rules do not show
	// them.
	ExternalPolicy, InternalPolicy Policy
	Affinity                       *Affinity // nil for none
	SourceRanges                   []netip.Prefix
	HealthCheckNodePort            uint16 // 0 for none

	Chains Chains
	// Object is the Kubernetes object that names the service where the rules do
	// not, as in IPVS mode they never do; nil for none. NameFrom says by what it
	// was found.
	Object   *cluster.Service
	NameFrom NameOrigin
	// Guessed says that no name and no rule binds the service's entries
	// together: its external ones are taken for its own because they have the
	// real servers of its cluster IP, and no other cluster IP has them.
	Guessed bool
	// Endpoints are sorted by scope (cluster first), address and port.
	Endpoints Endpoints
	// Entries are sorted by kind, address and port.
	Entries []*Entry
}

// NamespacedName is "default/web", "" for a nameless service.
func (s *Service) NamespacedName() string {
	if s.Name == "" {
		return ""
	}
	return s.Namespace + "/" + s.Name
}

// PortString is kube-proxy's name of the service port: "default/web:http",
// without the colon for an unnamed port.
func (s *Service) PortString() string {
	if s.PortName == "" {
		return s.NamespacedName()
	}
	return s.NamespacedName() + ":" + s.PortName
}

// Types is what a service's entries prove of its type; a manifest may say more.
type Types struct {
	ClusterIP, NodePort, LoadBalancer bool
}

// Names are "ClusterIP", "NodePort", "LoadBalancer", those that are proven.
func (t Types) Names() []string {
	names := make([]string, 0, 3)
	if t.ClusterIP {
		names = append(names, "ClusterIP")
	}
	if t.NodePort {
		names = append(names, "NodePort")
	}
	if t.LoadBalancer {
		names = append(names, "LoadBalancer")
	}
	return names
}

// A Policy is a service's externalTrafficPolicy or internalTrafficPolicy.
type Policy string

// The policies; "" where the rules do not show one.
const (
	Cluster Policy = "Cluster"
	Local   Policy = "Local"
)

// Affinity is session affinity by client address.
type Affinity struct {
	// TimeoutSeconds is 0 where the input does not tell: /proc/net/ip_vs
	// counts in ticks of the kernel's clock.
	TimeoutSeconds uint32
}

// Chains are the service port's own chains in the nat table or, in nftables
// mode, in kube-proxy's own; nil where it has none.
type Chains struct {
	Service  *netfilter.Chain // KUBE-SVC-…; service-…
	External *netfilter.Chain // KUBE-EXT-…, and KUBE-XLB-… up to 1.23; external-…
	Local    *netfilter.Chain // KUBE-SVL-…, and KUBE-XLB-… up to 1.23; local-…
	Firewall *netfilter.Chain // KUBE-FW-…; firewall-…
}

// A Scope says which endpoints of a service are meant.
type Scope string

// The scopes.
const (
	ClusterScope Scope = "cluster" // all that the service has
	LocalScope   Scope = "local"   // those on the node itself
)

// An Endpoint is where connections to a service end.
type Endpoint struct {
	Addr netip.AddrPort
	// Probability is the share of new connections that it gets, exactly as
	// the kernel deals them out; those of one scope sum to 1. nil when the
	// rules do not tell.
	Probability *Share
	Scope       Scope // "" where the input does not tell
	// Chain is KUBE-SEP-… or endpoint-…; nil where the service's own chain
	// translates.
	Chain *netfilter.Chain
}

// A Kind is a kind of entry.
type Kind string

// The kinds of entries.
const (
	ClusterIP      Kind = "ClusterIP"
	NodePort       Kind = "NodePort"
	LoadBalancerIP Kind = "LoadBalancerIP"
	ExternalIP     Kind = "ExternalIP"
)

// A Verdict says where the packets of a client outside the node go that are
// sent to an entry.
type Verdict string

// The verdicts; docs/verdicts.md tells each in full.
const (
	IsClusterIP       Verdict = "clusterip"
	JoinsClusterIP    Verdict = "joins-clusterip"
	LocalEndpoints    Verdict = "local-endpoints"
	SameBackends      Verdict = "same-backends"
	DifferentBackends Verdict = "different-backends"
	NoEndpoints       Verdict = "no-endpoints"
	Filtered          Verdict = "filtered"
	Broken            Verdict = "broken"
	Unknown           Verdict = "unknown"
)

// A Masquerading says whose packets to an entry lose their source address.
type Masquerading string

// The ways to masquerade, for clients outside the node.
const (
	MasqueradeAlways      Masquerading = "always"
	MasqueradeNever       Masquerading = "never"
	MasqueradeHairpin     Masquerading = "hairpin"     // only when an endpoint calls itself
	MasqueradeConditional Masquerading = "conditional" // it depends on the source address or interface
	MasqueradeUnknown     Masquerading = "unknown"
)

// An Entry is an address, protocol and port that clients dial.
type Entry struct {
	Service *Service
	Kind    Kind
	// KindAssumed says that the rules leave open whether the address is a
	// load balancer's or an external IP.
	KindAssumed bool
	// Addresses is one address for a cluster, load-balancer or external IP;
	// for a NodePort the node's addresses it listens on, 0.0.0.0/0 or ::/0
	// for every local one.
	Addresses []netip.Prefix
	// ExceptAddresses are addresses that a NodePort does not listen on.
	ExceptAddresses []netip.Prefix
	Port            uint16

	Verdict    Verdict
	Masquerade Masquerading
	// Path is the evidence: the rules that lead from the base chain to the
	// chain that decides, and those that refuse.
	Path []*netfilter.Rule
	// Endpoints are where an outside client's connections end.
	Endpoints Endpoints
	// Virtual are, in IPVS mode, the virtual servers that take the entry's
	// connections: one, or one for each of a node port's addresses. Where
	// those differ, Endpoints are the first one's.
	Virtual []*ipvs.VirtualServer
	// Elements are, in IPVS mode, those of sets by which kube-proxy's rules
	// know the entry.
	Elements []SetElement
	// Mapped are, in nftables mode, the elements of maps that rules of the path
	// look the entry up in.
	Mapped []MapElement
	// Reason puts the verdict into words; nil for none.
	Reason Reason
}

// A Reason makes the words about an entry when they are asked for: a large
// node has tens of thousands of entries, and few are ever explained.
type Reason interface {
	Explanation() string
	InCluster() string
}

// Explanation is one or two plain sentences.
func (e *Entry) Explanation() string {
	if e.Reason == nil {
		return ""
	}
	return e.Reason.Explanation()
}

// InCluster says what pods and the node itself get, where that is something
// else than what outside clients get; else "".
func (e *Entry) InCluster() string {
	if e.Reason == nil {
		return ""
	}
	return e.Reason.InCluster()
}
