package kubeproxy

import (
	"encoding/base32"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Letters are read as base32's own reader reads them.
func TestParseHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringMatching(`[A-Z2-7]{15}[A-Z0-9a-z]`).Draw(t, "letters")
		want, err := base32.StdEncoding.DecodeString(letters)
		got, ok := parseHash(letters)
		if ok != (err == nil) {
			t.Fatalf("parseHash(%s): ok is %v, base32 says %v", letters, ok, err)
		}
		if ok && (got != Hash(want) || got.String() != letters) {
			t.Fatalf("parseHash(%s) is %x, written %s; want %x", letters, got, got, want)
		}
		if isHash(letters) != ok {
			t.Fatalf("isHash(%s) is %v", letters, !ok)
		}
	})
}

// A Hasher keeps nothing of the port that it was set to before.
func TestHasherIsUsedAgain(t *testing.T) {
	var used Hasher
	endpoint := netip.MustParseAddrPort("[fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535")
	for _, port := range []ServicePort{
		{"default", "web", ""}, {"a-much-longer-namespace", "with-a-long-name", "and-a-port"},
		{"default", "web", "http"}, {"default", "web", ""},
	} {
		fresh := Hasher{}
		fresh.Set(port, "sctp")
		used.Set(port, "sctp")
		for range 2 { // hashing an endpoint leaves no trace either
			if used.Hash() != fresh.Hash() || used.Hash() != PortHash(port, "sctp") {
				t.Errorf("%s: hash %s, of a new Hasher %s", port, used.Hash(), fresh.Hash())
			}
			if hash := used.Endpoint(endpoint); hash != EndpointHash(port, "sctp", endpoint) || !used.OwnsEndpoint(endpoint, hash) {
				t.Errorf("%s: hash %s of %s, of a new Hasher %s", port, hash, endpoint, EndpointHash(port, "sctp", endpoint))
			}
			for _, hash := range Hashes(port, netfilter.SCTP) {
				if !used.Owns(hash) {
					t.Errorf("%s does not own %s", port, hash)
				}
			}
		}
	}
}
