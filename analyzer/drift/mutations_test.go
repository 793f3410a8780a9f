package drift_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An edit changes one of a recording's texts.
type edit func(t *testing.T, texts map[string]string)

// in replaces a part of a text once.
func in(file, old, new string) edit {
	return func(t *testing.T, texts map[string]string) {
		t.Helper()
		if !strings.Contains(texts[file], old) {
			t.Fatalf("%s has no %q", file, old)
		}
		texts[file] = strings.Replace(texts[file], old, new, 1)
	}
}

// everywhere replaces all such parts.
func everywhere(file, old, new string) edit {
	return func(t *testing.T, texts map[string]string) {
		t.Helper()
		if !strings.Contains(texts[file], old) {
			t.Fatalf("%s has no %q", file, old)
		}
		texts[file] = strings.ReplaceAll(texts[file], old, new)
	}
}

// without leaves texts out.
func without(files ...string) edit {
	return func(t *testing.T, texts map[string]string) {
		for _, f := range files {
			delete(texts, f)
		}
	}
}

// objects are the documents of the manifests for which keep says so, changed
// as edit says.
func objects(change func(kind, namespace, name, text string) string) edit {
	return func(t *testing.T, texts map[string]string) {
		t.Helper()
		var kept []string
		before := texts["manifests.yaml"]
		for _, doc := range strings.Split(before, "---\n") {
			if strings.TrimSpace(doc) == "" {
				continue
			}
			text := change(valueOf(doc, "kind: "), valueOf(doc, "  namespace: "), valueOf(doc, "  name: "), doc)
			if text != "" {
				kept = append(kept, text)
			}
		}
		texts["manifests.yaml"] = strings.Join(kept, "---\n")
		if texts["manifests.yaml"] == strings.TrimPrefix(before, "---\n") {
			t.Fatal("no object was changed")
		}
	}
}

