package record_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/record"
	"github.com/svcpath/svcpath/parsers/bundle"
)

// A fake machine has the programs, files and links that it is given.
type fake struct {
	programs map[string]record.Output // by the whole command
	files    map[string]string
	links    map[string]string
	ipvs     string
	ipvsErr  error
	mode     string
	slow     string // a command that takes longer than it may
	asked    []string
	said     string   // the last that was said
	unsaid   []string // what was asked all the same
}

func (f *fake) Run(ctx context.Context, command []string, limit int) record.Output {
	line := strings.Join(command, " ")
	f.asked = append(f.asked, line)
	if f.said != line {
		f.unsaid = append(f.unsaid, line)
	}
	if line == f.slow {
		<-ctx.Done()
		return record.Output{Path: "/sbin/" + command[0], Text: "cut", ExitStatus: -1, Err: errors.New("signal: killed")}
	}
	out, ok := f.programs[line]
	if !ok {
		return record.Output{ExitStatus: -1, Err: &exec.Error{Name: command[0], Err: exec.ErrNotFound}}
	}
	out.Path = "/sbin/" + command[0]
	if len(out.Text) > limit {
		out.Text, out.Truncated, out.Err, out.ExitStatus = out.Text[:limit], true, errors.New("signal: killed"), -1
	}
	return out
}

func (f *fake) ReadFile(name string, limit int) (string, bool, error) {
	text, ok := f.files[name]
	switch {
	case !ok:
		return "", false, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case text == "forbidden":
		return "", false, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	case len(text) > limit:
		return text[:limit], true, nil
	}
	return text, false, nil
}

func (f *fake) Readlink(name string) (string, error) {
	if link, ok := f.links[name]; ok {
		return link, nil
	}
	return "", fs.ErrNotExist
}

func (f *fake) IPVS(context.Context) (string, error) { return f.ipvs, f.ipvsErr }
func (f *fake) IPTables(_ context.Context, family netfilter.Family) (record.IPTables, error) {
	if family == netfilter.IPv6 {
		return record.IPTables{}, exec.ErrNotFound
	}
	return record.IPTables{Path: "/usr/sbin/iptables", Version: "1.8.9", RandomFully: true}, nil
}

func (f *fake) Platform() string { return "linux/test" }
func (f *fake) UserID() int      { return 0 }

func (f *fake) Get(_ context.Context, url string, _ int) (string, error) {
	if f.mode == "" {
		return "", errors.New("connection refused")
	}
	return f.mode, nil
}

var when = time.Date(2026, 11, 24, 18, 30, 55, 999, time.UTC)

// write records a fake machine and gives the bundle's files.
func write(t *testing.T, f *fake, change func(*record.Recording)) (*bundle.Manifest, map[string]string) {
	t.Helper()
	r := record.Recording{Machine: f, Recorder: "svcpath test", Time: when, Timeout: 20 * time.Millisecond, Limit: 200}
	if change != nil {
		change(&r)
	}
	var b bytes.Buffer
	m, err := r.Write(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &b)
	told, diags, next := bundle.Parse(source.Start(&source.File{Path: "m", Text: files["node/manifest.json"]}))
	fits(t, files["node/manifest.json"])
	for i := range m.Records {
		m.Records[i].Milliseconds, told.Records[i].Milliseconds = 0, 0
	}
	if diff := cmp.Diff(m, told); diff != "" || next.More() || len(diags) == 0 {
		t.Errorf("the manifest is read back as another (%d diagnostics):\n%s", len(diags), diff)
	}
	return m, files
}

// fits holds a manifest against its schema.
func fits(t *testing.T, manifest string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(manifest))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Errorf("the manifest: %v", err)
	}
}

