package inventory_test

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples/generate"
)

// ipvsRecordings are the recordings of IPVS mode, with the texts that hold the
// IPVS table.
var ipvsRecordings = []string{"service-zoo", "myth2-loadbalancer", "fault-nodeport-drift"}

// TestIPVSInventoryEqualsManifests compares the inventory of every recording of
// IPVS mode with what its manifests say kube-proxy was told, from each text
// that tells the IPVS table, with the cluster's objects as an input and
// without.
func TestIPVSInventoryEqualsManifests(t *testing.T) {
	for _, name := range ipvsRecordings {
		dir := filepath.Join(samplesDir, "ipvs-"+name)
		more := filepath.Join(samplesDir, "testdata", "ipvs", name)
		r := readIPVSRecording(t, dir)
		named := r.ipvsViews()
		findings := 0
		if name == "fault-nodeport-drift" {
			drift(t, named)
			findings = 1
		}
		for _, table := range []string{filepath.Join(dir, "ipvsadm-save.txt"), filepath.Join(more, "ipvsadm-Ln.txt"), filepath.Join(more, "proc-net-ip_vs.txt")} {
			inputs := []string{table}
			for _, file := range []string{"iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ip-addr.txt"} {
				inputs = append(inputs, filepath.Join(dir, file))
			}
			t.Run(name+"/"+filepath.Base(table)+"/named", func(t *testing.T) {
				got := ipvsInventory(t, append(inputs, filepath.Join(dir, "manifests.yaml"), filepath.Join(dir, "node.yaml"))...)
				for _, difference := range differences(named, viewsOf(got.Inventory)) {
					t.Error(difference)
				}
				if len(got.Findings) != findings {
					t.Errorf("%d findings, expected %d: %+v", len(got.Findings), findings, got.Findings)
				}
			})
			t.Run(name+"/"+filepath.Base(table)+"/nameless", func(t *testing.T) {
				got := ipvsInventory(t, inputs...)
				want, have := nameless(named), namelessEntries(viewsOf(got.Inventory))
				if diff := gocmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("entries (-manifests +inventory):\n%s", diff)
				}
				for _, s := range got.Inventory.Services {
					if s.Name != "" || s.Namespace != "" {
						t.Errorf("a name out of nowhere: %s", s.PortString())
					}
				}
			})
		}
	}
}

// TestIPVSInventoryOfGenerated does the same with nodes that were made up.
func TestIPVSInventoryOfGenerated(t *testing.T) {
	for _, size := range []generate.Size{{Services: 200, Endpoints: 3}, {Services: 400, Endpoints: 8, Seed: 1}} {
		t.Run(size.String(), func(t *testing.T) {
			dir := t.TempDir()
			if err := generate.New(size).WriteIPVSRecording(dir); err != nil {
				t.Fatal(err)
			}
			got := ipvsInventory(t, dir)
			for _, difference := range differences(readIPVSRecording(t, dir).ipvsViews(), viewsOf(got.Inventory)) {
				t.Error(difference)
			}
			if len(got.Findings) > 0 {
				t.Errorf("findings: %+v", got.Findings)
			}
		})
	}
}

// The sets' listing tells what their save does.
func TestIPVSInventoryFromSetListing(t *testing.T) {
	dir := filepath.Join(samplesDir, "ipvs-service-zoo")
	var inputs []string
	for _, file := range []string{"ipvsadm-save.txt", "iptables-save.txt", "ip6tables-save.txt", "ip-addr.txt", "manifests.yaml", "node.yaml"} {
		inputs = append(inputs, filepath.Join(dir, file))
	}
	got := ipvsInventory(t, append(inputs, filepath.Join(samplesDir, "testdata", "ipvs", "service-zoo", "ipset-list.txt"))...)
	for _, difference := range differences(readIPVSRecording(t, dir).ipvsViews(), viewsOf(got.Inventory)) {
		t.Error(difference)
	}
}

