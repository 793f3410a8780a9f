package kubeproxy

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Names of sets and maps in kube-proxy's nftables tables
// (pkg/proxy/nftables/proxier.go). Not every generation has all of them; see
// docs/kube-proxy-nftables.md.
const (
	ServiceIPsMap          = "service-ips"           // address . protocol . port : goto a chain
	ServiceNodePortsMap    = "service-nodeports"     // protocol . port : goto a chain
	NoEndpointServicesMap  = "no-endpoint-services"  // address . protocol . port : refused
	NoEndpointNodePortsMap = "no-endpoint-nodeports" // protocol . port : refused
	FirewallIPsMap         = "firewall-ips"          // address . protocol . port : goto a chain; since 1.30
	FirewallSet            = "firewall"              // address . protocol . port; 1.29
	FirewallAllowSet       = "firewall-allow"        // address . protocol . port . source; 1.29
	ClusterIPsSet          = "cluster-ips"           // since 1.30
	NodePortIPsSet         = "nodeport-ips"          // since 1.30, unless node ports are on all addresses
	HairpinSet             = "hairpin-connections"   // since 1.36
)

// Names of chains that every service shares.
const (
	NFTServicesChain = "services"
	RejectChain      = "reject-chain"
)

// nftPrefixes begin the names of what belongs to one service port.
var nftPrefixes = [...]struct {
	prefix string
	kind   ChainKind
}{
	{"service-", ServiceChain},
	{"external-", ExternalChain},
	{"local-", LocalChain},
	{"firewall-", FirewallChain},
	{"endpoint-", EndpointChain},
	{"affinity-", AffinitySet},
}

// nftHashLength is the number of letters of a hash in names of nftables mode.
const nftHashLength = 8

// nftNameLength is how long such a name is at most, its prefix aside: the
// kernel allows 255 bytes, kube-proxy keeps 16 for the prefix
// (pkg/proxy/nftables/proxier.go, chainNameBaseLengthMax, hashAndTruncate).
const nftNameLength = 240

// An NFTName is the name of a chain or set of one service port in nftables mode:
// "service-FTMM2BQ6-default/web/tcp/http".
type NFTName struct {
	Kind     ChainKind
	Hash     string
	Port     ServicePort
	Protocol uint8
	// Endpoint is that of endpoint chains and affinity sets, else not valid.
	Endpoint netip.AddrPort
	// Cut says that the name was too long and has lost its end, and with it
	// perhaps parts of what it names: then only Kind and Hash are good.
	Cut  bool
	text string // that was hashed
}

// ParseNFTName takes a name apart. The kind tells what kube-proxy names so, not
// what the chain does.
func ParseNFTName(name string) (n NFTName, ok bool) {
	for _, p := range nftPrefixes {
		rest, found := strings.CutPrefix(name, p.prefix)
		if !found {
			continue
		}
		if len(rest) <= nftHashLength || rest[nftHashLength] != '-' || !isHash(rest[:nftHashLength]) {
			return NFTName{}, false
		}
		n.Kind, n.Hash, n.text = p.kind, rest[:nftHashLength], rest[nftHashLength+1:]
		if len(rest) == nftNameLength && strings.HasSuffix(rest, "...") {
			n.Cut = true
			return n, true
		}
		return n, n.parse()
	}
	return NFTName{}, false
}

// parse reads "namespace/name/protocol/port", and for endpoints
// "__address/port" behind it.
func (n *NFTName) parse() bool {
	port := n.text
	if n.Kind == EndpointChain || n.Kind == AffinitySet {
		var endpoint string
		var found bool
		if port, endpoint, found = strings.Cut(n.text, "__"); !found || !n.parseEndpoint(endpoint) {
			return false
		}
	}
	var parts [4]string
	for i := range parts {
		var found bool
		parts[i], port, found = strings.Cut(port, "/")
		if found != (i < 3) {
			return false
		}
	}
	protocol, ok := nftProtocol(parts[2])
	n.Protocol = protocol
	n.Port = ServicePort{Namespace: parts[0], Name: parts[1], Port: parts[3]}
	return ok && isLabel(parts[0], false) && isLabel(parts[1], true) && (parts[3] == "" || isLabel(parts[3], false))
}

// parseEndpoint reads "10.0.0.1/80". Names have no colons: IPv6 addresses have
// dots for them (servicePortEndpointChainNameBase).
func (n *NFTName) parseEndpoint(text string) bool {
	host, port, found := strings.Cut(text, "/")
	number, err := strconv.ParseUint(port, 10, 16)
	if !found || err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(host, ".", ":"))
	}
	n.Endpoint = netip.AddrPortFrom(addr, uint16(number))
	return err == nil
}

func nftProtocol(name string) (uint8, bool) {
	switch name {
	case "tcp":
		return netfilter.TCP, true
	case "udp":
		return netfilter.UDP, true
	case "sctp":
		return netfilter.SCTP, true
	}
	return 0, false
}

// Owned reports whether the hash in the name is that of the rest of the name.
// Of a name that was cut nothing can be told, and nothing speaks against it.
func (n NFTName) Owned() bool { return n.Cut || n.Hash == nftHash(n.text) }

// OwnHash is the hash that the rest of the name would have.
func (n NFTName) OwnHash() string { return nftHash(n.text) }

// nftHash hashes a name as kube-proxy does (hashAndTruncate).
func nftHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base32.StdEncoding.EncodeToString(sum[:nftHashLength*5/8])
}

// NFTHash is the hash in the names of a service port's chains in nftables mode
// (servicePortChainNameBase). protocol is lower case.
func NFTHash(port ServicePort, protocol string) string {
	return nftHash(port.Namespace + "/" + port.Name + "/" + protocol + "/" + port.Port)
}
