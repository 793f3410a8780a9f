package netfilter_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

var addressAndPort = []netfilter.DataType{netfilter.TypeIPv4, netfilter.TypePort}

func addressKey(n int) netfilter.Key {
	return netfilter.AddrKey(netip.AddrFrom4([4]byte{10, 0, byte(n >> 4), byte(n & 15)}))
}

func portKey(n int) netfilter.Key { return netfilter.UintKey(netfilter.TypePort, uint64(n)) }

// The index finds what looking at every element finds.
func TestSetFindIsAScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		table := netfilter.NewTable(netfilter.IPv4, "t")
		set, _ := table.AddSet("s", source.Position{})
		set.SetTypes(addressAndPort, nil)
		for range random.IntN(40) {
			address, port := random.IntN(200), random.IntN(20)
			first := addressKey(address) + portKey(port)
			last := first
			if round%2 == 0 && random.IntN(3) == 0 {
				last = addressKey(address+random.IntN(20)) + portKey(port+random.IntN(4))
			}
			set.Add(netfilter.Element{First: first, Last: last})
		}
		if round%3 == 0 {
			set.Add(netfilter.Element{})
		}
		for range 300 {
			address, port := addressKey(random.IntN(220)), portKey(random.IntN(24))
			var holding []int
			wildcard := -1
			for i, e := range set.Elements() {
				switch {
				case e.First == "":
					wildcard = i
				case e.First[:4] <= address && address <= e.Last[:4] && e.First[4:] <= port && port <= e.Last[4:]:
					holding = append(holding, i)
				}
			}
			got := set.Find(address + port)
			switch {
			case len(holding) == 0 && got != wildcard, len(holding) > 0 && !slices.Contains(holding, got):
				t.Fatalf("round %d: found %d, expected one of %v or %d", round, got, holding, wildcard)
			}
			known := slices.Collect(set.Candidates([]netfilter.Key{address, port}))
			if got < 0 && len(known) > 0 || got >= 0 && !slices.Equal(known, []int{got}) {
				t.Fatalf("round %d: candidates %v, found %d", round, known, got)
			}
			open := slices.Collect(set.Candidates([]netfilter.Key{"", port}))
			for _, i := range holding {
				if !slices.Contains(open, i) {
					t.Fatalf("round %d: element %d is no candidate of %v", round, i, open)
				}
			}
		}
	}
}

