package ipvsadm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// tables are all texts of a file that has nothing else.
func tables(t *testing.T, text string) []*ipvs.Table {
	t.Helper()
	var all []*ipvs.Table
	f := file(text)
	for at := source.Start(f); at.More(); {
		line, after := at.Next()
		next := after
		switch {
		case ipvsadm.SaveBegins(line):
			var parsed *ipvsadm.Text
			parsed, next = ipvsadm.ParseSave(at, ipvsadm.ListBegins)
			all = append(all, parsed.Table)
		case ipvsadm.ListBegins(line):
			var parsed *ipvsadm.Text
			parsed, _, next = ipvsadm.ParseList(at, ipvsadm.SaveBegins)
			all = append(all, parsed.Table)
		}
		if next.Offset <= at.Offset {
			t.Fatalf("no progress in line %d", at.Line)
		}
		at = next
	}
	return all
}

func TestMerge(t *testing.T) {
	const save = "-A -t 10.0.0.1:80 -s mh -b mh-port -p 300\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n"
	for _, e := range []struct {
		name, text, want string
		said             []string
	}{
		{"one tells what others do not", stats + save + thresholdsText + procHead + "TCP  0A000001:0050 mh  persistent 75000 FFFFFFFF\n  -> 0A010001:0050      Masq    1      3          4         \n",
			`TCP 10.0.0.1:80 mh mh-port persistent 5m0s {6 24 15 1305000 102400000}
  10.1.0.1:80 Masq weight 1 3+4 {2 8 5 435000000 279000000000}
`, []string{
				"warning f:1: the IPVS table is captured again, and differently; the capture at f:7 is used: FWM 5 is in it alone",
				"warning f:9: the IPVS table is captured again, and differently; the capture at f:7 is used: TCP 10.0.0.1:80 has scheduler rr in it, not mh",
				"info f:14: the IPVS table is captured again, with the same real servers as at f:7",
			}},
		{"the same again", save + "\n" + save, "TCP 10.0.0.1:80 mh mh-port persistent 5m0s\n  10.1.0.1:80 Masq weight 1\n",
			[]string{"info f:4: the IPVS table is captured again, with the same real servers as at f:1"}},
		{"other real servers", save + head + "TCP  10.0.0.1:80 mh persistent 300\n  -> 10.1.0.2:80 Masq 1 0 0\n", "TCP 10.0.0.1:80 mh mh-port persistent 5m0s\n  10.1.0.1:80 Masq weight 1\n",
			[]string{"warning f:3: the IPVS table is captured again, and differently; the capture at f:1 is used: TCP 10.0.0.1:80 has real server 10.1.0.2:80 in it alone"}},
		{"another weight", save + head + "TCP  10.0.0.1:80 mh persistent 300\n  -> 10.1.0.1:80 Masq 0 0 0\n", "TCP 10.0.0.1:80 mh mh-port persistent 5m0s\n  10.1.0.1:80 Masq weight 1\n",
			[]string{"warning f:3: the IPVS table is captured again, and differently; the capture at f:1 is used: TCP 10.0.0.1:80 has real server 10.1.0.1:80 with weight 0 in it, not 1"}},
		{"pieces", "TCP  10.0.0.1:80 rr\n  -> 10.1.0.1:80 Masq 1 0 0\nroot@node:~# ipvsadm -Ln -t 10.0.0.2:80\nProt LocalAddress:Port Scheduler Flags\n" +
			"  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  10.0.0.2:80 rr\n  -> 10.1.0.2:80 Masq 1 0 0\n",
			"TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1 0+0\nTCP 10.0.0.2:80 rr\n  10.1.0.2:80 Masq weight 1 0+0\nincomplete\n",
			[]string{"info f:4: another part of the IPVS table, with 1 virtual servers that are not at f:1"}},
		{"a piece and the whole", "TCP  10.0.0.1:80 mh\n  -> 10.1.0.1:80 Masq 1 3 4\n" + "-A -t 10.0.0.1:80 -s mh\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-A -t 10.0.0.2:80 -s rr\n",
			"TCP 10.0.0.1:80 mh\n  10.1.0.1:80 Masq weight 1 3+4\nTCP 10.0.0.2:80 rr\n",
			[]string{"info f:1: the IPVS table is captured again, with the same real servers as at f:3"}},
		{"orphans, and the whole in a listing", "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n" + "TCP  10.0.0.1:80 rr\n  -> 10.1.0.1:80 Masq 1 3 4\n  -> 10.1.0.2:80 Masq 1 3 4\n",
			"TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1 3+4\n  10.1.0.2:80 Masq weight 1 3+4\nincomplete\n",
			[]string{"info f:2: the IPVS table is captured again, with the same real servers as at f:1"}},
		{"lines of a save, and the save", "-A -t 10.0.0.1:80 -s rr\n\n-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-A -t 10.0.0.2:80 -s rr\n",
			"TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1\nTCP 10.0.0.2:80 rr\n",
			[]string{"warning f:1: the IPVS table is captured again, and differently; the capture at f:3 is used: TCP 10.0.0.1:80 has real server 10.1.0.1:80, which is not in it"}},
		{"a mark whose family one does not tell", procHead + "FWM  00000005 rr \n" + head + "FWM  5 IPv6 rr\n", "FWM 5 rr\n",
			[]string{"info f:5: the IPVS table is captured again, with the same real servers as at f:1"}},
		{"names", head + "TCP  web.example:http rr\n  -> web-1.example:http Masq 1 0 0\n" + "-A -t web.example:http -s rr\n-a -t web.example:http -r web-1.example:http -m -w 1\n",
			"TCP web.example:http rr\n  web-1.example:http Masq weight 1 0+0\n",
			[]string{"info f:6: the IPVS table is captured again, with the same real servers as at f:1"}},
		{"names, and numbers", "-A -t web.example:http -s mh\n-a -t web.example:http -r 10.1.0.1:80 -m -w 1\n\n" + head + "TCP  10.0.0.1:80 mh\n  -> 10.1.0.1:80 Masq 1 0 0\n",
			"TCP 10.0.0.1:80 mh\n  10.1.0.1:80 Masq weight 1 0+0\n",
			[]string{"info f:1: the IPVS table is captured again, with the same real servers as at f:4"}},
		{"names of real servers, and numbers", "-A -t 10.0.0.1:80 -s mh\n-a -t 10.0.0.1:80 -r web-1:80 -m -w 1\n\n" + head + "TCP  10.0.0.1:80 mh\n  -> 10.1.0.1:80 Masq 1 0 0\n",
			"TCP 10.0.0.1:80 mh\n  10.1.0.1:80 Masq weight 1 0+0\n",
			[]string{"info f:1: the IPVS table is captured again, with the same real servers as at f:4"}},
		{"names, and a piece with numbers", "-A -t web.example:http -s mh\n" + "TCP  10.0.0.1:80 rr\n  -> 10.1.0.1:80 Masq 1 0 0\n",
			"TCP web.example:http mh\nTCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1 0+0\n",
			[]string{"info f:2: another part of the IPVS table, with 1 virtual servers that are not at f:1"}},
	} {
		t.Run(e.name, func(t *testing.T) {
			got, diags := ipvsadm.Merge(tables(t, e.text))
			if diff := cmp.Diff(e.want, told(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(e.said, said(diags)); diff != "" {
				t.Error(diff)
			}
			for _, v := range got.Services() {
				for _, r := range v.Servers() {
					if want := r.Text(); want == "" || r.Pos().Line == 0 {
						t.Errorf("%s has lost its text", &r)
					}
				}
			}
		})
	}
	if got, diags := ipvsadm.Merge(nil); got != nil || diags != nil {
		t.Error("something is made of nothing")
	}
}
