package generate

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// WriteNFTRules writes what "nft list ruleset" prints on the node when its
// kube-proxy is in nftables mode, of 1.37. The error is the writer's.
func (n *Node) WriteNFTRules(w io.Writer) error {
	out := bufio.NewWriter(w)
	own := newNFTTable("ip", "ipv4_addr")
	own.pods, own.serviceRange = podRange.String(), "10.96.0.0/12"
	for _, s := range n.services {
		s.addToNFT(own)
	}
	own.elements["nodeport-ips"] = []nftElement{nftAddress(nodeAddresses[0])}
	own.writeHead(out)
	for _, s := range n.services {
		s.writeNFTAffinity(out)
	}
	own.writeChains(out)
	for _, s := range n.services {
		s.writeNFTChains(out)
	}
	out.WriteString("}\n")

	other := newNFTTable("ip6", "ipv6_addr")
	other.writeHead(out)
	other.writeChains(out)
	out.WriteString("}\n")
	return out.Flush()
}

// An nftTable is kube-proxy's own table of one family, but for what each service
// has for itself.
type nftTable struct {
	family, addr       string // "ip", "ipv4_addr"
	pods, serviceRange string // of the cluster, "" for none of the family
	elements           map[string][]nftElement
}

func newNFTTable(family, addr string) *nftTable {
	return &nftTable{family: family, addr: addr, elements: map[string][]nftElement{}}
}

// writeHead writes the table's beginning and the sets that services share.
func (t *nftTable) writeHead(out *bufio.Writer) {
	fmt.Fprintf(out, "table %s kube-proxy {\n\tcomment \"rules for kube-proxy\"\n", t.family)
	for i, s := range []struct{ kind, name, of, comment string }{
		{"set", "hairpin-connections", t.addr + " . " + t.addr + " . inet_proto . inet_service", "service hairpin connections"},
		{"set", "cluster-ips", t.addr, "Active ClusterIPs"},
		{"set", "nodeport-ips", t.addr, "IPs that accept NodePort traffic"},
		{"map", "no-endpoint-services", t.addr + " . inet_proto . inet_service : verdict", "vmap to drop or reject packets to services with no endpoints"},
		{"map", "no-endpoint-nodeports", "inet_proto . inet_service : verdict", "vmap to drop or reject packets to service nodeports with no endpoints"},
		{"map", "firewall-ips", t.addr + " . inet_proto . inet_service : verdict", "destinations that are subject to LoadBalancerSourceRanges"},
		{"map", "service-ips", t.addr + " . inet_proto . inet_service : verdict", "ClusterIP, ExternalIP and LoadBalancer IP traffic"},
		{"map", "service-nodeports", "inet_proto . inet_service : verdict", "NodePort traffic"},
	} {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "\t%s %s {\n\t\ttype %s\n\t\tcomment \"%s\"\n", s.kind, s.name, s.of, s.comment)
		inLine := 1
		if s.of == "ipv4_addr" {
			inLine = 2
		}
		writeNFTElements(out, t.elements[s.name], inLine)
		out.WriteString("\t}\n")
	}
}

// writeNFTElements writes a set's elements in nft's order, so many in a line.
func writeNFTElements(out *bufio.Writer, elements []nftElement, inLine int) {
	slices.SortFunc(elements, func(a, b nftElement) int { return strings.Compare(a.key, b.key) })
	for i, e := range slices.Compact(elements) {
		switch {
		case i == 0:
			out.WriteString("\t\telements = { ")
		case i%inLine == 0:
			out.WriteString(",\n\t\t\t     ")
		default:
			out.WriteString(", ")
		}
		out.WriteString(e.text)
	}
	if len(elements) > 0 {
		out.WriteString(" }\n")
	}
}

