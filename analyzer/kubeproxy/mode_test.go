package kubeproxy_test

import (
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
)

func TestDetect(t *testing.T) {
	const (
		nat    = "*nat\n:PREROUTING ACCEPT [0:0]\n"
		svc    = ":KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n"
		portal = ":KUBE-PORTALS-HOST - [0:0]\n"
		ipvs   = ":KUBE-NODE-PORT - [0:0]\n"
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
		{"IPVS's chains", nat + ipvs + commit, nil, kubeproxy.IPVS},
		{"IPVS's table alone", "", []*snapshot.Source{{Format: snapshot.IPVSADMSave, Unbuilt: true}}, kubeproxy.IPVS},
		{"kube-proxy's own nftables table", "", []*snapshot.Source{nft}, kubeproxy.NFTables},
		{"service chains and IPVS's", nat + svc + ipvs + commit, nil, kubeproxy.Mixed},
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
