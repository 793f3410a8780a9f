package drift_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/drift"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iproute"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/parsers/manifests"
)

// FuzzCheck holds a recorded node against arbitrary objects. Whatever they are,
// every finding is whole, and its lines are lines of the input.
func FuzzCheck(f *testing.F) {
	dir := filepath.Join(samples, "myth2-loadbalancer")
	read := func(name string) *source.File {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		return &source.File{Path: name, Text: string(text)}
	}
	f.Add(read("manifests.yaml").Text)
	f.Add("kind: Service\nmetadata: {name: my-loadbalancer-service}\nspec: {clusterIP: 10.96.0.150, ports: [{port: 80, nodePort: 1}], sessionAffinity: ClientIP, externalTrafficPolicy: Local}\n---\nkind: Endpoints\nmetadata: {name: my-loadbalancer-service}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 8080}]}]\n")
	dump, addresses := read("iptables-save.txt"), read("ip-addr.txt")
	f.Fuzz(func(t *testing.T, text string) {
		file := &source.File{Path: "objects.yaml", Text: text}
		s := nodeOf(dump, addresses)
		s.Cluster, _ = manifests.ParseYAML(source.Start(file), source.Cursor{File: file, Offset: len(text)})
		var graphs []*chaingraph.Graph
		for _, table := range s.Tables {
			graphs = append(graphs, chaingraph.Build(table))
		}
		for _, finding := range drift.Check(s, inventory.Build(s, graphs)) {
			if finding.ID == "" || finding.Message == "" || finding.Severity == "" || finding.Certainty == "" {
				t.Fatalf("not a whole finding: %+v", finding)
			}
			for _, l := range finding.Lines {
				if l.Pos.File == nil || l.Pos.Line < 1 {
					t.Fatalf("a line out of nowhere: %+v", l)
				}
			}
		}
	})
}

// nodeOf is a node without cluster objects.
func nodeOf(dump, addresses *source.File) *snapshot.Snapshot {
	s := &snapshot.Snapshot{AddressesFrom: snapshot.FromIPAddr}
	for at := source.Start(dump); at.More(); {
		d, next := iptablessave.Parse(at, nil)
		s.Tables = append(s.Tables, d.Tables...)
		at = next
	}
	s.Addresses, _, _ = iproute.ParseAddr(source.Start(addresses), func(string) bool { return false })
	return s
}