// writeChains writes the chains that services share
// (pkg/proxy/nftables/proxier.go, setupNFTables).
func (t *nftTable) writeChains(out *bufio.Writer) {
	for _, c := range [][2]string{
		{"filter-prerouting-pre-dnat", "prerouting priority dstnat - 10"},
		{"filter-output-pre-dnat", "output priority -110"},
		{"filter-input", "input priority filter"},
		{"filter-forward", "forward priority filter"},
		{"filter-output", "output priority filter"},
		{"nat-prerouting", "prerouting priority dstnat"},
		{"nat-output", "output priority -100"},
		{"nat-postrouting", "postrouting priority srcnat"},
	} {
		kind, _, _ := strings.Cut(c[0], "-")
		writeNFTChain(out, c[0], append([]string{"type " + kind + " hook " + c[1] + "; policy accept;"}, nftJumps[c[0]]...)...)
	}
	const protocolPort = "meta l4proto . th dport vmap @"
	toIP, toNode := t.family+" daddr . "+protocolPort, t.family+" daddr @nodeport-ips "+protocolPort
	var services, unallocated []string
	if t.pods != "" {
		services = []string{t.family + " daddr @cluster-ips " + t.family + " saddr != " + t.pods + " " + nftMark + ` comment "masquerade clusterIP traffic from outside cluster"`}
	}
	if t.serviceRange != "" {
		unallocated = []string{t.family + " daddr " + t.serviceRange + ` drop comment "Drop traffic to unallocated ClusterIPs"`}
	}
	writeNFTChain(out, "nodeport-endpoints-check", toNode+"no-endpoint-nodeports")
	writeNFTChain(out, "service-endpoints-check", toIP+"no-endpoint-services")
	writeNFTChain(out, "firewall-check", toIP+"firewall-ips")
	writeNFTChain(out, "services", append(services, toIP+"service-ips", toNode+"service-nodeports")...)
	writeNFTChain(out, "masquerading",
		"meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random",
		"ct status dnat "+t.family+" saddr . "+t.family+" daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random")
	writeNFTChain(out, "cluster-ips-check", append([]string{t.family + ` daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`}, unallocated...)...)
	writeNFTChain(out, "reject-chain", `comment "helper for @no-endpoint-services / @no-endpoint-nodeports"`, "reject")
}

// nftMark is what has a packet masqueraded.
const nftMark = "meta mark set meta mark | 0x00004000"

// nftJumps are the rules of base chains.
var nftJumps = map[string][]string{
	"filter-prerouting-pre-dnat": {"ct state new jump firewall-check"},
	"filter-output-pre-dnat":     {"ct state new jump firewall-check"},
	"filter-input":               {"ct state new jump nodeport-endpoints-check", "ct state new jump service-endpoints-check"},
	"filter-forward":             {"ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check"},
	"filter-output":              {"ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check"},
	"nat-prerouting":             {"jump services"},
	"nat-output":                 {"jump services"},
	"nat-postrouting":            {"jump masquerading"},
}

func writeNFTChain(out *bufio.Writer, name string, lines ...string) {
	out.WriteString("\n\tchain ")
	out.WriteString(name)
	out.WriteString(" {\n")
	for _, line := range lines {
		out.WriteString("\t\t")
		out.WriteString(line)
		out.WriteByte('\n')
	}
	out.WriteString("\t}\n")
}

// An nftElement is one of a set's, with what nft sorts it by: an address as it
// is, but several fields together as one number whose first byte is the lowest
// (src/mergesort.c, concat_expr_msort_value).
type nftElement struct{ key, text string }

func nftAddress(a netip.Addr) nftElement { return nftElement{string(a.AsSlice()), a.String()} }

// nftPort is the element of addresses, the service's protocol and a port.
func (s *service) nftPort(port int, addrs ...netip.Addr) nftElement {
	number := byte(6)
	if s.udp {
		number = 17
	}
	key := []byte{byte(port), byte(port >> 8), number}
	text := ""
	for _, a := range addrs {
		text += a.String() + " . "
	}
	for _, a := range slices.Backward(addrs) {
		b := a.AsSlice()
		slices.Reverse(b)
		key = append(key, b...)
	}
	return nftElement{string(key), fmt.Sprintf("%s%s . %d", text, s.protocol(), port)}
}
