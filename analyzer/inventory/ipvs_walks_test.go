package inventory

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/capture"
)

// TestWalks compares what answers of sets lead to with what the rules do to each
// entry by itself.
func TestWalks(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	ended, alone, different := 0, 0, map[string]bool{}
	for range 300 {
		var dump strings.Builder
		chains := []string{"KUBE-SERVICES", "KUBE-IPVS-FILTER", "ONE", "TWO"}
		rules := func(jumps bool, chains ...string) {
			for _, chain := range chains {
				for range r.IntN(6) {
					target := pick("ACCEPT", "RETURN", "RETURN", "DROP", "REJECT", "KUBE-MARK-MASQ")
					if jumps && chain != "TWO" && r.IntN(3) == 0 {
						target = map[string]string{"KUBE-SERVICES": "ONE", "KUBE-IPVS-FILTER": "ONE", "ONE": "TWO"}[chain]
					}
					fmt.Fprintf(&dump, "-A %s %s -j %s\n", chain, pick(
						"-m set --match-set KUBE-CLUSTER-IP dst,dst", "-m set ! --match-set KUBE-CLUSTER-IP dst,dst", "-m set --match-set KUBE-CLUSTER-IP src,dst",
						"-m set --match-set KUBE-EXTERNAL-IP dst,dst", "-m set --match-set KUBE-IPVS-IPS dst", "-m set --match-set KUBE-NODE-PORT-TCP dst", "-m set --match-set MISSING dst",
						"-p tcp -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst", "-p udp", "-m addrtype --dst-type LOCAL", "! -s 10.1.0.0/16", "-s 127.0.0.0/8",
						pick("", "-d 10.96.0.1/32"), pick("", "-p tcp -m tcp --dport 81"), pick("", "-p tcp -m multiport --dports 80,82")), target)
				}
			}
		}
		dump.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n")
		for _, c := range append(chains, "KUBE-MARK-MASQ") {
			fmt.Fprintf(&dump, ":%s - [0:0]\n", c)
		}
		dump.WriteString("-A PREROUTING -j KUBE-SERVICES\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n")
		rules(true, "KUBE-SERVICES", "ONE", "TWO")
		dump.WriteString("COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n")
		for _, c := range append(chains, "KUBE-MARK-MASQ") {
			fmt.Fprintf(&dump, ":%s - [0:0]\n", c)
		}
		dump.WriteString("-A INPUT -j KUBE-IPVS-FILTER\n")
		rules(true, "KUBE-IPVS-FILTER", "ONE", "TWO")
		dump.WriteString("COMMIT\n")
		var table strings.Builder
		element := func(set, e string) { fmt.Fprintf(&dump, "add %s %s\n", set, e) }
		for _, set := range []string{"KUBE-CLUSTER-IP", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"} {
			fmt.Fprintf(&dump, "create %s hash:ip,port family inet\n", set)
			for range r.IntN(8) {
				element(set, fmt.Sprintf("10.96.0.%d,%s:%d", r.IntN(4), pick("tcp", "udp"), 80+r.IntN(3)))
			}
		}
		dump.WriteString("create KUBE-IPVS-IPS hash:ip family inet\nadd KUBE-IPVS-IPS 10.96.0.1\ncreate KUBE-NODE-PORT-TCP bitmap:port range 0-65535\nadd KUBE-NODE-PORT-TCP 81\n")
		for i := range 4 {
			for port := 80; port < 83; port++ {
				for _, protocol := range []string{"t", "u"} {
					fmt.Fprintf(&table, "-A -%s 10.96.0.%d:%d -s rr\n-a -%[1]s 10.96.0.%[2]d:%[3]d -r 10.1.0.%d:80 -m -w 1\n", protocol, i, port, r.IntN(3))
				}
			}
		}
		addresses := "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default\n    inet 127.0.0.1/8 scope host lo\n" +
			"2: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default\n    inet 10.96.0.1/32 scope global kube-ipvs0\n" +
			"3: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default\n    inet 10.96.0.2/24 scope global eth0\n"
		s, err := capture.Open([]string{"-"}, capture.Options{Stdin: strings.NewReader(dump.String() + addresses + table.String())})
		if err != nil {
			t.Fatalf("%v\n%s", err, dump.String())
		}
		sets := map[string]*netfilter.IPSet{}
		for _, set := range s.IPSets {
			sets[set.Name] = set
		}
		nat, _ := natOf(s, netfilter.IPv4)
		b := newBalancer(s, netfilter.IPv4, nat, filterOf(s, netfilter.IPv4, nat), chaingraph.Build, sets)
		b.gather()
		for range 2 { // the second time the answers are known
			for _, e := range b.order {
				got := b.walk(e, b.clientTo(e))
				want := b.walkAlone(e, b.clientTo(e))
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%v: by the sets' answers %+v, by itself %+v in\n%s%s", e.dial, got, want, dump.String(), table.String())
				}
				different[fmt.Sprint(want.marked, want.detector, want.refused, len(want.path))] = true
			}
		}
		for _, p := range b.walks.begins {
			ended, alone = ended+p.count(func(p *walkPlace) bool { return p.ended != nil }), alone+p.count(func(p *walkPlace) bool { return p.alone })
		}
	}
	if ended < 1000 || alone < 100 || len(different) < 20 {
		t.Errorf("%d ends that are known, %d that are not, %d different ones: the test does not ask what it should", ended, alone, len(different))
	}
}

// count counts places from here on.
func (p *walkPlace) count(is func(*walkPlace) bool) (n int) {
	if p == nil {
		return 0
	}
	if is(p) {
		n++
	}
	for _, next := range p.next {
		n += next.count(is)
	}
	return n
}
