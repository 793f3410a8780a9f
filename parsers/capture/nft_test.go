package capture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// The names tell kube-proxy's nftables mode before its rules can be read.
func TestNFTTables(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format snapshot.Format
		text   string
		want   []string
	}{
		{"text", snapshot.NFTList, "table ip kube-proxy { # handle 3\n\tchain a {\n\t}\n}\ntable ip6 kube-proxy {\n}\ntable ip nat {\n}\n", []string{"kube-proxy", "nat"}},
		{"chain alone", snapshot.NFTList, "chain table {\n}\n", nil},
		{"JSON", snapshot.NFTJSON, `{"nftables": [{"metainfo": {}}, {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}}, {"chain": {"table": "x"}}]}`, []string{"kube-proxy"}},
		{"JSON cut short", snapshot.NFTJSON, `{"nftables": [{"table": {"family": "ip", "na`, nil},
		{"JSON with a table too long", snapshot.NFTJSON, `{"table": {"x": "` + strings.Repeat("y", maxTableObject) + `", "name": "kube-proxy"}}`, nil},
		{"another format", snapshot.IPSetSave, "table ip kube-proxy {\n", nil},
	} {
		if diff := cmp.Diff(tt.want, nftTables(tt.format, tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
