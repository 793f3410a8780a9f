// Package generate makes recordings of nodes of any size, for tests and
// benchmarks: what kube-proxy's iptables mode leaves in the kernel, as
// iptables-save prints it, or its IPVS mode, as iptables-save, ipset and
// ipvsadm print it, or its nftables mode, as nft prints it, and the manifests
// that it would have made that from. The same Size gives the same bytes.
//
// The shapes of the rules are those of the recordings in samples, of a
// kube-proxy without nfacct counters: text with those can be loaded only where
// the counters exist.
package generate

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Size says what to make.
type Size struct {
	Services  int // each with one port, at most 200,000
	Endpoints int // of each service, at most 200
	Seed      uint64
}

// String is the size in short: "10000x10".
func (s Size) String() string { return strconv.Itoa(s.Services) + "x" + strconv.Itoa(s.Endpoints) }

// A Node is one node and what its kube-proxy was told.
type Node struct {
	Size     Size
	services []*service // in the order in which kube-proxy comes by them
}

// What the cluster is like. The node's own pods are the first of the pods.
var (
	podRange     = netip.MustParsePrefix("10.128.0.0/9")
	serviceRange = netip.MustParseAddr("10.96.0.0")
	otherPods    = netip.MustParseAddr("10.128.16.0")
	nodePods     = netip.MustParseAddr("10.128.0.2")
	balancers    = netip.MustParseAddr("203.0.113.0")
	externals    = netip.MustParseAddr("198.18.0.0")
)

const (
	nodeName     = "worker-1"
	podsOfNode   = 110 // kubelet's default limit
	firstNode    = 30000
	lastNode     = 65535 // --service-node-port-range is set as a large cluster needs it
	affinityTime = 10800 // seconds, Kubernetes' default
	sourceRange  = "192.0.2.0/24"

	// largeCluster is the number of endpoints above which kube-proxy leaves out
	// the comments of endpoints (pkg/proxy/iptables/proxier.go,
	// largeClusterEndpointsThreshold).
	largeCluster = 1000
)

// A service is one Service with its one port.
type service struct {
	namespace, name, portName string
	udp                       bool
	port, targetPort          int
	clusterIP                 netip.Addr
	nodePort                  int // 0 for none
	balancer                  netip.Addr
	external                  netip.Addr
	local                     bool // externalTrafficPolicy
	healthPort                int
	ranges                    bool // has source ranges
	affinity                  bool
	endpoints                 []endpoint // as kube-proxy sorts them, by their text
}

type endpoint struct {
	addr  netip.AddrPort
	local bool // on this node
}

// New makes up a node.
func New(size Size) *Node {
	n := &Node{Size: size}
	random := rand.New(rand.NewPCG(size.Seed, uint64(size.Services)<<32|uint64(size.Endpoints)))
	one := func(in int) bool { return random.IntN(in) == 0 }
	nodePort, pods := firstNode, 0
	nextNodePort := func() int {
		nodePort++
		return nodePort - 1
	}
	for i := range size.Services {
		s := &service{
			namespace:  "team-" + digits(random.IntN(251), 3),
			name:       "app-" + digits(i, 5),
			portName:   []string{"http", "grpc", "metrics", "https", ""}[random.IntN(5)],
			udp:        one(10),
			port:       []int{80, 443, 8080, 9090, 53}[random.IntN(5)],
			targetPort: 8000 + random.IntN(7),
			clusterIP:  add(serviceRange, i+1),
			affinity:   one(20),
		}
		if kind := random.IntN(10); kind < 3 && nodePort < lastNode {
			s.nodePort = nextNodePort()
			s.local = one(4)
			if kind == 0 {
				s.balancer = add(balancers, i)
				s.ranges = one(5)
				if s.local = one(2); s.local {
					s.healthPort = nextNodePort()
				}
			}
		}
		if one(50) {
			s.external = add(externals, i)
		}
		some := size.Endpoints
		if one(50) {
			some = 0
		}
		here := one(2) // has an endpoint on this node
		for e := range some {
			addr := add(otherPods, pods)
			if local := here && e == 0; local {
				addr = add(nodePods, random.IntN(podsOfNode))
				s.endpoints = append(s.endpoints, endpoint{netip.AddrPortFrom(addr, uint16(s.targetPort)), local})
				continue
			}
			pods++
			s.endpoints = append(s.endpoints, endpoint{addr: netip.AddrPortFrom(addr, uint16(s.targetPort))})
		}
		slices.SortFunc(s.endpoints, func(a, b endpoint) int { return strings.Compare(a.addr.String(), b.addr.String()) })
		n.services = append(n.services, s)
	}
	random.Shuffle(len(n.services), func(i, j int) { n.services[i], n.services[j] = n.services[j], n.services[i] })
	return n
}

// withLocal are the endpoints on the node itself.
func (s *service) withLocal() []endpoint {
	return slices.DeleteFunc(slices.Clone(s.endpoints), func(e endpoint) bool { return !e.local })
}

func (s *service) protocol() string {
	if s.udp {
		return "udp"
	}
	return "tcp"
}

// isExternal reports whether the service can be dialled from outside.
func (s *service) isExternal() bool {
	return s.nodePort != 0 || s.balancer.IsValid() || s.external.IsValid()
}

func digits(n, width int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// add is the address n after another.
func add(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]) + uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
