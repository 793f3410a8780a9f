package inventory_test

import (
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
)

// The tests of this file hold the derivation to account on manifests that are
// small enough to be worked out by hand.

const smallNode = `
kind: Node
metadata: {name: here, labels: {topology.kubernetes.io/zone: a}}
spec: {podCIDRs: [10.244.1.0/24, "fd00:10:244:1::/64"]}
status: {addresses: [{type: InternalIP, address: 172.18.0.3}, {type: InternalIP, address: "fc00::3"}, {type: Hostname, address: here}]}
`

// small is a recording of one release with the given objects.
func small(t *testing.T, minor int, objects ...string) *recording {
	t.Helper()
	r := &recording{release: release{minor: minor}}
	r.config.ClusterCIDR = "10.244.0.0/16,fd00:10:244::/56"
	r.addresses = append(ipv4.addrs([]string{"127.0.0.1", "172.18.0.3", "10.0.0.7"}), ipv6.addrs([]string{"::1", "fc00::3"})...)
	for _, text := range append(objects, smallNode) {
		if err := r.addObjects([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// smallService is a service of that spec, and a slice with those endpoints.
func smallService(spec string, endpoints ...string) string {
	if !strings.Contains(spec, "ports:") {
		spec = "ports: [{port: 80}], " + spec
	}
	return fmt.Sprintf(`
kind: Service
metadata: {name: web, namespace: team}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], %s}
---
kind: EndpointSlice
metadata: {name: web-1, namespace: team, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", protocol: TCP, port: 8080}]
endpoints: [%s]
`, spec, strings.Join(endpoints, ", "))
}

// Endpoints: R ready, T terminating and serving, N not ready.
func endpoint(address, state, node string) string {
	conditions := map[string]string{
		"R": "ready: true, serving: true, terminating: false",
		"T": "ready: false, serving: true, terminating: true",
		"N": "ready: false, serving: false, terminating: false",
	}[state]
	return fmt.Sprintf("{addresses: [%s], conditions: {%s}, nodeName: %s}", address, conditions, node)
}

func hinted(address, node, zones, nodes string) string {
	return fmt.Sprintf("{addresses: [%s], nodeName: %s, hints: {forZones: [%s], forNodes: [%s]}}", address, node, zones, nodes)
}

func TestSharesAreWhatTheKernelDeals(t *testing.T) {
	for _, tt := range []struct {
		n    int
		want string
	}{
		{0, "[]"},
		{1, "[1]"},
		{2, "[1/2^1 1/2^1]"},
		// 715827883/2^31 is what iptables-save prints as 0.33333333349.
		{3, "[715827883/2^31 1431655765/2^32 1431655765/2^32]"},
	} {
		if got := fmt.Sprint(shares(tt.n)); got != tt.want {
			t.Errorf("shares(%d) = %s, want %s", tt.n, got, tt.want)
		}
	}
	for n := 1; n < 40; n++ {
		sum := new(big.Rat)
		for _, s := range shares(n) {
			sum.Add(sum, new(big.Rat).SetFrac(s.num, new(big.Int).Lsh(big.NewInt(1), s.exp)))
		}
		if sum.Cmp(big.NewRat(1, 1)) != 0 {
			t.Fatalf("the shares of %d endpoints sum to %s", n, sum)
		}
	}
}

func TestLongSharesKeepTheirIdentity(t *testing.T) {
	all := shares(500)
	if all[400].String() == all[401].String() {
		t.Errorf("two shares print alike: %s", all[400])
	}
}

func TestDerivedEndpoints(t *testing.T) {
	const (
		nodePort      = "type: NodePort, ports: [{port: 80, nodePort: 30080}]"
		externalLocal = nodePort + ", externalTrafficPolicy: Local"
		internalLocal = "internalTrafficPolicy: Local"
	)
	var (
		mixed     = []string{endpoint("10.0.0.1", "R", "here"), endpoint("10.0.0.2", "R", "there"), endpoint("10.0.0.3", "N", "here")}
		draining  = []string{endpoint("10.0.0.1", "T", "here"), endpoint("10.0.0.2", "T", "there")}
		drainHere = []string{endpoint("10.0.0.1", "T", "here"), endpoint("10.0.0.2", "R", "there")}
		zones     = []string{hinted("10.0.0.1", "here", "{name: a}", "{name: here}"), hinted("10.0.0.2", "there", "{name: a}", "{name: there}"), hinted("10.0.0.3", "far", "{name: b}", "{name: far}")}
		oneBare   = append([]string{hinted("10.0.0.4", "here", "", "")}, zones...)
	)
	for _, tt := range []struct {
		name      string
		minor     int
		spec      string
		endpoints []string
		want      string // endpoints of the service, last byte and scope
	}{
		{"ready ones", 37, "", mixed, "cluster 1 2"},
		{"both scopes", 37, externalLocal, mixed, "cluster 1 2 local 1"},
		{"both scopes, old", 23, externalLocal, mixed, "cluster 1 2 local 1"},
		{"internal local needs no cluster list", 37, internalLocal, mixed, "local 1"},
		{"internal local with a node port needs both", 37, nodePort + ", " + internalLocal, mixed, "cluster 1 2 local 1"},
		{"internal local filtered the only list", 23, nodePort + ", " + internalLocal, mixed, "cluster 1"},
		{"external local overrode that", 23, externalLocal + ", " + internalLocal, mixed, "cluster 1 2 local 1"},
		{"external local without an entry", 37, "type: LoadBalancer, externalTrafficPolicy: Local", mixed, "cluster 1 2"},
		{"terminating as a fallback", 26, "", draining, "cluster 1 2"},
		{"not before 1.26", 24, "", draining, ""},
		{"fallback by scope", 37, externalLocal, drainHere, "cluster 2 local 1"},
		{"no fallback for the local ones in 1.24", 24, externalLocal, drainHere, "cluster 2"},
		{"zone hints", 33, "", zones, "cluster 1 2"},
		{"zone hints need an annotation", 30, "", zones, "cluster 1 2 3"},
		{"node hints", 34, "", zones, "cluster 1"},
		{"hints do not touch local ones", 34, externalLocal, oneBare, "cluster 1 2 3 4 local 1 4"},
		{"a missing hint voids all", 37, "", oneBare, "cluster 1 2 3 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			views := small(t, tt.minor, smallService(tt.spec, tt.endpoints...)).serviceViews()
			var got []string
			scope := ""
			for _, e := range views[0].Endpoints {
				words := strings.Fields(e)
				if words[0] != scope {
					scope = words[0]
					got = append(got, scope)
				}
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(words[1], "10.0.0."), ":8080"))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHintsBeforeTrafficDistributionNeedAnAnnotation(t *testing.T) {
	for _, tt := range []struct {
		minor      int
		annotation string
		want       bool
	}{
		{23, "topology-aware-hints: auto", false},
		{24, "topology-aware-hints: auto", true},
		{24, "topology-aware-hints: yes-please", false},
		{26, "topology-mode: Auto", false},
		{27, "topology-mode: Auto", true},
		{30, "topology-mode: Disabled", false},
		{31, "topology-mode: Disabled", true},
	} {
		key, value, _ := strings.Cut(tt.annotation, ": ")
		got := release{minor: tt.minor}.followsHints(map[string]string{"service.kubernetes.io/" + key: value})
		if got != tt.want {
			t.Errorf("1.%d with %s: %v, want %v", tt.minor, tt.annotation, got, tt.want)
		}
	}
}

func TestDerivedEntries(t *testing.T) {
	const (
		ports    = "ports: [{port: 80, nodePort: 30080}]"
		nodePort = "type: NodePort, " + ports
	)
	both := []string{endpoint("10.0.0.1", "R", "here"), endpoint("10.0.0.2", "R", "there")}
	here := both[:1]
	there := both[1:]
	for _, tt := range []struct {
		name      string
		minor     int
		spec      string
		endpoints []string
		want      string // kind, verdict, masquerade of each entry; policies
	}{
		{"cluster", 37, nodePort, both, "NodePort joins-clusterip always; ClusterIP clusterip conditional; external Cluster, internal Cluster"},
		{"1.23 shows no internal policy", 23, nodePort, both, "NodePort joins-clusterip always; ClusterIP clusterip conditional; external Cluster, internal "},
		{"empty", 37, nodePort, nil, "NodePort no-endpoints never; ClusterIP no-endpoints never; external , internal "},
		{"local", 37, nodePort + ", externalTrafficPolicy: Local", both, "NodePort local-endpoints hairpin; ClusterIP clusterip conditional; external Local, internal Cluster"},
		{"local, none here", 37, nodePort + ", externalTrafficPolicy: Local", there, "NodePort no-endpoints never; ClusterIP clusterip conditional; external Local, internal Cluster"},
		{"internal local", 37, nodePort + ", internalTrafficPolicy: Local", both, "NodePort different-backends always; ClusterIP clusterip conditional; external Cluster, internal Local"},
		{"internal local, all here", 37, nodePort + ", internalTrafficPolicy: Local", here, "NodePort same-backends always; ClusterIP clusterip conditional; external Cluster, internal Local"},
		{"internal local, none here", 24, nodePort + ", internalTrafficPolicy: Local", there, "NodePort different-backends always; ClusterIP no-endpoints never; external Cluster, internal Local"},
		{"internal local, none here, 1.23", 23, nodePort + ", internalTrafficPolicy: Local", there, "NodePort no-endpoints never; ClusterIP no-endpoints never; external , internal "},
		{"internal local, 1.23", 23, nodePort + ", internalTrafficPolicy: Local", both, "NodePort joins-clusterip always; ClusterIP clusterip conditional; external Cluster, internal "},
		{"external IP", 37, "externalIPs: [192.0.2.1, '2001:db8::1']", both, "ClusterIP clusterip conditional; ExternalIP joins-clusterip always; external Cluster, internal Cluster"},
		{"external IP, 1.23", 23, "externalIPs: [192.0.2.1]", both, "ClusterIP clusterip conditional; ExternalIP joins-clusterip conditional; external Cluster, internal "},
		{"policy of a ClusterIP service", 28, "externalIPs: [192.0.2.1], externalTrafficPolicy: Local", both, "ClusterIP clusterip conditional; ExternalIP joins-clusterip always; external Cluster, internal Cluster"},
		{"policy of a ClusterIP service, newer", 29, "externalIPs: [192.0.2.1], externalTrafficPolicy: Local", both, "ClusterIP clusterip conditional; ExternalIP local-endpoints hairpin; external Local, internal Cluster"},
		{"health check alone shows the policy", 37, "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000, " + ports, nil,
			"NodePort no-endpoints never; ClusterIP no-endpoints never; external Local, internal "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view := small(t, tt.minor, smallService(tt.spec, tt.endpoints...)).serviceViews()[0]
			var got []string
			for _, e := range view.Entries {
				got = append(got, strings.Join([]string{e.Kind, e.Verdict, e.Masquerade}, " "))
			}
			got = append(got, fmt.Sprintf("external %s, internal %s", view.ExternalPolicy, view.InternalPolicy))
			if diff := cmp.Diff(tt.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDerivedLoadBalancer(t *testing.T) {
	objects := `
kind: Service
metadata: {name: lb, namespace: team}
spec:
  type: LoadBalancer
  clusterIPs: [10.96.0.1, "fd00::1"]
  loadBalancerSourceRanges: [198.51.100.7/24, " 192.0.2.0/25", "2001:db8::/48"]
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.1}, {ip: 203.0.113.2, ipMode: Proxy}, {hostname: lb.example}]}}
---
kind: EndpointSlice
metadata: {name: lb-1, namespace: team, labels: {kubernetes.io/service-name: lb}}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}, {name: dns, protocol: TCP, port: 5353}]
endpoints: [{addresses: [10.0.0.10]}, {addresses: [10.0.0.9]}]
---
kind: EndpointSlice
metadata: {name: lb-2, namespace: team, labels: {kubernetes.io/service-name: lb}}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}]
endpoints: [{addresses: [10.0.0.9]}]
`
	lb := func(address string) entryView {
		return entryView{
			Kind: "LoadBalancerIP", Addresses: []string{address}, Port: 80, Verdict: "filtered",
			Masquerade: "always", Endpoints: []string{"10.0.0.10:8080 1/2^1", "10.0.0.9:8080 1/2^1"},
		}
	}
	refused := func(address string, port uint16, kind string) entryView {
		return entryView{Kind: kind, Addresses: []string{address}, Port: port, Verdict: "no-endpoints", Masquerade: "never"}
	}
	http := serviceView{
		Service: "team/lb:http tcp 80 IPv4", Types: "ClusterIP LoadBalancer",
		ExternalPolicy: "Cluster", InternalPolicy: "Cluster", AffinitySeconds: 60,
		SourceRanges: []string{"192.0.2.0/25", "198.51.100.0/24"},
		Endpoints:    []string{"cluster 10.0.0.10:8080 1/2^1", "cluster 10.0.0.9:8080 1/2^1"},
		Entries: []entryView{
			{
				Kind: "ClusterIP", Addresses: []string{"10.96.0.1/32"}, Port: 80, Verdict: "clusterip",
				Masquerade: "conditional", Endpoints: []string{"10.0.0.10:8080 1/2^1", "10.0.0.9:8080 1/2^1"},
			},
			lb("203.0.113.1/32"),
		},
	}
	want := []serviceView{
		// The slice has that name for TCP only.
		{Service: "team/lb:dns udp 53 IPv4", Types: "ClusterIP", Entries: []entryView{
			refused("10.96.0.1/32", 53, "ClusterIP"), refused("203.0.113.1/32", 53, "LoadBalancerIP"),
		}},
		{Service: "team/lb:dns udp 53 IPv6", Types: "ClusterIP", Entries: []entryView{refused("fd00::1/128", 53, "ClusterIP")}},
		http,
		{Service: "team/lb:http tcp 80 IPv6", Types: "ClusterIP", Entries: []entryView{refused("fd00::1/128", 80, "ClusterIP")}},
	}
	if diff := cmp.Diff(want, small(t, 37, objects).serviceViews(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Up to 1.29 the address of ipMode Proxy was programmed too.
	if got := len(small(t, 26, objects).serviceViews()[2].Entries); got != 3 {
		t.Errorf("1.26 has %d entries, want 3", got)
	}
}

func TestDerivedServicesLeaveOut(t *testing.T) {
	got := small(t, 37, `
kind: Service
metadata: {name: headless, namespace: team}
spec: {clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}
---
kind: Service
metadata: {name: elsewhere, namespace: team}
spec: {type: ExternalName, externalName: example.com}
---
kind: Service
metadata: {name: others, namespace: team, labels: {service.kubernetes.io/service-proxy-name: other}}
spec: {clusterIP: 10.96.0.9, clusterIPs: [10.96.0.9], ports: [{port: 80}]}
`).serviceViews()
	if len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestDerivedNodePortAddresses(t *testing.T) {
	off := false
	for _, tt := range []struct {
		name      string
		minor     int
		addresses []string
		localhost *bool
		family    family
		want      string
	}{
		{"default", 37, nil, nil, ipv4, "[0.0.0.0/0] except []"},
		{"default, IPv6", 37, nil, nil, ipv6, "[::/0] except [::1/128]"},
		{"default, IPv6, before localhost could be off", 24, nil, nil, ipv6, "[::/0] except []"},
		{"localhost off", 37, nil, &off, ipv4, "[0.0.0.0/0] except [127.0.0.0/8]"},
		{"primary", 37, []string{"primary"}, nil, ipv4, "[172.18.0.3/32] except []"},
		{"primary, IPv6", 37, []string{"primary"}, nil, ipv6, "[fc00::3/128] except []"},
		{"ranges", 37, []string{"172.18.0.0/16", "10.0.0.0/8"}, nil, ipv4, "[172.18.0.3/32 10.0.0.7/32] except []"},
		{"ranges of the other family only", 37, []string{"172.18.0.0/16"}, nil, ipv6, "[::/0] except [::1/128]"},
		{"loopback", 37, []string{"127.0.0.0/8"}, nil, ipv4, "[127.0.0.1/32] except []"},
		{"loopback, localhost off", 37, []string{"127.0.0.0/8", "172.18.0.0/16"}, &off, ipv4, "[172.18.0.3/32] except []"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := small(t, tt.minor)
			r.config.NodePortAddresses = tt.addresses
			r.config.IPTables.LocalhostNodePorts = tt.localhost
			on, except := r.nodePortAddresses(tt.family)
			if got := fmt.Sprintf("%v except %v", on, except); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDerivedMasqueradeOfClusterIP(t *testing.T) {
	for _, tt := range []struct {
		config string
		want   string
	}{
		{"clusterCIDR: 10.244.0.0/16", "conditional hairpin"},
		{"clusterCIDR: ''", "hairpin hairpin"},
		{"{clusterCIDR: 10.244.0.0/16, iptables: {masqueradeAll: true}}", "always always"},
		{"detectLocalMode: NodeCIDR", "conditional conditional"},
		{"{detectLocalMode: BridgeInterface, detectLocal: {bridgeInterface: cni0}}", "conditional conditional"},
		{"{detectLocalMode: InterfaceNamePrefix, detectLocal: {interfaceNamePrefix: veth}}", "conditional conditional"},
	} {
		r := small(t, 37)
		r.config = proxyConfig{}
		if err := yaml.Unmarshal([]byte(tt.config), &r.config); err != nil {
			t.Fatal(err)
		}
		if got := r.masqueradeOfClusterIP(ipv4) + " " + r.masqueradeOfClusterIP(ipv6); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.config, got, tt.want)
		}
	}
}

// TestRecordingsAreDerived sees to it that every recording is found and read
// whole, whatever the inventory says of it.
func TestRecordingsAreDerived(t *testing.T) {
	names := map[string]bool{}
	for _, dir := range recordingDirs(t) {
		names[filepath.Base(dir)] = true
		r := readRecording(t, dir)
		if len(r.addresses) == 0 || r.node.Metadata.Name == "" || len(r.serviceViews()) == 0 {
			t.Errorf("%s: %d addresses, node %q, %d service ports", dir, len(r.addresses), r.node.Metadata.Name, len(r.serviceViews()))
		}
	}
	for _, name := range []string{"myth2-loadbalancer", "service-zoo", "zoo-v1.23-legacy", "fault-hijack-dnat"} {
		if !names[name] {
			t.Errorf("the recording %s is missing", name)
		}
	}
}
