package ipsetsave

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// TestPlainLines holds what is read of plain lines, most of which are spoilt,
// against what the reader of all lines does.
func TestPlainLines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 14))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	const spoilers = "0123456789.:,-/ \t\radtcpu"
	types := []netfilter.IPSetType{netfilter.HashIP, netfilter.HashIPPort, netfilter.HashIPPortIP, netfilter.HashNet, netfilter.HashIPPortNet}
	plain := map[netfilter.IPSetType]int{}
	for range 200_000 {
		typ := types[r.IntN(len(types))]
		newSet := func() *netfilter.IPSet { return netfilter.NewIPSet("A", typ, netfilter.IPv4) }
		address := func() string {
			return pick("10.0.0.1", "10.0.0.1", "10.0.0.1", "255.255.255.255", "256.0.0.1", "10.0.0.01", "10.0.0", "10.0.0.1.2", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "fd00::1")
		}
		line := pick("add", "add", "add", "create") + " " + pick("A", "A", "A", "AA") + " " + address()
		if parts := typ.Parts(); len(parts) > 1 {
			line += "," + pick("tcp:80", "udp:53", "tcp:0", "tcp:65535", "tcp:65536", "tcp:080", "sctp:80", "80", "tcp:80-90", "tcp:http", "icmp:echo-request")
			if len(parts) > 2 {
				line += "," + address()
			}
		}
		line += pick("", "", "", " ", " timeout 5", " nomatch", "\r")
		if r.IntN(3) == 0 {
			at := r.IntN(len(line))
			line = line[:at] + string(spoilers[r.IntN(len(spoilers))]) + line[at+r.IntN(2):]
		}
		at := source.Start(&source.File{Text: line + "\n"})
		reader := reader{set: newSet()}
		reader.set.Pos = at.Pos()
		if after := reader.plainLines(at); after.More() {
			if after != at {
				t.Fatalf("%q: it is read up to %d", line, after.Offset)
			}
			continue
		}
		plain[typ]++
		got := reader.set
		reader.set = newSet()
		reader.set.Pos = at.Pos()
		command, name, rest := command(line)
		reader.element(appendWords(nil, rest), spanOf(at, line))
		want := reader.set
		if command != "add" || name != want.Name || want.NumElements() != 1 || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v, expected %+v, %v", line, got, want, reader.remarks.All())
		}
	}
	if plain[netfilter.HashIP] < 2000 || plain[netfilter.HashIPPort] < 800 || plain[netfilter.HashIPPortIP] < 300 || len(plain) > 3 {
		t.Errorf("plain were %v: the test does not ask what it should", plain)
	}
	for _, text := range []string{"add A 10.0.0.1", "add A 10.0.0.1\nadd A 10.0.0.2", "add A 10.0.0.1\nadd B 10.0.0.2\n"} {
		reader := reader{set: netfilter.NewIPSet("A", netfilter.HashIP, netfilter.IPv4)}
		if after := reader.plainLines(source.Start(&source.File{Text: text})); !after.More() {
			t.Errorf("%q is read to its end", text)
		}
	}
}
