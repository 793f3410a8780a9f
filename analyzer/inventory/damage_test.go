package inventory_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
)

// Whatever is cut out of a recording, and whichever names and comments stand in
// one another's place: every entry is explained, and belongs to the service that
// its first comment names, of which there is one.
func TestDamagedRules(t *testing.T) {
	data, err := os.ReadFile("../../samples/service-zoo/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	recorded := strings.Split(string(data), "\n")
	rapid.Check(t, func(t *rapid.T) {
		lines := slices.Clone(recorded)
		for range rapid.IntRange(1, 6).Draw(t, "wounds") {
			lines = wound(t, lines)
		}
		text := strings.Join(lines, "\n")
		dump, _ := iptablessave.Parse(source.Start(&source.File{Path: "damaged.txt", Text: text}), nil)
		a := analyzer.Analyze(&snapshot.Snapshot{Tables: dump.Tables, Diagnostics: dump.Diagnostics})
		claims, seen := claimsOf(dump.Tables), map[string]bool{}
		for _, svc := range a.Inventory.Services {
			key := svc.PortString() + " " + netfilter.ProtocolName(svc.Protocol) + svc.Family.String()
			if svc.Name != "" && seen[key] {
				t.Fatalf("%s stands twice, after\n%s", svc.PortString(), text)
			}
			seen[key] = true
			for _, e := range svc.Entries {
				e.Explanation()
				e.InCluster()
				if claim := claims[keyOf(e)]; claim != "" && claim != svc.PortString() {
					t.Fatalf("the comment of %s says %s, not %s, in\n%s", keyOf(e), claim, svc.PortString(), text)
				}
			}
		}
	})
}

// claimsOf are the service ports that comments name in nat, by what is dialled
// there: for each the one that stands first.
func claimsOf(tables []*netfilter.Table) map[string]string {
	claims := map[string]string{}
	for _, t := range tables {
		for _, name := range []string{kubeproxy.ServicesChain, kubeproxy.NodePortsChain} {
			c := t.Chain(name)
			if t.Name != "nat" || c == nil {
				continue
			}
			for r := range c.Rules() {
				to, port := address.FindStringSubmatch(r.Text()), dport.FindStringSubmatch(r.Text())
				claim, ok := kubeproxy.ParseComment(r.Comment())
				if !ok || port == nil || name == kubeproxy.ServicesChain && to == nil {
					continue
				}
				key := "NodePort"
				if name == kubeproxy.ServicesChain {
					key = to[1]
				}
				if key += " " + port[1] + " " + port[2]; claims[key] == "" {
					claims[key] = claim.Port.String()
				}
			}
		}
	}
	return claims
}

func keyOf(e *inventory.Entry) string {
	key := "NodePort"
	if e.Kind != inventory.NodePort {
		key = e.Addresses[0].Addr().String()
	}
	return key + " " + netfilter.ProtocolName(e.Service.Protocol) + " " + itoa(e.Port)
}

var (
	chainNames = regexp.MustCompile(`KUBE-(SVC|SEP|EXT|SVL|FW)-[A-Z2-7]{16}`)
	address    = regexp.MustCompile(`-d ([0-9.]+)(?:/32)? `)
	dport      = regexp.MustCompile(`-m (tcp|udp|sctp) --dport (\d+) `)
	comments   = regexp.MustCompile(`-m comment --comment ("[^"]*"|\S+) `)
)

// wound damages a dump in one place or in many.
func wound(t *rapid.T, lines []string) []string {
	if len(lines) == 0 {
		return lines
	}
	at := rapid.IntRange(0, len(lines)).Draw(t, "at")
	to := min(at+rapid.IntRange(0, 40).Draw(t, "lines"), len(lines))
	other := lines[rapid.IntRange(0, len(lines)-1).Draw(t, "other"):]
	exchange := func(pattern *regexp.Regexp) {
		for i := at; i < to && i-at < len(other); i++ {
			if with := pattern.FindString(other[i-at]); with != "" {
				lines[i] = pattern.ReplaceAllLiteralString(lines[i], with)
			}
		}
	}
	switch rapid.SampledFrom([]string{"cut", "keep", "names", "comments", "uncommented", "moved"}).Draw(t, "wound") {
	case "cut":
		return slices.Delete(lines, at, to)
	case "keep":
		if to > at {
			return lines[at:]
		}
	case "names":
		exchange(chainNames)
	case "comments":
		exchange(comments)
	case "uncommented":
		for i := at; i < to; i++ {
			lines[i] = comments.ReplaceAllString(lines[i], "")
		}
	case "moved":
		moved := slices.Clone(lines[at:to])
		rest := slices.Delete(lines, at, to)
		return slices.Insert(rest, rapid.IntRange(0, len(rest)).Draw(t, "moved to"), moved...)
	}
	return lines
}
