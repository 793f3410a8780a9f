package capture

import (
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

// Texts that are made to be slow or large to read. What reads a line twice, or
// says something of each, does not come to an end here in anybody's time.
func TestHostileTexts(t *testing.T) {
	const times = 30_000
	for name, piece := range map[string]string{
		"JSON within JSON":                "[{\"ifindex\":\n",
		"JSON that never ends":            "[{\"ifindex\":1,\n",
		"objects without an end":          "{\"nftables\": [\n",
		"sets without members":            "Name: x\nType: hash:ip\n",
		"addresses that are none":         "1: lo: <UP>\n    inet 10.0.0.300/8 scope host lo\n",
		"routes that are none":            "10.0.0.300 dev eth0\n",
		"text by turns with prose":        "prose\ndefault via 10.0.0.1 dev eth0\n",
		"documents":                       "---\n#\n\n",
		"one table for ever":              "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\ndefault via 10.0.0.1 dev eth0\n",
		"fragments and whole tables":      "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\ndefault via 10.0.0.1 dev eth0\n-A PREROUTING -j KUBE-SERVICES\ndefault via 10.0.0.1 dev eth0\n",
		"hunks":                           "@@ -1,999999999 +1,999999999 @@\n",
		"braces":                          "table ip a {\n",
		"nothing but blanks and brackets": "[[[[{{{{ \n",
	} {
		t.Run(name, func(t *testing.T) {
			r := read(&source.File{Path: name, Text: strings.Repeat(piece, times)})
			tables, diags := chooseTables(r.captured())
			if n := len(r.diagnostics()) + len(diags); n > 1000 {
				t.Errorf("%d remarks", n)
			}
			if len(tables) > 1 {
				t.Errorf("%d tables", len(tables))
			}
		})
	}
}
