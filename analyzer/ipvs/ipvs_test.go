package ipvs_test

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

func server(dial string, weight uint32) ipvs.RealServer {
	a := netip.MustParseAddrPort(dial)
	return ipvs.RealServer{
		Address: a.Addr(), Port: a.Port(), PortKnown: true, Method: ipvs.Masquerading, Weight: weight, WeightKnown: true,
	}
}

func virtual(dial string, protocol uint8) ipvs.VirtualServer {
	a := netip.MustParseAddrPort(dial)
	return ipvs.VirtualServer{
		Family: ipvs.FamilyOf(a.Addr()), Protocol: protocol, Address: a.Addr(), Port: a.Port(), PortKnown: true, Scheduler: "rr",
	}
}

func TestFind(t *testing.T) {
	var table ipvs.Table
	add := func(v ipvs.VirtualServer) {
		t.Helper()
		if _, isNew := table.Add(v); !isNew {
			t.Fatalf("%s is there already", &v)
		}
	}
	add(virtual("10.96.0.1:443", netfilter.TCP))
	add(virtual("10.96.0.1:53", netfilter.UDP))
	add(virtual("[fd00::1]:443", netfilter.TCP))
	add(virtual("10.96.0.2:21", netfilter.TCP))
	add(virtual("10.96.0.3:0", netfilter.TCP))
	add(ipvs.VirtualServer{Mark: 5, Family: netfilter.IPv4})
	add(ipvs.VirtualServer{Mark: 5, Family: netfilter.IPv6})
	add(ipvs.VirtualServer{Mark: 6}) // from /proc/net/ip_vs
	if v, isNew := table.Add(virtual("10.96.0.1:443", netfilter.TCP)); isNew || v != table.Services()[0] {
		t.Error("a second virtual server with the same key was added")
	}
	for _, test := range []struct {
		mark     uint32
		protocol uint8
		to, want string
	}{
		{0, netfilter.TCP, "10.96.0.1:443", "TCP 10.96.0.1:443"},
		{0, netfilter.UDP, "10.96.0.1:53", "UDP 10.96.0.1:53"},
		{0, netfilter.UDP, "10.96.0.1:443", ""},
		{0, netfilter.TCP, "10.96.0.1:53", ""},
		{0, netfilter.SCTP, "10.96.0.1:443", ""},
		{0, netfilter.TCP, "[fd00::1]:443", "TCP [fd00::1]:443"},
		{0, netfilter.TCP, "10.96.0.2:20", "TCP 10.96.0.2:21"},
		{0, netfilter.TCP, "10.96.0.2:1024", "TCP 10.96.0.2:21"},
		{0, netfilter.TCP, "10.96.0.2:1023", ""},
		{0, netfilter.UDP, "10.96.0.2:1024", ""},
		{0, netfilter.TCP, "10.96.0.3:7", "TCP 10.96.0.3:0"},
		{0, netfilter.UDP, "10.96.0.3:7", ""},
		{5, netfilter.TCP, "10.96.0.1:443", "FWM 5"},
		{5, netfilter.ICMP, "192.0.2.1:0", "FWM 5"},
		{5, netfilter.TCP, "[fd00::1]:443", "FWM 5 IPv6"},
		{6, netfilter.TCP, "[fd00::1]:443", "FWM 6"},
		{7, netfilter.TCP, "10.96.0.1:443", "TCP 10.96.0.1:443"},
	} {
		got := ""
		if v := table.Find(test.mark, test.protocol, netip.MustParseAddrPort(test.to)); v != nil {
			got = v.String()
		}
		if got != test.want {
			t.Errorf("mark %d, %s %s: found %q, expected %q", test.mark, ipvs.ProtocolName(test.protocol), test.to, got, test.want)
		}
	}
}

func TestShares(t *testing.T) {
	type weights []uint32
	for _, test := range []struct {
		scheduler ipvs.Scheduler
		weights   weights
		want      []ipvs.Share // nil: not certain
	}{
		{"rr", weights{1, 1, 1}, []ipvs.Share{{1, 3}, {1, 3}, {1, 3}}},
		{"rr", weights{1, 0, 7}, []ipvs.Share{{1, 2}, {0, 1}, {1, 2}}},
		{"rr", weights{0, 0}, []ipvs.Share{{0, 1}, {0, 1}}},
		{"rr", nil, []ipvs.Share{}},
		{"wrr", weights{3, 0, 1}, []ipvs.Share{{3, 4}, {0, 1}, {1, 4}}},
		{"wrr", weights{2147483647, 2147483647}, []ipvs.Share{{2147483647, 4294967294}, {2147483647, 4294967294}}},
		{"fo", weights{3, 9, 1}, []ipvs.Share{{0, 1}, {1, 1}, {0, 1}}},
		{"fo", weights{9, 9, 1}, nil},
		{"lc", weights{1, 1}, nil},
		{"wlc", weights{1, 0}, []ipvs.Share{{1, 1}, {0, 1}}},
		{"wlc", weights{0, 0}, []ipvs.Share{{0, 1}, {0, 1}}},
		{"ovf", weights{1}, nil},
		{"sh", weights{1, 1}, nil},
		{"sh", weights{1, 0}, nil}, // the hash can name the second
		{"mh", weights{5}, []ipvs.Share{{1, 1}}},
		{"dh", weights{5}, []ipvs.Share{{1, 1}}},
		{"lblcr", weights{1, 1}, nil},
		{"", weights{1, 1}, nil},
		{"homemade", weights{1, 1}, nil},
	} {
		var table ipvs.Table
		v := virtual("10.96.0.1:443", netfilter.TCP)
		v.Scheduler = test.scheduler
		added, _ := table.Add(v)
		for i, w := range test.weights {
			added.AddServer(server("10.244.0."+strconv.Itoa(i+1)+":80", w))
		}
		got, ok := added.Shares()
		if ok != (test.want != nil) {
			t.Errorf("%s %v: certain: %v", test.scheduler, test.weights, ok)
		}
		if diff := cmp.Diff(test.want, got); ok && diff != "" {
			t.Errorf("%s %v:\n%s", test.scheduler, test.weights, diff)
		}
	}
}

