package drift_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
)

var comments = regexp.MustCompile(`-m comment --comment ("(?:[^"\\]|\\.)*"|\S+) `)

// TestNamesWithoutComments takes the comments out of recordings. With the
// cluster's objects the services have the same names, kinds and endpoints, and
// nothing drifts.
func TestNamesWithoutComments(t *testing.T) {
	for _, dir := range []string{"service-zoo", "myth2-loadbalancer", "testdata/recordings/zoo-v1.37-iptables-nft", "testdata/recordings/zoo-v1.37-nodeport-primary", "testdata/recordings/zoo-v1.23-legacy"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			texts := recording(t, filepath.Join(samples, dir))
			want := entriesOf(analyze(t, texts))
			stripped := maps.Clone(texts)
			for _, file := range []string{"iptables-save.txt", "ip6tables-save.txt"} {
				stripped[file] = comments.ReplaceAllString(texts[file], "")
			}
			a := analyze(t, stripped)
			if diff := cmp.Diff(want, entriesOf(a)); diff != "" {
				t.Errorf("entries (-with comments +without):\n%s", diff)
			}
			if got := found(a); len(got) > 0 {
				t.Errorf("findings: %q", got)
			}
			hashed := 0
			for _, s := range a.Inventory.Services {
				if s.NameFrom == inventory.NamedByHash {
					hashed++
				}
				if s.NameFrom == "" || s.Object == nil {
					t.Errorf("%s does not say where its name comes from", s.PortString())
				}
			}
			if hashed == 0 {
				t.Error("nothing was named by a hash")
			}
			delete(stripped, "manifests.yaml")
			for _, s := range analyze(t, stripped).Inventory.Services {
				if s.Name != "" {
					t.Errorf("a name out of nowhere: %s", s.PortString())
				}
			}
		})
	}
}

// entriesOf tells of every entry what it is, where it leads and whose it is.
func entriesOf(a *analyzer.Analysis) []string {
	var all []string
	for _, s := range a.Inventory.Services {
		for _, e := range s.Entries {
			kind := string(e.Kind)
			if e.KindAssumed || e.Kind == inventory.ExternalIP || e.Kind == inventory.LoadBalancerIP {
				kind = "external address" // comments do not name all of them
			}
			line := fmt.Sprint(s.PortString(), " ", s.Family, " ", s.Protocol, " ", kind, " ", e.Addresses, " ", e.Port, " ", e.Verdict)
			for _, end := range e.Endpoints.All() {
				line += " " + end.Addr.String()
			}
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return all
}
