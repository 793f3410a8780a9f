package generate

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
)

// The node's addresses besides loopback: those that node ports are opened on.
var nodeAddresses = []netip.Addr{netip.MustParseAddr("172.18.0.3"), netip.MustParseAddr("10.128.0.1")}

// A virtualServer is one entry of a service in the IPVS table.
type virtualServer struct {
	service   *service
	at        netip.AddrPort
	endpoints []endpoint
}

// virtualServers are those of a service, each with a list of endpoints of its
// own (pkg/proxy/ipvs/proxier.go, syncProxyRules). Under externalTrafficPolicy
// Local they are those on the node, and all where it has none.
func (s *service) virtualServers() []virtualServer {
	outside := s.endpoints
	if local := s.withLocal(); s.local && len(local) > 0 {
		outside = local
	}
	all := []virtualServer{{s, netip.AddrPortFrom(s.clusterIP, uint16(s.port)), s.endpoints}}
	for _, a := range []netip.Addr{s.external, s.balancer} {
		if a.IsValid() {
			all = append(all, virtualServer{s, netip.AddrPortFrom(a, uint16(s.port)), outside})
		}
	}
	if s.nodePort != 0 {
		for _, a := range nodeAddresses {
			all = append(all, virtualServer{s, netip.AddrPortFrom(a, uint16(s.nodePort)), outside})
		}
	}
	return all
}

// WriteVirtualServers writes what "ipvsadm -S -n" prints on the node when its
// kube-proxy is in IPVS mode. The error is the writer's.
func (n *Node) WriteVirtualServers(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, s := range n.services {
		protocol, persistent := "-t", ""
		if s.udp {
			protocol = "-u"
		}
		if s.affinity {
			persistent = fmt.Sprintf(" -p %d", affinityTime)
		}
		for _, v := range s.virtualServers() {
			fmt.Fprintf(out, "-A %s %s -s rr%s\n", protocol, v.at, persistent)
			for _, e := range v.endpoints {
				fmt.Fprintf(out, "-a %s %s -r %s -m -w 1\n", protocol, v.at, e.addr)
			}
		}
	}
	return out.Flush()
}

// WriteIPVSAddresses writes what "ip addr" prints on the node in IPVS mode: the
// addresses that clients dial are on kube-ipvs0, which is down.
func (n *Node) WriteIPVSAddresses(w io.Writer) error {
	out := bufio.NewWriter(w)
	out.WriteString(addresses + `3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 66:0b:1c:ff:81:d8 brd ff:ff:ff:ff:ff:ff
    inet 10.128.0.1/24 scope global cni0
       valid_lft forever preferred_lft forever
4: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default 
    link/ether 36:fd:83:03:95:99 brd ff:ff:ff:ff:ff:ff
`)
	for _, s := range n.services {
		for _, a := range s.virtualAddresses() {
			fmt.Fprintf(out, "    inet %s/32 scope global kube-ipvs0\n       valid_lft forever preferred_lft forever\n", a)
		}
	}
	return out.Flush()
}

// virtualAddresses are the service's addresses that no link of the node has.
func (s *service) virtualAddresses() []netip.Addr {
	all := []netip.Addr{s.clusterIP}
	for _, a := range []netip.Addr{s.external, s.balancer} {
		if a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}
