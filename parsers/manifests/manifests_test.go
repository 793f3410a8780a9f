package manifests_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/manifests"
)

const serviceYAML = `apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  labels: {service.kubernetes.io/service-proxy-name: other}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  clusterIPs:
  - 10.96.0.7
  - fd00:10:96::7
  externalIPs: [198.51.100.7]
  ipFamilies: [IPv4, IPv6]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Cluster
  healthCheckNodePort: 32100
  loadBalancerSourceRanges:
  - ' 192.0.2.0/25'
  sessionAffinity: ClientIP
  sessionAffinityConfig:
    clientIP:
      timeoutSeconds: 600
  ports:
  - name: http
    port: 80
    nodePort: "30080"
    targetPort: web
  - {name: dns, protocol: UDP, port: 53}
status:
  loadBalancer:
    ingress:
    - ip: 203.0.113.7
    - ip: 203.0.113.8
      ipMode: Proxy
    - hostname: lb.example.org
`

const serviceJSON = `{"apiVersion": "v1", "kind": "Service",
 "metadata": {"name": "web", "namespace": "shop", "labels": {"service.kubernetes.io/service-proxy-name": "other"}},
 "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.7", "fd00:10:96::7"], "externalIPs": ["198.51.100.7"],
  "ipFamilies": ["IPv4", "IPv6"], "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
  "healthCheckNodePort": 32100, "loadBalancerSourceRanges": ["192.0.2.0/25"],
  "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 600}},
  "ports": [{"name": "http", "port": 80, "nodePort": "30080", "targetPort": 8080}, {"name": "dns", "protocol": "UDP", "port": 53}]},
 "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"ip": "203.0.113.8", "ipMode": "Proxy"}, {"hostname": "x"}]}}}
`

var service = &cluster.Service{
	Namespace: "shop", Name: "web", Type: cluster.LoadBalancer, OtherProxy: true,
	ClusterIPs:     []netip.Addr{netip.MustParseAddr("10.96.0.7"), netip.MustParseAddr("fd00:10:96::7")},
	ExternalIPs:    []netip.Addr{netip.MustParseAddr("198.51.100.7")},
	Ingress:        []cluster.Ingress{{Address: netip.MustParseAddr("203.0.113.7")}, {Address: netip.MustParseAddr("203.0.113.8"), Proxy: true}},
	SourceRanges:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25")},
	Families:       []netfilter.Family{netfilter.IPv4, netfilter.IPv6},
	ExternalPolicy: cluster.Local, InternalPolicy: cluster.Cluster,
	Affinity: &cluster.Affinity{TimeoutSeconds: 600}, HealthCheckNodePort: 32100,
	Ports: []cluster.Port{
		{Name: "http", Protocol: netfilter.TCP, Port: 80, NodePort: 30080},
		{Name: "dns", Protocol: netfilter.UDP, Port: 53},
	},
}

const sliceYAML = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- addresses: [10.244.1.10]
  nodeName: worker
  zone: a
  hints: {forZones: [{name: a}], forNodes: [{name: worker}]}
- addresses: [10.244.1.11, 10.244.1.12]
  conditions: {ready: false, serving: true, terminating: true}
- addresses: [10.244.1.13]
  conditions: {ready: false}
ports:
- {name: http, port: 8080}
- {name: dns, protocol: UDP, port: 5353}
`

var slice = &cluster.EndpointSlice{
	Namespace: "shop", Name: "web-1", Service: "web", Family: netfilter.IPv4,
	Endpoints: []cluster.Endpoint{
		{Address: netip.MustParseAddr("10.244.1.10"), Ready: true, Serving: true, NodeName: "worker", Zone: "a", ZoneHints: []string{"a"}, NodeHints: []string{"worker"}},
		{Address: netip.MustParseAddr("10.244.1.11"), Serving: true, Terminating: true},
		{Address: netip.MustParseAddr("10.244.1.13")},
	},
	Ports: []cluster.EndpointPort{{Name: "http", Protocol: netfilter.TCP, Port: 8080}, {Name: "dns", Protocol: netfilter.UDP, Port: 5353}},
}

const endpointsYAML = `apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets:
- addresses: [{ip: 10.244.1.10, nodeName: worker}, {ip: "fd00::a"}]
  notReadyAddresses: [{ip: 10.244.1.13}]
  ports: [{name: http, port: 8080}]
