package redact

import (
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Learn looks for the services that a text names, and for the endpoint chains
// whose rules tell what their names are made of. Every text is learned from
// before any is replaced: chains are named in texts that hold no comment.
func (r *Redactor) Learn(text string) {
	for line := range strings.Lines(text) {
		port, claimed := r.learnClaims(line)
		if claimed {
			r.learnEndpoint(line, port)
		}
	}
}

// learnClaims keeps the service ports that a line's comments name, and gives
// the last of them.
func (r *Redactor) learnClaims(line string) (port kubeproxy.ServicePort, ok bool) {
	for rest := line; ; {
		i := strings.Index(rest, "comment")
		if i < 0 {
			return port, ok
		}
		option := strings.HasSuffix(rest[:i], "--")
		rest = rest[i+len("comment"):]
		open, text := quoted(rest, option)
		if text == "" {
			continue
		}
		rest = rest[open+len(text):]
		if claim, isClaim := kubeproxy.ParseComment(unescaped(text)); isClaim {
			port, ok = claim.Port, true
			r.ports[port] = true
			r.services[service{port.Namespace, port.Name}] = true
		}
	}
}

// learnEndpoint keeps an endpoint chain if its name is the hash of what its
// rule says: "-A KUBE-SEP-… -p tcp … -j DNAT --to-destination 10.0.0.1:80".
func (r *Redactor) learnEndpoint(line string, port kubeproxy.ServicePort) {
	_, rest, _ := strings.Cut(line, "-A ")
	name, _, _ := strings.Cut(rest, " ")
	kind, hash := kubeproxy.ParseChainName(name)
	if kind != kubeproxy.EndpointChain {
		return
	}
	_, to, _ := strings.Cut(line, "--to-destination ")
	to, _, _ = strings.Cut(strings.TrimSpace(to), " ")
	endpoint, err := netip.ParseAddrPort(to)
	if err != nil {
		return
	}
	_, protocol, _ := strings.Cut(line, "-p ")
	protocol, _, _ = strings.Cut(protocol, " ")
	for _, number := range []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP} {
		if netfilter.ProtocolName(number) == protocol && kubeproxy.OwnsEndpoint(port, number, endpoint, hash) {
			old := kubeproxy.EndpointHash(port, protocol, endpoint) != hash
			r.endpoints = append(r.endpoints, endpointChain{hash, port, protocol, endpoint, old})
		}
	}
}
