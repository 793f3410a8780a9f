package capture_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/capture"
)

// One call is about one node at one moment.
func TestRecordingsOfSeveral(t *testing.T) {
	manifest := func(host, second string) string {
		return `{"apiVersion": "svcpath/v1", "kind": "Bundle", "time": "2026-01-02T03:04:0` + second + `Z", "host": {"hostname": "` + host + `"}}` + "\n"
	}
	const others = " beside that of a at 2026-01-02T03:04:05Z (1:1): all inputs of one call are taken for one node at one moment, expected one recording"
	for _, test := range []struct {
		name, second string
		want         []string
	}{
		{"the same twice", manifest("a", "5"), nil},
		{"another moment", manifest("a", "6"), []string{"error: 2:1: a recording of a at 2026-01-02T03:04:06Z" + others}},
		{"another node", manifest("b", "5"), []string{"error: 2:1: a recording of b at 2026-01-02T03:04:05Z" + others}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, "1", manifest("a", "5"), "2", test.second)
			want := append([]string{"1:1: bundle, 1 lines", "2:1: bundle, 1 lines"}, test.want...)
			got := slices.DeleteFunc(open(t, dir, capture.Options{}, "1", "2"), func(s string) bool { return strings.HasPrefix(s, "info: ") })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
