//go:build linux

package bundle_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
	"github.com/svcpath/svcpath/parsers/iproute"
)

// TestCaptureOfRecordings loads recordings into the kernel, has svcpath record
// it, and compares what it says of the bundle with what it says of the
// recording.
func TestCaptureOfRecordings(t *testing.T) {
	binary := build(t)
	for _, test := range []struct {
		name, dir, backend string
	}{
		{"legacy", "service-zoo", "legacy"},
		{"nft", "testdata/recordings/zoo-v1.37-iptables-nft", "nft"},
		{"small", "myth2-loadbalancer", "legacy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			kerneltest.Require(t, "ip", "ipset", "iptables-"+test.backend+"-restore", "ip6tables-"+test.backend+"-restore", "iptables-"+test.backend+"-save")
			recording := t.TempDir()
			ns := kerneltest.New(t)
			for _, family := range []string{"iptables", "ip6tables"} {
				dump := withoutAccounts(read(t, "../../samples/"+test.dir+"/"+family+"-save.txt"))
				write(t, filepath.Join(recording, family+"-save.txt"), dump)
				ns.Run(t, dump, family+"-"+test.backend+"-restore")
			}
			ns.Run(t, "create allowed hash:net\nadd allowed 198.51.100.0/24\n", "ipset", "restore")
			addresses := read(t, "../../samples/"+test.dir+"/ip-addr.txt")
			write(t, filepath.Join(recording, "ip-addr.txt"), addresses)
			giveAddresses(t, ns, addresses)
			hasRoutes := !strings.Contains(test.dir, "/") // the samples have
			if hasRoutes {
				giveRoutes(t, ns, read(t, "../../samples/"+test.dir+"/ip-route.txt"))
			}

			bundle := filepath.Join(t.TempDir(), "node.tar.gz")
			write(t, bundle, "what stood there before")
			said := ns.Run(t, "", binary, "capture", "--output", bundle)
			if !strings.Contains(said, "files and their manifest\n") {
				t.Errorf("capture says %q", said)
			}
			want, got := services(t, binary, recording), services(t, binary, bundle)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("services of the bundle (-recording +bundle):\n%s", diff)
			}
			if !hasRoutes {
				return
			}
			// Where packets go is what it was, too.
			verify := exec.Command(binary, "verify", bundle, "--flows", "sample:"+test.dir)
			if out, err := verify.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", verify, err, out)
			}
			if info, err := os.Stat(bundle); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the bundle: %v, %v", info.Mode(), err)
			}
			// The same through a pipe.
			piped := filepath.Join(t.TempDir(), "piped.tar.gz")
			write(t, piped, ns.Run(t, "", binary, "capture", "-q", "--output", "-"))
			if diff := cmp.Diff(want, services(t, binary, piped)); diff != "" {
				t.Errorf("services of the bundle from standard output (-recording +bundle):\n%s", diff)
			}
			checkRedacted(t, ns, binary, len(want), addresses)
			if len(want) < 5 {
				t.Errorf("%d services, expected more", len(want))
			}
		})
	}
}

// checkRedacted records once more, redacted: the same number of services, none
// of them in disagreement with its name, and nothing of the node's addresses.
func checkRedacted(t *testing.T, ns *kerneltest.Namespace, binary string, want int, addresses string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redacted.tar.gz")
	ns.Run(t, "", binary, "capture", "--redact", "--output", path)
	if got := services(t, binary, path); len(got) != want {
		t.Errorf("%d services in the redacted bundle, expected %d", len(got), want)
	}
	said, err := exec.Command(binary, "analyze", "-v", path).Output()
	if err != nil || strings.Contains(string(said), "hash") {
		t.Errorf("of the redacted bundle it says (%v):\n%s", err, said)
	}
	unpacked, err := exec.Command("tar", "xzOf", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range regexp.MustCompile(`(?m)inet (\S+)/.*global`).FindAllStringSubmatch(addresses, -1) {
		if strings.Contains(string(unpacked), `"`+own[1]+`"`) {
			t.Errorf("the redacted bundle holds %s", own[1])
		}
	}
}

// build is the path of a svcpath that was built for the test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "svcpath")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../../cmd/svcpath").CombinedOutput(); err != nil {
		t.Fatalf("building svcpath: %v\n%s", err, out)
	}
	return binary
}

// withoutAccounts is a dump without the counters of nfacct: a kernel takes the
// rules only if the objects are there, and they change no verdict.
func withoutAccounts(dump string) string {
	return regexp.MustCompile(` -m nfacct --nfacct-name +\S+`).ReplaceAllString(dump, "")
}

// giveAddresses gives the namespace the interfaces and addresses that a node
// had.
func giveAddresses(t *testing.T, ns *kerneltest.Namespace, text string) {
	t.Helper()
	addrs, diags, _ := iproute.ParseAddr(source.Start(&source.File{Path: "ip-addr.txt", Text: text}), func(string) bool { return false })
	if len(addrs) == 0 || len(diags) > 0 {
		t.Fatalf("ip-addr.txt: %d addresses, %v", len(addrs), diags)
	}
	ns.Run(t, "", "ip", "link", "set", "lo", "up")
	made := map[string]bool{"lo": true}
	for _, a := range addrs {
		if !made[a.Interface] {
			made[a.Interface] = true
			ns.Run(t, "", "ip", "tuntap", "add", a.Interface, "mode", "tap")
			ns.Run(t, "", "ip", "link", "set", a.Interface, "addrgenmode", "none", "up")
		}
		if a.Prefix.Addr().IsLoopback() {
			continue // came with lo
		}
		command := []string{"ip", "addr", "add", a.Prefix.String(), "dev", a.Interface}
		if a.Prefix.Addr().Is6() {
			command = append(command, "nodad")
		}
		ns.Run(t, "", command...)
	}
}

// giveRoutes gives the namespace the routes that a node had and that its
// addresses do not bring.
func giveRoutes(t *testing.T, ns *kerneltest.Namespace, text string) {
	t.Helper()
	routes, diags, _ := iproute.ParseRoute(source.Start(&source.File{Path: "ip-route.txt", Text: text}), func(string) bool { return false })
	if len(routes) == 0 || len(diags) > 0 {
		t.Fatalf("ip-route.txt: %d routes, %v", len(routes), diags)
	}
	for _, r := range routes {
		if r.Via.IsValid() {
			ns.Run(t, "", "ip", "route", "replace", r.Dst.String(), "via", r.Via.String(), "dev", r.Dev, "onlink")
		}
	}
}

// services is what svcpath says of an input's services: entries, verdicts,
// endpoints, and the rules that prove it, wherever they stand.
func services(t *testing.T, binary, input string) []any {
	t.Helper()
	command := exec.Command(binary, "analyze", "-o", "json", input)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	var doc struct{ Services []any }
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	forgetPlaces(doc.Services)
	return doc.Services
}

// forgetPlaces takes away in which file and line a rule stands.
func forgetPlaces(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "file")
		delete(v, "line")
		for _, inner := range v {
			forgetPlaces(inner)
		}
	case []any:
		for _, inner := range v {
			forgetPlaces(inner)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}
