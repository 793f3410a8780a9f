package inventory_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/parsers/capture"
)

// TestNFTFaults edits recordings in the way that somebody could, and asks for
// the verdict of one entry and for what is said.
func TestNFTFaults(t *testing.T) {
	const (
		v33 = "zoo-v1.33-nftables"
		v37 = "service-zoo"
	)
	for _, tt := range []struct {
		name, dir string
		old, new  string // every occurrence in the table of IPv4
		entry     string // address or ":port", and port
		verdict   inventory.Verdict
		says      string // in the entry's explanation
		remark    string // in a diagnostic; "" for none
	}{
		{"nothing", v37, "", "", "203.0.113.11:80", inventory.JoinsClusterIP, "the chain that cluster IP 10.96.3.1:80 goes to", ""},
		{"nothing leads to services", v37, "\t\tjump services\n", "", "203.0.113.11:80", inventory.Broken, "no rule that packets from outside meet looks it up", ""},
		{"no rule looks node ports up", v37, "\t\tip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports\n", "", ":30080", inventory.Broken, "no rule that packets from outside meet looks it up", ""},
		{"another service's chain", v37, "goto service-DKJBF7M5-zoo/lb-ip/tcp/\n", "goto service-BL3XI6IK-zoo/nodeport/tcp/\n", "203.0.113.11:80", inventory.DifferentBackends, "the chain of zoo/nodeport", ""},
		{"the external chain is empty", v37, "\t\tgoto service-DKJBF7M5-zoo/lb-ip/tcp/\n", "", "203.0.113.11:80", inventory.Broken, "is translated to nothing", ""},
		{"the cluster IP's element is gone", v37, "10.96.3.1 . tcp . 80 : goto service-DKJBF7M5-zoo/lb-ip/tcp/,", "", "203.0.113.11:80", inventory.JoinsClusterIP, "is gone", ""},
		{"the cluster IP's element is gone, up to 1.35", v33, "10.96.3.1 . tcp . 80 : goto service-DKJBF7M5-zoo/lb-ip/tcp/,", "", "10.96.3.1:80", inventory.Broken, "no map has an element for it", ""},
		{"a translation before", v37, "\t\tjump services\n", "\t\tip daddr 203.0.113.11 tcp dport 80 dnat to 10.0.0.9:80\n\t\tjump services\n", "203.0.113.11:80", inventory.DifferentBackends, "translated to 10.0.0.9:80", ""},
		{"a condition that is not known", v37, "\t\tjump services\n", "\t\tmeta cpu 1 jump services\n", "203.0.113.11:80", inventory.Unknown, "rests on a condition that is not understood", ""},
		{"another's name", v37, "service-DKJBF7M5-zoo/lb-ip/tcp/", "service-DKJBF7M5-zoo/other/tcp/", "203.0.113.11:80", inventory.DifferentBackends, "", "has the hash DKJBF7M5"},
		{"another's comment", v37, `10.96.1.5 . tcp . 80 comment "zoo/no-endpoints" : goto reject-chain`, `10.96.1.1 . tcp . 80 comment "zoo/lb-ip" : goto reject-chain`, "10.96.1.1:80", inventory.IsClusterIP, "", ""},
		{"another's endpoint", v33, "\t\tmeta l4proto tcp dnat to 10.244.0.40:8080\n", "\t\tmeta l4proto tcp dnat to 10.244.0.41:8080\n", "203.0.113.11:80", inventory.JoinsClusterIP, "", "is named for endpoint 10.244.0.40:8080, but translates to 10.244.0.41:8080"},
		{"a number without an endpoint", v37, "map { 0 : 10.244.0.40 . 8080, ", "map { ", "203.0.113.11:80", inventory.JoinsClusterIP, "", "do not all lead to an endpoint"},
		{"an orphan", v37, "203.0.113.11 . tcp . 80 : goto external-DKJBF7M5-zoo/lb-ip/tcp/,", "", "10.96.3.1:80", inventory.IsClusterIP, "", ""},
		{"everything is masqueraded no more", v37, "masquerade fully-random", "counter", ":30080", inventory.JoinsClusterIP, "The client's address is kept.", ""},
		{"dormant", v37, "\tcomment \"rules for kube-proxy\"\n", "\tcomment \"rules for kube-proxy\"\n\tflags dormant\n", ":30080", inventory.Broken, "no rule that packets from outside meet", ""},
		{"a loop", v37, "\t\tgoto service-DKJBF7M5-zoo/lb-ip/tcp/\n", "\t\tgoto external-DKJBF7M5-zoo/lb-ip/tcp/\n", "203.0.113.11:80", inventory.Broken, "form a circle", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(samplesDir, "testdata", "nftables", tt.dir)
			text := string(readFile(t, filepath.Join(dir, "nft-ruleset.txt")))
			from, to := strings.Index(text, "table ip kube-proxy"), strings.Index(text, "table ip6 kube-proxy")
			if to < from {
				from, to = strings.Index(text, "table ip kube-proxy"), len(text)
			}
			table := text[from:to]
			if tt.old != "" {
				edited := strings.ReplaceAll(table, tt.old, tt.new)
				if edited == table {
					t.Fatalf("the recording does not hold %q", tt.old)
				}
				table = edited
			}
			path := filepath.Join(t.TempDir(), "nft.txt")
			if err := os.WriteFile(path, []byte(table), 0o666); err != nil {
				t.Fatal(err)
			}
			snapshot, err := capture.Open([]string{path, filepath.Join(dir, "ip-addr.txt")}, capture.Options{})
			if err != nil {
				t.Fatal(err)
			}
			inv := analyzer.Survey(snapshot).Inventory
			e := nftEntryAt(inv, tt.entry)
			if e == nil {
				t.Fatalf("there is no entry %s", tt.entry)
			}
			if e.Verdict != tt.verdict || !strings.Contains(e.Explanation(), tt.says) {
				t.Errorf("%s: %s: %s\nwant %s: …%s…", tt.entry, e.Verdict, e.Explanation(), tt.verdict, tt.says)
			}
			said := tt.remark == ""
			for _, d := range inv.Diagnostics {
				said = said || strings.Contains(d.Message, tt.remark)
			}
			if !said {
				t.Errorf("no remark says %q: %v", tt.remark, inv.Diagnostics)
			}
		})
	}
}

