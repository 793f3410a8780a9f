package iptablessave

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	nf "github.com/svcpath/svcpath/analyzer/netfilter"
)

func pointer[T any](v T) *T { return &v }

var setSrcDst = &nf.SetRef{Name: "ports", Sides: []nf.Side{nf.Source, nf.Destination}}

var v4Targets = []example[nf.Statement]{
	{in: "-j ACCEPT", want: nf.Accept},
	{in: "-j DROP", want: nf.Drop},
	{in: "-j RETURN", want: nf.Return},
	{in: "-j QUEUE", want: nf.Queue, not: "nft"}, // iptables-nft cannot write it
	{in: "--jump ACCEPT", want: nf.Accept, prints: "-j ACCEPT"},

	{in: "-j DNAT --to-destination 10.0.0.1:80", with: "-p tcp", table: "nat", chain: "PREROUTING", want: new(nf.NewDNAT(nf.NATRange{First: addr("10.0.0.1"), Last: addr("10.0.0.1"), HasPorts: true, Ports: nf.PortRange{First: 80, Last: 80}}, nf.NATFlags{}))},
	{in: "-j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90/80 --random --persistent", with: "-p tcp", table: "nat", chain: "PREROUTING",
		want: new(nf.NewDNAT(nf.NATRange{First: addr("10.0.0.1"), Last: addr("10.0.0.9"), HasPorts: true,
			Ports: nf.PortRange{First: 80, Last: 90}, BasePort: 80}, nf.NATFlags{Random: true, Persistent: true}))},
	{in: "-j DNAT --to-destination :8080", with: "-p tcp", table: "nat", chain: "PREROUTING",
		want: new(nf.NewDNAT(nf.NATRange{HasPorts: true, Ports: nf.PortRange{First: 8080, Last: 8080}}, nf.NATFlags{}))},
	{in: "-j DNAT --to-destination 10.0.0.1", table: "nat", chain: "PREROUTING",
		want: new(nf.NewDNAT(nf.NATRange{First: addr("10.0.0.1"), Last: addr("10.0.0.1")}, nf.NATFlags{}))},
	{in: "-j DNAT --to-destination 10.0.0.1 --to-destination 10.0.0.2", not: "legacy nft", // gone since Linux 2.6.11
		want: new(nf.NewDNAT(nf.NATRange{First: addr("10.0.0.1"), Last: addr("10.0.0.1")}, nf.NATFlags{}, []nf.NATRange{{First: addr("10.0.0.2"), Last: addr("10.0.0.2")}}...))},
	{in: "-j SNAT --to-source 10.0.0.1-10.0.0.5 --random-fully --persistent", table: "nat", chain: "POSTROUTING",
		want: &nf.SNAT{To: nf.NATRange{First: addr("10.0.0.1"), Last: addr("10.0.0.5")}, Flags: nf.NATFlags{RandomFully: true, Persistent: true}}},
	{in: "-j SNAT --to-source :1-2 --random", with: "-p udp", table: "nat", chain: "POSTROUTING",
		want: &nf.SNAT{To: nf.NATRange{HasPorts: true, Ports: nf.PortRange{First: 1, Last: 2}}, Flags: nf.NATFlags{Random: true}}},
	{in: "-j MASQUERADE", table: "nat", chain: "POSTROUTING", want: &nf.Masquerade{}},
	{in: "-j MASQUERADE --random-fully", table: "nat", chain: "POSTROUTING", want: &nf.Masquerade{Flags: nf.NATFlags{RandomFully: true}}},
	{in: "-j MASQUERADE --to-ports 1024-2048 --random", with: "-p udp", table: "nat", chain: "POSTROUTING",
		want: &nf.Masquerade{HasPorts: true, Ports: nf.PortRange{First: 1024, Last: 2048}, Flags: nf.NATFlags{Random: true}}},
	{in: "-j REDIRECT", table: "nat", chain: "PREROUTING", want: &nf.Redirect{}},
	{in: "-j REDIRECT --to-ports 8080-8090 --random", with: "-p tcp", table: "nat", chain: "PREROUTING",
		want: &nf.Redirect{HasPorts: true, Ports: nf.PortRange{First: 8080, Last: 8090}, Flags: nf.NATFlags{Random: true}}},
	{in: "-j NETMAP --to 10.0.0.0/24", table: "nat", chain: "PREROUTING", want: &nf.NetMap{Net: network4("10.0.0.0/24")}},

	{in: "-j MARK --set-xmark 0x4000/0x4000", table: "mangle", want: &nf.SetMark{Value: 0x4000, Mask: 0x4000}},
	{in: "-j MARK --set-mark 0x1/0xf0", table: "mangle", prints: "-j MARK --set-xmark 0x1/0xf1", want: &nf.SetMark{Value: 1, Mask: 0xf1}},
	{in: "-j MARK --set-mark 1", table: "mangle", prints: "-j MARK --set-xmark 0x1/0xffffffff", want: &nf.SetMark{Value: 1, Mask: 1<<32 - 1}},
	{in: "-j MARK --and-mark 0xf0", table: "mangle", prints: "-j MARK --set-xmark 0x0/0xffffff0f", want: &nf.SetMark{Mask: 0xffffff0f}},
	{in: "-j MARK --or-mark 0xf0", table: "mangle", prints: "-j MARK --set-xmark 0xf0/0xf0", want: &nf.SetMark{Value: 0xf0, Mask: 0xf0}},
	{in: "-j MARK --xor-mark 0xf0", table: "mangle", prints: "-j MARK --set-xmark 0xf0/0x0", want: &nf.SetMark{Value: 0xf0}},
	{in: "-j CONNMARK --set-xmark 0x1/0xff", table: "mangle", want: &nf.SetConnMark{Value: 1, Mask: 0xff}},
	{in: "-j CONNMARK --set-mark 0x1/0xf0", table: "mangle", prints: "-j CONNMARK --set-xmark 0x1/0xf1", want: &nf.SetConnMark{Value: 1, Mask: 0xf1}},
	{in: "-j CONNMARK --and-mark 0xf", table: "mangle", prints: "-j CONNMARK --set-xmark 0x0/0xfffffff0", want: &nf.SetConnMark{Mask: 0xfffffff0}},
	{in: "-j CONNMARK --set-xmark 0x80000000/0xf0000000 --left-shift-mark 5", table: "mangle",
		want: &nf.SetConnMark{Value: 0x80000000, Mask: 0xf0000000, LeftShift: 5}},
	{in: "-j CONNMARK --save-mark --nfmask 0xf --ctmask 0xf0", table: "mangle", want: &nf.SaveMark{PacketMask: 0xf, ConnMask: 0xf0}},
	{in: "-j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf0", table: "mangle", want: &nf.RestoreMark{PacketMask: 0xf, ConnMask: 0xf0}},
	{in: "-j CONNMARK --restore-mark --mask 0xf", table: "mangle", prints: "-j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf",
		want: &nf.RestoreMark{PacketMask: 0xf, ConnMask: 0xf}},
	{in: "-j CONNMARK --save-mark", table: "mangle", prints: "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
		want: &nf.SaveMark{PacketMask: 1<<32 - 1, ConnMask: 1<<32 - 1}},

	{in: "-j REJECT --reject-with icmp-port-unreachable", want: &nf.Reject{With: "icmp-port-unreachable"}},
	{in: "-j REJECT", prints: "-j REJECT --reject-with icmp-port-unreachable", want: &nf.Reject{With: "icmp-port-unreachable"}},
	{in: "-j REJECT --reject-with host-prohib", prints: "-j REJECT --reject-with icmp-host-prohibited", want: &nf.Reject{With: "icmp-host-prohibited"}},
	{in: "-j REJECT --reject-with tcp-reset", with: "-p tcp", want: &nf.Reject{With: "tcp-reset"}},
	{in: "-j TCPMSS --clamp-mss-to-pmtu", with: "-p tcp -m tcp --tcp-flags SYN,RST SYN", table: "mangle", want: &nf.SetMSS{Clamp: true}},
	{in: "-j TCPMSS --set-mss 1400", with: "-p tcp -m tcp --tcp-flags SYN,RST SYN", table: "mangle", want: &nf.SetMSS{Size: 1400}},
	{in: "-j DSCP --set-dscp 0x0a", table: "mangle", want: &nf.SetDSCP{Value: 10}},
	{in: "-j DSCP --set-dscp-class EF", table: "mangle", prints: "-j DSCP --set-dscp 0x2e", want: &nf.SetDSCP{Value: 0x2e}},
	{in: "-j TOS --set-tos 0x10/0x3f", table: "mangle", want: &nf.SetTOS{Value: 0x10, Mask: 0x3f}},
	{in: "-j TOS --and-tos 0x10", table: "mangle", prints: "-j TOS --set-tos 0x00/0xef", want: &nf.SetTOS{Mask: 0xef}},
	{in: "-j TOS --or-tos 0x10", table: "mangle", prints: "-j TOS --set-tos 0x10/0x10", want: &nf.SetTOS{Value: 0x10, Mask: 0x10}},
	{in: "-j TOS --xor-tos 0x10", table: "mangle", prints: "-j TOS --set-tos 0x10/0x00", want: &nf.SetTOS{Value: 0x10}},
	{in: "-j TTL --ttl-set 5", table: "mangle", want: &nf.SetTTL{Value: 5}},
	{in: "-j TTL --ttl-dec 1", table: "mangle", want: &nf.SetTTL{Change: nf.TTLDecrement, Value: 1}},
	{in: "-j TTL --ttl-inc 1", table: "mangle", want: &nf.SetTTL{Change: nf.TTLIncrement, Value: 1}},
	{in: "-j CLASSIFY --set-class 0001:0010", table: "mangle", chain: "POSTROUTING", want: &nf.Classify{Major: 1, Minor: 16}},
	{in: "-j CHECKSUM --checksum-fill", with: "-p udp", table: "mangle", chain: "POSTROUTING", want: &nf.FillChecksum{}},

	{in: "-j LOG", want: &nf.Log{Level: 4}},
	{in: `-j LOG --log-prefix "it\'s \"q\" " --log-level debug --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode`,
		prints: `-j LOG --log-prefix "it\'s \"q\" " --log-level 7 --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode`,
		want:   &nf.Log{Prefix: `it's "q" `, Level: 7, TCPSequence: true, TCPOptions: true, IPOptions: true, UID: true, MACDecode: true}},
	{in: "-j LOG --log-prefix abc", want: &nf.Log{Prefix: "abc", Level: 4}},
	{in: "-j NFLOG", want: &nf.NFLog{}},
	{in: `-j NFLOG --nflog-prefix "p q" --nflog-group 5 --nflog-size 100 --nflog-threshold 10`,
		want: &nf.NFLog{Prefix: "p q", Group: 5, Size: pointer[uint32](100), Threshold: 10}},
	{in: "-j NFLOG --nflog-prefix p --nflog-range 64", want: &nf.NFLog{Prefix: "p", Range: 64}, not: "nft"}, // iptables-nft leaves the range out
	{in: "-j TRACE", table: "raw", chain: "PREROUTING", want: &nf.Trace{}},
	{in: "-j AUDIT --type accept", want: &nf.Audit{Type: "accept"}},

	{in: "-j TPROXY --on-port 15001 --on-ip 127.0.0.1 --tproxy-mark 0x1/0xffffffff", with: "-p tcp", table: "mangle", chain: "PREROUTING",
		want: &nf.TProxy{Port: 15001, Addr: addr("127.0.0.1"), Value: 1, Mask: 1<<32 - 1}},
	{in: "-j TPROXY --on-port 15001", with: "-p tcp", table: "mangle", chain: "PREROUTING",
		prints: "-j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0", want: &nf.TProxy{Port: 15001, Addr: addr("0.0.0.0")}},
	{in: "-j NFQUEUE --queue-num 5", want: &nf.NFQueue{First: 5, Last: 5}},
	{in: "-j NFQUEUE --queue-balance 0:3 --queue-bypass --queue-cpu-fanout", want: &nf.NFQueue{Last: 3, Bypass: true, CPUFanout: true}},
	{in: "-j TEE --gateway 10.0.0.1", table: "mangle", want: &nf.Tee{Gateway: addr("10.0.0.1")}},
	{in: "-j TEE --gateway 10.0.0.1 --oif eth0", table: "mangle", want: &nf.Tee{Gateway: addr("10.0.0.1"), Interface: "eth0"}},
	{in: "-j NOTRACK", table: "raw", chain: "PREROUTING", want: &nf.Track{NoTrack: true, Bare: true}},
	{in: "-j CT --notrack", table: "raw", chain: "PREROUTING", want: &nf.Track{NoTrack: true}},
	{in: "-j CT --ctevents new,reply --expevents new --zone 5", table: "raw", chain: "PREROUTING",
		want: &nf.Track{Events: "new,reply", ExpEvents: "new", Zone: &nf.Zone{ID: 5}}},
	{in: "-j CT --zone-orig mark", table: "raw", chain: "PREROUTING",
		want: &nf.Track{Zone: &nf.Zone{Direction: nf.OriginalDirection, FromMark: true}}},
	{in: "-j CT --zone-reply 7", table: "raw", chain: "PREROUTING", want: &nf.Track{Zone: &nf.Zone{Direction: nf.ReplyDirection, ID: 7}}},
	{in: "-j CT --helper ftp --timeout fast", not: "legacy nft", // needs objects made before
		want: &nf.Track{Helper: "ftp", Timeout: "fast"}},
	{in: "-j SET --add-set ports src,dst --exist --timeout 10", want: &nf.UpdateSet{Add: setSrcDst, Exist: true, Timeout: pointer[uint32](10)}},
	{in: "-j SET --del-set ports src,dst", want: &nf.UpdateSet{Del: setSrcDst}},
	{in: "-j SET --map-set ports src,dst --map-mark --map-prio --map-queue", table: "mangle",
		want: &nf.UpdateSet{Map: setSrcDst, MapMark: true, MapPriority: true, MapQueue: true}},

	// Known and not modelled, and not known at all.
	{in: "-j TCPOPTSTRIP --strip-options 3,8", with: "-p tcp", table: "mangle",
		want: &nf.OpaqueTarget{Name: "TCPOPTSTRIP", Text: "-j TCPOPTSTRIP --strip-options 3,8"}},
	{in: "-j ECN --ecn-tcp-remove", with: "-p tcp", table: "mangle", want: &nf.OpaqueTarget{Name: "ECN", Text: "-j ECN --ecn-tcp-remove"}},
	{in: "-j SYNPROXY --sack-perm --wscale 7 --mss 1460", with: "-p tcp", chain: "INPUT",
		want: &nf.OpaqueTarget{Name: "SYNPROXY", Text: "-j SYNPROXY --sack-perm --wscale 7 --mss 1460"}},
	{in: "-j UNHEARD --of 1", want: &nf.OpaqueTarget{Name: "UNHEARD", Text: "-j UNHEARD --of 1"}, not: "legacy nft"},
}