func TestSharesThatNothingTells(t *testing.T) {
	var table ipvs.Table
	v, _ := table.Add(virtual("10.96.0.1:443", netfilter.TCP))
	v.AddServer(server("10.244.0.1:80", 1))
	full := v.AddServer(server("10.244.0.2:80", 1))
	if _, ok := v.Shares(); !ok {
		t.Error("two servers in turn have no certain shares")
	}
	full.SetDetails(ipvs.Details{UpperThreshold: 10, ThresholdsKnown: true})
	if _, ok := v.Shares(); ok {
		t.Error("the second server is passed over once it has 10 connections, and yet its share is certain")
	}
	full.SetDetails(ipvs.Details{})
	full.WeightKnown = false
	if _, ok := v.Shares(); ok {
		t.Error("the second server's weight is not known, and yet its share is certain")
	}
	full.WeightKnown, v.Partial = true, true
	if _, ok := v.Shares(); ok {
		t.Error("there may be more servers, and yet the shares are certain")
	}
}

func TestSchedulersAreSorted(t *testing.T) {
	for _, s := range ipvs.Schedulers() {
		if s.Sharing() == ipvs.UnknownSharing {
			t.Errorf("nothing is known of the kernel's scheduler %s", s)
		}
		for bit := range 3 {
			f := ipvs.SchedulerFlags(1 << bit)
			if back, ok := s.SchedulerFlag(f.Words(s)[0]); !ok || back != f {
				t.Errorf("%s: flag %d is read back as %d", s, f, back)
			}
		}
	}
	if _, ok := ipvs.RoundRobin.SchedulerFlag("sh-port"); ok {
		t.Error("rr has a flag of sh")
	}
}

func TestServersStayInARow(t *testing.T) {
	var table ipvs.Table
	var all []*ipvs.VirtualServer
	for i := range 500 {
		v, _ := table.Add(virtual("10.96.0.1:"+strconv.Itoa(i+1), netfilter.TCP))
		all = append(all, v)
	}
	for round := range 3 {
		for i, v := range all {
			for range i % 7 {
				v.AddServer(server("10.244.0.1:"+strconv.Itoa(i+1), uint32(round)))
			}
		}
	}
	n := 0
	for i, v := range all {
		if len(v.Servers()) != 3*(i%7) {
			t.Fatalf("%s has %d real servers, expected %d", v, len(v.Servers()), 3*(i%7))
		}
		for k, r := range v.Servers() {
			if n++; r.Service() != v || r.Port != uint16(i+1) || int(r.Weight) != k/(i%7) {
				t.Fatalf("%s has %s with weight %d of %s at %d", v, &r, r.Weight, r.Service(), k)
			}
		}
	}
	if table.NumRealServers() != n {
		t.Errorf("%d real servers are counted, expected %d", table.NumRealServers(), n)
	}
}

func TestText(t *testing.T) {
	f := &source.File{Path: "f", Text: "-A -t a:1\n-a -t a:1 -r b:2\n"}
	var table ipvs.Table
	v, _ := table.Add(ipvs.VirtualServer{Protocol: netfilter.TCP, Name: "a:1"})
	v.SetText(source.Span{File: f, Len: 9, Line: 1})
	r := v.AddServer(ipvs.RealServer{})
	r.SetDetails(ipvs.Details{Name: "b:2"})
	r.SetText(source.Span{File: f, Offset: 10, Len: 16, Line: 2})
	if v.String() != "TCP a:1" || v.Text() != "-A -t a:1" || v.Pos().String() != "f:1" {
		t.Errorf("%s at %s: %q", v, v.Pos(), v.Text())
	}
	if r.String() != "b:2" || r.Text() != "-a -t a:1 -r b:2" || r.Pos().String() != "f:2" {
		t.Errorf("%s at %s: %q", r, r.Pos(), r.Text())
	}
	if _, ok := v.Key(); ok {
		t.Error("a virtual server that goes by a name has a key")
	}
	var none ipvs.Table
	w, _ := none.Add(virtual("10.0.0.1:1", netfilter.TCP))
	if w.Text() != "" || w.Pos().IsValid() {
		t.Error("a virtual server of no text has one")
	}
}
