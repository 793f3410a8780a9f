package inventory_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
)

// An edit changes a recording's text as somebody with a shell on the node, or
// with an editor on the dump, could have.
type edit func(t *testing.T, text string) string

// without takes out every line that holds all of the words.
func without(words ...string) edit {
	return func(t *testing.T, text string) string {
		t.Helper()
		var kept []string
		lines := strings.SplitAfter(text, "\n")
		for _, line := range lines {
			if !holdsAll(line, words) {
				kept = append(kept, line)
			}
		}
		if len(kept) == len(lines) {
			t.Fatalf("no line holds %q", words)
		}
		return strings.Join(kept, "")
	}
}

// only keeps nothing but the lines that hold one of the words.
func only(words ...string) edit {
	return func(_ *testing.T, text string) string {
		var kept []string
		for _, line := range strings.SplitAfter(text, "\n") {
			for _, w := range words {
				if strings.Contains(line, w) {
					kept = append(kept, line)
					break
				}
			}
		}
		return strings.Join(kept, "")
	}
}

// before puts a rule above the first line that holds the word.
func before(word, rule string) edit {
	return replace(word, func(line string) string { return rule + "\n" + line })
}

// instead puts another text in place of a part of the first line that holds
// all of the words.
func instead(from, to string, words ...string) edit {
	return func(t *testing.T, text string) string {
		t.Helper()
		lines := strings.SplitAfter(text, "\n")
		for i, line := range lines {
			if holdsAll(line, append(words, from)) {
				lines[i] = strings.Replace(line, from, to, 1)
				return strings.Join(lines, "")
			}
		}
		t.Fatalf("no line holds %q and %q", from, words)
		return ""
	}
}

func replace(word string, change func(string) string) edit {
	return func(t *testing.T, text string) string {
		t.Helper()
		lines := strings.SplitAfter(text, "\n")
		for i, line := range lines {
			if strings.Contains(line, word) {
				lines[i] = change(line)
				return strings.Join(lines, "")
			}
		}
		t.Fatalf("no line holds %q", word)
		return ""
	}
}

func holdsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// TestVerdictsOfEditedRules changes the rules of a recorded node in one place
// and asks for the verdict, masquerading and end of one entry.
func TestVerdictsOfEditedRules(t *testing.T) {
	const (
		nodeport = "zoo/nodeport NodePort 30080"
		ext      = "KUBE-EXT-GRJAW5V5LSK2XSKH"
		svc      = "KUBE-SVC-GRJAW5V5LSK2XSKH"
		all      = "10.244.0.30:8080 10.244.1.30:8080 10.244.2.30:8080"
		pre      = `-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`
	)
	for _, tt := range []struct {
		name  string
		edits []edit
		entry string
		want  string // verdict, masquerading, endpoints
		says  string // a part of the explanation
	}{
		{"untouched", nil, nodeport, "joins-clusterip always " + all, "the packet's destination never is 10.96.2.1"},
		{"masquerade mark gone", []edit{without("-A "+ext, "KUBE-MARK-MASQ")}, nodeport, "joins-clusterip hairpin " + all, "address is kept"},
		{"masquerade mark sets nothing", []edit{without("-A KUBE-MARK-MASQ")}, nodeport, "joins-clusterip never " + all, ""},
		{"POSTROUTING leads nowhere", []edit{without("-A POSTROUTING")}, nodeport, "joins-clusterip never " + all, ""},
		{"POSTROUTING masquerades all", []edit{without("-A KUBE-POSTROUTING", "RETURN")}, "zoo/nodeport-local NodePort 30082", "local-endpoints always 10.244.1.32:8080 10.244.1.33:8080", ""},
		{"chain of another service", []edit{instead("-j "+svc, "-j KUBE-SVC-7QYSB6XHHOGB6JDQ", "-A "+ext)}, nodeport,
			"different-backends always 10.244.0.40:8080 10.244.1.40:8080 10.244.2.40:8080", "the chain of zoo/lb-ip"},
		{"chain taken away", []edit{without(":" + svc), without("-A " + svc)}, nodeport, "broken never", "jumps to a chain that the table does not have"},
		{"chain emptied", []edit{without("-A " + svc)}, nodeport, "broken never", "is translated to nothing"},
		{"endpoints emptied", []edit{without("-A KUBE-SEP-FUJHKGXKSRC2GBOA"), without("-A KUBE-SEP-XZCAJ26MWJO7TO4R"), without(`"zoo/nodeport"`, "DNAT")}, nodeport, "broken", "none of its endpoint chains translates"},
		{"node ports unreachable", []edit{without("-A KUBE-SERVICES", "-j KUBE-NODEPORTS")}, nodeport, "broken never", "No rule of KUBE-SERVICES leads to KUBE-NODEPORTS"},
		{"services unreachable", []edit{without("-A PREROUTING", "KUBE-SERVICES")}, nodeport, "broken never", "Nothing in PREROUTING leads to KUBE-SERVICES"},
		{"cluster IP's rule gone", []edit{without("-A KUBE-SERVICES", "zoo/nodeport cluster IP")}, "zoo/nodeport ClusterIP 10.96.2.1:80", "broken never", "the entry's rule is gone"},
		{"cluster IP's rule gone, node port", []edit{without("-A KUBE-SERVICES", "zoo/nodeport cluster IP")}, nodeport, "joins-clusterip always " + all, "is gone"},
		{"DNAT ahead", []edit{before(pre, "-A PREROUTING -p tcp -m tcp --dport 30080 -j DNAT --to-destination 192.0.2.66:4444")}, nodeport, "different-backends never 192.0.2.66:4444", "A rule before kube-proxy's"},
		{"DNAT ahead, another port", []edit{before(pre, "-A PREROUTING -p tcp -m tcp --dport 30081 -j DNAT --to-destination 192.0.2.66:4444")}, nodeport, "joins-clusterip always " + all, ""},
		{"DNAT ahead, another interface", []edit{before(pre, "-A PREROUTING -i docker0 -p tcp -m tcp --dport 30080 -j DNAT --to-destination 192.0.2.66:4444")}, nodeport, "joins-clusterip always " + all, ""},
		{"DROP ahead", []edit{before(pre, "-A PREROUTING -p tcp -m multiport --dports 22,30080 -j ACCEPT")}, nodeport, "broken never", "A rule before kube-proxy's"},
		{"DNAT ahead in KUBE-SERVICES", []edit{before("-A KUBE-SERVICES", "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -p tcp -m tcp --dport 30000:30100 -j DNAT --to-destination 192.0.2.66")}, nodeport, "different-backends never 192.0.2.66:30080", ""},
		{"match not understood", []edit{instead("-m tcp --dport 30080 -j", "-m tcp --dport 30080 -m time --timestart 08:00 -j", "-A KUBE-NODEPORTS -p tcp")}, nodeport, "unknown unknown", "a condition that is not understood"},
		{"refusal gone", []edit{without("zoo/nodeport-empty has no endpoints", "KUBE-EXTERNAL-SERVICES"), without("zoo/nodeport-empty has no endpoints")}, "zoo/nodeport-empty NodePort 30084", "absent", ""},
		{"refusals unreachable", []edit{without("-A INPUT", "-j KUBE-EXTERNAL-SERVICES")}, "zoo/nodeport-empty NodePort 30084", "broken never", ""},
		{"filter not captured", []edit{withoutTable("filter")}, "zoo/nodeport-local-none NodePort 30083", "unknown unknown", "table filter is not in the input"},
		{"firewall gone", []edit{without("-A KUBE-PROXY-FIREWALL", "203.0.113.14")}, "zoo/lb-source-ranges LoadBalancerIP 203.0.113.14:80", "filtered always 10.244.0.43:8080 10.244.1.43:8080 10.244.2.43:8080", "no rule of filter drops them"},
		{"firewall there", nil, "zoo/lb-source-ranges LoadBalancerIP 203.0.113.14:80", "filtered always 10.244.0.43:8080 10.244.1.43:8080 10.244.2.43:8080", "others are dropped in filter (KUBE-PROXY-FIREWALL)"},
		{"one affinity rule left", []edit{without("-A KUBE-SVL-UDUN2OZPNKYSQK6S", "10.244.1.54:8080\" -j")}, "zoo/lb-affinity-local NodePort 31016", "broken never", ""},
		{"pasted without the cluster IP", []edit{only(ext, svc, "KUBE-SEP-XZCAJ26MWJO7TO4R"), without("cluster IP")}, nodeport, "unknown always 10.244.0.30:8080", "does not show the cluster IP's entry"},
		{"pasted without the service chain", []edit{only("-A "+ext, "-A KUBE-NODEPORTS -p")}, nodeport, "unknown unknown", "is not in the text"},
		{"comments stripped", []edit{stripComments}, "KUBE-SVC-GRJAW5V5LSK2XSKH NodePort 30080", "joins-clusterip always " + all, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := analyzeEdited(t, tt.edits)
			e := find(a.Inventory, tt.entry)
			got := "absent"
			if e != nil {
				words := []string{string(e.Verdict), string(e.Masquerade)}
				for _, end := range e.Endpoints.All() {
					words = append(words, end.Addr.String())
				}
				got = strings.Join(words, " ")
				if !strings.Contains(e.Explanation(), tt.says) {
					t.Errorf("the explanation is %q; want it to say %q", e.Explanation(), tt.says)
				}
			}
			if !strings.HasPrefix(got, tt.want) || len(strings.Fields(tt.want)) > 2 && got != tt.want {
				t.Errorf("%s is %q, want %q", tt.entry, got, tt.want)
			}
		})
	}
}

