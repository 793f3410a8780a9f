package kubeproxy

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A ServicePort is kube-proxy's name of one port of a Service
// (pkg/proxy/types.go, ServicePortName).
type ServicePort struct {
	Namespace, Name string
	Port            string // the port's name; "" for an unnamed port
}

// String is "default/web:http", "default/web" for an unnamed port.
func (p ServicePort) String() string {
	if p.Port == "" {
		return p.Namespace + "/" + p.Name
	}
	return p.Namespace + "/" + p.Name + ":" + p.Port
}

// appendTo appends the name as String writes it.
func (p ServicePort) appendTo(b []byte) []byte {
	b = append(append(append(b, p.Namespace...), '/'), p.Name...)
	if p.Port != "" {
		b = append(append(b, ':'), p.Port...)
	}
	return b
}

// appendOldTo appends the name as kube-proxy before 1.16 wrote it.
func (p ServicePort) appendOldTo(b []byte) []byte {
	b = append(append(append(b, p.Namespace...), '/'), p.Name...)
	return append(append(b, ':'), p.Port...)
}

// ParseServicePort reads "namespace/name", "namespace/name:port" and the
// "namespace/name:" of kube-proxy before 1.16. Names must look like Kubernetes
// names, so that prose in a comment is not taken for one.
func ParseServicePort(s string) (ServicePort, bool) {
	namespace, rest, found := strings.Cut(s, "/")
	name, port, _ := strings.Cut(rest, ":")
	if !found || !isLabel(namespace, false) || !isLabel(name, true) || port != "" && !isLabel(port, false) {
		return ServicePort{}, false
	}
	return ServicePort{Namespace: namespace, Name: name, Port: port}, true
}

// isLabel reports whether s is a DNS label as Kubernetes names are (RFC 1123;
// at most 63 bytes), with dots allowed in names as old clusters had them.
func isLabel(s string, dots bool) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
		case c == '.' && dots:
		default:
			return false
		}
	}
	return s[0] != '-' && s[len(s)-1] != '-'
}

// A ChainKind says what a chain of kube-proxy's is for.
type ChainKind uint8

// The kinds of chains that carry a hash in their names, as iptables mode names
// them; nftables mode has names of its own for them.
const (
	OtherChain    ChainKind = iota
	ServiceChain            // KUBE-SVC-…: all endpoints of the cluster
	ExternalChain           // KUBE-EXT-…: what comes from outside, since 1.24
	LocalChain              // KUBE-SVL-…: endpoints on the node only, since 1.24
	FirewallChain           // KUBE-FW-…: load-balancer addresses and their source ranges
	XLBChain                // KUBE-XLB-…: external and local in one, up to 1.23
	EndpointChain           // KUBE-SEP-…: one endpoint
	AffinitySet             // affinity-…, a set of nftables mode: clients of one endpoint
)

// chainPrefixes are the names of kube-proxy's chains up to their hashes
// (pkg/proxy/iptables/proxier.go, servicePortChainNamePrefix and its like).
var chainPrefixes = [...]string{
	ServiceChain:  "KUBE-SVC-",
	ExternalChain: "KUBE-EXT-",
	LocalChain:    "KUBE-SVL-",
	FirewallChain: "KUBE-FW-",
	XLBChain:      "KUBE-XLB-",
	EndpointChain: "KUBE-SEP-",
}

// HashLength is the number of letters of a chain name's hash.
const HashLength = 16

// ParseChainName takes a chain's name apart. The kind tells what kube-proxy
// names so, not what the chain does.
func ParseChainName(name string) (kind ChainKind, hash string) {
	// All prefixes are KUBE-XX[X]-; the hash is what stands behind the second dash.
	if len(name) < len("KUBE-FW-")+HashLength || name[:len("KUBE-")] != "KUBE-" {
		return OtherChain, ""
	}
	for kind, prefix := range chainPrefixes[ServiceChain:] {
		if len(name) == len(prefix)+HashLength && name[:len(prefix)] == prefix {
			hash := name[len(prefix):]
			if !isHash(hash) {
				return OtherChain, ""
			}
			return ServiceChain + ChainKind(kind), hash
		}
	}
	return OtherChain, ""
}

// isHash reports whether s is made of base32's letters.
func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'A' && c <= 'Z' || c >= '2' && c <= '7') {
			return false
		}
	}
	return true
}

// ChainName is the name of a chain of the kind with the hash.
func ChainName(kind ChainKind, hash string) string { return chainPrefixes[kind] + hash }

// A nameHash is the hash in a chain's name, as letters.
type nameHash [HashLength]byte

// hashOf hashes text as kube-proxy does. Of the sum it takes what the letters
// need: five bits each.
func hashOf(text []byte) (h nameHash) {
	sum := sha256.Sum256(text)
	base32.StdEncoding.Encode(h[:], sum[:HashLength*5/8])
	return h
}

// longName is room for the text that is hashed. Names are shorter, and so
// nothing is allocated for the hundred thousands of chains of a large node.
type longName [512]byte

// Hash is the hash that kube-proxy puts into the names of a service port's
// chains (pkg/proxy/iptables/proxier.go, portProtoHash). protocol is
// lower case.
func Hash(port ServicePort, protocol string) string {
	h := portHash(port, protocol)
	return string(h[:])
}

func portHash(port ServicePort, protocol string) nameHash {
	var room longName
	return hashOf(append(port.appendTo(room[:0]), protocol...))
}

// oldPortHash is portHash before 1.16, when an unnamed port kept its colon.
func oldPortHash(port ServicePort, protocol string) nameHash {
	var room longName
	return hashOf(append(port.appendOldTo(room[:0]), protocol...))
}

// EndpointHash is the hash in an endpoint chain's name (servicePortEndpointChainName).
func EndpointHash(port ServicePort, protocol string, endpoint netip.AddrPort) string {
	var room longName
	h := hashOf(endpoint.AppendTo(append(port.appendTo(room[:0]), protocol...)))
	return string(h[:])
}

// Owns reports whether a service chain's hash is that of the service port, in
// the form of any kube-proxy.
func Owns(port ServicePort, protocol uint8, hash string) bool {
	name := netfilter.ProtocolName(protocol)
	if h := portHash(port, name); string(h[:]) == hash {
		return true
	}
	if port.Port != "" {
		return false
	}
	h := oldPortHash(port, name)
	return string(h[:]) == hash
}

// OwnsEndpoint is Owns for an endpoint chain.
func OwnsEndpoint(port ServicePort, protocol uint8, endpoint netip.AddrPort, hash string) bool {
	var room longName
	name := netfilter.ProtocolName(protocol)
	h := hashOf(endpoint.AppendTo(append(port.appendTo(room[:0]), name...)))
	if string(h[:]) == hash {
		return true
	}
	if port.Port != "" {
		return false
	}
	h = hashOf(endpoint.AppendTo(append(port.appendOldTo(room[:0]), name...)))
	return string(h[:]) == hash
}

// Hashes are the hashes that a service port's chains can have, that of today's
// kube-proxy first.
func Hashes(port ServicePort, protocol uint8) []string {
	name := netfilter.ProtocolName(protocol)
	hashes := []string{Hash(port, name)}
	if port.Port == "" {
		old := oldPortHash(port, name)
		hashes = append(hashes, string(old[:]))
	}
	return hashes
}
