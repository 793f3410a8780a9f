package kubeproxy

import "strings"

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

// kindOf is the kind of chain that has the prefix; chainPrefixes the other way
// round, for the hundred thousands of names of a large node.
func kindOf(prefix string) ChainKind {
	switch prefix {
	case "KUBE-SVC-":
		return ServiceChain
	case "KUBE-EXT-":
		return ExternalChain
	case "KUBE-SVL-":
		return LocalChain
	case "KUBE-FW-":
		return FirewallChain
	case "KUBE-XLB-":
		return XLBChain
	case "KUBE-SEP-":
		return EndpointChain
	}
	return OtherChain
}

// ParseChainName takes a chain's name apart. The kind tells what kube-proxy
// names so, not what the chain does.
func ParseChainName(name string) (kind ChainKind, hash Hash) {
	if len(name) <= hashLength {
		return OtherChain, Hash{}
	}
	if kind = kindOf(name[:len(name)-hashLength]); kind == OtherChain {
		return OtherChain, Hash{}
	}
	hash, ok := parseHash(name[len(name)-hashLength:])
	if !ok {
		return OtherChain, Hash{}
	}
	return kind, hash
}

// ChainName is the name of a chain of the kind with the hash.
func ChainName(kind ChainKind, hash Hash) string { return chainPrefixes[kind] + hash.String() }
