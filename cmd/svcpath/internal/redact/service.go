package redact

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Names that every cluster has, or half of them, tell nothing.
var (
	commonNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease"}
	commonServices   = []service{{"default", "kubernetes"}, {"kube-system", "kube-dns"}}
	commonPorts      = []string{"", "http", "https", "dns", "dns-tcp", "metrics", "grpc", "web", "tcp", "udp", "sctp"}
)

// port is what stands for a service port's name.
func (r *Redactor) port(p kubeproxy.ServicePort) kubeproxy.ServicePort {
	if !slices.Contains(commonServices, service{p.Namespace, p.Name}) {
		p.Name = r.replaced("svc", p.Namespace+"/"+p.Name)
	}
	if !slices.Contains(commonNamespaces, p.Namespace) {
		p.Namespace = r.replaced("ns", p.Namespace)
	}
	if !slices.Contains(commonPorts, p.Port) {
		p.Port = r.replaced("port", p.Port)
	}
	return p
}

// serviceWord replaces "namespace/name" and "namespace/name:port" where a
// comment named that service.
func (r *Redactor) serviceWord(word string) (to string, ok bool) {
	p, ok := kubeproxy.ParseServicePort(word)
	if !ok || !r.services[service{p.Namespace, p.Name}] {
		return "", false
	}
	to = r.port(p).String()
	if p.Port == "" && strings.HasSuffix(word, ":") {
		to += ":" // as kube-proxy wrote it before 1.16
	}
	return to, true
}

// chainWord replaces the hash in a chain's name, wherever it is named.
func (r *Redactor) chainWord(word string) (to string, ok bool) {
	kind, hash := kubeproxy.ParseChainName(word)
	if kind == kubeproxy.OtherChain {
		return "", false
	}
	replaced, ok := r.chainHashes()[hash]
	if !ok {
		// A hash can be guessed from names, so it does not stay.
		sum := r.digest("hash", hash.String())
		replaced = kubeproxy.Hash(sum[:len(hash)])
		r.hashes[hash] = replaced
	}
	return kubeproxy.ChainName(kind, replaced), true
}

// chainHashes are the hashes of the services that comments name, each with the
// one that the replaced name has.
func (r *Redactor) chainHashes() map[kubeproxy.Hash]kubeproxy.Hash {
	if r.hashes != nil {
		return r.hashes
	}
	r.hashes = map[kubeproxy.Hash]kubeproxy.Hash{}
	for p := range r.ports {
		for _, protocol := range []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP} {
			to := kubeproxy.Hashes(r.port(p), protocol)
			for i, hash := range kubeproxy.Hashes(p, protocol) {
				r.hashes[hash] = to[i]
			}
		}
	}
	for _, e := range r.endpoints {
		p := r.port(e.port)
		if e.old {
			p.Name += ":"
		}
		to := netip.AddrPortFrom(r.address(e.endpoint.Addr()), e.endpoint.Port())
		r.hashes[e.hash] = kubeproxy.EndpointHash(p, e.protocol, to)
	}
	return r.hashes
}

// nftWord replaces the names that kube-proxy gives chains and sets in nftables
// mode: service-OBU3JJLQ-namespace/name/tcp/port, and for an endpoint with
// __10.0.0.1/80 behind it (pkg/proxy/nftables/proxier.go, hashAndTruncate). In
// IPv6 addresses dots stand for colons. A name that would be too long ends in
// "...", in its endpoint.
func (r *Redactor) nftWord(word string) (to string, ok bool) {
	const hashLength = 8
	kind, rest, _ := strings.Cut(word, "-")
	if len(rest) < hashLength+1 || rest[hashLength] != '-' || strings.Trim(rest[:hashLength], "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", false
	}
	hash, name := rest[:hashLength], rest[hashLength+1:]
	of, where, hasEndpoint := strings.Cut(name, "__")
	parts := strings.Split(of, "/")
	if len(parts) != 4 {
		return "", false
	}
	p := r.port(kubeproxy.ServicePort{Namespace: parts[0], Name: parts[1], Port: parts[3]})
	renamed := p.Namespace + "/" + p.Name + "/" + parts[2] + "/" + p.Port
	if cutOff := "..."; hasEndpoint && strings.HasSuffix(where, cutOff) {
		renamed += "__" + cutOff
	} else if hasEndpoint {
		host, port, _ := strings.Cut(where, "/")
		a, err := netip.ParseAddr(host)
		if err != nil {
			a, err = netip.ParseAddr(strings.ReplaceAll(host, ".", ":"))
		}
		if err != nil {
			return "", false
		}
		renamed += "__" + strings.ReplaceAll(r.address(a).String(), ":", ".") + "/" + port
	}
	if nftHash(name) == hash {
		hash = nftHash(renamed)
	} else {
		hash = r.letters("hash", hash, hashLength)
	}
	return kind + "-" + hash + "-" + renamed, true
}

func nftHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:])[:8]
}
