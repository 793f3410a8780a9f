package bundle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/bundle"
)

func start(text string) source.Cursor {
	return source.Start(&source.File{Path: "m.json", Text: text})
}

func TestRemarks(t *testing.T) {
	one := 1
	m := bundle.Manifest{
		APIVersion: bundle.APIVersion, Kind: bundle.Kind, Time: time.Date(2026, 11, 24, 18, 30, 0, 0, time.UTC),
		Host:      bundle.Host{Hostname: "node-1", NetworkNamespace: "net:[2]", FirstNamespace: "net:[1]", KubeProxyMode: "ipvs"},
		Redaction: &bundle.Redaction{Ranges: 3},
		Records: []bundle.Record{
			{File: "iptables-save.txt", What: "iptables rules, IPv4", Command: "iptables-save -c", Status: bundle.Recorded, Truncated: true, Error: "it holds more than 9 bytes"},
			{What: "iptables rules, IPv6", Command: "ip6tables-save -c", Status: bundle.Failed, ExitStatus: &one, Error: "exit status 1"},
			{What: "ipsets", Command: "ipset save", Status: bundle.Forbidden, Error: "exit status 1: Operation not permitted"},
			{What: "connections, IPv4", Command: "conntrack -L", Status: bundle.Absent, Error: "no such program"},
			{What: "routes, IPv6", Command: "ip -6 -j route", Status: bundle.Empty},
		},
	}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	at := start(string(text) + "*nat\n")
	if !bundle.Begins(at) {
		t.Error("a manifest is not told by its beginning")
	}
	back, diags, next := bundle.Parse(at)
	if diff := cmp.Diff(&m, back); diff != "" {
		t.Errorf("the manifest (-written +read):\n%s", diff)
	}
	var got []string
	for _, d := range diags {
		got = append(got, d.Severity.String()+": "+d.String())
	}
	want := []string{
		"warning: m.json:1: iptables-save.txt is cut off: it holds more than 9 bytes",
		"warning: m.json:1: iptables rules, IPv6: not recorded: ip6tables-save -c: exit status 1",
		"warning: m.json:1: ipsets: not recorded: ipset save: exit status 1: Operation not permitted",
		"info: m.json:1: a recording of node-1 at 2026-11-24T18:30:00Z: files: 1; not there: connections, IPv4; addresses and names are replaced",
		"info: m.json:1: recorded in network namespace net:[2], and the machine's own is net:[1]: the rules may be those of a container",
		"info: m.json:1: kube-proxy said of itself that it runs in mode ipvs",
		"warning: m.json:1: 3 address ranges that are no networks were replaced: which addresses lie in them is not what it was",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
	if line, _ := next.Next(); line != "*nat" {
		t.Errorf("what follows is %q", line)
	}
}

func TestBegins(t *testing.T) {
	for text, want := range map[string]bool{
		"{\n  \"apiVersion\": \"svcpath/v1\",\n  \"kind\": \"Bundle\",\n": true,
		`{"apiVersion":"svcpath/v1","kind":"Bundle"}`:                     true,
		`{"apiVersion": "svcpath/v1", "kind": "Analysis"}`:                false,
		`{"apiVersion": "v1", "kind": "List"}`:                            false,
		`{`:                                                               false,
		"*nat\n":                                                          false,
	} {
		if bundle.Begins(start(text)) != want {
			t.Errorf("%q begins a manifest: %v", text, !want)
		}
	}
}

func TestBrokenManifest(t *testing.T) {
	for _, text := range []string{
		"{\"apiVersion\":\"svcpath/v1\",\n\"kind\":\"Bundle\",\n\"records\":[\n",
		"{\"apiVersion\":\"svcpath/v1\",\n\"kind\":\"Bundle\",\n\"records\":7}\n",
	} {
		m, diags, next := bundle.Parse(start(text))
		if m != nil || next.More() || len(diags) != 1 || diags[0].Severity != source.Error || diags[0].Unread != strings.Count(text, "\n") {
			t.Errorf("%q: %v, %+v", text, m, diags)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("{\"apiVersion\":\"svcpath/v1\",\"kind\":\"Bundle\",\n\"host\":{\"sysctls\":{\"a\":\"1\"}},\"records\":[{\"status\":\"failed\",\"exitStatus\":1}]}\n*nat\n")
	f.Add("{\"apiVersion\":\"svcpath/v1\",\"kind\":\"Bundle\"")
	f.Fuzz(func(t *testing.T, text string) {
		at := start(text)
		if !at.More() {
			return
		}
		bundle.Begins(at)
		_, diags, next := bundle.Parse(at)
		if next.Offset <= at.Offset {
			t.Error("nothing was read")
		}
		for _, d := range diags {
			if d.Severity == 0 || !d.Pos.IsValid() {
				t.Errorf("remark out of place: %+v", d)
			}
		}
	})
}
