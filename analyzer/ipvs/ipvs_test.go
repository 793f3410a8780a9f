package ipvs_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
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
		even, isEven := added.EvenShare()
		if want := ok && test.scheduler == "rr" && slices.Max(append(test.weights, 0)) > 0; isEven != want {
			t.Errorf("%s %v: shares that are even: %v", test.scheduler, test.weights, isEven)
		}
		if isEven && slices.ContainsFunc(got, func(s ipvs.Share) bool { return s.Num > 0 && s != even }) {
			t.Errorf("%s %v: %v, and each is said to get %v", test.scheduler, test.weights, got, even)
		}
	}
}

func TestSharesThatNothingTells(t *testing.T) {
	var table ipvs.Table
	v, _ := table.Add(virtual("10.96.0.1:443", netfilter.TCP))
	v.AddServer(server("10.244.0.1:80", 1))
	v.AddServer(server("10.244.0.2:80", 1))
	full := v.Server(1)
	if _, ok := v.Shares(); !ok {
		t.Error("two servers in turn have no certain shares")
	}
	full.SetDetails(ipvs.Details{UpperThreshold: 10, ThresholdsKnown: true})
	v.SetServer(1, full)
	if _, ok := v.EvenShare(); ok {
		t.Error("the second server is passed over once it has 10 connections, and yet it gets as much as the first")
	}
	if _, ok := v.Shares(); ok {
		t.Error("the second server is passed over once it has 10 connections, and yet its share is certain")
	}
	full.SetDetails(ipvs.Details{})
	full.WeightKnown = false
	v.SetServer(1, full)
	if _, ok := v.Shares(); ok {
		t.Error("the second server's weight is not known, and yet its share is certain")
	}
	full.WeightKnown, v.Partial = true, true
	v.SetServer(1, full)
	if _, ok := v.EvenShare(); ok {
		t.Error("there may be more servers, and yet each gets as much")
	}
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

// TestPackedServers adds real servers in any order, most of them as a save has
// them, and asks for what was added.
func TestPackedServers(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 7))
	packed := 0
	for range 2000 {
		f := &source.File{Path: "f"}
		line := 0
		write := func(text string) source.Span {
			line++
			s := source.Span{File: f, Offset: len(f.Text), Len: len(text), Line: line}
			f.Text += text + [...]string{"\n", "\n", "\n", " \r\n"}[random.IntN(4)]
			return s
		}
		var table ipvs.Table
		want := map[*ipvs.VirtualServer][]ipvs.RealServer{}
		texts := map[*ipvs.VirtualServer][]string{}
		var all []*ipvs.VirtualServer
		for range 1 + random.IntN(20) {
			var v *ipvs.VirtualServer
			if isOld := random.IntN(10) == 0 && len(all) > 0; isOld {
				v = all[random.IntN(len(all))]
				if random.IntN(3) == 0 {
					v.SetText(write("anew"))
				}
			} else {
				v, _ = table.Add(virtual("10.96.0.1:"+strconv.Itoa(len(all)+1), netfilter.TCP))
				v.SetText(write("-A " + v.Dial()))
				all = append(all, v)
			}
			for n := random.IntN(8); n > 0; n-- {
				r := server("10.244.0."+strconv.Itoa(random.IntN(9))+":80", uint32(random.IntN(3)))
				if random.IntN(60) == 0 {
					write("") // a line between
				}
				text := "-a " + r.String()
				at := write(text)
				switch random.IntN(30) {
				case 0:
					r.SetDetails(ipvs.Details{UpperThreshold: 3})
				case 1:
					r.Address = netip.MustParseAddr("fd00::1")
				case 2:
					r.Counted, r.Active = true, 4
				case 3:
					r.PortKnown = false
				case 4:
					at.Len -= 2
					text = text[:len(text)-2]
				default:
					if random.IntN(2) == 0 {
						packed++
						v.AddPlain(r.Address.As4(), r.Port, r.Method, r.Weight, at)
						r.SetText(at)
						want[v], texts[v] = append(want[v], r), append(texts[v], text)
						continue
					}
				}
				r.SetText(at)
				v.AddServer(r)
				want[v], texts[v] = append(want[v], r), append(texts[v], text)
				if i := random.IntN(len(want[v])); random.IntN(40) == 0 {
					changed := v.Server(i)
					changed.Weight = 77
					want[v][i].Weight = 77
					v.SetServer(i, changed)
				}
			}
		}
		n := 0
		for _, v := range all {
			servers := v.Servers()
			if len(servers) != len(want[v]) || v.NumServers() != len(servers) {
				t.Fatalf("%s has %d real servers, expected %d", v, len(servers), len(want[v]))
			}
			for i, r := range servers {
				w := want[v][i]
				if one := v.Server(i); one != r {
					t.Fatalf("%s has %+v at %d, and %+v in its list", v, one, i, r)
				}
				same := r.Address == w.Address && r.Port == w.Port && r.PortKnown == w.PortKnown && r.Method == w.Method && r.Weight == w.Weight &&
					r.WeightKnown == w.WeightKnown && r.Counted == w.Counted && r.Active == w.Active && r.Details() == w.Details()
				if !same || r.Text() != texts[v][i] || r.Service() != v {
					t.Fatalf("%s has %+v (%q) at %d, expected %+v (%q)", v, r, r.Text(), i, w, texts[v][i])
				}
			}
			n += len(servers)
		}
		if table.NumRealServers() != n {
			t.Fatalf("%d real servers are counted, expected %d", table.NumRealServers(), n)
		}
	}
	if packed < 10_000 {
		t.Errorf("%d real servers are plain: the test does not ask what it should", packed)
	}
}