func valueOf(doc, field string) string {
	for line := range strings.Lines(doc) {
		if value, ok := strings.CutPrefix(line, field); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// service changes a Service; with "" for old it is left out.
func service(name, old, new string) edit { return object("Service", name, old, new) }

// slice changes the slices of a Service.
func slice(service, old, new string) edit { return object("EndpointSlice", service, old, new) }

func object(kind, whole, old, new string) edit {
	namespace, wanted, _ := strings.Cut(whole, "/")
	return objects(func(k, ns, name, text string) string {
		mine := k == kind && ns == namespace && (name == wanted || k != "Service" && valueOf(text, "    kubernetes.io/service-name: ") == wanted)
		switch {
		case !mine:
			return text
		case old == "":
			return ""
		}
		return strings.Replace(text, old, new, 1)
	})
}

// only keeps Services by name, and all slices.
func onlyServices(names ...string) edit {
	return objects(func(kind, namespace, name, text string) string {
		if kind == "Service" && !slices.Contains(names, namespace+"/"+name) {
			return ""
		}
		return text
	})
}

func noSlices(kind, _, _, text string) string {
	if kind == "EndpointSlice" {
		return ""
	}
	return text
}

// asEndpoints makes an Endpoints object of a slice, as the control plane does: of
// a Service's first family, without terminating endpoints.
func asEndpoints(kind, namespace, name, text string) string {
	if kind != "EndpointSlice" || strings.HasSuffix(name, "-aaaaa") || strings.HasSuffix(name, "-bbbbb") {
		return text // or one of two, which would be one object
	}
	service := valueOf(text, "    kubernetes.io/service-name: ")
	if valueOf(text, "addressType: ") == "IPv6" && !strings.HasPrefix(service, "v6-") {
		return ""
	}
	head, ports, _ := strings.Cut(text, "\nports:\n")
	var ready, not string
	for _, e := range strings.Split(head, "- addresses:\n  - ")[1:] {
		address, _, _ := strings.Cut(e, "\n")
		entry := "  - {ip: " + address + ", nodeName: \"" + valueOf(e, "  nodeName: ") + "\"}\n"
		switch {
		case strings.Contains(e, "terminating: true"):
		case strings.Contains(e, "ready: false"):
			not += entry
		default:
			ready += entry
		}
	}
	text = "apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: " + service + "\n  namespace: " + namespace + "\nsubsets:\n"
	if ready != "" {
		ready = "  addresses:\n" + ready
	}
	if not != "" {
		not = "  notReadyAddresses:\n" + not
	}
	if ready+not == "" {
		return text[:len(text)-1] + " []\n"
	}
	return text + "- ports:\n  " + strings.ReplaceAll(strings.TrimSpace(ports), "\n", "\n  ") + "\n" + ready + not
}

// fullEndpoints puts an Endpoints object that holds as many addresses as it
// can, none of them the node's, in the place of a Service's slices.
func fullEndpoints(kind, namespace, name, text string) string {
	switch {
	case kind != "EndpointSlice":
		return text
	case valueOf(text, "    kubernetes.io/service-name: ") != "clusterip":
		return ""
	}
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: clusterip\n  namespace: zoo\nsubsets:\n")
	for _, port := range []string{"8080", "9090"} {
		b.WriteString("- ports: [{port: " + port + "}]\n  addresses:\n")
		for i := range 500 {
			fmt.Fprintf(&b, "  - {ip: 10.%s.%d.%d, nodeName: kind-worker}\n", port[:2], i/250, i%250)
		}
	}
	return b.String()
}

// onlyNamespaces puts the objects of some namespaces into a text each.
func onlyNamespaces(namespaces ...string) edit {
	return apart(func(string) bool { return true }, namespaces)
}

// slicesApart puts the slices of some namespaces into a text each.
func slicesApart(namespaces ...string) edit {
	return apart(func(kind string) bool { return kind == "EndpointSlice" }, namespaces)
}

func apart(of func(kind string) bool, namespaces []string) edit {
	return func(t *testing.T, texts map[string]string) {
		objects(func(kind, namespace, _, text string) string {
			switch {
			case !of(kind):
				return text
			case slices.Contains(namespaces, namespace):
				texts["objects-"+namespace+".yaml"] += "---\n" + text
			}
			return ""
		})(t, texts)
	}
}

// readySlice is a slice with one more endpoint.
func moreEndpoints(service, address, node string) edit {
	return slice(service, "endpoints:\n", "endpoints:\n- addresses:\n  - "+address+"\n  conditions:\n    ready: true\n    serving: true\n    terminating: false\n  nodeName: "+node+"\n")
}

// A mutation is a healthy recording, what is done to it, and what is found.
type mutation struct {
	name  string
	edits []edit
	want  []string
}

func TestIPTablesMutations(t *testing.T) {
	const save = "iptables-save.txt"
	runMutations(t, "service-zoo", []mutation{
		{"nothing", nil, nil},

		// Service ports.
		{"a service that the node does not have", []edit{in("manifests.yaml", "---\n", "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: new\n  namespace: zoo\nspec:\n  clusterIP: 10.96.77.1\n  clusterIPs: [10.96.77.1]\n  ports: [{port: 80}]\n---\n")},
			[]string{"KP2002 zoo/new"}},
		{"a service that no object has", []edit{service("zoo/clusterip", "", "")}, []string{"KP2004 zoo/clusterip"}},
		{"a service with two families that no object has", []edit{service("zoo/dual", "", "")}, []string{"KP2004 zoo/dual", "KP2004 zoo/dual"}},
		{"a service without endpoints that no object has", []edit{service("zoo/no-endpoints", "", "")}, []string{"KP2004 zoo/no-endpoints"}},
		{"a port that the node does not have", []edit{service("zoo/multiport", "  ports:\n", "  ports:\n  - {name: extra, port: 9999}\n")}, []string{"KP2002 zoo/multiport:extra"}},
		{"a port that no object has", []edit{service("zoo/multiport", "    port: 443\n", "    port: 0\n")}, []string{"KP2004 zoo/multiport:https"}},
		{"a port of another name", []edit{service("zoo/multiport", "name: https", "name: tls"), slice("zoo/multiport", "name: https", "name: tls")},
			[]string{"KP2002 zoo/multiport:tls", "KP2004 zoo/multiport:https"}},
		{"headless now", []edit{service("zoo/clusterip", "  clusterIP: 10.96.1.1\n  clusterIPs:\n  - 10.96.1.1\n", "  clusterIP: None\n  clusterIPs: [None]\n")}, []string{"KP2004 zoo/clusterip"}},
		{"given to another proxy", []edit{service("zoo/clusterip", "metadata:\n", "metadata:\n  labels: {service.kubernetes.io/service-proxy-name: other}\n")}, []string{"KP2004 zoo/clusterip"}},
		{"one family less", []edit{service("zoo/dual", "  - fd00:10:96::a01\n", "")}, []string{"KP2004 zoo/dual"}},
		{"rules of a service gone", []edit{drop(save, "zoo/clusterip-one", "10.96.1.2/32")}, []string{"KP2002 zoo/clusterip-one"}},
		{"written by hand", []edit{service("zoo/clusterip", "  clusterIP: 10.96.1.1\n  clusterIPs:\n  - 10.96.1.1\n", "")}, nil},

		// Entries.
		{"another cluster IP", []edit{object("Service", "zoo/clusterip", "  clusterIP: 10.96.1.1\n  clusterIPs:\n  - 10.96.1.1\n", "  clusterIP: 10.96.1.99\n  clusterIPs:\n  - 10.96.1.99\n")},
			[]string{"KP2003 zoo/clusterip", "KP2005 zoo/clusterip"}},
		{"another node port", []edit{service("zoo/nodeport", "nodePort: 30080", "nodePort: 30099")}, []string{"KP2003 zoo/nodeport", "KP2005 zoo/nodeport"}},
		{"a node port taken from another service", []edit{service("zoo/nodeport", "nodePort: 30080", "nodePort: 30081"), service("zoo/nodeport-multi", "nodePort: 30081", "nodePort: 30080")},
			[]string{"KP2003 zoo/nodeport", "KP2003 zoo/nodeport-multi:http", "KP2005 zoo/nodeport", "KP2005 zoo/nodeport-multi:http"}},
		{"no load balancer any more", []edit{service("zoo/lb-ip", "203.0.113.11", "203.0.113.99")}, []string{"KP2003 zoo/lb-ip", "KP2005 zoo/lb-ip"}},
		{"one more external IP", []edit{service("zoo/external-ips", "  - 198.51.100.20\n", "  - 198.51.100.20\n  - 198.51.100.29\n")}, []string{"KP2003 zoo/external-ips"}},
		{"one external IP less", []edit{service("zoo/external-ips", "  - 198.51.100.20\n", "")}, []string{"KP2005 zoo/external-ips"}},
		{"one external IP for two services", []edit{service("zoo/external-ips-empty", "  - 198.51.100.22\n", "  - 198.51.100.22\n  - 198.51.100.20\n")}, nil},
		{"an address of ipMode Proxy, as up to 1.29", []edit{service("zoo/lb-ip", "  - ip: 203.0.113.11\n", "  - ip: 203.0.113.11\n    ipMode: Proxy\n")}, nil},
		{"a node port's rule gone", []edit{dropRule(save, "-A KUBE-NODEPORTS", "30080")}, []string{"KP2003 zoo/nodeport"}},

		// Endpoints.
		{"an endpoint that the node lacks", []edit{moreEndpoints("zoo/clusterip", "10.244.1.99", "kind-worker")}, []string{"KP2006 zoo/clusterip"}},
		{"an endpoint that is gone", []edit{slice("zoo/clusterip", "  - 10.244.1.10\n", "  - 10.244.1.11\n")}, []string{"KP2007 zoo/clusterip"}},
		{"an endpoint that is not ready", []edit{slice("zoo/clusterip", "ready: true\n    serving: true\n", "ready: false\n    serving: false\n")}, []string{"KP2007 zoo/clusterip"}},
		{"an endpoint that terminates", []edit{slice("zoo/clusterip", "ready: true\n    serving: true\n    terminating: false\n", "ready: false\n    serving: true\n    terminating: true\n")}, []string{"KP2007 zoo/clusterip"}},
		{"an endpoint of a service with node port", []edit{moreEndpoints("zoo/nodeport", "10.244.1.99", "kind-worker")}, []string{"KP2006 zoo/nodeport"}},
		{"a local endpoint that moved", []edit{slice("zoo/nodeport-local", "nodeName: kind-worker\n", "nodeName: kind-worker2\n")}, []string{"KP2007 zoo/nodeport-local"}},
		{"an endpoint that came here", []edit{slice("zoo/nodeport-local-none", "nodeName: kind-worker2\n", "nodeName: kind-worker\n")}, []string{"KP2008 zoo/nodeport-local-none"}},
		{"endpoints of a service that is refused", []edit{moreEndpoints("zoo/not-ready", "10.244.1.99", "kind-worker")}, []string{"KP2008 zoo/not-ready"}},
		{"no endpoints any more", []edit{everyEndpoint("zoo/clusterip-one", "ready: true", "ready: false\n    x: y")}, []string{"KP2007 zoo/clusterip-one"}},
		{"in two slices, one of them of old", []edit{in("manifests.yaml", "---\n", "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: clusterip-old\n  namespace: zoo\n  labels:\n    kubernetes.io/service-name: clusterip\naddressType: IPv4\nendpoints:\n- addresses: [10.244.1.10]\n  conditions: {ready: false}\nports: [{name: '', port: 8080, protocol: TCP}]\n---\n")}, nil},
		{"hints for the node's zone appear", []edit{everyEndpoint("zoo/clusterip-one", "  zone:", "  hints: {forZones: [{name: zone-a}]}\n  zone:")}, nil},
		{"a DNAT to somebody else", []edit{in(save, "-j DNAT --to-destination 10.244.1.10:8080", "-j DNAT --to-destination 10.244.9.9:8080")}, []string{"KP2007 zoo/clusterip"}},

		// Policies.
		{"external policy", []edit{service("zoo/nodeport", "externalTrafficPolicy: Cluster", "externalTrafficPolicy: Local")}, []string{"KP2009 zoo/nodeport"}},
		{"external policy the other way", []edit{service("zoo/nodeport-local", "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster")}, []string{"KP2009 zoo/nodeport-local"}},
		{"external policy of a ClusterIP service", []edit{service("zoo/external-ips", "externalTrafficPolicy: Cluster", "externalTrafficPolicy: Local")}, nil},
		{"internal policy", []edit{service("zoo/clusterip", "internalTrafficPolicy: Cluster", "internalTrafficPolicy: Local")}, []string{"KP2009 zoo/clusterip"}},
		{"internal policy the other way", []edit{service("zoo/itp-local", "internalTrafficPolicy: Local", "internalTrafficPolicy: Cluster")}, []string{"KP2009 zoo/itp-local"}},
		{"affinity", []edit{service("zoo/clusterip", "sessionAffinity: None", "sessionAffinity: ClientIP")}, []string{"KP2010 zoo/clusterip"}},
		{"no affinity", []edit{service("zoo/affinity", "sessionAffinity: ClientIP", "sessionAffinity: None")}, []string{"KP2010 zoo/affinity"}},
		{"another timeout", []edit{service("zoo/affinity", "timeoutSeconds: ", "timeoutSeconds: 1")}, []string{"KP2010 zoo/affinity"}},
		{"ranges", []edit{service("zoo/lb-ip", "spec:\n", "spec:\n  loadBalancerSourceRanges: [198.51.100.0/24]\n")}, []string{"KP2011 zoo/lb-ip"}},
		{"another range", []edit{service("zoo/lb-source-ranges", "198.51.100.0/24", "198.51.100.0/25")}, []string{"KP2011 zoo/lb-source-ranges"}},
		{"all sources", []edit{service("zoo/lb-ip", "spec:\n", "spec:\n  loadBalancerSourceRanges: [0.0.0.0/0]\n")}, nil},
		{"another health check", []edit{service("zoo/lb-local", "healthCheckNodePort: 32106", "healthCheckNodePort: 32999")}, []string{"KP2012 zoo/lb-local"}},
		{"no health check rule", []edit{dropRule(save, "-A KUBE-NODEPORTS", "32106")}, []string{"KP2012 zoo/lb-local"}},

		// What is not known.
		{"no slices", []edit{objects(noSlices)}, nil},
		{"no slices, and a service that the node does not have", []edit{objects(noSlices), service("zoo/clusterip", "clusterIP: 10.96.1.1\n", "clusterIP: 10.96.1.99\n"), service("zoo/clusterip", "- 10.96.1.1\n", "- 10.96.1.99\n")},
			[]string{"KP2003 zoo/clusterip assumed", "KP2005 zoo/clusterip"}},
		{"one Service only", []edit{onlyServices("zoo/clusterip")}, []string{"KP2004 undetermined"}},
		{"namespace default only", []edit{onlyServices("default/kubernetes")}, []string{"KP2004 undetermined"}},
		{"an object that is damaged", []edit{in("manifests.yaml", "clusterIP: 10.96.1.1\n", "clusterIP: [\n")}, []string{"KP2004 undetermined"}},
		{"no Node", []edit{without("node.yaml")}, []string{"KP2006 undetermined"}},
		{"no addresses", []edit{without("ip-addr.txt")}, []string{"KP2006 undetermined"}},
		{"no Node, and an endpoint that is gone", []edit{without("node.yaml"), slice("zoo/nodeport-local", "- 10.244.1.", "- 10.244.7.")},
			[]string{"KP2006 undetermined", "KP2007 zoo/nodeport-local"}},
		{"a dump that is cut", []edit{cut(save), without("ip6tables-save.txt"), service("zoo/clusterip", "clusterIP: 10.96.1.1\n", "clusterIP: 10.96.1.99\n")}, nil},
		{"one family only", []edit{without("ip6tables-save.txt")}, nil},
		{"no objects", []edit{without("manifests.yaml", "node.yaml")}, nil},
		{"Endpoints in place of slices", []edit{objects(func(kind, namespace, name, text string) string {
			if kind != "EndpointSlice" || valueOf(text, "    kubernetes.io/service-name: ") != "clusterip" {
				return noSlices(kind, namespace, name, text)
			}
			return "apiVersion: v1\nkind: Endpoints\nmetadata: {name: clusterip, namespace: zoo}\nsubsets:\n- addresses: [{ip: 10.244.0.10}, {ip: 10.244.1.10}, {ip: 10.244.2.10}, {ip: 10.244.2.99}]\n  ports: [{port: 8080}]\n"
		})}, []string{"KP2006 zoo/clusterip assumed"}},
		{"Endpoints in place of all slices", []edit{objects(asEndpoints)},
			[]string{"KP2006 zoo/prefer-close assumed", "KP2006 zoo/prefer-same-node assumed", "KP2006 zoo/topology assumed"}},
		{"Endpoints in place of all slices, and no Node", []edit{objects(asEndpoints), without("node.yaml")},
			[]string{"KP2006 undetermined", "KP2006 zoo/prefer-close assumed", "KP2006 zoo/prefer-same-node assumed", "KP2006 zoo/topology assumed"}},
		{"Endpoints, and one that is gone", []edit{objects(asEndpoints), in("manifests.yaml", "{ip: 10.244.1.10,", "{ip: 10.244.1.11,")},
			[]string{"KP2006 zoo/prefer-close assumed", "KP2006 zoo/prefer-same-node assumed", "KP2006 zoo/topology assumed", "KP2007 zoo/clusterip"}},
		{"Endpoints that are cut off at a thousand in two subsets", []edit{objects(fullEndpoints)}, []string{"KP2006 zoo/clusterip assumed"}},
		{"a text for each of two namespaces", []edit{onlyNamespaces("default", "zoo")}, []string{"KP2004 undetermined"}},
		{"all Services, and slices in a text for each of two namespaces", []edit{slicesApart("default", "zoo")}, nil},
		{"all Services, and slices of two namespaces in one text", []edit{objects(func(kind, namespace, _, text string) string {
			if kind == "EndpointSlice" && namespace != "default" && namespace != "zoo" {
				return ""
			}
			return text
		})}, nil},
		{"a family that kube-proxy left out", []edit{replace("ip6tables-save.txt", "# Generated by ip6tables-save v1.8.9 on Mon Jan  6 00:00:00 2025\n*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")}, []string{"KP2002"}},
	})
}

func TestIPVSMutations(t *testing.T) {
	const save = "ipvsadm-save.txt"
	runMutations(t, "ipvs-service-zoo", []mutation{
		{"nothing", nil, nil},
		{"a service that the node does not have", []edit{in("manifests.yaml", "---\n", "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: new\n  namespace: shop\nspec:\n  clusterIP: 10.96.77.1\n  clusterIPs: [10.96.77.1]\n  ports: [{port: 80}]\n---\n")},
			[]string{"KP2002 shop/new"}},
		{"another node port", []edit{service("shop/np-three", "nodePort: 30080", "nodePort: 30099")}, []string{"KP2003 shop/np-three"}},
		{"another node port of a service of policy Local", []edit{service("shop/np-local-with", "nodePort: 30081", "nodePort: 30099")}, []string{"KP2003 shop/np-local-with"}},
		{"an endpoint that the node lacks", []edit{moreEndpoints("shop/np-three", "10.244.1.99", "kind-worker")}, []string{"KP2006 shop/np-three"}},
		{"an endpoint that is gone", []edit{slice("shop/np-three", "  - 10.244.1.10\n", "  - 10.244.1.11\n")}, []string{"KP2007 shop/np-three"}},
		{"an endpoint that drains though ready", []edit{everywhere(save, "-r 10.244.2.21:8080 -m -w 1", "-r 10.244.2.21:8080 -m -w 0")}, []string{"KP2013 shop/np-three"}},
		{"an endpoint that drains", []edit{everywhere(save, "-r 10.244.2.21:8080 -m -w 1", "-r 10.244.2.21:8080 -m -w 0"), everyAddress("shop/np-three", "10.244.2.21")}, nil},
		{"a virtual server without servers", []edit{dropRule(save, "-a -t 10.96.0.1:443", "")}, []string{"KP2008 default/kubernetes:https"}},
		{"affinity", []edit{service("shop/np-three", "sessionAffinity: None", "sessionAffinity: ClientIP")}, []string{"KP2010 shop/np-three"}},
		{"internal policy", []edit{service("shop/np-three", "internalTrafficPolicy: Cluster", "internalTrafficPolicy: Local")}, []string{"KP2009 shop/np-three"}},
		{"one Service only", []edit{onlyServices("shop/np-three")}, nil},
		{"a table that is not whole", []edit{replace(save, "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  10.96.20.1:80 rr\n  -> 10.244.1.10:8080             Masq    1      0          0         \n")}, nil},
	})
}

func runMutations(t *testing.T, sample string, mutations []mutation) {
	t.Helper()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			texts := recording(t, filepath.Join(samples, sample))
			for _, e := range m.edits {
				e(t, texts)
			}
			a := analyze(t, texts)
			if diff := cmp.Diff(m.want, found(a)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
				for _, f := range a.Findings {
					t.Log(f.ID, f.Message)
				}
			}
			for _, f := range a.Findings {
				if !isDrift(f) {
					continue
				}
				if len(f.Evidence)+len(f.Lines) == 0 || f.Message == "" || f.Remediation == "" || f.Severity == "" {
					t.Errorf("not a whole finding: %+v", f)
				}
				if (f.Certainty == "assumed") != (len(f.Assumptions) > 0) || (f.Certainty == "undetermined") != (len(f.Missing) > 0) {
					t.Errorf("%s %s: assumes %q, misses %q", f.ID, f.Certainty, f.Assumptions, f.Missing)
				}
				for _, l := range f.Lines {
					if l.Pos.Line == 0 || l.Text == "" {
						t.Errorf("%s has evidence without a line: %+v", f.ID, l)
					}
				}
			}
		})
	}
}

