package samples_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/samples"
)

func TestEverySampleIsWhole(t *testing.T) {
	last := ""
	for _, s := range samples.List() {
		if s.Name <= last {
			t.Errorf("%s stands after %s: the list is not sorted by name", s.Name, last)
		}
		last = s.Name
		if s.Title == "" || s.Summary == "" {
			t.Errorf("%s has no title or no summary", s.Name)
		}
		files, err := samples.Open(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"README.md", "iptables-save.txt", "ip6tables-save.txt", "ip-addr.txt", "manifests.yaml", "node.yaml", "flows.yaml"}
		if strings.HasPrefix(s.Name, "ipvs-") {
			names = append(names, "ipset-save.txt", "ipvsadm-save.txt")
		} else {
			names = append(names, "ip-route.txt", "kube-proxy-config.yaml")
		}
		if strings.HasPrefix(s.Name, "nftables-") {
			names = append(names, "nft-ruleset.txt")
		}
		for _, name := range names {
			if text, err := fs.ReadFile(files, name); err != nil || len(text) == 0 {
				t.Errorf("%s: %s: %d bytes, %v", s.Name, name, len(text), err)
			}
		}
	}
}

// The node of the sample is told of in JSON beside the other generations' nodes.
func TestNFTablesSampleIsTheRecording(t *testing.T) {
	files, err := samples.Open("nftables-service-zoo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nft-ruleset.txt", "ip-addr.txt", "node.yaml", "kube-proxy-config.yaml"} {
		shipped, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := os.ReadFile("testdata/nftables/service-zoo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if string(shipped) != string(recorded) {
			t.Errorf("%s is not the one of testdata/nftables/service-zoo", name)
		}
	}
}

// A directory that is neither embedded nor listed would be shipped to nobody;
// what is generated or for tests alone is not meant to be.
func TestEveryDirectoryIsListed(t *testing.T) {
	dirs, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !d.IsDir() || d.Name() == "testdata" || d.Name() == "generate" {
			continue
		}
		if _, err := samples.Open(d.Name()); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenNamesTheSamples(t *testing.T) {
	const want = `no sample is named "zoo": there are ipvs-fault-nodeport-drift, ipvs-myth2-loadbalancer, ipvs-service-zoo, myth2-loadbalancer, nftables-service-zoo, service-zoo`
	if _, err := samples.Open("zoo"); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := samples.Open("../testdata"); err == nil || !strings.Contains(err.Error(), "no sample") {
		t.Errorf("a path is no name: %v", err)
	}
}