// nftEntryAt finds an entry by "address:port", a node port by ":port".
func nftEntryAt(inv *inventory.Inventory, at string) *inventory.Entry {
	for _, s := range inv.Services {
		for _, e := range s.Entries {
			host := ""
			if e.Kind != inventory.NodePort {
				host = e.Addresses[0].Addr().String()
			}
			if fmt.Sprintf("%s:%d", host, e.Port) == at {
				return e
			}
		}
	}
	return nil
}

// TestNFTElementsTwice: a listing that was made while the kernel enlarged its
// sets names elements twice, and tells the same.
func TestNFTElementsTwice(t *testing.T) {
	text := string(readFile(t, filepath.Join(samplesDir, "testdata", "nftables", "service-zoo", "nft-ruleset.txt")))
	elements := regexp.MustCompile(`(?s)(elements = \{ )(.*?)( \}\n)`)
	twice := elements.ReplaceAllStringFunc(text, func(list string) string {
		m, between := elements.FindStringSubmatch(list), ",\n\t\t\t     "
		all := strings.Split(strings.ReplaceAll(m[2], between, ", "), ", ")
		return m[1] + strings.Join(slices.Repeat(all, 2), between) + m[3]
	})
	if twice == text {
		t.Fatal("no set has elements")
	}
	facts := func(text string) (facts []string) {
		path := filepath.Join(t.TempDir(), "nft.txt")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		snapshot, err := capture.Open([]string{path}, capture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range analyzer.Analyze(snapshot).Inventory.Services {
			for _, e := range s.Entries {
				facts = append(facts, fmt.Sprint(s.PortString(), e.Kind, e.Addresses, e.Port, e.Verdict, e.Explanation()))
			}
		}
		return facts
	}
	if diff := cmp.Diff(facts(text), facts(twice)); diff != "" {
		t.Errorf("(-each once +each twice):\n%s", diff)
	}
}

// TestNFTDamage leaves lines out of recordings and puts others in their place:
// whatever comes of it, nothing may panic, and what is told from a damaged text
// has words.
func TestNFTDamage(t *testing.T) {
	for _, name := range []string{"zoo-v1.29-nftables", "zoo-v1.33-nftables", "service-zoo"} {
		dir := filepath.Join(samplesDir, "testdata", "nftables", name)
		text := string(readFile(t, filepath.Join(dir, "nft-ruleset.txt")))
		lines := strings.SplitAfter(text[strings.Index(text, "table ip kube-proxy"):], "\n")
		random := rand.New(rand.NewPCG(1, uint64(len(lines))))
		path := filepath.Join(t.TempDir(), "nft.txt")
		for range 40 {
			damaged := slices.Clone(lines)
			for range 1 + random.IntN(40) {
				i, j := random.IntN(len(damaged)), random.IntN(len(damaged))
				switch random.IntN(3) {
				case 0:
					damaged = slices.Delete(damaged, i, i+1)
				case 1:
					damaged[i] = damaged[j]
				default:
					damaged[i], damaged[j] = damaged[j], damaged[i]
				}
			}
			if err := os.WriteFile(path, []byte(strings.Join(damaged, "")), 0o666); err != nil {
				t.Fatal(err)
			}
			snapshot, err := capture.Open([]string{path, filepath.Join(dir, "ip-addr.txt")}, capture.Options{})
			if err != nil {
				continue // so damaged that it holds nothing
			}
			for _, s := range analyzer.Analyze(snapshot).Inventory.Services {
				for _, e := range s.Entries {
					if e.Explanation() == "" || e.Verdict == "" {
						t.Fatalf("%s: %v of %s has no words: %q", name, e.Addresses, s.PortString(), e.Verdict)
					}
					_ = e.InCluster()
					_ = e.Lines()
				}
			}
		}
	}
}
