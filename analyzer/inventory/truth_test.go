package inventory_test

import (
	"path/filepath"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples/generate"
)

// TestInventoryEqualsManifests reads services back from every recording's rules and
// compares them with what its manifests say kube-proxy was told. Only the dumps
// and the node's addresses are shown to the analyzer.
//
//	SVCPATH_RECORDINGS=DIR go test ./analyzer/inventory/ -run TestInventoryEqualsManifests
//
// does so for the recordings in DIR as well.
func TestInventoryEqualsManifests(t *testing.T) {
	for _, dir := range recordingDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { compareWithManifests(t, dir) })
	}
}

// TestInventoryOfGenerated does the same with nodes that were made up, with
// and without the comments that large clusters lack.
func TestInventoryOfGenerated(t *testing.T) {
	for _, size := range []generate.Size{{Services: 200, Endpoints: 3}, {Services: 600, Endpoints: 5, Seed: 1}} {
		t.Run(size.String(), func(t *testing.T) {
			dir := t.TempDir()
			if err := generate.New(size).WriteRecording(dir); err != nil {
				t.Fatal(err)
			}
			compareWithManifests(t, dir)
		})
	}
}

func compareWithManifests(t *testing.T, dir string) {
	t.Helper()
	r := readRecording(t, dir)
	want := r.serviceViews()
	if r.fault != "" {
		effect, ok := faultEffects[r.fault]
		if !ok {
			t.Fatalf("the fault %q has no known effect", r.fault)
		}
		effect(t, want)
	}

	snapshot, err := capture.Open([]string{
		filepath.Join(dir, "iptables-save.txt"),
		filepath.Join(dir, "ip6tables-save.txt"),
		filepath.Join(dir, "ip-addr.txt"),
	}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, difference := range differences(want, viewsOf(analyzer.Analyze(snapshot).Inventory)) {
		t.Error(difference)
	}
}
