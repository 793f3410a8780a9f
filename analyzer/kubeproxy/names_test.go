package kubeproxy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// The names stand so in the recordings in samples/.
func TestHashes(t *testing.T) {
	for _, tt := range []struct {
		port     ServicePort
		protocol uint8
		endpoint string
		service  string
		sep      string
	}{
		{ServicePort{"default", "my-loadbalancer-service", ""}, netfilter.TCP, "192.168.1.100:8080", "FTMM2BQ6UZQ57VVJ", "3YCNM7JYA3GRNSDC"},
		{ServicePort{"kube-system", "kube-dns", "dns"}, netfilter.UDP, "192.168.0.2:53", "TCOU7JCQXEZGVUNU", "JTN4UBVS7OG5RONX"},
		{ServicePort{"kube-system", "kube-dns", "dns-tcp"}, netfilter.TCP, "192.168.0.2:53", "ERIFXISQEP7F7OF4", "UPZX2EM3TRFH2ASL"},
		{ServicePort{"zoo", "sctp", "diameter"}, netfilter.SCTP, "10.244.0.91:3868", "PCNVMZ4V4H5ZTB36", "CWXRSZIYP2PDOKIQ"},
	} {
		name, endpoint := netfilter.ProtocolName(tt.protocol), netip.MustParseAddrPort(tt.endpoint)
		if got := PortHash(tt.port, name).String(); got != tt.service {
			t.Errorf("PortHash(%s, %s) = %s, want %s", tt.port, name, got, tt.service)
		}
		if got := EndpointHash(tt.port, name, endpoint).String(); got != tt.sep {
			t.Errorf("EndpointHash(%s, %s, %s) = %s, want %s", tt.port, name, tt.endpoint, got, tt.sep)
		}
		service, sep := hash(tt.service), hash(tt.sep)
		if !Owns(tt.port, tt.protocol, service) || Owns(tt.port, tt.protocol, sep) {
			t.Errorf("Owns(%s) does not tell its hash from another", tt.port)
		}
		if !OwnsEndpoint(tt.port, tt.protocol, endpoint, sep) || OwnsEndpoint(tt.port, tt.protocol, endpoint, service) {
			t.Errorf("OwnsEndpoint(%s) does not tell its hash from another", tt.port)
		}
	}
}

func hash(letters string) Hash {
	h, ok := parseHash(letters)
	if !ok {
		panic("no letters of a hash: " + letters)
	}
	return h
}

// Before 1.16 an unnamed port kept its colon, in comments and in hashes.
func TestOldHash(t *testing.T) {
	unnamed := ServicePort{"default", "web", ""}
	// base32 of the SHA-256 of "default/web:tcp".
	if old := hash("BIJGBSD4RZCCZX5R"); !Owns(unnamed, netfilter.TCP, old) {
		t.Errorf("the hash of %s with its old colon, %s, is not recognised", unnamed, old)
	}
	named := ServicePort{"default", "web", "http"}
	if Owns(named, netfilter.TCP, hash("BIJGBSD4RZCCZX5R")) {
		t.Errorf("%s owns the hash of an unnamed port", named)
	}
}

