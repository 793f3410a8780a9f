//go:build linux

package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// samplesDir holds the recordings that come with the project.
var samplesDir = filepath.Join("..", "..", "..", "..", "samples")

// An object is what flows are derived from: the few fields of a Service, an
// EndpointSlice, a Node or kube-proxy's configuration that name addresses and
// ports.
type object struct {
	Kind string
	Spec struct {
		ClusterIPs               []string `yaml:"clusterIPs"`
		ExternalIPs              []string `yaml:"externalIPs"`
		LoadBalancerSourceRanges []string `yaml:"loadBalancerSourceRanges"`
		HealthCheckNodePort      uint16   `yaml:"healthCheckNodePort"`
		Ports                    []struct {
			Protocol string
			Port     uint16
			NodePort uint16 `yaml:"nodePort"`
		}
		PodCIDRs []string `yaml:"podCIDRs"`
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct{ IP string }
		} `yaml:"loadBalancer"`
	}
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Endpoints []struct {
		Addresses []string
		NodeName  string `yaml:"nodeName"`
	}
}

// A recording is a dump with all that says which flows are worth asking for.
type recording struct {
	name, ipv4, ipv6 string
	nftables         string // kube-proxy's own tables; "" where it has none
	snap             *snapshot.Snapshot
	services         []object
	clients          []client
	// endpoints are the pods on the node, by namespace and name of their
	// service.
	endpoints map[string][]client
}

// A client is where packets come from.
type client struct {
	from   trace.Origin
	in     string
	source netip.Addr
}

