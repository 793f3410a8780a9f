//go:build linux

package kernel

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestSpeed(t *testing.T) {
	Require(t)
	n, err := Start(Layout{Interfaces: []Interface{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("172.18.0.3/16")}}, {Name: "cni0"}},
		Routes: []Route{{netip.MustParsePrefix("0.0.0.0/0"), "eth0"}, {netip.MustParsePrefix("10.244.1.0/24"), "cni0"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Load(Ruleset{Backend: Legacy, IPv4: `*nat
-A PREROUTING -d 10.96.0.1/32 -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.244.1.2:8080
-A OUTPUT -d 10.96.0.1/32 -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.244.1.2:8080
-A POSTROUTING -j MASQUERADE
COMMIT
`}); err != nil {
		t.Fatal(err)
	}
	var ps []Probe
	for i := range 40000 {
		p := Probe{In: "eth0", Protocol: TCP, Source: netip.MustParseAddrPort("203.0.113.9:0"), Destination: netip.MustParseAddrPort("10.96.0.1:80")}
		if i%2 == 1 {
			p.In = ""
			p.Source = netip.MustParseAddrPort("172.18.0.3:0")
		}
		if i%4 == 3 {
			p.Destination = netip.MustParseAddrPort("172.18.0.3:80")
		}
		ps = append(ps, p)
	}
	start := time.Now()
	fs, err := n.Send(ps)
	fmt.Println(time.Since(start), err)
	m := map[string]int{}
	for i, f := range fs {
		if f.Source.IsValid() {
			f.Source = netip.AddrPortFrom(f.Source.Addr(), 0)
		}
		m[fmt.Sprint(i%4, f)]++
	}
	fmt.Println(m)
}