var v6Targets = []example[nf.Statement]{
	{in: "-j DNAT --to-destination [fd00::1]:80", with: "-p tcp", table: "nat", chain: "PREROUTING", want: new(nf.NewDNAT(nf.NATRange{First: addr("fd00::1"), Last: addr("fd00::1"), HasPorts: true, Ports: nf.PortRange{First: 80, Last: 80}}, nf.NATFlags{}))},
	{in: "-j DNAT --to-destination [fd00::1-fd00::9]:80-90/80", with: "-p tcp", table: "nat", chain: "PREROUTING", want: new(nf.NewDNAT(nf.NATRange{First: addr("fd00::1"), Last: addr("fd00::9"), HasPorts: true, Ports: nf.PortRange{First: 80, Last: 90}, BasePort: 80}, nf.NATFlags{}))},
	{in: "-j DNAT --to-destination fd00::1-fd00::8 --persistent", table: "nat", chain: "PREROUTING", want: new(nf.NewDNAT(nf.NATRange{First: addr("fd00::1"), Last: addr("fd00::8")}, nf.NATFlags{Persistent: true}))},
	{in: "-j DNAT --to-destination :80", with: "-p tcp", table: "nat", chain: "PREROUTING", want: new(nf.NewDNAT(nf.NATRange{HasPorts: true, Ports: nf.PortRange{First: 80, Last: 80}}, nf.NATFlags{}))},
	{in: "-j SNAT --to-source fd00::1", table: "nat", chain: "POSTROUTING", want: &nf.SNAT{To: nf.NATRange{First: addr("fd00::1"), Last: addr("fd00::1")}}},
	{in: "-j NETMAP --to fd00::/64", table: "nat", chain: "PREROUTING", want: &nf.NetMap{Net: network4("fd00::/64")}},
	{in: "-j REJECT", prints: "-j REJECT --reject-with icmp6-port-unreachable", want: &nf.Reject{With: "icmp6-port-unreachable"}},
	{in: "-j REJECT --reject-with icmp6-adm-prohibited", want: &nf.Reject{With: "icmp6-adm-prohibited"}},
	{in: "-j REJECT --reject-with port-unreach", prints: "-j REJECT --reject-with icmp6-port-unreachable", want: &nf.Reject{With: "icmp6-port-unreachable"}},
	{in: "-j TPROXY --on-port 15001", with: "-p tcp", table: "mangle", chain: "PREROUTING",
		prints: "-j TPROXY --on-port 15001 --on-ip :: --tproxy-mark 0x0/0x0", want: &nf.TProxy{Port: 15001, Addr: addr("::")}},
	{in: "-j HL --hl-set 5", table: "mangle", want: &nf.SetTTL{V6: true, Value: 5}},
	{in: "-j HL --hl-dec 1", table: "mangle", want: &nf.SetTTL{V6: true, Change: nf.TTLDecrement, Value: 1}},
	{in: "-j TEE --gateway fd00::1", table: "mangle", want: &nf.Tee{Gateway: addr("fd00::1")}},
	{in: "-j SNPT --src-pfx fd00::/64 --dst-pfx fd01::/64", table: "mangle", chain: "POSTROUTING",
		want: &nf.OpaqueTarget{Name: "SNPT", Text: "-j SNPT --src-pfx fd00::/64 --dst-pfx fd01::/64"}},
}