`

const nodeYAML = `apiVersion: v1
kind: Node
metadata: {name: worker, labels: {topology.kubernetes.io/zone: a}}
spec: {podCIDR: 10.244.1.0/24}
status: {addresses: [{type: InternalIP, address: 172.18.0.3}, {type: Hostname, address: worker}]}
`

var node = &cluster.Node{
	Name: "worker", Zone: "a", Addresses: []netip.Addr{netip.MustParseAddr("172.18.0.3")},
	PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
}

// indented puts text two columns further in, its first line behind a dash.
func item(text string) string {
	return "- " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

var addrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func parse(text string) (*cluster.Objects, []source.Diagnostic) {
	at := source.Start(&source.File{Path: "in", Text: text})
	end := source.Cursor{File: at.File, Offset: len(text), Line: 1 + strings.Count(text, "\n")}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return manifests.ParseJSON(at, end)
	}
	return manifests.ParseYAML(at, end)
}

func TestObjects(t *testing.T) {
	tests := []struct {
		name, text string
		want       cluster.Objects
	}{
		{"service", serviceYAML, cluster.Objects{Services: []*cluster.Service{service}}},
		{"service, JSON", serviceJSON, cluster.Objects{Services: []*cluster.Service{service}}},
		{"slice", sliceYAML, cluster.Objects{Slices: []*cluster.EndpointSlice{slice}}},
		{"node", nodeYAML, cluster.Objects{Nodes: []*cluster.Node{node}}},
		{"endpoints", endpointsYAML, cluster.Objects{Slices: []*cluster.EndpointSlice{
			{Namespace: "shop", Name: "web", Service: "web", FromEndpoints: true, Family: netfilter.IPv4,
				Endpoints: []cluster.Endpoint{{Address: netip.MustParseAddr("10.244.1.10"), Ready: true, Serving: true, NodeName: "worker"}, {Address: netip.MustParseAddr("10.244.1.13")}},
				Ports:     []cluster.EndpointPort{{Name: "http", Protocol: netfilter.TCP, Port: 8080}}},
			{Namespace: "shop", Name: "web", Service: "web", FromEndpoints: true, Family: netfilter.IPv6,
				Endpoints: []cluster.Endpoint{{Address: netip.MustParseAddr("fd00::a"), Ready: true, Serving: true}},
				Ports:     []cluster.EndpointPort{{Name: "http", Protocol: netfilter.TCP, Port: 8080}}},
		}}},
		{"documents", "---\n" + serviceYAML + "--- # the next\n" + sliceYAML + "---\n---\n" + nodeYAML,
			cluster.Objects{Services: []*cluster.Service{service}, Slices: []*cluster.EndpointSlice{slice}, Nodes: []*cluster.Node{node}}},
		{"documents without marks", serviceYAML + nodeYAML, cluster.Objects{Services: []*cluster.Service{service}, Nodes: []*cluster.Node{node}}},
		{"list", "apiVersion: v1\nitems:\n" + item(serviceYAML) + item(sliceYAML) + "kind: List\nmetadata:\n  resourceVersion: \"\"\n",
			cluster.Objects{Services: []*cluster.Service{service}, Slices: []*cluster.EndpointSlice{slice}}},
		{"list, further in", "apiVersion: v1\nkind: List\nitems:\n\n  # all\n" +
			"  " + strings.TrimSuffix(strings.ReplaceAll(item(serviceYAML)+item(nodeYAML), "\n", "\n  "), "  "),
			cluster.Objects{Services: []*cluster.Service{service}, Nodes: []*cluster.Node{node}}},
		{"list whose items do not say what they are", "kind: NodeList\napiVersion: v1\nitems:\n" + item("metadata: {name: worker, labels: {topology.kubernetes.io/zone: a}}\nspec: {podCIDR: 10.244.1.0/24}\nstatus: {addresses: [{type: InternalIP, address: 172.18.0.3}]}\n"),
			cluster.Objects{Nodes: []*cluster.Node{node}}},
		{"list with anchors", "kind: List\napiVersion: v1\nitems:\n" + item("apiVersion: v1\nkind: Node\nmetadata: {name: worker, labels: &l {topology.kubernetes.io/zone: a}}\nspec: {podCIDR: 10.244.1.0/24}\nstatus: {addresses: [{type: InternalIP, address: 172.18.0.3}]}\n") + item("kind: Node\nmetadata: {name: other, labels: *l}\n"),
			cluster.Objects{Nodes: []*cluster.Node{node, {Name: "other", Zone: "a"}}}},
		{"list, JSON", `{"apiVersion": "v1", "items": [` + serviceJSON + "," + serviceJSON + `], "kind": "List"}`,
			cluster.Objects{Services: []*cluster.Service{service, service}}},
		{"typed list, JSON", `{"kind":"ServiceList","apiVersion":"v1","metadata":{"items":[]},"items":[{"metadata":{"name":"a","namespace":"b"},"spec":{"clusterIP":"None"}}]}`,
			cluster.Objects{Services: []*cluster.Service{{Namespace: "b", Name: "a", Type: cluster.ClusterIP, Headless: true}}}},
		{"JSON lines", strings.ReplaceAll(serviceJSON, "\n", " ") + "\n" + strings.ReplaceAll(serviceJSON, "\n", " ") + "\n",
			cluster.Objects{Services: []*cluster.Service{service, service}}},
		{"array, JSON", "[" + serviceJSON + "]\n", cluster.Objects{Services: []*cluster.Service{service}}},
		{"empty list", "apiVersion: v1\nitems: []\nkind: List\n", cluster.Objects{}},
		{"a service written by hand", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
			cluster.Objects{Services: []*cluster.Service{{Namespace: "default", Name: "web", Type: cluster.ClusterIP, Ports: []cluster.Port{{Protocol: netfilter.TCP, Port: 80}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, diags := parse(tt.text)
			if len(diags) > 0 {
				t.Errorf("remarks: %v", diags)
			}
			ignore := cmpopts.IgnoreTypes(source.Position{})
			if diff := cmp.Diff(&tt.want, got, addrs, ignore); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	for _, text := range []string{
		"\n---\n# first\n" + "apiVersion: v1\nkind: List\nitems:\n" + item(serviceYAML) + item(nodeYAML) + "---\n" + sliceYAML,
		"{\"items\": [\n\n" + serviceJSON + ",\n" + serviceJSON + "],\n\"kind\": \"List\"}\n" + serviceJSON,
	} {
		got, _ := parse(text)
		lines := strings.Split(text, "\n")
		at := func(pos source.Position, want string) {
			t.Helper()
			// A document begins behind its mark, comments and all.
			if line := lines[pos.Line-1]; !strings.Contains(line, want) {
				t.Errorf("line %d is %q, expected %q", pos.Line, line, want)
			}
		}
		for _, s := range got.Services {
			at(s.Pos, "v1")
		}
		for _, n := range got.Nodes {
			at(n.Pos, "- apiVersion: v1")
		}
		for _, s := range got.Slices {
			at(s.Pos, "discovery.k8s.io")
		}
		if len(got.Services) == 0 {
			t.Error("no service")
		}
	}
}

func TestDamage(t *testing.T) {
	good := item(nodeYAML)
	bomb := "apiVersion: v1\nkind: ConfigMap\na: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := range 20 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", 'b'+i, 'b'+i,
			'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	tests := []struct {
		name, text string
		nodes      int
		remarks    []string
	}{
		{"an item that is no YAML", "kind: List\nitems:\n" + good + item("kind: Service\nmetadata: {name: [}\n") + good, 2,
			[]string{"error in:8: did not find expected node content, expected a Kubernetes object as YAML (2 lines)"}},
		{"an item that is no YAML, beside words that are no anchors", "kind: List\nitems:\n" + item("kind: Node\nmetadata:\n  annotations: {a: \"b && c & d &&& e\"}\n") + item("kind: Service\nmetadata: {name: [}\n") + good, 2,
			[]string{"error in:6: did not find expected node content, expected a Kubernetes object as YAML (2 lines)"}},
		{"a document that is no YAML", "---\n" + nodeYAML + "---\nkind: Service\n  a: b\n---\n" + nodeYAML, 2,
			[]string{"error in:9: mapping values are not allowed in this context, expected a Kubernetes object as YAML (2 lines)"}},
		{"a field of another type", "kind: Service\nmetadata: {name: a}\nspec:\n  ports: 80\n", 0,
			[]string{"error in:4: found int `80` where another kind of value belongs, expected a Kubernetes object as YAML (4 lines)"}},
		{"a field of another type, JSON", "{\"kind\":\"Service\",\n\"spec\":{\"ports\":80}}", 0,
			[]string{"error in:2: found number for the field spec.ports, expected a Kubernetes object as JSON (2 lines)"}},
		{"values", "kind: Service\nmetadata: {name: \"a\\e[31m\"}\nspec: {clusterIPs: [10.0.0.300], type: Strange, ports: [{port: 70000, protocol: ICMP}, {port: -1}], externalTrafficPolicy: local, loadBalancerSourceRanges: [x]}\n", 0,
			[]string{
				`error in:1: Service "default/a\x1b[31m": found "Strange" for type, expected a type of Service (1 lines)`,
				`error in:1: Service "default/a\x1b[31m": found "x" for loadBalancerSourceRanges, expected a network as address/length (1 lines)`,
				`error in:1: Service "default/a\x1b[31m": found "local" for externalTrafficPolicy, expected Cluster or Local (1 lines)`,
				`error in:1: Service "default/a\x1b[31m": found "10.0.0.300" for clusterIPs, expected an address (1 lines)`,
				`error in:1: Service "default/a\x1b[31m": found "ICMP" for protocol, expected TCP, UDP or SCTP (1 lines)`,
				`error in:1: Service "default/a\x1b[31m": found "-1" for port, expected a port from 0 to 65535 (1 lines)`,
			}},
		{"a list without its end", "apiVersion: v1\nitems:\n" + good + good, 1,
			[]string{fmt.Sprintf("error in:%d: the text breaks off in this object or behind it, which is not used: others may be missing as well (%d lines)", 3+strings.Count(good, "\n"), strings.Count(good, "\n"))}},
		{"a document of kubectl's that is cut", "kind: Node\nmetadata:\n  creationTimestamp: '2025-10-06T09:00:00Z'\n---\nkind: Node\nmetadata:\n  nam", 1,
			[]string{"error in:5: the text breaks off in this object or behind it, which is not used: others may be missing as well (3 lines)"}},
		{"a document of one's own without a line feed", "kind: Node\n---\nkind: Node\nmetadata:\n  name: a", 2, nil},
		{"JSON cut short", "{\"kind\": \"List\", \"items\": [\n{\"kind\": \"Node\"},\n{\"kind\": \"Node\",\n\"meta", 1,
			[]string{"error in:4: found the end of the text within an object, expected a Kubernetes object as JSON (2 lines)"}},
		{"JSON cut between objects", "{\"kind\": \"List\", \"items\": [\n{\"kind\": \"Node\"},\n", 1,
			[]string{"error in:3: found the end of the text within an object, expected a Kubernetes object as JSON (1 lines)"}},
		{"a string that is not closed", "{\"kind\": \"List\", \"items\": [\n{\"kind\": \"Node},\n{\"kind\": \"Node\"}]}", 0,
			[]string{"error in:2: invalid character '\\n' in string literal, expected a Kubernetes object as JSON (2 lines)",
				"error in:3: found the end of the text within an object, expected a Kubernetes object as JSON (1 lines)"}},
		{"other kinds", "kind: Pod\n---\nkind: Pod\n---\nkind: Node\n---\napiVersion: serving.knative.dev/v1\nkind: Service\n", 1,
			[]string{`info in:1: passed over 3 objects of kinds that say nothing of services: "Pod" (2), "Service of serving.knative.dev/v1" (0 lines)`}},
		{"an alias bomb", bomb, 0, []string{`info in:1: passed over 1 object of a kind that says nothing of services: "ConfigMap" (0 lines)`}},
		{"an alias of nothing", "kind: Node\nmetadata: {name: *a}\n", 0, []string{"error in:1: unknown anchor 'a' referenced, expected a Kubernetes object as YAML (2 lines)"}},
		{"deep nesting", "kind: Node\nspec: " + strings.Repeat("[", 100000) + "\n", 0, []string{"error in:2: exceeded max depth of 10000, expected a Kubernetes object as YAML (2 lines)"}},
		{"deep nesting, JSON", "{\"kind\": \"Node\", \"spec\": " + strings.Repeat("[", 100000) + "\n", 0,
			[]string{"error in:1: invalid character '[' exceeded max depth, expected a Kubernetes object as JSON (1 lines)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, diags := parse(tt.text)
			if len(got.Nodes) != tt.nodes {
				t.Errorf("%d nodes, want %d", len(got.Nodes), tt.nodes)
			}
			var remarks []string
			for _, d := range diags {
				remarks = append(remarks, fmt.Sprintf("%s %s (%d lines)", d.Severity, d, d.Unread))
			}
			if diff := cmp.Diff(tt.remarks, remarks); diff != "" {
				t.Errorf("remarks (-want +got):\n%s", diff)
			}
		})
	}
}
