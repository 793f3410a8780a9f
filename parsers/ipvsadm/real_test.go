package ipvsadm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// All that ipvsadm 1.31 prints of one table is read without a remark, tells the
// same, and what is printed of it is what ipvsadm prints.
func TestWhatIPVSADMPrints(t *testing.T) {
	const dir = "testdata/ipvsadm-1.31"
	saved := recorded(t, filepath.Join(dir, "Sn.txt"))
	paths, err := filepath.Glob(dir + "/*.txt")
	if err != nil || len(paths) < 11 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		at := source.Start(&source.File{Path: path, Text: string(text)})
		var parsed *ipvsadm.Text
		if strings.HasPrefix(name, "S") {
			parsed, at = ipvsadm.ParseSave(at, nil)
		} else {
			parsed, _, at = ipvsadm.ParseList(at, nil)
		}
		for _, d := range parsed.Diagnostics {
			if d.Code != "ipvs-port-names" || name != "L" && name != "S" {
				t.Errorf("%s: %s", name, d)
			}
		}
		if at.More() || parsed.Table.Complete == (name == "Ln-t") {
			t.Errorf("%s: read up to line %d, complete: %v", name, at.Line, parsed.Table.Complete)
		}
		if _, diags := ipvsadm.Merge([]*ipvs.Table{saved, parsed.Table}); len(diags) != 1 || !strings.Contains(diags[0].Message, "with the same real servers") {
			t.Errorf("%s: %v", name, said(diags))
		}
		if name == "Sn" || name == "Ln" || name == "Ln-tun-info" || name == "L" {
			want, err := os.ReadFile(filepath.Join(dir, "Sn.txt"))
			if err != nil {
				t.Fatal(err)
			}
			var printed bytes.Buffer
			if err := ipvsadm.WriteSave(&printed, parsed.Table); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(printed.String(), "-f 4294967291", "-f -5") // which ipvsadm -R refuses
			if name == "Ln" || name == "L" {                                      // which do not tell the kind of a tunnel
				got = strings.Replace(got, "-i -w 0", "-i -w 0 --tun-type ipip", 1)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
	}
	const want = `FWM 4294967291 wlc flag-3 {123456789 24 99999999 1234567890123 999999999999999}
  255.255.255.253:65535 Route weight 0 3+4 from 80 to 100 clients 5 {2 3 4 1234567890123 6}
TCP 10.0.0.1:80 mh mh-fallback mh-port persistent 5m0s mask 255.255.255.0 /0 {123456789 24 99999999 1234567890123 999999999999999}
  10.1.0.1:8080 Masq weight 1 3+4 from 80 to 100 clients 5 {2 3 4 1234567890123 6}
  10.1.0.2:8080 Local weight 2147483647 3+4 from 80 to 100 clients 5 {2 3 4 1234567890123 6}
UDP 255.255.255.254:65535 rr ops {123456789 24 99999999 1234567890123 999999999999999}
  255.255.255.253:65535 Tunnel weight 0 3+4 ipip port 0 --tun-nocsum from 80 to 100 clients 5 {2 3 4 1234567890123 6}
SCTP 10.0.0.3:443 rr {123456789 24 99999999 1234567890123 999999999999999}
`
	if diff := cmp.Diff(want, told(saved)); diff != "" {
		t.Error(diff)
	}
}