func unpack(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for members := tar.NewReader(zip); ; {
		header, err := members.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode != 0o600 || !header.ModTime.Equal(when.Truncate(time.Second)) {
			t.Errorf("%s: mode %o, time %s", header.Name, header.Mode, header.ModTime)
		}
		content, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func ok(text string) record.Output { return record.Output{Text: text} }

func refused(status int, stderr string) record.Output {
	return record.Output{ExitStatus: status, Stderr: stderr, Err: fmt.Errorf("exit status %d", status)}
}

// full is a node that has everything.
func full() *fake {
	return &fake{
		programs: map[string]record.Output{
			"iptables-legacy-save -c": ok("legacy 4\n"), "ip6tables-legacy-save -c": ok("legacy 6\n"),
			"iptables-nft-save -c": ok("nft 4\n"), "ip6tables-nft-save -c": ok("nft 6\n"),
			"iptables-save -c": ok("one of both\n"), "ip6tables-save -c": ok("one of both\n"),
			"nft list ruleset": ok("table ip x {\n}\n"), "nft -j list ruleset": ok(`{"nftables": [{"table": {}}]}` + "\n"),
			"ipset save": ok("create x hash:net\n"), "ip -j addr": ok(`[{"ifname":"lo"}]`), "ip addr": ok("1: lo"),
			"ip -4 -j route show table all": ok(`[{"dst":"default"}]`), "ip -6 -j route show table all": ok("[ ]\n"),
			"conntrack -L -f ipv4": ok("tcp 6\n"), "conntrack -L -f ipv6": ok(""),
			"iptables --version": ok("iptables v1.8.9 (nf_tables)\n"), "ip -V": {Stderr: "ip utility, iproute2-6.1.0"},
		},
		files: map[string]string{
			"/proc/net/ip_vs": "IP Virtual Server version 1.2.1 (size=4096)\n", "/proc/sys/net/netfilter/nf_conntrack_count": "1\n",
			"/proc/sys/kernel/hostname": "node-1\n", "/proc/sys/kernel/osrelease": "6.1.0\n", "/proc/sys/net/ipv4/ip_forward": "1\n",
			"/etc/os-release": "NAME=\"x\"\nPRETTY_NAME=\"Debian 12\"\n",
		},
		links: map[string]string{"/proc/self/ns/net": "net:[2]", "/proc/1/ns/net": "net:[1]"},
		ipvs:  "-A -t 10.96.0.1:443 -s rr\n", mode: "ipvs",
	}
}

// statuses are a manifest's records, a line each.
func statuses(m *bundle.Manifest) (lines []string) {
	for _, r := range m.Records {
		line := fmt.Sprintf("%s: %s: %s", r.Command, r.Status, r.File)
		if r.Error != "" {
			line += " (" + r.Error + ")"
		}
		if r.Truncated {
			line += " truncated"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestWholeNode(t *testing.T) {
	f := full()
	var said []string
	m, files := write(t, f, func(r *record.Recording) {
		r.Say = func(line string) { said, f.said = append(said, line), line }
	})
	want := []string{
		"iptables-legacy-save -c: recorded: iptables-legacy-save.txt",
		"ip6tables-legacy-save -c: recorded: ip6tables-legacy-save.txt",
		"iptables-nft-save -c: recorded: iptables-nft-save.txt",
		"ip6tables-nft-save -c: recorded: ip6tables-nft-save.txt",
		"iptables-save -c: skipped:  (iptables-legacy-save holds it)",
		"ip6tables-save -c: skipped:  (ip6tables-legacy-save holds it)",
		"nft list ruleset: recorded: nft-ruleset.txt",
		"nft -j list ruleset: recorded: nft-ruleset-json.json",
		"ipset save: recorded: ipset-save.txt",
		"read IPVS over netlink, after modprobe -va ip_vs: recorded: ipvsadm-save.txt",
		"ip -j addr: recorded: ip-addr.json",
		"ip -4 -j route show table all: recorded: ip-route.json",
		"ip -6 -j route show table all: empty: ",
		"conntrack -L -f ipv4: recorded: conntrack.txt",
		"conntrack -L -f ipv6: empty: ",
		"read /proc/net/nf_conntrack: skipped:  (conntrack holds it)",
	}
	if diff := cmp.Diff(want, statuses(m)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := files["node/ipvsadm-save.txt"]; got != f.ipvs || len(files) != 12 {
		t.Errorf("%d files, ipvsadm-save.txt holds %q", len(files), got)
	}
	host := bundle.Host{
		Hostname: "node-1", Kernel: "6.1.0", OS: "Debian 12", Platform: "linux/test", NetworkNamespace: "net:[2]", FirstNamespace: "net:[1]",
		KubeProxyMode: "ipvs", Sysctls: map[string]string{"net.ipv4.ip_forward": "1"},
		IPTables: []bundle.IPTables{{Family: "IPv4", Path: "/usr/sbin/iptables", Version: "1.8.9", Backend: "nft", RandomFully: true}},
	}
	if diff := cmp.Diff(host, m.Host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	if m.Tools[0].Version != "iptables v1.8.9 (nf_tables)" || m.Tools[4].Version != "ip utility, iproute2-6.1.0" || m.Tools[2].Error != "no such program" {
		t.Errorf("tools: %+v", m.Tools)
	}
	for _, file := range []string{"/proc/net/ip_vs", "/proc/sys/net/netfilter/nf_conntrack_count"} {
		if !slices.Contains(said, "look for "+file) {
			t.Errorf("%s is looked for without being said", file)
		}
	}
	if len(f.unsaid) > 0 || len(said) < len(f.asked) {
		t.Errorf("run without being said before: %q", f.unsaid)
	}
	if !record.HasRules(m) {
		t.Error("no rules are recorded")
	}
}

func TestOldNode(t *testing.T) {
	f := &fake{
		programs: map[string]record.Output{
			"iptables-save -c": ok("*nat\n"), "ip addr": ok("1: lo\n"), "ip -j addr": refused(255, `Option "-j" is unknown`),
			"ip -4 -j route show table all": refused(255, `Option "-j" is unknown`), "ip -4 route show table all": ok("default via 10.0.0.1\n"),
		},
		files: map[string]string{"/proc/net/nf_conntrack": "ipv4 2 tcp 6\n", "/proc/net/ip_vs": "IP Virtual Server version 1.2.1\n"},
	}
	f.ipvsErr = errors.New("operation not supported")
	m, files := write(t, f, nil)
	got := strings.Join(statuses(m), "\n")
	for _, want := range []string{
		"iptables-legacy-save -c: absent:  (no such program)",
		"iptables-save -c: recorded: iptables-save.txt",
		"ip6tables-save -c: absent:  (no such program)",
		"read /proc/net/ip_vs: recorded: ipvsadm-save-proc.txt",
		"ip addr: recorded: ip-addr.txt",
		"ip -4 route show table all: recorded: ip-route.txt",
		"conntrack -L -f ipv4: absent:  (the kernel has no /proc/sys/net/netfilter/nf_conntrack_count: what tells of it is not loaded)",
		"read /proc/net/nf_conntrack: recorded: nf_conntrack.txt",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no record %q in\n%s", want, got)
		}
	}
	if len(files) != 6 || m.Host.Hostname != "" || m.Host.KubeProxyMode != "" {
		t.Errorf("%d files, host %+v", len(files), m.Host)
	}
	for _, asked := range f.asked {
		if strings.HasPrefix(asked, "conntrack -L") {
			t.Error("conntrack was asked, which loads the module")
		}
	}
}

func TestWhatGoesWrong(t *testing.T) {
	f := full()
	f.programs["iptables-legacy-save -c"] = refused(1, "Fatal: can't open lock: Permission denied\nmore")
	f.programs["ip6tables-legacy-save -c"] = refused(4, "You must be root")
	f.programs["iptables-nft-save -c"] = refused(3, "no \x1b[31mluck")
	f.programs["ipset save"] = ok(strings.Repeat("create x hash:net\n", 20))
	f.slow = "nft list ruleset"
	f.files["/proc/net/ip_vs"] = "forbidden"
	f.ipvsErr = fs.ErrPermission
	f.mode = "<html>not kube-proxy</html>"
	m, files := write(t, f, nil)
	got := strings.Join(statuses(m), "\n")
	for _, want := range []string{
		"iptables-legacy-save -c: forbidden:  (exit status 1: Fatal: can't open lock: Permission denied)",
		"ip6tables-legacy-save -c: forbidden:  (exit status 4: You must be root)",
		"iptables-nft-save -c: failed:  (exit status 3: no \x1b[31mluck)",
		"iptables-save -c: recorded: iptables-save.txt",
		"ipset save: recorded: ipset-save.txt (it holds more than 200 bytes) truncated",
		"nft list ruleset: failed:  (it took longer than 20ms)",
		"read IPVS over netlink, after modprobe -va ip_vs: forbidden:  (permission denied)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no record %q in\n%s", want, got)
		}
	}
	if text := files["node/ipset-save.txt"]; text != strings.Repeat("create x hash:net\n", 11) {
		t.Errorf("what is cut off does not end with a line: %q", text)
	}
	if m.Host.KubeProxyMode != "" {
		t.Errorf("mode %q", m.Host.KubeProxyMode)
	}
	if status := m.Records[0].ExitStatus; status == nil || *status != 1 {
		t.Errorf("exit status %v", status)
	}
	summary := strings.Join(record.Summary(m), "\n")
	for _, want := range []string{"cut off      ipsets: ipset save", `no \x1b[31mluck`, "nothing in   routes, IPv6; connections, IPv6"} {
		if !strings.Contains(summary, want) {
			t.Errorf("no %q in\n%s", want, summary)
		}
	}
}

func TestNothingThere(t *testing.T) {
	m, files := write(t, &fake{}, nil)
	if record.HasRules(m) || len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

// A redactor that is easy to see.
type shouting struct{ learned []string }

func (s *shouting) Learn(text string)        { s.learned = append(s.learned, text) }
func (s *shouting) Host(string) string       { return "HOST" }
func (s *shouting) Text(text string) string  { return strings.ToUpper(text) }
func (s *shouting) Report() bundle.Redaction { return bundle.Redaction{Names: len(s.learned)} }

// All texts are shown before the first is replaced, and what the manifest
// quotes is replaced as well.
func TestRedacted(t *testing.T) {
	f := full()
	f.programs["ipset save"] = refused(1, "no luck")
	f.ipvsErr = errors.New("not now")
	s := &shouting{}
	m, files := write(t, f, func(r *record.Recording) { r.Redactor = s })
	if len(s.learned) != len(files)-1 || m.Redaction == nil || m.Redaction.Names != len(s.learned) {
		t.Errorf("%d texts learned from, %d files, %+v", len(s.learned), len(files), m.Redaction)
	}
	for name, text := range files {
		if name != "node/manifest.json" && text != strings.ToUpper(text) {
			t.Errorf("%s is not replaced: %q", name, text)
		}
		if strings.Contains(name, "proc") {
			t.Errorf("%s is recorded, which cannot be redacted", name)
		}
	}
	if m.Host.Hostname != "HOST" || m.Records[8].Stderr != "NO LUCK" || m.Records[9].Error != "NOT NOW" {
		t.Errorf("host %q, stderr %q, error %q", m.Host.Hostname, m.Records[8].Stderr, m.Records[9].Error)
	}
	if m.Records[0].Bytes != len(files["node/iptables-legacy-save.txt"]) {
		t.Errorf("%d bytes", m.Records[0].Bytes)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := record.Recording{Machine: full(), Timeout: time.Second, Limit: 200}
	r.Say = func(line string) {
		if line == "ipset save" {
			cancel()
		}
	}
	if _, err := r.Write(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestFullDisk(t *testing.T) {
	r := record.Recording{Machine: full(), Timeout: time.Second, Limit: 200}
	if _, err := r.Write(t.Context(), fullDisk{}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v", err)
	}
}

// TestCommandsOnlyRead keeps an eye on what is run: nothing that changes
// anything.
func TestCommandsOnlyRead(t *testing.T) {
	allowed := map[string]bool{
		"read": true, "look": true, "get": true, "iptables": true, "ip6tables": true, "nft": true, "ipset": true, "ip": true, "conntrack": true,
	}
	for _, line := range record.Commands(false) {
		command, _, _ := strings.Cut(line, "    # ")
		words := strings.Fields(command)
		name, rest := words[0], strings.Join(words[1:], " ")
		switch {
		case strings.HasSuffix(name, "-save"):
		case !allowed[name]:
			t.Errorf("%q runs %s", line, name)
		case name == "iptables" || name == "ip6tables":
			if rest != "--version" {
				t.Errorf("%q may change something", line)
			}
		}
		for _, word := range words[1:] {
			switch word {
			case "add", "del", "delete", "flush", "set", "-A", "-D", "-F", "-X", "-I", "-N", "destroy", "create", "restore", "-f":
				if !(word == "-f" && name == "conntrack") {
					t.Errorf("%q may change something", line)
				}
			}
		}
	}
	if redacted := strings.Join(record.Commands(true), "\n"); strings.Contains(redacted, "read /proc/net/ip_vs ") {
		t.Error("what cannot be redacted is read")
	}
}