func analyzeEdited(t *testing.T, edits []edit) *analyzer.Analysis {
	t.Helper()
	data, err := os.ReadFile("../../samples/service-zoo/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, change := range edits {
		text = change(t, text)
	}
	dump, _ := iptablessave.Parse(source.Start(&source.File{Path: "edited.txt", Text: text}), nil)
	return analyzer.Analyze(&snapshot.Snapshot{Tables: dump.Tables, Diagnostics: dump.Diagnostics})
}

// withoutTable takes out a table from its first line to its COMMIT.
func withoutTable(name string) edit {
	return func(t *testing.T, text string) string {
		t.Helper()
		start := strings.Index(text, "*"+name+"\n")
		if start < 0 {
			t.Fatalf("there is no table %s", name)
		}
		return text[:start] + text[start+strings.Index(text[start:], "COMMIT\n")+len("COMMIT\n"):]
	}
}

// stripComments takes the comment out of every rule.
func stripComments(_ *testing.T, text string) string {
	var b strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if start := strings.Index(line, "-m comment --comment \""); start >= 0 {
			end := start + len("-m comment --comment \"")
			end += strings.IndexByte(line[end:], '"') + 1
			line = line[:start] + strings.TrimPrefix(line[end:], " ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// find gives the entry "namespace/name Kind address:port", or of a nameless
// service "chain Kind address:port"; nil if there is none.
func find(inv *inventory.Inventory, name string) *inventory.Entry {
	words := strings.Fields(name)
	for _, svc := range inv.Services {
		named := svc.PortString() == words[0]
		if svc.Name == "" && svc.Chains.Service != nil {
			named = svc.Chains.Service.Name == words[0]
		}
		for _, e := range svc.Entries {
			if !named || string(e.Kind) != words[1] {
				continue
			}
			address := ""
			if e.Kind != inventory.NodePort {
				address = e.Addresses[0].Addr().String() + ":"
			}
			if address+itoa(e.Port) == words[2] {
				return e
			}
		}
	}
	return nil
}

// A name that has not the hash of the chain it stands beside is remarked on.
func TestHashMismatch(t *testing.T) {
	a := analyzeEdited(t, []edit{instead("zoo/clusterip cluster IP", "zoo/other cluster IP", "-A KUBE-SERVICES")})
	var got []string
	for _, d := range a.Diagnostics {
		if d.Code == "hash-mismatch" {
			got = append(got, d.Message)
		}
	}
	want := []string{"the comment names zoo/other, but KUBE-SVC-LYNRR32RKAOQCAD2 has the hash of zoo/clusterip; that of zoo/other would be KUBE-SVC-"}
	for i := range got {
		got[i] = got[i][:min(len(got[i]), len(want[0]))]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hash mismatches (-want +got):\n%s", diff)
	}
}

func itoa(port uint16) string { return strconv.Itoa(int(port)) }