// drop takes out all lines that have one of the words.
func drop(file string, words ...string) edit {
	return func(t *testing.T, texts map[string]string) {
		t.Helper()
		texts[file] = filtered(t, texts[file], func(line string) bool {
			return slices.ContainsFunc(words, func(w string) bool {
				at := strings.Index(line, w)
				return at >= 0 && !strings.HasPrefix(line[at+len(w):], "-")
			})
		})
	}
}

// dropRule takes out the rules that begin so and have a word.
func dropRule(file, begin, word string) edit {
	return func(t *testing.T, texts map[string]string) {
		t.Helper()
		texts[file] = filtered(t, texts[file], func(line string) bool {
			at := strings.Index(line, begin)
			return at >= 0 && strings.Contains(line[at:], word)
		})
	}
}

func filtered(t *testing.T, text string, out func(string) bool) string {
	t.Helper()
	var kept strings.Builder
	dropped := false
	for line := range strings.Lines(text) {
		if out(line) {
			dropped = true
			continue
		}
		kept.WriteString(line)
	}
	if !dropped {
		t.Fatal("no line was dropped")
	}
	return kept.String()
}

func replace(file, text string) edit {
	return func(t *testing.T, texts map[string]string) { texts[file] = text }
}

// cut is a text of which the end is missing.
func cut(file string) edit {
	return func(t *testing.T, texts map[string]string) { texts[file] = texts[file][:len(texts[file])*2/3] }
}

