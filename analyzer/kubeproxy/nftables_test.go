package kubeproxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// The names stand so in recordings of kube-proxy 1.29 to 1.37.
func TestParseNFTName(t *testing.T) {
	for _, tt := range []struct {
		name string
		want NFTName
	}{
		{"service-BL3XI6IK-zoo/nodeport/tcp/", NFTName{Kind: ServiceChain, Hash: "BL3XI6IK", Port: ServicePort{"zoo", "nodeport", ""}, Protocol: netfilter.TCP}},
		{"external-OIOX7J6X-zoo/sctp/sctp/diameter", NFTName{Kind: ExternalChain, Hash: "OIOX7J6X", Port: ServicePort{"zoo", "sctp", "diameter"}, Protocol: netfilter.SCTP}},
		{"local-L2G5OD6P-zoo/itp-local/tcp/", NFTName{Kind: LocalChain, Hash: "L2G5OD6P", Port: ServicePort{"zoo", "itp-local", ""}, Protocol: netfilter.TCP}},
		{"firewall-NVEYSIRV-zoo/dual-lb/tcp/http", NFTName{Kind: FirewallChain, Hash: "NVEYSIRV", Port: ServicePort{"zoo", "dual-lb", "http"}, Protocol: netfilter.TCP}},
		{"endpoint-FCN52I7G-zoo/affinity-nodeport/tcp/__10.244.0.71/8080", NFTName{
			Kind: EndpointChain, Hash: "FCN52I7G", Port: ServicePort{"zoo", "affinity-nodeport", ""}, Protocol: netfilter.TCP,
			Endpoint: netip.MustParseAddrPort("10.244.0.71:8080"),
		}},
		{"affinity-FCN52I7G-zoo/affinity-nodeport/tcp/__10.244.0.71/8080", NFTName{
			Kind: AffinitySet, Hash: "FCN52I7G", Port: ServicePort{"zoo", "affinity-nodeport", ""}, Protocol: netfilter.TCP,
			Endpoint: netip.MustParseAddrPort("10.244.0.71:8080"),
		}},
	} {
		got, ok := ParseNFTName(tt.name)
		if !ok || !got.Owned() {
			t.Errorf("ParseNFTName(%q): ok %v, owned %v", tt.name, ok, got.Owned())
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(NFTName{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("ParseNFTName(%q) (-want +got):\n%s", tt.name, diff)
		}
		if tt.want.Kind != EndpointChain && tt.want.Kind != AffinitySet {
			if h := NFTHash(tt.want.Port, netfilter.ProtocolName(tt.want.Protocol)); h != tt.want.Hash {
				t.Errorf("NFTHash(%s) = %s, want %s", tt.want.Port, h, tt.want.Hash)
			}
		}
	}
}

func TestNFTNameOfIPv6Endpoint(t *testing.T) {
	const text = "zoo/dual/tcp/__fd00.10.244..7/8080"
	got, ok := ParseNFTName("endpoint-" + nftHash(text) + "-" + text)
	if want := netip.MustParseAddrPort("[fd00:10:244::7]:8080"); !ok || got.Endpoint != want {
		t.Errorf("got %s, %v, want %s", got.Endpoint, ok, want)
	}
}

func TestNFTNameOfAnother(t *testing.T) {
	got, ok := ParseNFTName("service-BL3XI6IK-zoo/other/tcp/")
	if !ok || got.Owned() || got.OwnHash() == "BL3XI6IK" {
		t.Errorf("the hash of zoo/nodeport is taken for that of zoo/other: %v, %+v", ok, got)
	}
}

func TestNFTNameThatWasCut(t *testing.T) {
	name := "endpoint-BL3XI6IK-" + strings.Repeat("a", 240-len("BL3XI6IK-...")) + "..."
	got, ok := ParseNFTName(name)
	if !ok || !got.Cut || !got.Owned() || got.Port != (ServicePort{}) {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func TestNotNFTNames(t *testing.T) {
	for _, name := range []string{
		"", "service-", "services", "service-endpoints-check", "service-ips", "service-bl3xi6ik-zoo/nodeport/tcp/", "service-BL3XI6IK", "service-BL3XI6IK-",
		"service-BL3XI6IK-zoo/nodeport/tcp", "service-BL3XI6IK-zoo/nodeport/icmp/", "service-BL3XI6IK-zoo/nodeport/tcp/a/b", "service-BL3XI6IK-Zoo/Node/tcp/",
		"endpoint-BL3XI6IK-zoo/nodeport/tcp/", "endpoint-BL3XI6IK-zoo/nodeport/tcp/__10.0.0.1", "endpoint-BL3XI6IK-zoo/nodeport/tcp/__x/80",
		"firewall-check", "external", "KUBE-SVC-FTMM2BQ6UZQ57VVJ",
	} {
		if n, ok := ParseNFTName(name); ok {
			t.Errorf("ParseNFTName(%q) = %+v", name, n)
		}
	}
}