func TestTargets(t *testing.T) {
	for family, examples := range map[nf.Family][]example[nf.Statement]{nf.IPv4: v4Targets, nf.IPv6: v6Targets} {
		for _, e := range examples {
			t.Run(family.String()+" "+e.in, func(t *testing.T) {
				r, diagnostics := rule(t, family, strings.Join(strings.Fields("-A X "+e.with), " ")+" "+e.in)
				if diff := cmp.Diff(e.want, r.Target(), compareAddrs, comparePfx, compareMask, compareDNAT); diff != "" {
					t.Errorf("parsed (-want +got):\n%s", diff)
				}
				if len(diagnostics) > 0 {
					t.Errorf("diagnostics: %v", diagnostics)
				}
				want := e.prints
				if want == "" {
					want = e.in
				}
				if got := r.Target().String(); got != want {
					t.Errorf("String() = %s\nwant       %s", got, want)
				}
			})
		}
	}
}

func TestEveryTargetHasAnExample(t *testing.T) {
	shown := map[string]bool{}
	for _, examples := range [][]example[nf.Statement]{v4Targets, v6Targets} {
		for _, e := range examples {
			shown[strings.Fields(e.in)[1]] = true
		}
	}
	for name, e := range targets {
		if e.fresh != nil && !shown[name] {
			t.Errorf("target %s has no example", name)
		}
	}
}
