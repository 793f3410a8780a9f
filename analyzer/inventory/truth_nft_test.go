package inventory_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples/generate"
)

// nftRecordingDirs lists the directories with a dump of kube-proxy's nftables
// mode and what it was told. SVCPATH_RECORDINGS names a directory with more.
func nftRecordingDirs(t *testing.T) []string {
	t.Helper()
	parents := []string{filepath.Join(samplesDir, "testdata", "nftables")}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		parents = append(parents, more)
	}
	var dirs []string
	for _, parent := range parents {
		configs, err := filepath.Glob(filepath.Join(parent, "*", "kube-proxy-config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range configs {
			var config proxyConfig
			readYAML(t, path, &config)
			if config.Mode == "nftables" {
				dirs = append(dirs, filepath.Dir(path))
			}
		}
	}
	if len(dirs) == 0 {
		t.Fatal("no recording of kube-proxy's nftables mode")
	}
	return dirs
}

// TestNFTInventoryEqualsManifests reads services back from every recording of
// nftables mode, from text and from JSON, and compares them with what the
// manifests say kube-proxy was told; with the objects at hand, and without.
func TestNFTInventoryEqualsManifests(t *testing.T) {
	for _, dir := range nftRecordingDirs(t) {
		for _, dump := range []string{"nft-ruleset.txt", "nft-ruleset.json"} {
			path := filepath.Join(dir, dump)
			if !fileExists(path) {
				path += ".gz"
			}
			if !fileExists(path) {
				continue
			}
			t.Run(filepath.Base(dir)+"/"+dump, func(t *testing.T) { compareNFTWithManifests(t, dir, path, false) })
		}
		path := filepath.Join(dir, "nft-ruleset.txt")
		t.Run(filepath.Base(dir)+"/objects", func(t *testing.T) { compareNFTWithManifests(t, dir, path, true) })
	}
}

func compareNFTWithManifests(t *testing.T, dir, dump string, objects bool) {
	t.Helper()
	r := readRecording(t, dir)
	want := r.nftServiceViews(objects)
	inputs := []string{dump, filepath.Join(dir, "ip-addr.txt")}
	if objects {
		inputs = append(inputs, manifestsOf(dir), filepath.Join(dir, "node.yaml"))
	}
	inv := inventoryOf(t, inputs...)
	for _, difference := range differences(want, openExternals(viewsOf(inv))) {
		t.Error(difference)
	}
	for _, d := range inv.Diagnostics {
		t.Errorf("%s: %s", d.Pos, d.Message)
	}
}

// TestNFTInventoryOfGenerated does the same with nodes that were made up, and
// holds their inventory against that of the same node in iptables mode.
func TestNFTInventoryOfGenerated(t *testing.T) {
	for _, size := range []generate.Size{{Services: 200, Endpoints: 3}, {Services: 400, Endpoints: 12, Seed: 1}} {
		dirs := [2]string{t.TempDir(), t.TempDir()}
		n := generate.New(size)
		for i, write := range []func(string) error{n.WriteRecording, n.WriteNFTRecording} {
			if err := write(dirs[i]); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dirs[1], "nft-ruleset.txt")
		t.Run(size.String(), func(t *testing.T) { compareNFTWithManifests(t, dirs[1], path, false) })
		t.Run(size.String()+"/objects", func(t *testing.T) { compareNFTWithManifests(t, dirs[1], path, true) })
		if size.Endpoints <= 3 { // the shares of more differ: docs/kube-proxy-nftables.md
			t.Run(size.String()+"/modes", func(t *testing.T) { compareModes(t, dirs, false) })
		}
	}
}

