package kubeproxy

import (
	"crypto/sha256"
	"encoding/base32"
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

// The kinds of chains that carry a hash in their names.
const (
	OtherChain    ChainKind = iota
	ServiceChain            // KUBE-SVC-…: all endpoints of the cluster
	ExternalChain           // KUBE-EXT-…: what comes from outside, since 1.24
	LocalChain              // KUBE-SVL-…: endpoints on the node only, since 1.24
	FirewallChain           // KUBE-FW-…: load-balancer addresses and their source ranges
	XLBChain                // KUBE-XLB-…: external and local in one, up to 1.23
	EndpointChain           // KUBE-SEP-…: one endpoint
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

// Hash is the hash that kube-proxy puts into the names of a service port's
// chains (pkg/proxy/iptables/proxier.go, portProtoHash). protocol is
// lower case.
func Hash(port ServicePort, protocol string) string {
	return hashOf(port.String(), protocol)
}

// oldHash is Hash before 1.16, when an unnamed port kept its colon.
func oldHash(port ServicePort, protocol string) string {
	return hashOf(port.Namespace, "/", port.Name, ":", port.Port, protocol)
}

// EndpointHash is the hash in an endpoint chain's name (servicePortEndpointChainName).
// endpoint is "address:port", an IPv6 address in brackets.
func EndpointHash(port ServicePort, protocol, endpoint string) string {
	return hashOf(port.String(), protocol, endpoint)
}

func hashOf(parts ...string) string {
	var buf [512]byte
	text := buf[:0]
	for _, p := range parts {
		text = append(text, p...)
	}
	sum := sha256.Sum256(text)
	return base32.StdEncoding.EncodeToString(sum[:])[:HashLength]
}

// Owns reports whether a service chain's hash is that of the service port, in
// the form of any kube-proxy.
func Owns(port ServicePort, protocol uint8, hash string) bool {
	name := netfilter.ProtocolName(protocol)
	return Hash(port, name) == hash || port.Port == "" && oldHash(port, name) == hash
}

// OwnsEndpoint is Owns for an endpoint chain.
func OwnsEndpoint(port ServicePort, protocol uint8, endpoint, hash string) bool {
	name := netfilter.ProtocolName(protocol)
	return EndpointHash(port, name, endpoint) == hash ||
		port.Port == "" && hashOf(port.Namespace, "/", port.Name, ":", name, endpoint) == hash
}

// Hashes are the hashes that a service port's chains can have, that of today's
// kube-proxy first.
func Hashes(port ServicePort, protocol uint8) []string {
	name := netfilter.ProtocolName(protocol)
	if port.Port == "" {
		return []string{Hash(port, name), oldHash(port, name)}
	}
	return []string{Hash(port, name)}
}
