package ipvsadm_test

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

const more = "../../samples/testdata/ipvs/service-zoo/"

func recorded(t testing.TB, path string) *ipvs.Table {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &source.File{Path: path, Text: string(text)}
	var parsed *ipvsadm.Text
	next := source.Start(f)
	if ipvsadm.SaveBegins(f.Text) {
		parsed, next = ipvsadm.ParseSave(next, nil)
	} else {
		parsed, _, next = ipvsadm.ParseList(next, nil)
	}
	if next.More() || len(parsed.Diagnostics) > 0 || !parsed.Table.Complete {
		t.Fatalf("%s: read up to line %d, %v", path, next.Line, parsed.Diagnostics)
	}
	return parsed.Table
}

// A save is printed back byte for byte.
func TestSaveRoundTrip(t *testing.T) {
	for _, name := range []string{"ipvs-service-zoo", "ipvs-myth2-loadbalancer", "ipvs-fault-nodeport-drift"} {
		path := "../../samples/" + name + "/ipvsadm-save.txt"
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var printed bytes.Buffer
		if err := ipvsadm.WriteSave(&printed, recorded(t, path)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), printed.String()); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
}

// All texts of a node tell the same.
func TestTextsOfOneNode(t *testing.T) {
	saved := recorded(t, "../../samples/ipvs-service-zoo/ipvsadm-save.txt")
	listing := recorded(t, more+"ipvsadm-Ln.txt")
	var printed, want bytes.Buffer
	if err := ipvsadm.WriteSave(&printed, listing); err != nil {
		t.Fatal(err)
	}
	if err := ipvsadm.WriteSave(&want, saved); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), printed.String()); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"ipvsadm-Ln.txt", "ipvsadm-Ln-stats.txt", "proc-net-ip_vs.txt"} {
		_, diags := ipvsadm.Merge([]*ipvs.Table{saved, recorded(t, more+name)})
		if len(diags) != 1 || !strings.Contains(diags[0].Message, "with the same real servers") {
			t.Errorf("%s: %v", name, said(diags))
		}
	}
	v := saved.Find(0, 6, netip.MustParseAddrPort("172.18.0.3:30080"))
	if v == nil || v.Stats.Connections != 6 || len(v.Servers()) != 3 || v.Servers()[0].Active != 1 || v.Servers()[0].Details().Stats.OutBytes != 279 {
		t.Errorf("the counters are lost: %+v", v)
	}
}

func TestConnectionsAreNone(t *testing.T) {
	for _, name := range []string{"ipvsadm-Lnc.txt", "proc-net-ip_vs_conn.txt", "conntrack.txt"} {
		text, err := os.ReadFile(more + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if ipvsadm.ListBegins(line) || ipvsadm.SaveBegins(line) {
				t.Errorf("%s: %q is taken for the IPVS table", name, line)
			}
		}
	}
}
