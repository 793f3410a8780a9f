package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/parsers/capture"
)

// On nodes as kube-proxy left them structure and trace agree, but for what
// kube-proxy up to 1.24 really does: it marks packets to a load-balancer IP
// without local endpoint for dropping, and kubelet's KUBE-FIREWALL, which drops
// marked packets, stands in INPUT and OUTPUT only. The faults change what the
// chains themselves say, so there too both agree.
func TestRecordings(t *testing.T) {
	dirs, err := filepath.Glob("../../samples/testdata/recordings/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no recordings", err)
	}
	want := map[string][]string{
		"zoo-v1.23-legacy": {
			"zoo/lb-local-none: the chains of LoadBalancerIP 203.0.113.17:80 make it no-endpoints, but a packet from 192.0.2.251 to 203.0.113.17:80 is not refused: it goes on untranslated",
			"zoo/lb-local-terminating: the chains of LoadBalancerIP 203.0.113.84:80 make it no-endpoints, but a packet from 192.0.2.251 to 203.0.113.84:80 is not refused: it goes on untranslated",
		},
	}
	for _, dir := range append(dirs, "../../samples/service-zoo", "../../samples/myth2-loadbalancer") {
		if diff := cmp.Diff(want[filepath.Base(dir)], findings(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
}

func findings(t *testing.T, inputs ...string) []string {
	t.Helper()
	s, err := capture.Open(inputs, capture.Options{})
	if s == nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range analyzer.Analyze(s).Findings {
		if len(f.Evidence) == 0 {
			t.Errorf("no evidence for %q", f.Message)
		}
		all = append(all, f.Service+": "+f.Message)
	}
	return all
}

// What stands outside of the entries' own chains shows in the trace.
func TestDisagreements(t *testing.T) {
	const sample = "../../samples/service-zoo"
	for _, tt := range []struct {
		name         string
		above, added string // the rule added above the first line that holds "above"
		want         string
	}{
		{"dropped on its way", "-A FORWARD ", "-A FORWARD -d 10.244.2.30/32 -j DROP",
			"zoo/nodeport: the chains of ClusterIP 10.96.2.1:80 make it clusterip, but a packet from 192.0.2.251 to 10.96.2.1:80 is dropped, by rule 1 of FORWARD, with a chance of 33.3%"},
		{"forwarding refused by policy", "-A FORWARD ", "",
			"zoo/dual-nodeport: the chains of ClusterIP 10.96.10.2:80 make it clusterip, but a packet from 192.0.2.251 to 10.96.10.2:80 is dropped, by the policy DROP of FORWARD"},
		{"masqueraded by another rule", "-A POSTROUTING ", "-A POSTROUTING -d 10.244.1.0/24 -j MASQUERADE",
			"zoo/nodeport-local: the chains of NodePort 30082 make it local-endpoints, but a packet from 192.0.2.251 to 172.18.0.3:30082 loses its source address, which the entry's chains keep, by rule 1 of POSTROUTING"},
		{"never translated", "-A KUBE-SEP-IUG3BBQWR5DIZ4DI -p tcp", "-A KUBE-SEP-IUG3BBQWR5DIZ4DI -j RETURN",
			"zoo/terminating-only: the chains of ClusterIP 10.96.8.1:80 make it clusterip, but a packet from 192.0.2.251 to 10.96.8.1:80 goes on untranslated, with a chance of 50%"},
		{"mark taken off", "-A FORWARD ", "-A FORWARD -j MARK --set-xmark 0x0/0x4000",
			"zoo/nodeport: the chains of NodePort 30080 make it joins-clusterip, but a packet from 192.0.2.251 to 172.18.0.3:30080 keeps its source address, which the entry's marks should have replaced"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(sample, "iptables-save.txt"))
			if err != nil {
				t.Fatal(err)
			}
			text := string(data)
			if tt.added == "" {
				// Nothing but what is marked gets through.
				text = strings.Replace(text, ":FORWARD ACCEPT", ":FORWARD DROP", -1)
				text = strings.Replace(text, `--mark 0x4000/0x4000 -j ACCEPT`, `--mark 0x4000/0x4000 -j RETURN`, 1)
			} else {
				i := strings.Index(text, tt.above)
				i = strings.LastIndexByte(text[:i], '\n') + 1
				text = text[:i] + "[0:0] " + tt.added + "\n" + text[i:]
				if strings.Contains(tt.added, "MARK") { // MARK stands in mangle
					text = strings.Replace(text, "[0:0] "+tt.added+"\n", "", 1)
					text = strings.Replace(text, ":KUBE-IPTABLES-HINT - [0:0]\n", ":KUBE-IPTABLES-HINT - [0:0]\n[0:0] "+tt.added+"\n", 1)
				}
			}
			file := filepath.Join(t.TempDir(), "dump.txt")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			all := findings(t, file, filepath.Join(sample, "ip-addr.txt"), filepath.Join(sample, "ip-route.txt"))
			t.Logf("%d findings", len(all))
			for _, f := range all {
				if f == tt.want {
					return
				}
			}
			t.Errorf("not found: %s\nthere are:\n%s", tt.want, strings.Join(all, "\n"))
		})
	}
}

