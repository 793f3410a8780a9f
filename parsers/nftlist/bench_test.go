package nftlist

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// manyServices are the rules of a node with n services of endpoints each, as
// kube-proxy 1.37 writes them, as nft lists them: in text and in JSON.
func manyServices(n, endpoints int) (text, js string) {
	var ips, entries, chains, jsonIPs, jsonEntries, jsonChains, jsonRules strings.Builder
	for i := range n {
		ip := fmt.Sprintf("10.%d.%d.%d", 96+i/62500, i/250%250, i%250+1)
		name := fmt.Sprintf("service-%08X-ns-%d/service-%d/tcp/http", uint32(i)*2654435761, i%100, i)
		comma, space, jsonComma := ",\n", "\t\t\t     ", ", "
		if i == 0 {
			space, jsonComma = "", ""
		}
		if i == n-1 {
			comma = ""
		}
		fmt.Fprintf(&ips, "%s%s%s", space, ip, comma)
		fmt.Fprintf(&entries, "%s%s . tcp . 80 : goto %s%s", space, ip, name, comma)
		fmt.Fprintf(&jsonIPs, "%s%q", jsonComma, ip)
		fmt.Fprintf(&jsonEntries, `%s[{"concat": [%q, "tcp", 80]}, {"goto": {"target": %q}}]`, jsonComma, ip, name)
		fmt.Fprintf(&chains, "\n\tchain %s {\n\t\tmeta l4proto tcp dnat ip to numgen random mod %d map { ", name, endpoints)
		fmt.Fprintf(&jsonChains, `, {"chain": {"family": "ip", "table": "kube-proxy", "name": %q, "handle": %d}}`, name, i)
		fmt.Fprintf(&jsonRules, `, {"rule": {"family": "ip", "table": "kube-proxy", "chain": %q, "handle": %d, "expr": [{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, `+
			`{"dnat": {"family": "ip", "addr": {"map": {"key": {"numgen": {"mode": "random", "mod": %d, "offset": 0}}, "data": {"set": [`, name, n+i, endpoints)
		for e := range endpoints {
			if e > 0 {
				chains.WriteString(", ")
				jsonRules.WriteString(", ")
			}
			pod := fmt.Sprintf("10.%d.%d.%d", 128+e, i/250, i%250+1)
			fmt.Fprintf(&chains, "%d : %s . 8080", e, pod)
			fmt.Fprintf(&jsonRules, `[%d, {"concat": [%q, 8080]}]`, e, pod)
		}
		chains.WriteString(" }\n\t}\n")
		jsonRules.WriteString(`]}}}}}]}}`)
	}
	text = "table ip kube-proxy {\n\tset cluster-ips {\n\t\ttype ipv4_addr\n\t\telements = { " + ips.String() + " }\n\t}\n\n" +
		"\tmap service-ips {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\t\telements = { " + entries.String() + " }\n\t}\n\n" +
		"\tchain services {\n\t\tip daddr . meta l4proto . th dport vmap @service-ips\n\t}\n" + chains.String() + "}\n"
	js = `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}}, ` +
		`{"set": {"family": "ip", "name": "cluster-ips", "table": "kube-proxy", "type": "ipv4_addr", "handle": 2, "elem": [` + jsonIPs.String() + `]}}, ` +
		`{"map": {"family": "ip", "name": "service-ips", "table": "kube-proxy", "type": ["ipv4_addr", "inet_proto", "inet_service"], "handle": 3, "map": "verdict", "elem": [` + jsonEntries.String() + `]}}, ` +
		`{"chain": {"family": "ip", "table": "kube-proxy", "name": "services", "handle": 4}}` + jsonChains.String() +
		`, {"rule": {"family": "ip", "table": "kube-proxy", "chain": "services", "handle": 5, "expr": [{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}}, ` +
		`{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]}, "data": "@service-ips"}}]}}` + jsonRules.String() + "]}\n"
	return text, js
}

func TestManyServicesAreTheSame(t *testing.T) {
	text, js := manyServices(20, 3)
	a, b := parseText(text), parseJSON(js)
	if len(a.Diagnostics)+len(b.Diagnostics) > 0 || native(a) != native(b) || !strings.HasPrefix(text, native(a)[:100]) {
		t.Errorf("text said %v and printed\n%s\nJSON said %v and printed\n%s", a.Diagnostics, native(a), b.Diagnostics, native(b))
	}
}

// BenchmarkParse is iptablessave's for nft: compare the megabytes a second.
func BenchmarkParse(b *testing.B) {
	for _, size := range []struct{ services, endpoints int }{{10, 2}, {1000, 5}, {10_000, 10}} {
		text, js := manyServices(size.services, size.endpoints)
		for _, format := range []struct {
			name, text string
			parse      func(source.Cursor) (*Dump, source.Cursor)
		}{
			{"text", text, func(at source.Cursor) (*Dump, source.Cursor) { return Parse(at, nil) }},
			{"JSON", js, ParseJSON},
		} {
			b.Run(fmt.Sprintf("%dx%d/%s", size.services, size.endpoints, format.name), func(b *testing.B) {
				file := &source.File{Path: "-", Text: format.text}
				b.SetBytes(int64(len(file.Text)))
				b.ReportAllocs()
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var d *Dump
				for b.Loop() {
					d, _ = format.parse(source.Start(file))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(file.Text)), "B-kept/B")
				if d.Tables[0].Set("service-ips").Find(netfilter.Key("\x0a\x60\x00\x01\x06\x00\x50")) < 0 {
					b.Fatal("the first service is not found")
				}
				runtime.KeepAlive(d)
			})
		}
	}
}