// TestKeys looks for virtual servers among many.
func TestKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	for _, expected := range []int{0, 1, 500, 5000} {
		var table ipvs.Table
		if expected > 0 {
			table.Expect(expected)
		}
		index := map[ipvs.Key]*ipvs.VirtualServer{}
		someKey := func() ipvs.Key {
			k := ipvs.Key{Family: netfilter.IPv4, Protocol: [...]uint8{netfilter.TCP, netfilter.UDP}[random.IntN(2)], Port: uint16(random.IntN(4))}
			four := [4]byte{10, 96, 0, byte(random.IntN(250))}
			switch random.IntN(4) {
			case 0:
				return ipvs.Key{Family: [...]netfilter.Family{netfilter.IPv4, netfilter.IPv6, netfilter.AnyFamily}[random.IntN(3)], Mark: uint32(1 + random.IntN(100))}
			case 1:
				k.Family, k.Address = netfilter.IPv6, netip.AddrFrom16(netip.AddrFrom4(four).As16())
			default:
				k.Address = netip.AddrFrom4(four)
			}
			return k
		}
		for range 3000 {
			k := someKey()
			added, isNew := table.Add(ipvs.VirtualServer{Family: k.Family, Protocol: k.Protocol, Address: k.Address, Port: k.Port, PortKnown: true, Mark: k.Mark})
			if isNew != (index[k] == nil) || !isNew && added != index[k] {
				t.Fatalf("%+v is new: %v", k, isNew)
			}
			index[k] = added
			if k := someKey(); table.Service(k) != index[k] {
				t.Fatalf("%+v is %v, expected %v", k, table.Service(k), index[k])
			}
		}
	}
}

func TestText(t *testing.T) {
	f := &source.File{Path: "f", Text: "-A -t a:1\n-a -t a:1 -r b:2\n"}
	var table ipvs.Table
	v, _ := table.Add(ipvs.VirtualServer{Protocol: netfilter.TCP, Name: "a:1"})
	v.SetText(source.Span{File: f, Len: 9, Line: 1})
	var r ipvs.RealServer
	r.SetDetails(ipvs.Details{Name: "b:2"})
	r.SetText(source.Span{File: f, Offset: 10, Len: 16, Line: 2})
	v.AddServer(r)
	r = v.Server(0)
	if v.String() != "TCP a:1" || v.Text() != "-A -t a:1" || v.Pos().String() != "f:1" {
		t.Errorf("%s at %s: %q", v, v.Pos(), v.Text())
	}
	if r.String() != "b:2" || r.Text() != "-a -t a:1 -r b:2" || r.Pos().String() != "f:2" {
		t.Errorf("%s at %s: %q", &r, r.Pos(), r.Text())
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
