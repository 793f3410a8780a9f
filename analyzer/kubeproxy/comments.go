package kubeproxy

import "strings"

// A Claim is what a comment of kube-proxy's says of its rule. Comments are
// claims: whoever can write a rule can write any comment.
type Claim struct {
	Kind ClaimKind
	Port ServicePort
}

// A ClaimKind is what a comment says a rule is for.
type ClaimKind uint8

// The kinds of claims.
const (
	NoClaim             ClaimKind = iota
	ClaimClusterIP                // "… cluster IP"
	ClaimExternalIP               // "… external IP"
	ClaimLoadBalancerIP           // "… loadbalancer IP"
	ClaimNoEndpoints              // "… has no endpoints"
	ClaimNoLocal                  // "… has no local endpoints"
	ClaimHealthCheck              // "… health check node port"
	ClaimFirewall                 // "… traffic not accepted by KUBE-FW-…"
	ClaimEndpoint                 // "… -> 10.0.0.1:80", since 1.24
	ClaimExternal                 // "masquerade traffic for … external destinations" and its like
	ClaimService                  // the service port's name and nothing else
)

// suffixes are what stands behind the service port's name
// (pkg/proxy/iptables/proxier.go, syncProxyRules).
var suffixes = []struct {
	text string
	kind ClaimKind
}{
	{" cluster IP", ClaimClusterIP},
	{" external IP", ClaimExternalIP},
	{" loadbalancer IP", ClaimLoadBalancerIP},
	{" has no endpoints", ClaimNoEndpoints},
	{" has no local endpoints", ClaimNoLocal},
	{" health check node port", ClaimHealthCheck},
	{" external destinations", ClaimExternal},
	{" LB IP to service chain", ClaimExternal},
	{" LB IP", ClaimExternal},
	{" will be dropped by KUBE-PROXY-FIREWALL", ClaimFirewall},
}

// prefixes stand before the service port's name in comments that also have one
// of the suffixes.
var prefixes = []string{
	"masquerade traffic for ", "pod traffic for ", "masquerade LOCAL traffic for ", "route LOCAL traffic for ",
	"other traffic to ",
}

// ParseComment reads a comment that kube-proxy writes beside a rule of a
// service port. ok is false for every other text.
func ParseComment(text string) (claim Claim, ok bool) {
	if strings.IndexByte(text, '/') < 0 {
		return Claim{}, false
	}
	kind, name := ClaimService, text
	if i := strings.IndexByte(text, ' '); i >= 0 {
		if before, _, found := strings.Cut(text, " -> "); found {
			kind, name = ClaimEndpoint, before
		} else if before, _, found := strings.Cut(text, " traffic not accepted by "); found {
			kind, name = ClaimFirewall, before
		} else {
			kind = NoClaim
			for _, s := range suffixes {
				if strings.HasSuffix(text, s.text) {
					kind, name = s.kind, text[:len(text)-len(s.text)]
					break
				}
			}
			if kind == NoClaim {
				return Claim{}, false
			}
			for _, p := range prefixes {
				if strings.HasPrefix(name, p) {
					name = name[len(p):]
					break
				}
			}
		}
	}
	port, ok := ParseServicePort(name)
	return Claim{Kind: kind, Port: port}, ok
}
