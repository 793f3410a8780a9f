//go:build linux

package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// nftRecordings lists the directories with a dump of kube-proxy's nftables
// mode. SVCPATH_RECORDINGS names a directory with more of them.
func nftRecordings(t *testing.T) []string {
	t.Helper()
	parents := []string{filepath.Join(samplesDir, "testdata", "nftables")}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		parents = append(parents, more)
	}
	var dirs []string
	for _, parent := range parents {
		dumps, err := filepath.Glob(filepath.Join(parent, "*", "nft-ruleset.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, dump := range dumps {
			text, err := os.ReadFile(dump)
			if err != nil {
				t.Fatal(err)
			}
			if ownTables(string(text)) != "" {
				dirs = append(dirs, filepath.Dir(dump))
			}
		}
	}
	if len(dirs) == 0 {
		t.Fatalf("%v hold no recording", parents)
	}
	return dirs
}

// ownTables are kube-proxy's tables in a listing. The others are iptables',
// which iptables-save shows whole and nft does not.
func ownTables(listing string) string {
	var b strings.Builder
	own := false
	for line := range strings.Lines(listing) {
		if strings.HasPrefix(line, "table ") {
			own = strings.HasSuffix(line, " kube-proxy {\n")
		}
		if own {
			b.WriteString(line)
		}
	}
	return b.String()
}

// flowsPerNFTRecording is how many flows are asked for of a recording in
// nftables mode when the test is not scaled up.
const flowsPerNFTRecording = 400

// TestNFTRecordings compares trace and kernel over every recording of nftables
// mode, with flows that follow from what kube-proxy was told; and over a node
// that has the rules of iptables mode beside one of them, as one that was
// switched over.
func TestNFTRecordings(t *testing.T) {
	kernel.Require(t)
	flows, of, rulesets, packets, differ := 0, 0, 0, 0, 0
	ask := func(name string, r *recording, backend kernel.Backend) {
		t.Run(name, func(t *testing.T) {
			all := r.flows()
			of += len(all)
			all = chosen(all, flowsPerNFTRecording*scale(t))
			n := networkOf(r.snap)
			node, err := kernel.Start(n.layout)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			if err := node.Load(kernel.Ruleset{Backend: backend, IPv4: r.ipv4, IPv6: r.ipv6, NFTables: r.nftables}); err != nil {
				t.Fatal(err)
			}
			a := &asker{network: n, tracer: trace.New(r.snap), node: node}
			for i, d := range a.ask(t, all) {
				differ++
				if i < 20 {
					t.Errorf("%s: %s", words(d.flow), d.why)
				}
			}
			flows, rulesets, packets = flows+len(all), rulesets+1, packets+a.packets
		})
	}
	zoo := filepath.Join("testdata", "nftables", "service-zoo")
	dirs := nftRecordings(t)
	for _, dir := range dirs {
		ask(filepath.Base(dir), readRecordingOr(t, dir, zoo), kernel.NFT)
	}
	both := filepath.Join(samplesDir, "testdata", "nftables", "zoo-v1.33-nftables")
	ask("both-modes", readRecordingOr(t, both, "service-zoo"), kernel.Legacy)
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements (%d packets; %d flows in all)", flows, rulesets, differ, packets, of)
}
