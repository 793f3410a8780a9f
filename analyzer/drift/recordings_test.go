package drift_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples/generate"
)

const samples = "../../samples"

// faults are the findings of recordings that were tampered with, as far as the
// objects tell; all others have none.
var faults = map[string][]string{
	"fault-ext-no-masquerade":    nil, // no object speaks of masquerading
	"fault-ext-wrong-service":    {"KP2007 zoo/lb-ip"},
	"fault-hijack-dnat":          {"KP2007 zoo/clusterip"},
	"fault-service-rule-deleted": {"KP2003 zoo/multiport:https"},
	"ipvs-fault-nodeport-drift":  {"KP2007 shop/np-three"},
}

// TestRecordingsDoNotDrift compares every recording with the objects that it
// was made of.
//
//	SVCPATH_RECORDINGS=DIR go test ./analyzer/drift/
//
// does so for the recordings in DIR as well.
func TestRecordingsDoNotDrift(t *testing.T) {
	var dirs []string
	roots := []string{samples, filepath.Join(samples, "testdata", "recordings"), filepath.Join(samples, "testdata", "nftables")}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		roots = append(roots, filepath.SplitList(more)...)
	}
	for _, root := range roots {
		found, err := filepath.Glob(filepath.Join(root, "*", "README.md"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s holds no recordings (%v)", root, err)
		}
		for _, file := range found {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	for _, dir := range dirs {
		texts := recording(t, dir)
		if texts == nil {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := analyze(t, texts)
			if len(got.Inventory.Services) == 0 {
				t.Fatalf("no services in mode %s", got.Inventory.Mode)
			}
			if diff := cmp.Diff(faults[filepath.Base(dir)], found(got)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, f := range got.Findings {
				if isDrift(f) {
					t.Log(f.ID, f.Message)
				}
			}
		})
	}
}

// TestGeneratedNodesDoNotDrift does so with nodes that were made up.
func TestGeneratedNodesDoNotDrift(t *testing.T) {
	for _, size := range []generate.Size{{Services: 200, Endpoints: 3}, {Services: 600, Endpoints: 5, Seed: 1}} {
		for name, write := range map[string]func(*generate.Node, string) error{
			"iptables": (*generate.Node).WriteRecording, "ipvs": (*generate.Node).WriteIPVSRecording,
			"nftables": (*generate.Node).WriteNFTRecording,
		} {
			t.Run(name+"/"+size.String(), func(t *testing.T) {
				dir := t.TempDir()
				if err := write(generate.New(size), dir); err != nil {
					t.Fatal(err)
				}
				if got := found(analyze(t, recording(t, dir))); len(got) > 0 {
					t.Errorf("findings: %v", got)
				}
			})
		}
	}
}

// recording reads the texts of a recording; nil for a directory without
// objects. Of several texts of one thing the first is taken: nft's listing is
// read where there is no iptables-save.
func recording(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range []string{"iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ipvsadm-save.txt", "nft-ruleset.txt", "ip-addr.txt", "manifests.yaml", "node.yaml"} {
		if name == "nft-ruleset.txt" && strings.Contains(texts["iptables-save.txt"], "KUBE-SERVICES") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && (name == "manifests.yaml" || name == "node.yaml") {
			text, err = os.ReadFile(filepath.Join(samples, "service-zoo", name)) // kept once
		}
		if err == nil {
			texts[name] = string(text)
		}
	}
	if texts["iptables-save.txt"] == "" && texts["nft-ruleset.txt"] == "" {
		return nil
	}
	return texts
}

// analyze reads texts as files of those names.
func analyze(t *testing.T, texts map[string]string) *analyzer.Analysis {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snapshot, err := capture.Open([]string{dir}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return analyzer.Analyze(snapshot)
}

// isDrift reports whether a finding is one of this package.
func isDrift(f audit.Finding) bool { return f.ID >= "KP2002" && f.ID <= "KP2013" }

// found are the findings of this package: id, service port, and how certain
// they are if they are not.
func found(a *analyzer.Analysis) []string {
	var all []string
	for _, f := range a.Findings {
		if !isDrift(f) {
			continue
		}
		words := []string{f.ID}
		if f.Service != "" {
			words = append(words, f.Service)
		}
		if f.Certainty != "certain" {
			words = append(words, f.Certainty)
		}
		all = append(all, strings.Join(words, " "))
	}
	slices.Sort(all)
	return all
}