func ipvsInventory(t *testing.T, inputs ...string) *analyzer.Analysis {
	t.Helper()
	snapshot, err := capture.Open(inputs, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return analyzer.Analyze(snapshot)
}

// readIPVSRecording is readRecording for a directory whose README says how
// kube-proxy was run. Only addresses of other interfaces than kube-ipvs0 are
// the node's.
func readIPVSRecording(t *testing.T, dir string) *recording {
	t.Helper()
	r := &recording{release: release{minor: 34}}
	for _, file := range []string{"manifests.yaml", "node.yaml"} {
		if err := r.addObjects(readFile(t, filepath.Join(dir, file))); err != nil {
			t.Fatal(err)
		}
	}
	services := false
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "ip-addr.txt")))) {
		if line[0] != ' ' {
			services = strings.Contains(line, "kube-ipvs0")
		}
		if words := strings.Fields(line); !services && (words[0] == "inet" || words[0] == "inet6") {
			r.addresses = append(r.addresses, netip.MustParsePrefix(words[1]).Addr())
		}
	}
	return r
}

// ipvsViews derives what an inventory has to say of IPVS mode
// (pkg/proxy/ipvs/proxier.go, syncProxyRules and syncEndpoint).
func (r *recording) ipvsViews() []serviceView {
	var views []serviceView
	for i := range r.services {
		svc := &r.services[i]
		if svc.Spec.Type == "ExternalName" || isNotForKubeProxy(svc.Metadata) {
			continue
		}
		for _, family := range []family{ipv4, ipv6} {
			for _, clusterIP := range family.addrs(svc.Spec.ClusterIPs) {
				for _, port := range svc.Spec.Ports {
					views = append(views, r.ipvsView(svc, port, family, clusterIP))
				}
			}
		}
	}
	return views
}

func (r *recording) ipvsView(svc *service, port servicePort, family family, clusterIP netip.Addr) serviceView {
	all := r.backends(svc, port, family)
	usable := filter(all, backend.isReady)
	if len(usable) == 0 {
		usable = filter(all, backend.isDraining)
	}
	here := filter(filter(all, backend.isLocal), backend.isReady)
	if len(here) == 0 {
		here = filter(filter(all, backend.isLocal), backend.isDraining)
	}
	internalLocal := svc.Spec.InternalTrafficPolicy == "Local"
	inside := usable
	if internalLocal {
		inside = here
	}
	doors, ranges := r.ipvsDoors(svc, port, family)
	externalLocal := svc.Spec.ExternalTrafficPolicy == "Local" && len(doors) > 0
	outside := usable
	if externalLocal && len(here) > 0 {
		outside = here // without any, all of them
	}

	view := serviceView{
		Service:        serviceKey(svc.Metadata.Namespace, svc.Metadata.Name, port.Name, strings.ToLower(orTCP(port.Protocol)), port.Port, string(family)),
		Types:          "ClusterIP",
		InternalPolicy: policyName(internalLocal),
	}
	if len(doors) > 0 {
		view.ExternalPolicy = policyName(externalLocal)
	}
	if svc.Spec.SessionAffinity == "ClientIP" {
		view.AffinitySeconds = svc.Spec.SessionAffinityConfig.ClientIP.TimeoutSeconds
	}
	if externalLocal {
		view.HealthCheckNodePort = svc.Spec.HealthCheckNodePort
	}
	if !internalLocal || len(doors) > 0 && !externalLocal {
		view.Endpoints = append(view.Endpoints, evenViews("cluster ", usable)...)
	}
	if internalLocal || externalLocal {
		view.Endpoints = append(view.Endpoints, evenViews("local ", here)...)
	}

	own := entryView{
		Kind: "ClusterIP", Addresses: []string{hostPrefix(clusterIP).String()}, Port: port.Port,
		Verdict: "clusterip", Masquerade: "conditional", Endpoints: evenViews("", inside),
	}
	if len(inside) == 0 {
		own.Verdict, own.Masquerade = "no-endpoints", "never"
	}
	view.Entries = append(view.Entries, own)
	for _, d := range doors {
		e := entryView{Kind: d.kind, Addresses: prefixViews(d.on), Port: d.port, Masquerade: "always", Endpoints: evenViews("", outside)}
		same := slices.Equal(e.Endpoints, own.Endpoints)
		if externalLocal {
			e.Masquerade = "never"
			if len(here) > 0 {
				e.Masquerade = "hairpin"
			}
		}
		switch {
		case len(outside) == 0:
			e.Verdict, e.Masquerade = "no-endpoints", "never"
		case externalLocal && len(here) > 0:
			e.Verdict = "local-endpoints"
		case same && d.kind == "LoadBalancerIP" && len(ranges) > 0 && !externalLocal:
			e.Verdict = "filtered"
		case same:
			e.Verdict = "same-backends"
		default:
			e.Verdict = "different-backends"
		}
		view.Entries = append(view.Entries, e)
		switch d.kind {
		case "NodePort":
			view.Types = addType(view.Types, "NodePort")
		case "LoadBalancerIP":
			view.Types = addType(view.Types, "LoadBalancer")
			view.SourceRanges = ranges
		}
	}
	slices.SortFunc(view.Entries, compareEntries)
	return view
}

