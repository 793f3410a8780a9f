//go:build linux

package trace_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
var samplesDir = filepath.Join("..", "..", "samples")

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
	Metadata  struct{ Name string }
	Endpoints []struct {
		Addresses []string
		NodeName  string `yaml:"nodeName"`
	}
}

// A recording is a dump with all that says which flows are worth asking for.
type recording struct {
	name, ipv4, ipv6 string
	snap             *snapshot.Snapshot
	services         []object
	sources          []client
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
	t.Helper()
	// Where a file is missing it is the service zoo's, which was recorded on
	// the same node of the same cluster (samples/testdata/README.md).
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			text, err = os.ReadFile(filepath.Join(samplesDir, "service-zoo", name))
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r := &recording{name: filepath.Base(dir), ipv4: read("iptables-save.txt"), ipv6: read("ip6tables-save.txt")}
	r.snap = open(t, r.ipv4, r.ipv6, read("ip-addr.txt"), read("ip-route.txt"))
	var node object
	var local []string // endpoints on the node
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
				for _, e := range o.Endpoints {
					if e.NodeName == node.Metadata.Name {
						local = append(local, e.Addresses...)
					}
				}
			}
		}
	}
	r.sources = r.clients(node, local)
	return r
}

// clients are one of each kind of client, and each endpoint on the node, for
// it may be its own client.
func (r *recording) clients(node object, local []string) []client {
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
	for _, e := range local {
		if a := netip.MustParseAddr(e); !r.isLocal(a) {
			add(client{trace.FromPod, "cni0", a})
		}
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

// podInterfaces are cni0 and those by which the rules know pods.
func (r *recording) podInterfaces() []string {
	names := []string{"cni0"}
	for _, table := range r.snap.Tables {
		for rule := range table.Rules() {
			for _, m := range rule.Matches() {
				if i, ok := m.(*netfilter.Interface); ok && i.Prefix && i.Side == netfilter.Source && strings.HasPrefix(table.Name, "nat") && i.Name != "" {
					if name := i.Name + "0"; !slices.Contains(names, name) && !i.Matches("cni0") && !i.Matches("eth0") {
						names = append(names, name)
					}
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

// entries are those of all services, each with a port and a protocol that are
// wrong beside those that are right.
func (r *recording) entries() []entry {
	protocols := map[string]uint8{"TCP": netfilter.TCP, "UDP": netfilter.UDP, "SCTP": netfilter.SCTP, "": netfilter.TCP}
	others := map[uint8]uint8{netfilter.TCP: netfilter.UDP, netfilter.UDP: netfilter.SCTP, netfilter.SCTP: netfilter.TCP}
	var all []entry
	seen := map[entry]bool{}
	add := func(text string, protocol uint8, port uint16) {
		addr, err := netip.ParseAddr(text)
		if err != nil || port == 0 {
			return // "None", a host name's absence
		}
		for _, e := range []entry{{addr, protocol, port}, {addr, protocol, port + 7}, {addr, others[protocol], port}} {
			if !seen[e] {
				seen[e] = true
				all = append(all, e)
			}
		}
	}
	for _, s := range r.services {
		for _, p := range s.Spec.Ports {
			for _, addr := range s.Spec.ClusterIPs {
				add(addr, protocols[p.Protocol], p.Port)
			}
			for _, addr := range s.Spec.ExternalIPs {
				add(addr, protocols[p.Protocol], p.Port)
			}
			for _, i := range s.Status.LoadBalancer.Ingress {
				add(i.IP, protocols[p.Protocol], p.Port)
			}
			for _, own := range r.snap.Addresses {
				if a := own.Prefix.Addr(); !a.IsLinkLocalUnicast() {
					add(a.String(), protocols[p.Protocol], p.NodePort)
				}
			}
		}
		for _, own := range r.snap.Addresses {
			if a := own.Prefix.Addr(); !a.IsLinkLocalUnicast() {
				add(a.String(), netfilter.TCP, s.Spec.HealthCheckNodePort)
			}
		}
	}
	return all
}

// flows are all clients to all entries, but for what no client can dial: the
// node's loopback addresses from elsewhere, and from loopback to elsewhere
// than the node.
func (r *recording) flows() []trace.Flow {
	var all []trace.Flow
	for _, e := range r.entries() {
		for _, c := range r.sources {
			if c.source.Is4() != e.addr.Is4() || e.addr.IsLoopback() && !c.source.IsLoopback() || c.source.IsLoopback() && !r.isLocal(e.addr) {
				continue
			}
			all = append(all, trace.Flow{
				From: c.from, InInterface: c.in, Source: c.source,
				Destination: e.addr, Protocol: e.protocol, Port: e.port,
			})
		}
	}
	return all
}

// TestOracleRecordings compares trace and kernel over every recording, with
// flows that follow from what kube-proxy was told.
func TestOracleRecordings(t *testing.T) {
	kernel.Require(t)
	flows, rulesets, packets, differ := 0, 0, 0, 0
	for _, dir := range recordings(t) {
		r := readRecording(t, dir)
		t.Run(r.name, func(t *testing.T) {
			all := chosen(r.flows(), flowsPerRecording*scale(t))
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
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements (%d packets)", flows, rulesets, differ, packets)
}

// flowsPerRecording is how many flows are asked for of a recording and back
// end when the test is not scaled up.
const flowsPerRecording = 600

// chosen are at most so many flows, spread evenly over them all.
func chosen(all []trace.Flow, most int) []trace.Flow {
	if len(all) <= most {
		return all
	}
	var some []trace.Flow
	for i := range most {
		some = append(some, all[i*len(all)/most])
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