func TestParseChainName(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind ChainKind
		hash string
	}{
		{"KUBE-SVC-FTMM2BQ6UZQ57VVJ", ServiceChain, "FTMM2BQ6UZQ57VVJ"},
		{"KUBE-EXT-FTMM2BQ6UZQ57VVJ", ExternalChain, "FTMM2BQ6UZQ57VVJ"},
		{"KUBE-SVL-FTMM2BQ6UZQ57VVJ", LocalChain, "FTMM2BQ6UZQ57VVJ"},
		{"KUBE-FW-FTMM2BQ6UZQ57VVJ", FirewallChain, "FTMM2BQ6UZQ57VVJ"},
		{"KUBE-XLB-FTMM2BQ6UZQ57VVJ", XLBChain, "FTMM2BQ6UZQ57VVJ"},
		{"KUBE-SEP-3YCNM7JYA3GRNSDC", EndpointChain, "3YCNM7JYA3GRNSDC"},
		{"KUBE-SVC-FTMM2BQ6UZQ57VV", OtherChain, ""},
		{"KUBE-SVC-FTMM2BQ6UZQ57VVJ1", OtherChain, ""},
		{"KUBE-SVC-ftmm2bq6uzq57vvj", OtherChain, ""},
		{"KUBE-SVC-FTMM2BQ6UZQ57VV0", OtherChain, ""}, // base32 has no 0
		{"KUBE-SERVICES", OtherChain, ""},
		{"KUBE-PROXY-FIREWALL", OtherChain, ""},
		{"", OtherChain, ""},
	} {
		kind, got := ParseChainName(tt.name)
		if kind != tt.kind || kind != OtherChain && got.String() != tt.hash {
			t.Errorf("ParseChainName(%q) = %d, %q, want %d, %q", tt.name, kind, got, tt.kind, tt.hash)
		}
		if kind != OtherChain && ChainName(kind, got) != tt.name {
			t.Errorf("ChainName(%d, %s) = %q, want %q", kind, got, ChainName(kind, got), tt.name)
		}
	}
}

func TestParseComment(t *testing.T) {
	web := ServicePort{"default", "web", "http"}
	for _, tt := range []struct {
		text string
		want Claim
		ok   bool
	}{
		{"default/web:http cluster IP", Claim{ClaimClusterIP, web}, true},
		{"default/web:http external IP", Claim{ClaimExternalIP, web}, true},
		{"default/web:http loadbalancer IP", Claim{ClaimLoadBalancerIP, web}, true},
		{"default/web:http has no endpoints", Claim{ClaimNoEndpoints, web}, true},
		{"default/web:http has no local endpoints", Claim{ClaimNoLocal, web}, true},
		{"default/web:http health check node port", Claim{ClaimHealthCheck, web}, true},
		{"default/web:http traffic not accepted by KUBE-FW-ABCDEFGHIJKLMNOP", Claim{ClaimFirewall, web}, true},
		{"other traffic to default/web:http will be dropped by KUBE-PROXY-FIREWALL", Claim{ClaimFirewall, web}, true},
		{"default/web:http -> 10.0.0.1:80", Claim{ClaimEndpoint, web}, true},
		{"default/web:http -> [fd00::1]:80", Claim{ClaimEndpoint, web}, true},
		{"masquerade traffic for default/web:http external destinations", Claim{ClaimExternal, web}, true},
		{"pod traffic for default/web:http external destinations", Claim{ClaimExternal, web}, true},
		{"route LOCAL traffic for default/web:http LB IP to service chain", Claim{ClaimExternal, web}, true},
		{"masquerade LOCAL traffic for default/web:http LB IP", Claim{ClaimExternal, web}, true},
		{"default/web:http", Claim{ClaimService, web}, true},
		{"default/web:", Claim{ClaimService, ServicePort{"default", "web", ""}}, true},
		{"default/web: cluster IP", Claim{ClaimClusterIP, ServicePort{"default", "web", ""}}, true},
		{"default/web cluster IP", Claim{ClaimClusterIP, ServicePort{"default", "web", ""}}, true},
		{"kubernetes service portals", Claim{}, false},
		{"name: \"cbr0\" id: \"x/y\"", Claim{}, false},
		{"Default/Web cluster IP", Claim{}, false},
		{"/ cluster IP", Claim{}, false},
		{"", Claim{}, false},
	} {
		got, ok := ParseComment(tt.text)
		if ok != tt.ok {
			t.Errorf("ParseComment(%q): ok = %v, want %v", tt.text, ok, tt.ok)
			continue
		}
		if diff := cmp.Diff(tt.want, got); ok && diff != "" {
			t.Errorf("ParseComment(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}