// ipvsDoors are doors, but for node ports: those have a virtual server at each
// of the node's addresses.
func (r *recording) ipvsDoors(svc *service, port servicePort, family family) ([]door, []string) {
	nodePort := port.NodePort
	port.NodePort = 0
	doors, ranges := r.doors(svc, port, family)
	if nodePort == 0 {
		return doors, ranges
	}
	d := door{kind: "NodePort", port: nodePort}
	for _, a := range r.addresses {
		if family.has(a) && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			d.on = append(d.on, hostPrefix(a))
		}
	}
	return append(doors, d), ranges
}

// evenViews are endpoints that get new connections in turn.
func evenViews(scope string, list []backend) []string {
	var views []string
	for _, b := range list {
		share := fmt.Sprintf("1/%d", len(list))
		switch n := uint(len(list)); {
		case n == 1:
			share = "1"
		case n&(n-1) == 0:
			share = fmt.Sprintf("1/2^%d", bits.TrailingZeros(n))
		}
		views = append(views, fmt.Sprintf("%s%s %s", scope, b.addr, share))
	}
	slices.Sort(views)
	return views
}

// drift is the edit that was made to the fault's recording: of one node port's
// virtual server at one address.
func drift(t *testing.T, views []serviceView) {
	t.Helper()
	for i := range views {
		for j := range views[i].Entries {
			if e := &views[i].Entries[j]; e.Kind == "NodePort" && e.Port == 30080 {
				e.Verdict = "different-backends"
				e.Endpoints = []string{"10.244.1.10:8080 1/3", "10.244.2.21:8080 1/3", "10.244.9.99:8080 1/3"}
				return
			}
		}
	}
	t.Fatal("no node port 30080")
}

// nameless is what remains to be said of the entries when nothing names
// services: an external entry has a cluster IP to be compared with only if the
// real servers are one's and no other's.
func nameless(named []serviceView) []entryView {
	var entries []entryView
	owners := map[string]int{} // by protocol, and with and without port, real servers
	for _, v := range named {
		for _, e := range v.Entries {
			if e.Kind == "ClusterIP" && len(e.Endpoints) > 0 {
				owners[protocolOf(v)+" "+fmt.Sprint(e.Endpoints)]++
				owners[protocolOf(v)+" "+fmt.Sprint(e.Port, e.Endpoints)]++
			}
		}
	}
	for _, v := range named {
		for _, e := range v.Entries {
			key := protocolOf(v) + " " + fmt.Sprint(e.Endpoints)
			if e.Kind != "NodePort" {
				key = protocolOf(v) + " " + fmt.Sprint(e.Port, e.Endpoints)
			}
			switch e.Verdict {
			case "same-backends", "filtered":
				if owners[key] != 1 {
					e.Verdict = "unknown"
				}
			}
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, compareNameless)
	return entries
}

func protocolOf(v serviceView) string {
	words := strings.Fields(v.Service)
	return words[1]
}

func namelessEntries(views []serviceView) []entryView {
	var entries []entryView
	for _, v := range views {
		entries = append(entries, v.Entries...)
	}
	slices.SortFunc(entries, compareNameless)
	return entries
}

func compareNameless(a, b entryView) int {
	return cmp.Or(compareEntries(a, b), slices.Compare(a.Endpoints, b.Endpoints), cmp.Compare(a.Verdict, b.Verdict))
}
