package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/parsers/capture"
)

// TestUnownedVirtualServers: with one Service in place of all there is nothing
// to tell of virtual servers that it does not ask for, but that.
func TestUnownedVirtualServers(t *testing.T) {
	const recording = "../../samples/ipvs-myth2-loadbalancer"
	objects, err := os.ReadFile(filepath.Join(recording, "manifests.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	one := ""
	for doc := range strings.SplitSeq(string(objects), "---\n") {
		if strings.Contains(doc, "\nkind: Service\n") && strings.Contains(doc, "name: my-loadbalancer-service\n") {
			one = doc
		}
	}
	file := filepath.Join(t.TempDir(), "one.yaml")
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs := []string{file}
	for _, name := range []string{"ipvsadm-save.txt", "iptables-save.txt", "ipset-save.txt", "ip-addr.txt"} {
		inputs = append(inputs, filepath.Join(recording, name))
	}
	s, err := capture.Open(inputs, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	findings := analyzer.Analyze(s).Findings
	if len(findings) != 1 || findings[0].ID != "KP5001" || findings[0].Certainty != "undetermined" || len(findings[0].Missing) == 0 {
		t.Errorf("expected one KP5001, undetermined, got %+v", findings)
	}
}