// everyEndpoint changes all endpoints of a Service.
func everyEndpoint(service, old, new string) edit {
	namespace, wanted, _ := strings.Cut(service, "/")
	return objects(func(kind, ns, _, text string) string {
		if kind != "EndpointSlice" || ns != namespace || valueOf(text, "    kubernetes.io/service-name: ") != wanted {
			return text
		}
		return strings.ReplaceAll(text, old, new)
	})
}

// everyAddress takes an endpoint's readiness.
func everyAddress(service, address string) edit {
	return slice(service, "  - "+address+"\n  conditions:\n    ready: true\n    serving: true\n", "  - "+address+"\n  conditions:\n    ready: false\n    serving: false\n")
}

func TestNFTablesMutations(t *testing.T) {
	const ruleset = "nft-ruleset.txt"
	for _, dir := range []string{"service-zoo", "zoo-v1.30-nftables", "zoo-v1.36-nftables"} {
		t.Run(dir, func(t *testing.T) {
			runMutations(t, filepath.Join("testdata", "nftables", dir), []mutation{
				{"nothing", nil, nil},
				{"a service that no object has", []edit{service("zoo/clusterip", "", "")}, []string{"KP2004 zoo/clusterip"}},
				{"a port that the node does not have", []edit{service("zoo/multiport", "  ports:\n", "  ports:\n  - {name: extra, port: 9999}\n")}, []string{"KP2002 zoo/multiport:extra"}},
				{"another node port", []edit{service("zoo/nodeport", "nodePort: 30080", "nodePort: 30099")}, []string{"KP2003 zoo/nodeport", "KP2005 zoo/nodeport"}},
				{"no load balancer any more", []edit{service("zoo/lb-ip", "203.0.113.11", "203.0.113.99")}, []string{"KP2003 zoo/lb-ip", "KP2005 zoo/lb-ip"}},
				{"an endpoint that the node lacks", []edit{moreEndpoints("zoo/clusterip", "10.244.1.99", "kind-worker")}, []string{"KP2006 zoo/clusterip"}},
				{"an endpoint that is gone", []edit{slice("zoo/clusterip", "  - 10.244.1.10\n", "  - 10.244.1.11\n")}, []string{"KP2007 zoo/clusterip"}},
				{"an endpoint that came here", []edit{slice("zoo/nodeport-local-none", "nodeName: kind-worker2\n", "nodeName: kind-worker\n")}, []string{"KP2008 zoo/nodeport-local-none"}},
				{"external policy", []edit{service("zoo/nodeport", "externalTrafficPolicy: Cluster", "externalTrafficPolicy: Local")}, []string{"KP2009 zoo/nodeport"}},
				{"internal policy", []edit{service("zoo/clusterip", "internalTrafficPolicy: Cluster", "internalTrafficPolicy: Local")}, []string{"KP2009 zoo/clusterip"}},
				{"affinity", []edit{service("zoo/clusterip", "sessionAffinity: None", "sessionAffinity: ClientIP")}, []string{"KP2010 zoo/clusterip"}},
				{"no affinity", []edit{service("zoo/affinity", "sessionAffinity: ClientIP", "sessionAffinity: None")}, []string{"KP2010 zoo/affinity"}},
				{"ranges", []edit{service("zoo/lb-ip", "spec:\n", "spec:\n  loadBalancerSourceRanges: [198.51.100.0/24]\n")}, []string{"KP2011 zoo/lb-ip"}},
				{"another range", []edit{service("zoo/lb-source-ranges", "198.51.100.0/24", "198.51.100.0/25")}, []string{"KP2011 zoo/lb-source-ranges"}},
				{"no slices", []edit{objects(noSlices)}, nil},
				{"one Service only", []edit{onlyServices("zoo/clusterip")}, []string{"KP2004 undetermined"}},
				{"a ruleset that is cut", []edit{cut(ruleset), service("zoo/clusterip", "clusterIP: 10.96.1.1\n", "clusterIP: 10.96.1.99\n")}, nil},
			})
		})
	}
}
