package generate

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"slices"
)

// sets are the ipsets that kube-proxy's rules test in IPVS mode, by name
// (pkg/proxy/ipvs/ipset.go, ipsetInfo).
type sets struct {
	names   []string
	kinds   map[string]string
	entries map[string][]string
}

const (
	bitmap = "bitmap:port range 0-65535"
	ipPort = "hash:ip,port family inet"
)

// sets are those of the node.
func (n *Node) sets() *sets {
	z := &sets{kinds: map[string]string{}, entries: map[string][]string{}}
	for _, s := range [][2]string{
		{"KUBE-LOOP-BACK", "hash:ip,port,ip family inet"},
		{"KUBE-CLUSTER-IP", ipPort},
		{"KUBE-EXTERNAL-IP", ipPort},
		{"KUBE-EXTERNAL-IP-LOCAL", ipPort},
		{"KUBE-LOAD-BALANCER", ipPort},
		{"KUBE-LOAD-BALANCER-LOCAL", ipPort},
		{"KUBE-LOAD-BALANCER-FW", ipPort},
		{"KUBE-LOAD-BALANCER-SOURCE-CIDR", "hash:ip,port,net family inet"},
		{"KUBE-LOAD-BALANCER-SOURCE-IP", "hash:ip,port,ip family inet"},
		{"KUBE-NODE-PORT-TCP", bitmap},
		{"KUBE-NODE-PORT-LOCAL-TCP", bitmap},
		{"KUBE-NODE-PORT-UDP", bitmap},
		{"KUBE-NODE-PORT-LOCAL-UDP", bitmap},
		{"KUBE-NODE-PORT-SCTP-HASH", ipPort},
		{"KUBE-NODE-PORT-LOCAL-SCTP-HASH", ipPort},
		{"KUBE-HEALTH-CHECK-NODE-PORT", bitmap},
		{"KUBE-IPVS-IPS", "hash:ip family inet"},
	} {
		z.names, z.kinds[s[0]] = append(z.names, s[0]), s[1]
	}
	looped := map[string]bool{}
	for _, s := range n.services {
		s.addToSets(z, looped)
	}
	for name, entries := range z.entries {
		if z.kinds[name] == bitmap {
			slices.Sort(entries) // five digits each
		}
	}
	return z
}

func (z *sets) add(name, format string, args ...any) {
	z.entries[name] = append(z.entries[name], fmt.Sprintf(format, args...))
}

func (z *sets) has(name string) bool { return len(z.entries[name]) > 0 }

// addToSets enters a service. looped are the endpoints on the node that are
// entered already: services share them.
func (s *service) addToSets(z *sets, looped map[string]bool) {
	protocol := s.protocol()
	at := func(a netip.Addr) string { return fmt.Sprintf("%s,%s:%d", a, protocol, s.port) }
	z.add("KUBE-CLUSTER-IP", "%s", at(s.clusterIP))
	for _, a := range s.virtualAddresses() {
		z.add("KUBE-IPVS-IPS", "%s", a)
	}
	if s.external.IsValid() {
		name := "KUBE-EXTERNAL-IP"
		if s.local {
			name = "KUBE-EXTERNAL-IP-LOCAL"
		}
		z.add(name, "%s", at(s.external))
	}
	if s.balancer.IsValid() {
		z.add("KUBE-LOAD-BALANCER", "%s", at(s.balancer))
		if s.local {
			z.add("KUBE-LOAD-BALANCER-LOCAL", "%s", at(s.balancer))
		}
		if s.ranges {
			z.add("KUBE-LOAD-BALANCER-FW", "%s", at(s.balancer))
			z.add("KUBE-LOAD-BALANCER-SOURCE-CIDR", "%s,%s", at(s.balancer), sourceRange)
		}
	}
	if s.nodePort != 0 {
		kind := "TCP"
		if s.udp {
			kind = "UDP"
		}
		z.add("KUBE-NODE-PORT-"+kind, "%d", s.nodePort)
		if s.local {
			z.add("KUBE-NODE-PORT-LOCAL-"+kind, "%d", s.nodePort)
		}
	}
	if s.healthPort != 0 {
		z.add("KUBE-HEALTH-CHECK-NODE-PORT", "%d", s.healthPort)
	}
	for _, e := range s.withLocal() {
		entry := fmt.Sprintf("%s,%s:%d,%s", e.addr.Addr(), protocol, e.addr.Port(), e.addr.Addr())
		if !looped[entry] {
			looped[entry] = true
			z.add("KUBE-LOOP-BACK", "%s", entry)
		}
	}
}

// WriteSets writes what "ipset save" prints on the node in IPVS mode.
func (n *Node) WriteSets(w io.Writer) error {
	out, z := bufio.NewWriter(w), n.sets()
	for _, name := range z.names {
		fmt.Fprintf(out, "create %s %s", name, z.kinds[name])
		if z.kinds[name] != bitmap {
			size := 1024
			for size < len(z.entries[name]) {
				size *= 2
			}
			fmt.Fprintf(out, " hashsize %d maxelem 65536 bucketsize 12 initval 0x%08x", size, crc32.ChecksumIEEE([]byte(name)))
		}
		out.WriteByte('\n')
		for _, entry := range z.entries[name] {
			fmt.Fprintf(out, "add %s %s\n", name, entry)
		}
	}
	return out.Flush()
}

