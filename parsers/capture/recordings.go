package capture

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/bundle"
)

// A recording is the manifest of a bundle, and where it stands.
type recording struct {
	*bundle.Manifest
	pos source.Position
}

// otherRecordings reports the recordings that are not of the node and the
// moment of the first: what they hold is mixed with what that one holds.
func otherRecordings(readings []*reading) []source.Diagnostic {
	var first *recording
	var remarks source.Remarks
	for _, r := range readings {
		for i := range r.recordings {
			m := &r.recordings[i]
			switch {
			case first == nil:
				first = m
			case m.Time.Equal(first.Time) && m.Host.Hostname == first.Host.Hostname && m.Host.NetworkNamespace == first.Host.NetworkNamespace:
			default:
				remarks.Add(source.Diagnostic{
					Severity: source.Error, Code: "recordings-mixed", Pos: m.pos,
					Message: fmt.Sprintf("a recording of %s beside that of %s (%s): all inputs of one call are taken for one node at one moment, expected one recording",
						m.Whose(), first.Whose(), first.pos),
				})
			}
		}
	}
	return remarks.All()
}