func TestSetKeepsElements(t *testing.T) {
	table := netfilter.NewTable(netfilter.IPv4, "t")
	set, added := table.AddSet("m", source.Position{})
	if again, twice := table.AddSet("m", source.Position{}); !added || twice || again != set || table.SetRef("m") != set {
		t.Fatal("a set of one name is another set")
	}
	set.SetTypes([]netfilter.DataType{netfilter.TypeIPv4}, addressAndPort)
	want := []netfilter.Element{
		{First: addressKey(1), Last: addressKey(1), Data: addressKey(2) + portKey(3), Comment: "one"},
		{First: addressKey(4), Last: addressKey(7), Data: addressKey(8) + portKey(9), Counters: &netfilter.Counters{Packets: 5}},
		{Data: addressKey(10) + portKey(11)},
	}
	for _, e := range want {
		set.Add(e)
	}
	var got []netfilter.Element
	for _, e := range set.Elements() {
		e.DataLast = ""
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	set.Name = ""
	if set.Ref() != `{ 10.0.0.1 comment "one" : 10.0.0.2 . 3, 10.0.0.4/30 counter packets 5 bytes 0 : 10.0.0.8 . 9, * : 10.0.0.10 . 11 }` {
		t.Errorf("got %s", set.Ref())
	}
}

// Values and ranges are printed as they are read.
func TestValuesAreTheirText(t *testing.T) {
	for _, tt := range []struct {
		t    netfilter.DataType
		text string
	}{
		{netfilter.TypeIPv4, "10.0.0.1"}, {netfilter.TypeIPv6, "fd00::1"}, {netfilter.TypeProtocol, "sctp"}, {netfilter.TypeProtocol, "200"},
		{netfilter.TypePort, "65535"}, {netfilter.TypeMark, "0x00004000"}, {netfilter.TypeCTState, "established,related"},
		{netfilter.TypeEther, "00:01:02:03:04:05"}, {netfilter.TypeTCPFlags, "fin,syn"}, {netfilter.TypeSeconds, "2h59m58s12ms"},
		{netfilter.TypeICMPType, "echo-request"}, {netfilter.TypeDSCP, "cs1"}, {netfilter.TypeText, "anything"},
	} {
		key, err := netfilter.ParseValue(tt.t, tt.text)
		if got := netfilter.FormatValue(tt.t, key); err != nil || got != tt.text {
			t.Errorf("%s %q: got %q, %v", tt.t, tt.text, got, err)
		}
	}
	for _, tt := range []struct {
		t    netfilter.DataType
		text string
	}{
		{netfilter.TypeIPv4, "fd00::1"}, {netfilter.TypeIPv6, "10.0.0.1"}, {netfilter.TypePort, "65536"}, {netfilter.TypePort, "-1"}, {netfilter.TypeMark, ""},
		{netfilter.TypeIfName, "a-name-of-sixteen"}, {netfilter.TypeCTState, "new,"}, {netfilter.TypeSeconds, "5q"}, {netfilter.TypeSeconds, "1s1h"},
	} {
		if key, err := netfilter.ParseValue(tt.t, tt.text); err == nil {
			t.Errorf("%s %q is read as %x", tt.t, tt.text, string(key))
		}
	}
}

// What a set tells of an element alone is what the element has that was added.
func TestSetTellsPartsOfElements(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		table := netfilter.NewTable(netfilter.IPv4, "t")
		set, _ := table.AddSet("m", source.Position{})
		set.SetTypes([]netfilter.DataType{netfilter.TypePort}, addressAndPort)
		var added []netfilter.Element
		for i := range 1 + random.IntN(20) {
			e := netfilter.Element{First: portKey(10 * i), Last: portKey(10 * i), Data: addressKey(i) + portKey(i), Line: i + 1}
			e.DataLast = e.Data
			if round%2 == 0 && random.IntN(3) == 0 {
				e.Last = portKey(10*i + 5)
			}
			if round%3 == 0 && random.IntN(3) == 0 {
				e.DataLast = addressKey(i+1) + portKey(i)
			}
			if random.IntN(4) == 0 {
				e.Comment = "a comment"
			}
			if i == 3 && round%5 == 0 {
				e.First, e.Last = "", ""
			}
			added = append(added, e)
			if e.First != "" && e.First == e.Last && e.Data == e.DataLast && e.Comment == "" {
				set.AddPlain([]byte(e.First), []byte(e.Data), nil, e.Line)
			} else {
				set.Add(e)
			}
		}
		for i, e := range added {
			if diff := cmp.Diff(e, set.Element(i)); diff != "" {
				t.Fatalf("element %d (-added +kept):\n%s", i, diff)
			}
			key, single := set.Single(i)
			if single != (e.First != "" && e.First == e.Last) || single && netfilter.Key(key) != e.First {
				t.Errorf("element %d: key %x %v of %+v", i, key, single, e)
			}
			value, single := set.SingleValue(i)
			if single != (e.Data == e.DataLast) || single && netfilter.Key(value) != e.Data {
				t.Errorf("element %d: value %x %v of %+v", i, value, single, e)
			}
			first, last, ok := set.Numbers(i)
			if ok != (e.First != "") || ok && (first != e.First.Uint() || last != e.Last.Uint()) {
				t.Errorf("element %d: numbers %d, %d of %+v", i, first, last, e)
			}
			if set.CommentOf(i) != e.Comment {
				t.Errorf("element %d: comment %q of %+v", i, set.CommentOf(i), e)
			}
		}
	}
}