// WriteIPVSRules writes what iptables-save prints on the node in IPVS mode: rules
// that test sets, each written when its set has an entry
// (pkg/proxy/ipvs/proxier.go, writeIptablesRules).
func (n *Node) WriteIPVSRules(w io.Writer) error {
	nat, filter := table{}, table{}
	z := n.sets()
	z.addNAT(nat)
	z.addFilter(filter)
	for _, s := range n.services {
		if s.ranges {
			protocol := 6
			if s.udp {
				protocol = 17
			}
			filter.add("KUBE-IPVS-OUT-FILTER", "-s %s/32 -m ipvs --vproto %d --vaddr %s --vport %d -j DROP", s.balancer, protocol, s.balancer, s.port)
		}
	}
	out := bufio.NewWriter(w)
	filter.write(out, "filter", "INPUT", "FORWARD", "OUTPUT")
	nat.write(out, "nat", "PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
	return out.Flush()
}

func (z *sets) addNAT(nat table) {
	// rule is for packets that a set has, if it has any.
	rule := func(chain, before, comment, set, directions, then string) {
		if z.has(set) {
			nat.add(chain, `%s-m comment --comment "Kubernetes %s" -m set --match-set %s %s %s`, before, comment, set, directions, then)
		}
	}
	const (
		masquerade = "-j KUBE-MARK-MASQ"
		external   = "service external ip + port for masquerade and filter purpose"
		externalTo = "service external ip + port with externalTrafficPolicy=local"
		away       = "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT"
		here       = "-m addrtype --dst-type LOCAL -j ACCEPT"
	)
	nat.declare("KUBE-LOAD-BALANCER", "KUBE-NODE-PORT")
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		nat.add(chain, `-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`)
	}
	nat.add("POSTROUTING", `-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`)
	rule("KUBE-LOAD-BALANCER", "", "service load balancer ip + port with externalTrafficPolicy=local", "KUBE-LOAD-BALANCER-LOCAL", "dst,dst", "-j RETURN")
	nat.add("KUBE-LOAD-BALANCER", masquerade)
	nat.add("KUBE-MARK-MASQ", "-j MARK --set-xmark 0x4000/0x4000")
	for _, p := range []struct{ lower, upper string }{{"tcp", "TCP"}, {"udp", "UDP"}} {
		rule("KUBE-NODE-PORT", "-p "+p.lower+" ", "nodeport "+p.upper+" port with externalTrafficPolicy=local", "KUBE-NODE-PORT-LOCAL-"+p.upper, "dst", "-j RETURN")
		rule("KUBE-NODE-PORT", "-p "+p.lower+" ", "nodeport "+p.upper+" port for masquerade purpose", "KUBE-NODE-PORT-"+p.upper, "dst", masquerade)
	}
	rule("KUBE-POSTROUTING", "", "endpoints dst ip:port, source ip for solving hairpin purpose", "KUBE-LOOP-BACK", "dst,dst,src", "-j MASQUERADE")
	nat.add("KUBE-POSTROUTING", "-m mark ! --mark 0x4000/0x4000 -j RETURN")
	nat.add("KUBE-POSTROUTING", "-j MARK --set-xmark 0x4000/0x0")
	nat.add("KUBE-POSTROUTING", `-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`)
	nat.add("KUBE-SERVICES", "-s 127.0.0.0/8 -j RETURN")
	rule("KUBE-SERVICES", "", "service lb portal", "KUBE-LOAD-BALANCER", "dst,dst", "-j KUBE-LOAD-BALANCER")
	rule("KUBE-SERVICES", "! -s "+podRange.String()+" ", "service cluster ip + port for masquerade purpose", "KUBE-CLUSTER-IP", "dst,dst", masquerade)
	rule("KUBE-SERVICES", "", external, "KUBE-EXTERNAL-IP", "dst,dst", masquerade)
	rule("KUBE-SERVICES", "", external, "KUBE-EXTERNAL-IP", "dst,dst", away)
	rule("KUBE-SERVICES", "", external, "KUBE-EXTERNAL-IP", "dst,dst", here)
	rule("KUBE-SERVICES", "", externalTo, "KUBE-EXTERNAL-IP-LOCAL", "dst,dst", away)
	rule("KUBE-SERVICES", "", externalTo, "KUBE-EXTERNAL-IP-LOCAL", "dst,dst", here)
	nat.add("KUBE-SERVICES", "-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT")
	for _, set := range []string{"KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"} {
		if z.has(set) {
			nat.add("KUBE-SERVICES", "-m set --match-set %s dst,dst -j ACCEPT", set)
		}
	}
}

func (z *sets) addFilter(filter table) {
	filter.declare("KUBE-IPVS-OUT-FILTER", "KUBE-PROXY-FIREWALL", "KUBE-SOURCE-RANGES-FIREWALL")
	filter.add("INPUT", `-m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER`)
	filter.add("INPUT", `-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL`)
	filter.add("INPUT", `-m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT`)
	filter.add("FORWARD", `-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL`)
	filter.add("FORWARD", `-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD`)
	filter.add("OUTPUT", `-m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER`)
	filter.add("KUBE-FORWARD", `-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT`)
	filter.add("KUBE-FORWARD", `-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`)
	for _, set := range []string{"KUBE-LOAD-BALANCER", "KUBE-CLUSTER-IP", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"} {
		filter.add("KUBE-IPVS-FILTER", "-m set --match-set %s dst,dst -j RETURN", set)
	}
	filter.add("KUBE-IPVS-FILTER", "-m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN")
	filter.add("KUBE-IPVS-FILTER", "-m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT --reject-with icmp-port-unreachable")
	filter.add("KUBE-NODE-PORT", `-m comment --comment "Kubernetes health check node port" -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j ACCEPT`)
	if z.has("KUBE-LOAD-BALANCER-FW") {
		filter.add("KUBE-PROXY-FIREWALL", `-m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL`)
		filter.add("KUBE-SOURCE-RANGES-FIREWALL", `-m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter purpose" -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN`)
	}
	filter.add("KUBE-SOURCE-RANGES-FIREWALL", "-j DROP")
}
