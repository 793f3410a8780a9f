package capture

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/manifests"
)

func readManifestsYAML(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	next := yamlEnd(at, foreign)
	objects, diags := manifests.ParseYAML(at, next)
	return r.addObjects(objects, diags), next
}

// readManifestsJSON takes the objects that follow one another as one text:
// "kubectl get --watch -o json" and JSON lines.
func readManifestsJSON(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	next := manifests.EndOfJSON(at, foreign)
	for next.More() {
		line, _ := next.Next()
		if !jsonBegins(line) || !isManifestJSON(next) {
			break
		}
		next = manifests.EndOfJSON(next, foreign)
	}
	objects, diags := manifests.ParseJSON(at, next)
	return r.addObjects(objects, diags), next
}

var isManifestJSON = jsonHas("apiVersion", "kind")

func (r *reading) addObjects(o *cluster.Objects, diags []source.Diagnostic) *snapshot.Source {
	r.objects.Services = append(r.objects.Services, o.Services...)
	r.objects.Slices = append(r.objects.Slices, o.Slices...)
	r.objects.Nodes = append(r.objects.Nodes, o.Nodes...)
	src := r.source(snapshot.Manifests, diags)
	src.Objects = len(o.Services) + len(o.Slices) + len(o.Nodes)
	return src
}

// An objectKey tells objects of one kind apart.
type objectKey struct{ namespace, name string }

// joinObjects puts the objects of all files together. Of one that is given
// twice the first counts: nothing tells which is newer. It gives nil where
// there are none.
func joinObjects(readings []*reading) (*cluster.Objects, []source.Diagnostic) {
	all := new(cluster.Objects)
	var remarks source.Remarks
	services, slices, nodes := map[objectKey]source.Position{}, map[objectKey]source.Position{}, map[objectKey]source.Position{}
	first := func(seen map[objectKey]source.Position, what string, key objectKey, pos source.Position) bool {
		used, again := seen[key]
		if !again {
			seen[key] = pos
			return true
		}
		if used != pos { // the subsets of one Endpoints object are several slices
			remarks.Add(source.Diagnostic{
				Severity: source.Info, Pos: pos, Code: "object-given-again",
				Message: fmt.Sprintf("%s is given again; the one at %s is used", what, used),
			})
		}
		return used == pos
	}
	for _, r := range readings {
		for _, s := range r.objects.Services {
			if first(services, "Service "+source.Quote(s.String()), objectKey{s.Namespace, s.Name}, s.Pos) {
				all.Services = append(all.Services, s)
			}
		}
		for _, s := range r.objects.Slices {
			kind := "EndpointSlice "
			if s.FromEndpoints {
				kind = "Endpoints "
			}
			if first(slices, kind+source.Quote(s.Namespace+"/"+s.Name), objectKey{kind + s.Namespace, s.Name}, s.Pos) {
				all.Slices = append(all.Slices, s)
			}
		}
		for _, n := range r.objects.Nodes {
			if first(nodes, "Node "+source.Quote(n.Name), objectKey{"", n.Name}, n.Pos) {
				all.Nodes = append(all.Nodes, n)
			}
		}
	}
	if len(all.Services)+len(all.Slices)+len(all.Nodes) == 0 {
		return nil, remarks.All()
	}
	return all, remarks.All()
}
