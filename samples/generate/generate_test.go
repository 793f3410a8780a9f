package generate_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/svcpath/svcpath/samples/generate"
)

var (
	dir       = flag.String("dir", "", "write a recording into this directory")
	services  = flag.Int("services", 100, "of the recording that is written")
	endpoints = flag.Int("endpoints", 5, "of each of its services")
	seed      = flag.Uint64("seed", 1, "of its contents")
	mode      = flag.String("mode", "iptables", "that its kube-proxy is in: iptables, ipvs or nftables")
)

// TestWriteRecording is also how "make generate" makes files.
func TestWriteRecording(t *testing.T) {
	target := *dir
	if target == "" {
		target = t.TempDir()
	} else if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	n := generate.New(generate.Size{Services: *services, Endpoints: *endpoints, Seed: *seed})
	write := n.WriteRecording
	switch *mode {
	case "iptables":
	case "ipvs":
		write = n.WriteIPVSRecording
	case "nftables":
		write = n.WriteNFTRecording
	default:
		t.Fatalf("mode %s: expected iptables, ipvs or nftables", *mode)
	}
	if err := write(target); err != nil {
		t.Fatal(err)
	}
}

func TestSameSizeSameBytes(t *testing.T) {
	text := func(seed uint64) string {
		var all bytes.Buffer
		n := generate.New(generate.Size{Services: 50, Endpoints: 3, Seed: seed})
		for _, write := range []func(io.Writer) error{
			n.WriteRules, n.WriteManifests, n.WriteIPVSRules, n.WriteSets, n.WriteVirtualServers, n.WriteIPVSAddresses,
			n.WriteNFTRules,
		} {
			if err := write(&all); err != nil {
				t.Fatal(err)
			}
		}
		return all.String()
	}
	first, again, other := text(1), text(1), text(2)
	if first != again {
		t.Error("the same size and seed give other bytes")
	}
	if first == other {
		t.Error("another seed gives the same bytes")
	}
}
