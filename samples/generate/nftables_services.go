package generate

import (
	"bufio"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// addToNFT enters a service into the sets and maps that services share
// (pkg/proxy/nftables/proxier.go, syncProxyRules).
func (s *service) addToNFT(t *nftTable) {
	name := s.nftName()
	var outside []nftElement // what clients outside dial, but node ports
	for _, a := range []netip.Addr{s.external, s.balancer} {
		if a.IsValid() {
			outside = append(outside, s.nftPort(s.port, a))
		}
	}
	var nodePorts []nftElement
	if s.nodePort != 0 {
		nodePorts = []nftElement{s.nftPort(s.nodePort)}
	}
	own := []nftElement{s.nftPort(s.port, s.clusterIP)}
	to := func(set string, elements []nftElement, does string) {
		for _, e := range elements {
			e.text += does
			t.elements[set] = append(t.elements[set], e)
		}
	}
	refuse := func(elements, nodePorts []nftElement, does string) {
		comment := ` comment "` + s.namespace + "/" + s.name
		if s.portName != "" {
			comment += ":" + s.portName
		}
		to("no-endpoint-services", elements, comment+`" : `+does)
		to("no-endpoint-nodeports", nodePorts, comment+`" : `+does)
	}

	to("cluster-ips", []nftElement{nftAddress(s.clusterIP)}, "")
	if s.ranges {
		to("firewall-ips", []nftElement{s.nftPort(s.port, s.balancer)}, " : goto firewall-"+name)
	}
	local := s.withLocal()
	switch {
	case len(s.endpoints) == 0:
		refuse(append(own, outside...), nodePorts, "goto reject-chain")
		return
	case s.local && len(local) == 0:
		refuse(outside, nodePorts, "drop")
	}
	to("service-ips", own, " : goto service-"+name)
	to("service-ips", outside, " : goto external-"+name)
	to("service-nodeports", nodePorts, " : goto external-"+name)
	for _, e := range local {
		to("hairpin-connections", []nftElement{s.nftPort(int(e.addr.Port()), e.addr.Addr(), e.addr.Addr())}, "")
	}
}

// writeNFTAffinity writes the sets of the service's clients, of which there are
// none yet.
func (s *service) writeNFTAffinity(out *bufio.Writer) {
	if !s.affinity {
		return
	}
	timeout := strings.TrimSuffix((affinityTime * time.Second).String(), "0m0s")
	for _, e := range s.endpoints {
		fmt.Fprintf(out, "\n\tset affinity-%s {\n\t\ttype ipv4_addr\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout %s\n\t}\n", s.nftEndpointName(e), timeout)
	}
}

// writeNFTChains writes the service's own chains.
func (s *service) writeNFTChains(out *bufio.Writer) {
	name := s.nftName()
	local := s.withLocal()
	if len(s.endpoints) > 0 {
		if s.affinity {
			for _, e := range s.endpoints {
				own := s.nftEndpointName(e)
				writeNFTChain(out, "endpoint-"+own, "update @affinity-"+own+" { ip saddr }", "meta l4proto "+s.protocol()+" dnat to "+e.addr.String())
			}
		}
		writeNFTChain(out, "service-"+name, s.nftDeal(s.endpoints)...)
		if s.local && len(local) > 0 {
			writeNFTChain(out, "local-"+name, s.nftDeal(local)...)
		}
		if s.isExternal() {
			writeNFTChain(out, "external-"+name, s.nftOutside(name, len(local) > 0)...)
		}
	}
	if s.ranges {
		writeNFTChain(out, "firewall-"+name, "ip saddr != "+sourceRange+" drop")
	}
}

// nftOutside are the rules for packets to outside entries.
func (s *service) nftOutside(name string, hasLocal bool) []string {
	if !s.local {
		return []string{nftMark + ` comment "masquerade"`, "goto service-" + name}
	}
	rules := []string{
		"ip saddr " + podRange.String() + " goto service-" + name + ` comment "short-circuit pod traffic"`,
		"fib saddr type local " + nftMark + ` comment "masquerade local traffic"`,
		"fib saddr type local goto service-" + name + ` comment "short-circuit local traffic"`,
	}
	if hasLocal {
		rules = append(rules, "goto local-"+name)
	}
	return rules
}

// nftDeal are the rules that deal connections out to endpoints.
func (s *service) nftDeal(endpoints []endpoint) []string {
	numgen := "numgen random mod " + strconv.Itoa(len(endpoints))
	if s.affinity {
		var rules, all []string
		for i, e := range endpoints {
			name := s.nftEndpointName(e)
			rules = append(rules, "ip saddr @affinity-"+name+" goto endpoint-"+name)
			all = append(all, strconv.Itoa(i)+" : goto endpoint-"+name)
		}
		return append(rules, numgen+" vmap { "+strings.Join(all, ", ")+" }")
	}
	dnat := "meta l4proto " + s.protocol() + " dnat "
	if len(endpoints) == 1 {
		return []string{dnat + "to " + endpoints[0].addr.String()}
	}
	var all []string
	for i, e := range endpoints {
		all = append(all, fmt.Sprintf("%d : %s . %d", i, e.addr.Addr(), e.addr.Port()))
	}
	return []string{dnat + "ip to " + numgen + " map { " + strings.Join(all, ", ") + " }"}
}

// nftName is what the service's chains are named by
// (servicePortChainNameBase).
func (s *service) nftName() string { return nftHashed(s.nftBase()) }

// nftEndpointName is the same for one endpoint
// (servicePortEndpointChainNameBase).
func (s *service) nftEndpointName(e endpoint) string {
	return nftHashed(fmt.Sprintf("%s__%s/%d", s.nftBase(), e.addr.Addr(), e.addr.Port()))
}

func (s *service) nftBase() string {
	return s.namespace + "/" + s.name + "/" + s.protocol() + "/" + s.portName
}

// nftHashed puts a name's hash before it (hashAndTruncate).
func nftHashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:5]) + "-" + name
}
