package redact

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/parsers/capture"
)

var testKey = Key{1, 2, 3}

// TestAnalysisStaysTheSame redacts recordings and compares what is said of them
// with what was said before, itself redacted: services, entries, verdicts, the
// rules that prove them.
func TestAnalysisStaysTheSame(t *testing.T) {
	const samples = "../../../../samples/"
	for _, dir := range []string{
		"myth2-loadbalancer", "service-zoo", "ipvs-myth2-loadbalancer", "ipvs-service-zoo", "ipvs-fault-nodeport-drift",
		"testdata/recordings/zoo-v1.23-legacy", "testdata/recordings/zoo-v1.37-iptables-nft", "testdata/recordings/zoo-v1.37-masquerade-all",
		"testdata/recordings/fault-ext-wrong-service", "testdata/recordings/fault-hijack-dnat",
	} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			before, after := t.TempDir(), t.TempDir()
			r := New(testKey)
			texts := map[string]string{}
			for _, name := range []string{"iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "ipvsadm-save.txt", "ip-addr.txt", "ip-route.txt"} {
				text, err := os.ReadFile(filepath.Join(samples, dir, name))
				if err != nil {
					continue // not every recording has all
				}
				texts[name] = string(text)
				r.Learn(string(text))
			}
			for name, text := range texts {
				write(t, filepath.Join(before, name), text)
				write(t, filepath.Join(after, name), r.Text(text))
			}
			want, got := describe(t, before, r.Text), describe(t, after, func(text string) string { return text })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the analysis (-redacted afterwards +of redacted texts):\n%s", diff)
			}
			if len(want) < 10 {
				t.Errorf("%d lines, expected more", len(want))
			}
			checkNothingLeft(t, r, after)
		})
	}
}

