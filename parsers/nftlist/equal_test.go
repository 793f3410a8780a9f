package nftlist

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// volatile is what two commands, one after another, print differently.
var volatile = regexp.MustCompile(` expires [0-9a-z]+`)

// described is all of a table that text and JSON both tell.
func described(tables []*netfilter.Table) string {
	var b strings.Builder
	for _, t := range tables {
		b.WriteString(t.NFT())
	}
	return volatile.ReplaceAllString(b.String(), "")
}

func readFile(t testing.TB, path string) *source.File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &source.File{Path: path, Text: string(text)}
}

func TestScratchJSON(t *testing.T) {
	for _, path := range strings.Fields(os.Getenv("NFTJ")) {
		text, _ := Parse(source.Start(readFile(t, path+".txt")), nil)
		js, next := ParseJSON(source.Start(readFile(t, path+".json")))
		t.Log(path, next.Line, js.Skipped, js.Diagnostics)
		if diff := cmp.Diff(strings.Split(described(text.Tables), "\n"), strings.Split(described(js.Tables), "\n")); diff != "" {
			t.Errorf("%s (-text +JSON):\n%s", path, diff)
		}
	}
}
