package inventory_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modeDifferences are what the inventories of one cluster in iptables mode and
// in nftables mode differ in. Each is a row of docs/kube-proxy-nftables.md.
var modeDifferences = []struct {
	row   string // the first cell
	level func(iptables, nftables []serviceView)
}{
	{"addresses of node ports", func(iptables, nftables []serviceView) {
		each(slices.Concat(iptables, nftables), func(_ *serviceView, e *entryView) {
			if e.Kind == "NodePort" {
				e.Addresses, e.Except = nil, nil
			}
		})
	}},
	{"kind", func(iptables, nftables []serviceView) {
		open := map[string]bool{}
		each(nftables, func(v *serviceView, e *entryView) {
			if e.Kind == openKind {
				open[v.Service+e.Addresses[0]] = true
			}
		})
		each(slices.Concat(iptables, nftables), func(v *serviceView, e *entryView) {
			if len(e.Addresses) == 1 && open[v.Service+e.Addresses[0]] {
				e.Kind = openKind
			} else if e.Kind == openKind {
				e.Kind = "LoadBalancerIP" // has source ranges, which iptables mode does not write here
			}
		})
	}},
	{"types", func(iptables, nftables []serviceView) {
		for _, views := range [][]serviceView{iptables, nftables} {
			for i := range views {
				views[i].Types = strings.TrimSpace(strings.ReplaceAll(views[i].Types, "LoadBalancer", ""))
				views[i].Types = strings.Join(strings.Fields(views[i].Types), " ")
			}
		}
	}},
	{"healthCheckNodePort", func(iptables, _ []serviceView) {
		for i := range iptables {
			iptables[i].HealthCheckNodePort = 0
		}
	}},
	{"sourceRanges", func(_, nftables []serviceView) {
		for i := range nftables {
			if len(nftables[i].Endpoints) == 0 {
				nftables[i].SourceRanges = nil
			}
		}
	}},
}

func each(views []serviceView, do func(*serviceView, *entryView)) {
	for i := range views {
		for j := range views[i].Entries {
			do(&views[i], &views[i].Entries[j])
		}
	}
}

// TestModesTellTheSame holds the inventory of one cluster in iptables mode
// against that in nftables mode, field by field.
//
//	SVCPATH_RECORDINGS=DIR go test ./analyzer/inventory/ -run TestModesTellTheSame
//
// does so for pairs of recordings in DIR as well.
func TestModesTellTheSame(t *testing.T) {
	shipped := [2]string{filepath.Join(samplesDir, "service-zoo"), filepath.Join(samplesDir, "testdata", "nftables", "service-zoo")}
	t.Run("shipped", func(t *testing.T) { compareModes(t, shipped, true) })
	more := os.Getenv("SVCPATH_RECORDINGS")
	if more == "" {
		return
	}
	iptables, err := filepath.Glob(filepath.Join(more, "*-iptables-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range iptables {
		version, variant, _ := strings.Cut(filepath.Base(dir), "-iptables-")
		_, variant, _ = strings.Cut(variant, "-") // behind the back end
		twin := filepath.Join(more, strings.TrimSuffix(version+"-nftables-"+variant, "-"))
		if fileExists(filepath.Join(twin, "nft-ruleset.txt")) {
			t.Run(filepath.Base(dir), func(t *testing.T) { compareModes(t, [2]string{dir, twin}, false) })
		}
	}
}

// compareModes compares two recordings, and if they are to have all differences,
// that each of them is there.
func compareModes(t *testing.T, dirs [2]string, all bool) {
	iptables := inventoryOf(t, filepath.Join(dirs[0], "iptables-save.txt"), filepath.Join(dirs[0], "ip6tables-save.txt"), filepath.Join(dirs[0], "ip-addr.txt"))
	nftables := inventoryOf(t, filepath.Join(dirs[1], "nft-ruleset.txt"), filepath.Join(dirs[1], "ip-addr.txt"))
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kube-proxy-nftables.md"))
	if err != nil {
		t.Fatal(err)
	}
	compare := func(without int) []string {
		a, b := viewsOf(iptables), viewsOf(nftables)
		for i, d := range modeDifferences {
			if i != without {
				d.level(a, b)
			}
		}
		each(slices.Concat(a, b), func(v *serviceView, _ *entryView) { slices.SortFunc(v.Entries, compareEntries) })
		return exactDifferences(a, b)
	}
	for _, difference := range compare(-1) {
		t.Error(difference)
	}
	for i, d := range modeDifferences {
		if !all {
			break
		}
		if len(compare(i)) == 0 {
			t.Errorf("the modes do not differ in %s", d.row)
		}
		if !strings.Contains(string(page), "| "+d.row+" |") {
			t.Errorf("docs/kube-proxy-nftables.md has no row for %s", d.row)
		}
	}
}