// describe is what an analysis says, replaced and sorted, for the order of names
// and of addresses is another one afterwards.
func describe(t *testing.T, dir string, replace func(string) string) (lines []string) {
	t.Helper()
	snap, err := capture.Open([]string{dir}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := analyzer.Analyze(snap)
	add := func(format string, args ...any) { lines = append(lines, replace(fmt.Sprintf(format, args...))) }
	endpoints := func(list []inventory.Endpoint) string {
		var all []string
		for _, e := range list {
			all = append(all, replace(fmt.Sprintf("%s %v %s", e.Addr, e.Probability, e.Scope)))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	add("mode %s", a.Inventory.Mode)
	for _, s := range a.Inventory.Services {
		name := s.PortString()
		if name == "" {
			name = "nameless"
		}
		add("%s %d %s %d %v %s %s %v", name, s.Protocol, s.Family, s.Port, s.Types, s.ExternalPolicy, s.InternalPolicy, s.Affinity)
		lines[len(lines)-1] += " ; " + endpoints(s.Endpoints.List())
		for _, e := range s.Entries {
			path := ""
			for _, rule := range e.Path {
				path += "\n  " + rule.Text()
			}
			var at []string
			for _, p := range e.Addresses {
				at = append(at, replace(p.String()))
			}
			slices.Sort(at)
			add("%s %s port %d: %s %s%s", name, e.Kind, e.Port, e.Verdict, e.Masquerade, path)
			lines[len(lines)-1] += " ; " + strings.Join(at, " ") + " ; " + endpoints(e.Endpoints.List())
		}
	}
	codes := map[string]int{}
	for _, d := range a.Diagnostics {
		codes[d.Code]++
	}
	for code, n := range codes {
		add("%d remarks of the kind %s", n, code)
	}
	slices.Sort(lines)
	return lines
}

// checkNothingLeft looks for what was replaced.
func checkNothingLeft(t *testing.T, r *Redactor, dir string) {
	t.Helper()
	left := map[string]bool{}
	for a, to := range r.addresses {
		if a != to {
			left[a.String()] = true
		}
	}
	for _, to := range r.addresses {
		delete(left, to.String()) // may stand for another one
	}
	for s := range r.services {
		if !slices.Contains(commonServices, s) {
			left[s.namespace+"/"+s.name] = true
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(text), func(c rune) bool { return strings.ContainsRune(" \t\n\"',[]=", c) }) {
			bare, _, _ := strings.Cut(word, "/")
			if p, err := netip.ParsePrefix(word); err == nil && slices.Contains(pinned, p) {
				continue
			}
			if left[word] || left[bare] || left[strings.TrimSuffix(word, ":80")] {
				t.Errorf("%s still holds %s", f.Name(), word)
			}
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestWords(t *testing.T) {
	r := New(testKey)
	a := func(s string) string { return r.address(netip.MustParseAddr(s)).String() }
	n := func(s string) string { return r.network(netip.MustParsePrefix(s)).String() }
	bare := func(s string) string { return r.network(netip.MustParsePrefix(s)).Addr().String() }
	r.Learn(`-A KUBE-SERVICES -m comment --comment "shop/web:api cluster IP"` + "\n")
	svc, ns, port := r.replaced("svc", "shop/web"), r.replaced("ns", "shop"), r.replaced("port", "api")
	name := ns + "/" + svc
	for from, want := range map[string]string{
		"-s 10.96.0.1/32 -d 10.96.0.0/12":                              "-s " + a("10.96.0.1") + "/32 -d " + n("10.96.0.0/12"),
		"--to-destination 10.244.1.2:8080":                             "--to-destination " + a("10.244.1.2") + ":8080",
		"--to-destination [fd00:1::2]:8080":                            "--to-destination [" + a("fd00:1::2") + "]:8080",
		"--to-destination 10.244.1.2:80-90":                            "--to-destination " + a("10.244.1.2") + ":80-90",
		"inet 172.18.0.3/16 brd 172.18.255.255 scope global eth0":      "inet " + a("172.18.0.3") + "/16 brd " + a("172.18.255.255") + " scope global eth0",
		"inet6 fe80::1/64 scope link":                                  "inet6 " + a("fe80::1") + "/64 scope link",
		"-s 10.0.0.0/255.0.0.0 --mask 255.255.255.0":                   "-s " + bare("10.0.0.0/8") + "/255.0.0.0 --mask 255.255.255.0",
		"-m iprange --src-range 192.0.2.0-192.0.2.255":                 "-m iprange --src-range " + bare("192.0.2.0/24") + "-" + end(r.network(netip.MustParsePrefix("192.0.2.0/24"))).String(),
		"add x 203.0.113.11,tcp:80,198.51.100.0/24":                    "add x " + a("203.0.113.11") + ",tcp:80," + n("198.51.100.0/24"),
		"add x fd00::1,udp:53":                                         "add x " + a("fd00::1") + ",udp:53",
		"tcp 6 119 src=198.51.100.7 dst=10.96.0.1 sport=4 dport=80":    "tcp 6 119 src=" + a("198.51.100.7") + " dst=" + a("10.96.0.1") + " sport=4 dport=80",
		`{"prefix": {"addr": "10.96.0.0", "len": 12}}`:                 `{"prefix": {"addr": "` + bare("10.96.0.0/12") + `", "len": 12}}`,
		`{"range": ["192.0.2.0", "192.0.2.255"]}, "range": [80, 90]`:   `{"range": ["` + bare("192.0.2.0/24") + `", "` + end(r.network(netip.MustParsePrefix("192.0.2.0/24"))).String() + `"]}, "range": [80, 90]`,
		"create x bitmap:ip range 10.9.0.3-10.9.0.77":                  "create x bitmap:ip range " + bare("10.9.0.0/25") + "-" + end(r.network(netip.MustParsePrefix("10.9.0.0/25"))).String(),
		"create x bitmap:ip range 10.9.0.0-10.9.255.255 netmask 24":    "create x bitmap:ip range " + bare("10.9.0.0/16") + "-" + end(r.network(netip.MustParsePrefix("10.9.0.0/16"))).String() + " netmask 24",
		"create x bitmap:port range 80-90":                             "create x bitmap:port range 80-90",
		`{"local":"172.18.0.3","prefixlen":16,"broadcast":"0.0.0.0"}`:  `{"local":"` + a("172.18.0.3") + `","prefixlen":16,"broadcast":"0.0.0.0"}`,
		"ip daddr 10.96.0.1 . tcp . 80 : goto x":                       "ip daddr " + a("10.96.0.1") + " . tcp . 80 : goto x",
		"127.0.0.1 ::1 0.0.0.0/0 ::/0 224.0.0.1 ff02::1 169.254.20.10": "127.0.0.1 ::1 0.0.0.0/0 ::/0 224.0.0.1 ff02::1 169.254.20.10",
		"[12:3400] iptables-save v1.8.9 on Tue Nov 24 18:30:55 2026":   "[12:3400] iptables-save v1.8.9 on Tue Nov 24 18:30:55 2026",
		"link/ether 02:42:ac:12:00:03 brd ff:ff:ff:ff:ff:ff":           "link/ether " + r.mac("02:42:ac:12:00:03") + " brd ff:ff:ff:ff:ff:ff",
		`--comment "shop/web:api -> 10.244.1.2:8080"`:                  `--comment "` + name + ":" + port + " -> " + a("10.244.1.2") + `:8080"`,
		"--comment shop/web -j X":                                      "--comment " + name + " -j X",
		`-m comment --comment "kubernetes service portals"`:            `-m comment --comment "kubernetes service portals"`,
		`--comment "the \"office\" of 192.0.2.9" -j X`:                 `--comment "` + r.hidden(`the \"office\" of 192.0.2.9`) + `" -j X`,
		`log prefix "secret: " drop`:                                   `log prefix "` + r.hidden("secret: ") + `" drop`,
		"--log-prefix secret --log-level 4":                            "--log-prefix " + r.hidden("secret") + " --log-level 4",
		`elements = { 10.96.4.2 . tcp . 80 comment "shop/web:api" : drop }`: "elements = { " + a("10.96.4.2") +
			` . tcp . 80 comment "` + name + ":" + port + `" : drop }`,
		"create x hash:net family inet comment": "create x hash:net family inet comment",
		"::ffff:10.0.0.1":                       "::ffff:" + a("10.0.0.1"),
		"http://10.0.0.1:6443/x":                "http://" + a("10.0.0.1") + ":6443/x",
	} {
		if got := r.Text(from); got != want {
			t.Errorf("%s\n got %s\nwant %s", from, got, want)
		}
	}
	if r.Report().Ranges != 0 {
		t.Errorf("%d ranges that are no networks, expected none", r.Report().Ranges)
	}
	// Ends in their order, and the same in JSON and in text.
	for i := range 50 {
		first, last := fmt.Sprintf("10.%d.0.5", i), fmt.Sprintf("10.%d.0.9", i)
		text := strings.Replace(r.Text(first+"-"+last), "-", `", "`, 1)
		if got := r.Text(`{"range": ["` + first + `", "` + last + `"]}`); got != `{"range": ["`+text+`"]}` {
			t.Errorf("%s-%s is %s in JSON, and %s in text", first, last, got, text)
		}
	}
	if r.Report().Ranges != 100 {
		t.Errorf("%d ranges that are no networks, expected 100", r.Report().Ranges)
	}
	r = New(testKey)
	r.Text("--src-range 192.0.2.1-192.0.2.9\n-m u32 --u32 0xc=0xa000001\n")
	if report := r.Report(); report.Ranges != 1 || report.Opaque != 1 {
		t.Errorf("report %+v, expected one range and one opaque line", report)
	}
}

// Names of nftables mode: the hashes are those of kube-proxy.
func TestNFTNames(t *testing.T) {
	for _, name := range []string{"OBU3JJLQ-zoo/clusterip/tcp/", "L4A3ZRUJ-zoo/affinity/tcp/__10.244.0.70/8080", "FY5PMXPG-kube-system/kube-dns/udp/dns"} {
		if hash, rest, _ := strings.Cut(name, "-"); nftHash(rest) != hash {
			t.Errorf("%s: hash %s", name, nftHash(rest))
		}
	}
	r := New(testKey)
	name := r.replaced("ns", "zoo") + "/" + r.replaced("svc", "zoo/affinity") + "/tcp/"
	endpoint := name + "__" + r.address(netip.MustParseAddr("10.244.0.70")).String() + "/8080"
	six := name + "__" + strings.ReplaceAll(r.address(netip.MustParseAddr("fd00:10::7")).String(), ":", ".") + "/80"
	for from, want := range map[string]string{
		"goto service-QGSLLAQR-zoo/affinity/tcp/":                         "goto service-" + nftHash(name) + "-" + name,
		"update @affinity-L4A3ZRUJ-zoo/affinity/tcp/__10.244.0.70/8080 {": "update @affinity-" + nftHash(endpoint) + "-" + endpoint + " {",
		"endpoint-L4A3ZRUJ-zoo/affinity/tcp/__fd00.10...":                 "endpoint-" + r.letters("hash", "L4A3ZRUJ", 8) + "-" + name + "__...",
		"endpoint-AAAAAAAA-zoo/affinity/tcp/__fd00.10..7/80":              "endpoint-" + r.letters("hash", "AAAAAAAA", 8) + "-" + six,
	} {
		if got := r.Text(from); got != want {
			t.Errorf("%s\n got %s\nwant %s", from, got, want)
		}
	}
}

// FuzzText holds that nothing panics, that lines stay lines, and that a text is
// replaced by the same each time.
func FuzzText(f *testing.F) {
	f.Add("[1:2] -A KUBE-SEP-YRRWI3A4SHGJ2P7Q -s 10.0.0.1/32 -p tcp -m comment --comment \"a/b:c -> 10.0.0.1:80\" -j DNAT --to-destination 10.0.0.1:80\n")
	f.Add("chain service-OBU3JJLQ-zoo/clusterip/tcp/ {\n ip daddr 10.0.0.0-10.0.0.9 comment \"x\\\"y\" }\n")
	f.Add(`{"prefix": {"addr": "fd00::", "len": 64}} "comment": "x" 02:42:ac:12:00:03 fe80::1%eth0/64 1.2.3.4/0.255.0.1`)
	f.Fuzz(func(t *testing.T, text string) {
		r := New(testKey)
		r.Learn(text)
		once := r.Text(text)
		if strings.Count(once, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q became %q, which has other lines", text, once)
		}
		if again := r.Text(text); again != once {
			t.Errorf("%q became %q, and then %q", text, once, again)
		}
	})
}