func inventoryOf(t *testing.T, inputs ...string) *inventory.Inventory {
	t.Helper()
	snapshot, err := capture.Open(inputs, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := analyzer.Analyze(snapshot)
	for _, f := range a.Findings {
		t.Errorf("%s %s: %s", f.ID, f.Service, f.Message)
	}
	return a.Inventory
}

func manifestsOf(dir string) string {
	if path := filepath.Join(dir, "manifests.yaml"); fileExists(path) {
		return path
	}
	return filepath.Join(samplesDir, "service-zoo", "manifests.yaml")
}

// openExternals leaves the views as they are but for an assumed cluster IP,
// whose kind the truth knows: 1.29 has no set of them.
func openExternals(views []serviceView) []serviceView {
	for i := range views {
		for j := range views[i].Entries {
			e := &views[i].Entries[j]
			if e.Kind == openKind && slices.ContainsFunc(views[i].Entries, func(o entryView) bool { return o.Kind == "ClusterIP" }) {
				continue
			}
			if e.Kind == openKind {
				e.Kind = "ClusterIP"
			}
		}
	}
	return views
}

// nftServiceViews is serviceViews of what nftables mode writes. objects says
// that the analyzer is shown the manifests too: then it knows load balancers'
// addresses from external IPs.
func (r *recording) nftServiceViews(objects bool) []serviceView {
	mode := *r
	mode.config.IPTables.MasqueradeAll = r.config.NFTables.MasqueradeAll
	views := mode.serviceViews()
	ranges := r.rangesByService()
	for i := range views {
		v := &views[i]
		v.Types = ""
		// No rule accepts the packets of health checks.
		if v.HealthCheckNodePort != 0 && len(v.Endpoints) == 0 {
			v.ExternalPolicy = ""
		}
		v.HealthCheckNodePort = 0
		v.SourceRanges = nil
		for j := range v.Entries {
			e := &v.Entries[j]
			e.Endpoints = r.nftShares(e.Endpoints)
			r.nftEntry(v, e, ranges[v.Service], objects)
		}
		v.Endpoints = r.nftShares(v.Endpoints)
		slices.SortFunc(v.Entries, compareEntries)
	}
	return views
}

// nftEntry says otherwise what nftables mode does otherwise.
func (r *recording) nftEntry(v *serviceView, e *entryView, ranges []string, objects bool) {
	family := ipv4
	if strings.HasSuffix(v.Service, "IPv6") {
		family = ipv6
	}
	isRanged := e.Kind == "LoadBalancerIP" && len(ranges) > 0
	switch e.Kind {
	case "NodePort":
		on, except := r.nftNodePortAddresses(family)
		e.Addresses, e.Except = prefixViews(on), prefixViews(except)
		v.Types = addType(v.Types, "NodePort")
	case "ClusterIP":
		v.Types = addType(v.Types, "ClusterIP")
		// Since 1.36 only connections of endpoints on the node to themselves are
		// masqueraded.
		if e.Masquerade == "hairpin" && r.release.minor >= 36 && !r.hasLocal(e.Endpoints) {
			e.Masquerade = "never"
		}
	case "LoadBalancerIP":
		if isRanged {
			v.SourceRanges = ranges
		}
		if isRanged || objects {
			v.Types = addType(v.Types, "LoadBalancer")
		}
	}
	// 1.29 checks the source ranges in the filter hooks, where packets have been
	// translated already (pkg/proxy/nftables/proxier.go, firewall-check).
	if e.Verdict == "filtered" && r.release.minor < 30 {
		e.Verdict = "joins-clusterip"
	}
	if (e.Kind == "LoadBalancerIP" || e.Kind == "ExternalIP") && !isRanged && !objects {
		e.Kind = openKind
	}
}

// nftNodePortAddresses: the node's primary addresses by default since 1.30;
// never loopback ones (cmd/kube-proxy/app/server_linux.go, platformApplyDefaults;
// pkg/proxy/util/nodeport_addresses.go).
func (r *recording) nftNodePortAddresses(family family) (on, except []netip.Prefix) {
	mode := *r
	if len(mode.config.NodePortAddresses) == 0 && r.release.minor >= 30 {
		mode.config.NodePortAddresses = []string{"primary"}
	}
	off := false
	mode.config.IPTables.LocalhostNodePorts = &off
	return mode.nodePortAddresses(family)
}

// rangesByService are the source ranges that the manifests give to service
// ports, by their views' names.
func (r *recording) rangesByService() map[string][]string {
	found := map[string][]string{}
	for i := range r.services {
		svc := &r.services[i]
		for _, port := range svc.Spec.Ports {
			for _, family := range []family{ipv4, ipv6} {
				_, ranges := r.doors(svc, port, family)
				found[serviceKey(svc.Metadata.Namespace, svc.Metadata.Name, port.Name, strings.ToLower(orTCP(port.Protocol)), port.Port, string(family))] = ranges
			}
		}
	}
	return found
}

// hasLocal says whether one of the endpoints is on the node.
func (r *recording) hasLocal(endpoints []string) bool {
	for _, slice := range r.slices {
		for _, e := range slice.Endpoints {
			if e.NodeName != r.node.Metadata.Name {
				continue
			}
			for _, text := range endpoints {
				if addr, _, _ := strings.Cut(text, " "); netip.MustParseAddrPort(addr).Addr() == netip.MustParseAddr(e.Addresses[0]) {
					return true
				}
			}
		}
	}
	return false
}

// nftShares gives the endpoints of each scope the parts that "numgen random mod
// n" deals: kube-proxy numbers them in the order of their printed addresses, and
// the i-th gets those x of 32 bits for which x*n>>32 is i.
func (r *recording) nftShares(list []string) []string {
	byScope := map[string][]string{}
	for _, text := range list {
		words := strings.Fields(text)
		scope := strings.Join(words[:len(words)-2], " ")
		byScope[scope] = append(byScope[scope], words[len(words)-2])
	}
	var views []string
	for scope, addrs := range byScope {
		slices.Sort(addrs)
		n := int64(len(addrs))
		for i, addr := range addrs {
			part := ceilDiv(int64(i+1), n) - ceilDiv(int64(i), n)
			views = append(views, strings.TrimSpace(fmt.Sprintf("%s %s %s", scope, addr, lowest(big.NewInt(part), 32))))
		}
	}
	slices.Sort(views)
	return views
}

// ceilDiv is i/n of 2^32, rounded up.
func ceilDiv(i, n int64) int64 {
	whole := new(big.Int).Lsh(big.NewInt(i), 32)
	whole.Add(whole, big.NewInt(n-1))
	return whole.Div(whole, big.NewInt(n)).Int64()
}
