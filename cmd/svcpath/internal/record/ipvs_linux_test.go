package record

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// mask is a netmask as the library gives it: bytes in the order of the
// network, read as a number.
func mask(a string) uint32 {
	bytes := netip.MustParseAddr(a).As4()
	return binary.NativeEndian.Uint32(bytes[:])
}

func addr(a string) []byte { return netip.MustParseAddr(a).AsSlice() }

// TestVirtualServersAsText turns what the library gives into text, and the text
// back.
func TestVirtualServersAsText(t *testing.T) {
	const v4, v6 = unix.AF_INET, unix.AF_INET6
	masq := func(a string, port uint16, weight int) *moby.Destination {
		return &moby.Destination{Address: addr(a), Port: port, Weight: weight, AddressFamily: v4}
	}
	entries := []entry{
		{&moby.Service{Address: addr("10.96.0.1"), Protocol: 6, Port: 443, SchedName: "rr", AddressFamily: v4, Flags: 2, Netmask: mask("255.255.255.255")},
			[]*moby.Destination{masq("172.18.0.2", 6443, 1), masq("172.18.0.4", 6443, 0)}},
		{&moby.Service{Address: addr("10.96.0.10"), Protocol: 17, Port: 53, SchedName: "wrr", AddressFamily: v4, Flags: 2 | 4}, nil},
		{&moby.Service{Address: addr("10.96.0.11"), Protocol: 132, Port: 2905, SchedName: "mh", AddressFamily: v4, Flags: 1 | 2 | 8 | 16, Timeout: 10800, Netmask: mask("255.255.255.255")},
			[]*moby.Destination{{Address: addr("10.244.0.1"), Port: 2905, Weight: 3, ConnectionFlags: moby.ConnectionFlagDirectRoute | 0x100, AddressFamily: v4, UpperThreshold: 10, LowerThreshold: 7}}},
		{&moby.Service{Address: addr("10.96.0.12"), Protocol: 6, Port: 80, SchedName: "sh", AddressFamily: v4, Flags: 1 | 32, Timeout: 60, Netmask: mask("255.255.255.0")},
			[]*moby.Destination{{Address: addr("10.244.0.2"), Port: 80, Weight: 1, ConnectionFlags: moby.ConnectionFlagTunnel, AddressFamily: v4}}},
		{&moby.Service{Address: addr("fd00::1"), Protocol: 6, Port: 443, SchedName: "rr", AddressFamily: v6, Flags: 1, Timeout: 300, Netmask: 64},
			[]*moby.Destination{{Address: addr("fd00:1::2"), Port: 6443, Weight: 1, AddressFamily: v6}}},
		{&moby.Service{Address: addr("fd00::2"), Protocol: 6, Port: 443, SchedName: "rr", AddressFamily: v6, Flags: 1, Timeout: 300, Netmask: 128}, nil},
		{&moby.Service{FWMark: 5, SchedName: "wlc", AddressFamily: v4}, []*moby.Destination{masq("10.244.0.3", 0, 1)}},
		{&moby.Service{FWMark: 5, SchedName: "wlc", AddressFamily: v6}, nil},
	}
	const want = `-A -t 10.96.0.1:443 -s rr
-a -t 10.96.0.1:443 -r 172.18.0.2:6443 -m -w 1
-a -t 10.96.0.1:443 -r 172.18.0.4:6443 -m -w 0
-A -u 10.96.0.10:53 -s wrr -o
-A --sctp-service 10.96.0.11:2905 -s mh -p 10800 -b mh-fallback,mh-port
-a --sctp-service 10.96.0.11:2905 -r 10.244.0.1:2905 -g -w 3 -x 10 -y 7
-A -t 10.96.0.12:80 -s sh -p 60 -M 255.255.255.0 -b flag-3
-a -t 10.96.0.12:80 -r 10.244.0.2:80 -i -w 1
-A -t [fd00::1]:443 -s rr -p 300 -M 64
-a -t [fd00::1]:443 -r [fd00:1::2]:6443 -m -w 1
-A -t [fd00::2]:443 -s rr -p 300
-A -f 5 -s wlc
-a -f 5 -r 10.244.0.3:0 -m -w 1
-A -f 5 -6 -s wlc
`
	text, err := saveText(entries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("as text (-want +got):\n%s", diff)
	}

	read, next := ipvsadm.ParseSave(source.Start(&source.File{Path: "ipvsadm-save.txt", Text: text}), func(string) bool { return false })
	if next.More() || len(read.Diagnostics) > 0 {
		t.Errorf("the text is not read whole: line %d, %v", next.Line, read.Diagnostics)
	}
	var back strings.Builder
	if err := ipvsadm.WriteSave(&back, read.Table); err != nil {
		t.Fatal(err)
	}
	// The library does not tell a tunnel's type; without one ipvsadm means ipip.
	if diff := cmp.Diff(text, strings.ReplaceAll(back.String(), " --tun-type ipip", "")); diff != "" {
		t.Errorf("there and back:\n%s", diff)
	}
	for i, v := range read.Table.Services() {
		e := entries[i]
		if v.Port != e.service.Port || v.Mark != e.service.FWMark || string(v.Scheduler) != e.service.SchedName || len(v.Servers()) != len(e.destinations) {
			t.Errorf("%s is read for %+v", v, e.service)
		}
		for j, r := range v.Servers() {
			if d := e.destinations[j]; r.Address.String() != d.Address.String() || r.Port != d.Port || r.Weight != uint32(d.Weight) {
				t.Errorf("%s: %s is read for %+v", v, &r, d)
			}
		}
	}
}

func TestVirtualServersThatAreNone(t *testing.T) {
	good := &moby.Service{Address: addr("10.96.0.1"), Protocol: 6, Port: 443, SchedName: "rr", AddressFamily: unix.AF_INET}
	for name, e := range map[string]entry{
		"no family":    {&moby.Service{Address: addr("10.96.0.1"), Protocol: 6, SchedName: "rr"}, nil},
		"no address":   {&moby.Service{Protocol: 6, SchedName: "rr", AddressFamily: unix.AF_INET}, nil},
		"no scheduler": {&moby.Service{Address: addr("10.96.0.1"), Protocol: 6, AddressFamily: unix.AF_INET}, nil},
		"no real one":  {good, []*moby.Destination{{Port: 1, AddressFamily: unix.AF_INET}}},
		"bypass":       {good, []*moby.Destination{{Address: addr("10.244.0.1"), ConnectionFlags: moby.ConnFwdBypass, AddressFamily: unix.AF_INET}}},
	} {
		if text, err := saveText([]entry{e}); err == nil {
			t.Errorf("%s: no error, %q", name, text)
		}
	}
}
