package ipvsadm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// FuzzParse looks for text that makes the parsers panic or stand still, and for
// tables that are read in another way once they are printed.
func FuzzParse(f *testing.F) {
	f.Add(head + "TCP  172.18.0.3:8088 rr (flag-1) persistent 10 mask 255.0.0.0 pe sip ops\n  -> 10.244.1.41:8080 Masq 1 2 13\nFWM  5 IPv6 rr\n")
	f.Add(stats)
	f.Add(thresholdsText)
	f.Add(procHead + "TCP  0A603202:18EB rr  persistent 150000 FFFFFFFF\n  -> 0AF40147:05EA      Masq    1      0          1\nFWM  0000000A rr opspersistent 2500 80000000\n  -> [fd00:0010:0244:0002:0000:0000:0000:0052]:0000      Masq    1      0          0\n")
	f.Add("-A -t 172.18.0.3:30080 -s mh -b mh-port -p 5 -M 255.0.0.0 --pe sip -o\n-a -t 172.18.0.3:30080 -r 10.244.1.10:8080 -i -w 1 --tun-type gue --tun-port 5 --tun-csum -x 7 -y 5\n-A -f 5 -6 -s rr\n-A -u a.example:http -s rr\n")
	printed, err := filepath.Glob("testdata/ipvsadm-1.31/*.txt")
	if err != nil || len(printed) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range printed {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var all []*ipvs.Table
		for at := source.Start(file(text)); at.More(); {
			line, after := at.Next()
			next := after
			switch {
			case ipvsadm.SaveBegins(line):
				var parsed *ipvsadm.Text
				parsed, next = ipvsadm.ParseSave(at, ipvsadm.ListBegins)
				all = append(all, parsed.Table)
				printedAgain(t, parsed.Table)
			case ipvsadm.ListBegins(line):
				var parsed *ipvsadm.Text
				parsed, _, next = ipvsadm.ParseList(at, ipvsadm.SaveBegins)
				all = append(all, parsed.Table)
			}
			if next.Offset <= at.Offset || next.Line <= at.Line {
				t.Fatalf("no progress in line %d", at.Line)
			}
			at = next
		}
		merged, _ := ipvsadm.Merge(all)
		if merged == nil {
			return
		}
		n := 0
		for _, v := range merged.Services() {
			_, _ = v.Shares()
			_, _, n = v.Text(), v.Pos(), n+len(v.Servers())
			for i := range v.Servers() {
				_, _ = v.Servers()[i].Text(), v.Servers()[i].String()
			}
		}
		if n != merged.NumRealServers() {
			t.Errorf("%d real servers, %d are counted", n, merged.NumRealServers())
		}
	})
}

// printedAgain holds a table of the save form against what is read of it once it
// is printed.
func printedAgain(t *testing.T, table *ipvs.Table) {
	t.Helper()
	var printed bytes.Buffer
	if ipvsadm.WriteSave(&printed, table) != nil || printed.Len() == 0 {
		return
	}
	again, _ := ipvsadm.ParseSave(source.Start(file(printed.String())), nil)
	again.Table.Complete = table.Complete
	for _, v := range table.Services() {
		v.Partial = false
	}
	if diff := cmp.Diff(told(table), told(again.Table)); diff != "" {
		t.Errorf("printed as\n%s\nit is read as\n%s", printed.String(), diff)
	}
}