// recordings lists the directories with a dump of kube-proxy's iptables mode.
// SVCPATH_RECORDINGS names a directory with more of them.
func recordings(t *testing.T) []string {
	t.Helper()
	parents := []string{samplesDir, filepath.Join(samplesDir, "testdata", "recordings")}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		parents = append(parents, more)
	}
	var dirs []string
	for _, parent := range parents {
		dumps, err := filepath.Glob(filepath.Join(parent, "*", "iptables-save.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if len(dumps) == 0 {
			t.Fatalf("%s holds no recording", parent)
		}
		for _, dump := range dumps {
			if _, err := os.Stat(filepath.Join(filepath.Dir(dump), "ipvsadm-save.txt")); err == nil {
				continue // the oracle's kernel has no IPVS
			}
			config, err := os.ReadFile(filepath.Join(filepath.Dir(dump), "kube-proxy-config.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(config), "mode: ipvs") && !strings.Contains(string(config), "mode: nftables") {
				dirs = append(dirs, filepath.Dir(dump))
			}
		}
	}
	return dirs
}

func readRecording(t *testing.T, dir string) *recording {
	return readRecordingOr(t, dir, "service-zoo")
}

// readRecordingOr is readRecording with the sample that missing files are
// looked for in first.
func readRecordingOr(t *testing.T, dir, zoo string) *recording {
	t.Helper()
	// Where a file is missing it is the service zoo's, which was recorded on
	// the same node of the same cluster (samples/testdata/README.md).
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		for _, other := range []string{zoo, "service-zoo"} {
			if errors.Is(err, os.ErrNotExist) {
				text, err = os.ReadFile(filepath.Join(samplesDir, other, name))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r := &recording{name: filepath.Base(dir), ipv4: read("iptables-save.txt"), ipv6: read("ip6tables-save.txt")}
	texts := []string{r.ipv4, r.ipv6, read("ip-addr.txt"), read("ip-route.txt")}
	if listing, err := os.ReadFile(filepath.Join(dir, "nft-ruleset.txt")); err == nil {
		if r.nftables = ownTables(string(listing)); r.nftables != "" {
			texts = append(texts, r.nftables)
		}
	}
	r.snap = open(t, texts...)
	r.endpoints = map[string][]client{}
	var node object
	for _, text := range []string{read("node.yaml"), read("manifests.yaml")} {
		decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
		for {
			var o object
			err := decoder.Decode(&o)
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", dir, err)
			}
			switch o.Kind {
			case "Service":
				r.services = append(r.services, o)
			case "Node":
				node = o
			case "EndpointSlice":
				service := o.Metadata.Namespace + "/" + o.Metadata.Labels["kubernetes.io/service-name"]
				for _, e := range o.Endpoints {
					for _, text := range e.Addresses {
						if a := netip.MustParseAddr(text); e.NodeName == node.Metadata.Name && !r.isLocal(a) {
							r.endpoints[service] = append(r.endpoints[service], client{trace.FromPod, "cni0", a})
						}
					}
				}
			}
		}
	}
	r.clients = r.kinds(node)
	return r
}

// kinds are one client of each kind.
func (r *recording) kinds(node object) []client {
	outside := []string{"203.0.113.9", "2001:db8::9"}
	for _, s := range r.services {
		for _, p := range s.Spec.LoadBalancerSourceRanges {
			outside = append(outside, netip.MustParsePrefix(strings.TrimSpace(p)).Addr().Next().String())
		}
	}
	var all []client
	add := func(c client) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, a := range outside {
		if addr := netip.MustParseAddr(a); !r.isLocal(addr) {
			add(client{trace.FromExternal, "eth0", addr})
		}
	}
	for _, cidr := range node.Spec.PodCIDRs {
		p := netip.MustParsePrefix(cidr)
		a := p.Addr().AsSlice()
		a[len(a)-1] = 0x63
		pod, _ := netip.AddrFromSlice(a)
		for _, in := range r.podInterfaces() {
			add(client{trace.FromPod, in, pod})
		}
		// A pod of another node, whose range is the one before.
		a = p.Masked().Addr().AsSlice()
		for i := p.Bits()/8 - 1; ; i-- {
			a[i]--
			if a[i] != 0xff {
				break
			}
		}
		a[len(a)-1] = 0x63
		pod, _ = netip.AddrFromSlice(a)
		add(client{trace.FromExternal, "eth0", pod})
	}
	for _, own := range r.snap.Addresses {
		if a := own.Prefix.Addr(); !a.IsLinkLocalUnicast() {
			add(client{trace.FromNode, "", a})
		}
	}
	return all
}

func (r *recording) isLocal(a netip.Addr) bool {
	local, _ := r.snap.IsLocal(a)
	return local
}

// podInterfaces are cni0 and those by which the rules know pods, one each.
func (r *recording) podInterfaces() []string {
	devices := networkOf(r.snap).layout.Interfaces
	names := []string{"cni0"}
	for _, table := range r.snap.Tables {
		for rule := range table.Rules() {
			for _, m := range rule.Matches() {
				i, ok := m.(*netfilter.Interface)
				if !ok || i.Side != netfilter.Source || i.Name == "lo" || slices.ContainsFunc(append(names, "eth0"), i.Matches) {
					continue
				}
				if at := slices.IndexFunc(devices, func(d kernel.Interface) bool { return i.Matches(d.Name) }); at >= 0 {
					names = append(names, devices[at].Name)
				}
			}
		}
	}
	return names
}

// An entry is an address, protocol and port that clients dial.
type entry struct {
	addr     netip.Addr
	protocol uint8
	port     uint16
}

// entries are those of a service, each with a port and a protocol that are
// wrong beside those that are right.
func (r *recording) entries(s object) []entry {
	protocols := map[string]uint8{"TCP": netfilter.TCP, "UDP": netfilter.UDP, "SCTP": netfilter.SCTP, "": netfilter.TCP}
	others := map[uint8]uint8{netfilter.TCP: netfilter.UDP, netfilter.UDP: netfilter.SCTP, netfilter.SCTP: netfilter.TCP}
	var all []entry
	add := func(text string, protocol uint8, port uint16) {
		addr, err := netip.ParseAddr(text)
		if err != nil || port == 0 {
			return // a cluster IP of "None", a load balancer with a host name only
		}
		all = append(all, entry{addr, protocol, port}, entry{addr, protocol, port + 7}, entry{addr, others[protocol], port})
	}
	onNode := func(protocol uint8, port uint16) {
		for _, own := range r.snap.Addresses {
			if a := own.Prefix.Addr(); !a.IsLinkLocalUnicast() {
				add(a.String(), protocol, port)
			}
		}
	}
	for _, p := range s.Spec.Ports {
		protocol := protocols[p.Protocol]
		for _, addr := range slices.Concat(s.Spec.ClusterIPs, s.Spec.ExternalIPs) {
			add(addr, protocol, p.Port)
		}
		for _, i := range s.Status.LoadBalancer.Ingress {
			add(i.IP, protocol, p.Port)
		}
		onNode(protocol, p.NodePort)
	}
	onNode(netfilter.TCP, s.Spec.HealthCheckNodePort)
	return all
}

// flows are all kinds of clients, and the service's own endpoints on the node,
// to all entries, but for what no client can dial: the node's loopback
// addresses from elsewhere, and from loopback to elsewhere than the node.
func (r *recording) flows() []trace.Flow {
	var all []trace.Flow
	for _, s := range r.services {
		clients := slices.Concat(r.clients, r.endpoints[s.Metadata.Namespace+"/"+s.Metadata.Name])
		for _, e := range r.entries(s) {
			for _, c := range clients {
				if c.source.Is4() != e.addr.Is4() || e.addr.IsLoopback() && !c.source.IsLoopback() || c.source.IsLoopback() && !r.isLocal(e.addr) {
					continue
				}
				all = append(all, trace.Flow{
					From: c.from, InInterface: c.in, Source: c.source,
					Destination: e.addr, Protocol: e.protocol, Port: e.port,
				})
			}
		}
	}
	return all
}

// TestRecordings compares trace and kernel over every recording, with
// flows that follow from what kube-proxy was told.
func TestRecordings(t *testing.T) {
	kernel.Require(t)
	flows, of, rulesets, packets, differ := 0, 0, 0, 0, 0
	for _, dir := range recordings(t) {
		r := readRecording(t, dir)
		t.Run(r.name, func(t *testing.T) {
			all := r.flows()
			of += 2 * len(all)
			all = chosen(all, flowsPerRecording*scale(t))
			n := networkOf(r.snap)
			a := &asker{network: n, tracer: trace.New(r.snap)}
			for _, backend := range []kernel.Backend{kernel.Legacy, kernel.NFT} {
				node, err := kernel.Start(n.layout)
				if err != nil {
					t.Fatal(err)
				}
				defer node.Close()
				if err := node.Load(kernel.Ruleset{Backend: backend, IPv4: r.ipv4, IPv6: r.ipv6}); err != nil {
					t.Fatal(err)
				}
				a.node = node
				for i, d := range a.ask(t, all) {
					differ++
					if i < 20 {
						t.Errorf("%s: %s: %s", backend, words(d.flow), d.why)
					}
				}
				flows, rulesets = flows+len(all), rulesets+1
			}
			packets += a.packets
		})
	}
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements (%d packets; %d flows in all)", flows, rulesets, differ, packets, of)
}

// flowsPerRecording is how many flows are asked for of a recording and back
// end when the test is not scaled up.
const flowsPerRecording = 600

// chosen are at most so many flows, any, but the same each time.
func chosen(all []trace.Flow, most int) []trace.Flow {
	if len(all) <= most {
		return all
	}
	some := make([]trace.Flow, most)
	for i, from := range rand.New(rand.NewPCG(3, 4)).Perm(len(all))[:most] {
		some[i] = all[from]
	}
	return some
}

// scale is how much longer than usual the oracle is asked: SVCPATH_ORACLE.
func scale(t testing.TB) int {
	t.Helper()
	text := os.Getenv("SVCPATH_ORACLE")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatal(fmt.Errorf("SVCPATH_ORACLE=%s: expected a number from 1 on", text))
	}
	return n
}

// TestNotices shows that the comparison can fail: a trace of the rules as
// kube-proxy wrote them is no truth about a kernel that has one rule changed.
func TestNotices(t *testing.T) {
	kernel.Require(t)
	whole := readRecording(t, filepath.Join(samplesDir, "service-zoo"))
	faults, err := filepath.Glob(filepath.Join(samplesDir, "testdata", "recordings", "fault-*"))
	if err != nil || len(faults) == 0 {
		t.Fatalf("no recordings of faults (%v)", err)
	}
	for _, dir := range faults {
		fault := readRecording(t, dir)
		t.Run(fault.name, func(t *testing.T) {
			n := networkOf(whole.snap)
			node, err := kernel.Start(n.layout)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			if err := node.Load(kernel.Ruleset{Backend: kernel.Legacy, IPv4: fault.ipv4, IPv6: fault.ipv6}); err != nil {
				t.Fatal(err)
			}
			a := &asker{network: n, tracer: trace.New(whole.snap), node: node}
			all := slices.DeleteFunc(whole.flows(), func(f trace.Flow) bool { return f.Source != netip.MustParseAddr("203.0.113.9") })
			found := a.ask(t, all)
			if len(found) == 0 || len(found) > len(all)/20 {
				t.Errorf("%d of %d flows differ, expected those of one service", len(found), len(all))
				return
			}
			t.Logf("%d of %d flows differ, such as %s: %s", len(found), len(all), words(found[0].flow), found[0].why)
		})
	}
}
