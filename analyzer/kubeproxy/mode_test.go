package kubeproxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
)

func TestDetect(t *testing.T) {
	const (
		nat    = "*nat\n:PREROUTING ACCEPT [0:0]\n"
		svc    = ":KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n"
		portal = ":KUBE-PORTALS-HOST - [0:0]\n"
		chains = ":KUBE-NODE-PORT - [0:0]\n"
		commit = "COMMIT\n"
	)
	nft := &snapshot.Source{Format: snapshot.NFTList, Tables: []string{"nat", "kube-proxy"}, Unbuilt: true}
	for _, tt := range []struct {
		name    string
		text    string
		sources []*snapshot.Source
		want    kubeproxy.Mode
	}{
		{"service chains", nat + svc + commit, nil, kubeproxy.IPTables},
		{"service chains in a paste", "-A KUBE-SVC-AAAAAAAAAAAAAAAA -j KUBE-SEP-AAAAAAAAAAAAAAAA\n", nil, kubeproxy.IPTables},
		{"portals", nat + portal + commit, nil, kubeproxy.Userspace},
		{"IPVS's chains", nat + chains + commit, nil, kubeproxy.IPVS},
		{"kube-proxy's own nftables table", "", []*snapshot.Source{nft}, kubeproxy.NFTables},
		{"service chains and IPVS's", nat + svc + chains + commit, nil, kubeproxy.Mixed},
		{"service chains and nftables", nat + svc + commit, []*snapshot.Source{nft}, kubeproxy.Mixed},
		{"a whole nat table of somebody else", nat + commit, nil, kubeproxy.NoMode},
		{"canaries are kubelet's", nat + ":KUBE-KUBELET-CANARY - [0:0]\n:KUBE-PROXY-CANARY - [0:0]\n" + commit, nil, kubeproxy.NoMode},
		{"a nat table cut short", nat, nil, kubeproxy.UnknownMode},
		{"no nat table", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", nil, kubeproxy.UnknownMode},
		{"KUBE-SERVICES alone", "-A PREROUTING -j KUBE-SERVICES\n", nil, kubeproxy.UnknownMode},
		{"rules that are not read", nat + commit, []*snapshot.Source{{Format: snapshot.IPTablesList, Unbuilt: true}}, kubeproxy.UnknownMode},
		{"nothing", "", nil, kubeproxy.UnknownMode},
	} {
		dump, _ := iptablessave.Parse(source.Start(&source.File{Path: "t", Text: tt.text}), nil)
		got, signs := kubeproxy.Detect(&snapshot.Snapshot{Tables: dump.Tables, Sources: tt.sources})
		if got != tt.want {
			t.Errorf("%s: mode %s, want %s; signs %v", tt.name, got, tt.want, signs)
		}
		for _, s := range signs {
			if !strings.Contains(s.Why, "chain ") && !strings.Contains(s.Why, "table ") && !strings.Contains(s.Why, "ipvsadm") {
				t.Errorf("%s: the sign %q names nothing", tt.name, s.Why)
			}
		}
	}
}

func TestDetectIPVS(t *testing.T) {
	table := &ipvs.Table{}
	table.Add(ipvs.VirtualServer{Family: netfilter.IPv4, Protocol: netfilter.TCP, Address: netip.MustParseAddr("10.96.0.1"), Port: 443, PortKnown: true})
	set := netfilter.NewIPSet("KUBE-CLUSTER-IP", netfilter.HashIPPort, netfilter.IPv4)
	set.Add(netfilter.IPSetElement{Nets: [2]netip.Prefix{netip.MustParsePrefix("10.96.0.1/32")}, Protocol: netfilter.TCP, Ports: netfilter.PortRange{First: 443, Last: 443}})
	services, _ := iptablessave.Parse(source.Start(&source.File{Path: "t", Text: "*nat\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\nCOMMIT\n"}), nil)
	for _, tt := range []struct {
		name string
		snap snapshot.Snapshot
		want kubeproxy.Mode
	}{
		{"virtual servers alone", snapshot.Snapshot{IPVS: table}, kubeproxy.IPVS},
		{"an empty table", snapshot.Snapshot{IPVS: &ipvs.Table{}}, kubeproxy.UnknownMode},
		{"a set alone", snapshot.Snapshot{IPSets: []*netfilter.IPSet{set}}, kubeproxy.IPVS},
		{"an empty set", snapshot.Snapshot{IPSets: []*netfilter.IPSet{netfilter.NewIPSet("KUBE-CLUSTER-IP", netfilter.HashIPPort, netfilter.IPv4)}}, kubeproxy.UnknownMode},
		{"somebody else's virtual servers", snapshot.Snapshot{IPVS: table, Tables: services.Tables}, kubeproxy.IPTables},
		{"service chains and sets", snapshot.Snapshot{IPVS: table, IPSets: []*netfilter.IPSet{set}, Tables: services.Tables}, kubeproxy.Mixed},
	} {
		if got, signs := kubeproxy.Detect(&tt.snap); got != tt.want {
			t.Errorf("%s: mode %s, want %s; signs %v", tt.name, got, tt.want, signs)
		}
	}
}
