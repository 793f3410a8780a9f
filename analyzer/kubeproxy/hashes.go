package kubeproxy

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A Hash is what the letters at the end of a chain's name stand for: the first
// bits of a SHA-256 sum.
type Hash [hashLength * 5 / 8]byte

// hashLength is the number of letters, each of which stands for five bits.
const hashLength = 16

// String is the hash in letters, as it stands in names.
func (h Hash) String() string { return base32.StdEncoding.EncodeToString(h[:]) }

// letterValues are what base32's letters stand for; noLetter for all others.
var letterValues = func() (values [256]uint8) {
	for i := range values {
		values[i] = noLetter
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") {
		values[c] = uint8(i)
	}
	return values
}()

const noLetter = 0xff

// parseHash reads so many letters as a hash has.
func parseHash(letters string) (h Hash, ok bool) {
	const group = 8 // letters, five bytes
	var all uint8
	for n := range hashLength / group {
		bits := uint64(0)
		for _, c := range []byte(letters[n*group : (n+1)*group]) {
			v := letterValues[c]
			all |= v
			bits = bits<<5 | uint64(v&0x1f)
		}
		for i := range 5 {
			h[5*n+i] = byte(bits >> (32 - 8*i))
		}
	}
	return h, all < 0x20
}

// isHash reports whether s is made of base32's letters.
func isHash(s string) bool {
	for i := range len(s) {
		if letterValues[s[i]] == noLetter {
			return false
		}
	}
	return true
}

// A Hasher makes the hashes in the names of one service port's chains. One
// Hasher serves all ports in turn, for large nodes have 100,000 such names.
type Hasher struct {
	text []byte // the port and the protocol, with room for an endpoint
	old  []byte // the same as before 1.16; empty for a port with a name
}

// Set makes it that of a service port. protocol is lower case.
func (h *Hasher) Set(port ServicePort, protocol string) {
	const endpoint = 64 // bytes that its text has at most
	h.text = slices.Grow(append(port.appendTo(h.text[:0]), protocol...), endpoint)
	h.old = h.old[:0]
	if port.Port == "" {
		h.old = slices.Grow(append(port.appendOldTo(h.old), protocol...), endpoint)
	}
}

// Hash is the hash of service chains (pkg/proxy/iptables/proxier.go,
// portProtoHash).
func (h *Hasher) Hash() Hash { return hashOf(h.text) }

// Owns reports whether a hash is that of service chains, in the form of any
// kube-proxy.
func (h *Hasher) Owns(hash Hash) bool {
	return hashOf(h.text) == hash || len(h.old) > 0 && hashOf(h.old) == hash
}

// Endpoint is the hash of an endpoint chain (servicePortEndpointChainName).
func (h *Hasher) Endpoint(endpoint netip.AddrPort) Hash {
	return hashOf(endpoint.AppendTo(h.text))
}

// OwnsEndpoint is Owns for an endpoint chain.
func (h *Hasher) OwnsEndpoint(endpoint netip.AddrPort, hash Hash) bool {
	return h.Endpoint(endpoint) == hash || len(h.old) > 0 && hashOf(endpoint.AppendTo(h.old)) == hash
}

// hashOf hashes a text as kube-proxy does.
func hashOf(text []byte) Hash {
	sum := sha256.Sum256(text)
	return Hash(sum[:len(Hash{})])
}

func hasherOf(port ServicePort, protocol string) *Hasher {
	h := &Hasher{}
	h.Set(port, protocol)
	return h
}

// PortHash is the hash in the names of a service port's chains. protocol is
// lower case.
func PortHash(port ServicePort, protocol string) Hash { return hasherOf(port, protocol).Hash() }

// EndpointHash is the hash in an endpoint chain's name.
func EndpointHash(port ServicePort, protocol string, endpoint netip.AddrPort) Hash {
	return hasherOf(port, protocol).Endpoint(endpoint)
}

// Owns reports whether a service chain's hash is that of the service port, in
// the form of any kube-proxy.
func Owns(port ServicePort, protocol uint8, hash Hash) bool {
	return hasherOf(port, netfilter.ProtocolName(protocol)).Owns(hash)
}

// OwnsEndpoint is Owns for an endpoint chain.
func OwnsEndpoint(port ServicePort, protocol uint8, endpoint netip.AddrPort, hash Hash) bool {
	return hasherOf(port, netfilter.ProtocolName(protocol)).OwnsEndpoint(endpoint, hash)
}

// Hashes are the hashes that a service port's chains can have, that of today's
// kube-proxy first.
func Hashes(port ServicePort, protocol uint8) []Hash {
	h := hasherOf(port, netfilter.ProtocolName(protocol))
	hashes := []Hash{h.Hash()}
	if len(h.old) > 0 {
		hashes = append(hashes, hashOf(h.old))
	}
	return hashes
}