// Where the text holds a part of a table, a packet may go where it goes for want
// of a rule: that is no finding, though the verdicts of entries stand.
func TestPartsHaveNoFindings(t *testing.T) {
	const sample = "../../samples/service-zoo"
	data, err := os.ReadFile(filepath.Join(sample, "iptables-save.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	file := filepath.Join(t.TempDir(), "dump.txt")
	// Without its first lines nat has no PREROUTING.
	if err := os.WriteFile(file, []byte(text[strings.Index(text, "-A KUBE-EXT"):]), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string(nil), findings(t, file, filepath.Join(sample, "ip-addr.txt"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A packet that IPVS refuses is refused by no policy of a chain that let it pass.
func TestRefusedByIPVS(t *testing.T) {
	const sample, server = "../../samples/ipvs-service-zoo", "-a -t 10.244.1.1:30081 -r 10.244.1.11:8080 -m -w 1\n"
	data, err := os.ReadFile(filepath.Join(sample, "ipvsadm-save.txt"))
	if err != nil || !strings.Contains(string(data), server) {
		t.Fatal("no such real server", err)
	}
	table := filepath.Join(t.TempDir(), "ipvsadm-save.txt")
	if err := os.WriteFile(table, []byte(strings.Replace(string(data), server, "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	inputs := []string{table}
	for _, name := range []string{"ip-addr.txt", "iptables-save.txt", "ip6tables-save.txt", "ipset-save.txt", "manifests.yaml", "node.yaml"} {
		inputs = append(inputs, filepath.Join(sample, name))
	}
	want := []string{"shop/np-local-with: the sets and virtual servers of NodePort 30081 make it different-backends, but a packet from 192.0.2.251 to 10.244.1.1:30081 is rejected (icmp-port-unreachable), " +
		"by IPVS, whose virtual server TCP 10.244.1.1:30081 takes no connections"}
	if diff := cmp.Diff(want, findings(t, inputs...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What a packet meets only if its client was here before is no certain finding.
func TestReturningClient(t *testing.T) {
	const sample = "../../samples/service-zoo"
	data, err := os.ReadFile(filepath.Join(sample, "iptables-save.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// Without the rule that deals new connections out, the one for clients that
	// were sent to the endpoint before is left.
	text, deals := string(data), `-m comment --comment "zoo/affinity-nodeport -> 10.244.0.71:8080" -m statistic --mode random --probability 0.33333333349 -j`
	at := strings.Index(text, deals)
	if at < 0 {
		t.Fatal("no such rule")
	}
	begin, end := strings.LastIndexByte(text[:at], '\n'), at+strings.IndexByte(text[at:], '\n')
	file := filepath.Join(t.TempDir(), "dump.txt")
	if err := os.WriteFile(file, []byte(text[:begin]+text[end:]), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := capture.Open([]string{file, filepath.Join(sample, "ip-addr.txt"), filepath.Join(sample, "ip-route.txt")}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := analyzer.Analyze(s).Findings
	if len(found) == 0 {
		t.Fatal("no findings")
	}
	for _, f := range found {
		if f.Certainty != "assumed" || len(f.Assumptions) == 0 {
			t.Errorf("%s: %s, assuming %q", f.Message, f.Certainty, f.Assumptions)
		}
	}
}
