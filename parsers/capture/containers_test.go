package capture_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/capture"
)

const (
	dumpSource = ": iptables-save, IPv4 [nat], 2 chains, 1 rules"
	addrSource = ": ip-addr, 4 lines"
)

// Every way to hand in the same text comes to the same.
func TestContainers(t *testing.T) {
	tests := []struct {
		name    string
		content string
		want    []string // what follows the input's path
	}{
		{"plain", dump, []string{":1" + dumpSource}},
		{"no line feed at the end", strings.TrimSuffix(dump, "\n"), []string{":1" + dumpSource}},
		{"carriage returns", strings.ReplaceAll(dump, "\n", "\r\n"), []string{":1" + dumpSource}},
		{"carriage returns alone", strings.ReplaceAll(dump, "\n", "\r"), []string{":1" + dumpSource}},
		{"byte order mark", "\ufeff" + dump, []string{":1" + dumpSource}},
		{"UTF-16, little end first", utf16Text(strings.ReplaceAll(dump, "\n", "\r\n"), false), []string{":1" + dumpSource}},
		{"UTF-16, big end first", utf16Text(dump, true), []string{":1" + dumpSource}},
		{"gzip", gzipped(dump), []string{":1" + dumpSource}},
		{"gzip in two members", gzipped(dump[:50]) + gzipped(dump[50:]), []string{":1" + dumpSource}},
		{"zstd", zstandard(dump), []string{":1" + dumpSource}},
		{"zstd in gzip", gzipped(zstandard(dump)), []string{":1" + dumpSource}},
		{"UTF-16 in gzip", gzipped(utf16Text(dump, false)), []string{":1" + dumpSource}},
		{"tar", tarred("n/save", dump, "n/addr", addr), []string{"/n/addr:1" + addrSource, "/n/save:1" + dumpSource}},
		{"tar in gzip", gzipped(tarred("./save", dump, "./addr", addr)), []string{"/addr:1" + addrSource, "/save:1" + dumpSource}},
		{"tar in zstd", zstandard(tarred("save", dump)), []string{"/save:1" + dumpSource}},
		{"an archive with much behind it, all zeros", gzipped(tarred("save", dump) + strings.Repeat("\x00", 1<<20)), []string{"/save:1" + dumpSource}},
		{"archives in an archive", tarred("a.tgz", gzipped(tarred("save.gz", gzipped(dump))), "addr", addr), []string{"/a.tgz/save.gz:1" + dumpSource, "/addr:1" + addrSource}},
		{"names that lead out of an archive", tarred("../../save", dump, "/etc/addr", addr), []string{"/etc/addr:1" + addrSource, "/save:1" + dumpSource}},
		{"hidden files of an archive", tarred("._save", "x", ".git/config", "y", "save", dump), []string{"/save:1" + dumpSource}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want, fromStdin []string
			for _, w := range test.want {
				want = append(want, "input"+w)
				fromStdin = append(fromStdin, "-"+w)
			}
			dir := write(t, "input", test.content)
			if diff := cmp.Diff(want, open(t, dir, capture.Options{}, "input")); diff != "" {
				t.Errorf("from a file: %s", diff)
			}
			if diff := cmp.Diff(fromStdin, open(t, dir, capture.Options{Stdin: strings.NewReader(test.content)}, "-")); diff != "" {
				t.Errorf("from standard input: %s", diff)
			}
		})
	}
}

func TestDirectory(t *testing.T) {
	dir := write(t,
		"node/b/save.txt", dump,
		"node/addr.txt", addr,
		"node/README.md", "# Node\n\nIts rules.\n",
		"node/truth.yaml", "service: a/b\n",
		"node/empty", "",
		"node/program", "\x7fELF\x00\x00",
		"node/old.xz", "\xfd7zXZ\x00...",
		"node/.hidden", dump,
		"node/.git/save", dump,
		"node/..data/mounted.txt", "default via 172.18.0.1 dev eth0\n",
		"outside.txt", dump,
	)
	for link, target := range map[string]string{
		"node/mounted.txt": "..data/mounted.txt", // as Kubernetes mounts a ConfigMap
		"node/again.txt":   "addr.txt",
		"node/dir":         "b",
		"node/out.txt":     "../outside.txt",
		"node/broken":      "nowhere",
		"node/loop":        "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "node/pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"node/addr.txt:1: ip-addr, 4 lines",
		"node/b/save.txt:1: iptables-save, IPv4 [nat], 2 chains, 1 rules",
		"node/mounted.txt:1: ip-route, 1 lines",
		`info: node/README.md: nothing is recognised in 2 lines, first: "# Node"`,
		"info: node/broken: a symbolic link that leads nowhere",
		"info: node/empty: empty",
		"info: node/loop: a symbolic link that leads nowhere",
		"info: node/old.xz: xz data, which is not unpacked: unpack it first",
		"info: node/out.txt: a symbolic link out of the directory is not followed",
		"info: node/pipe: not a regular file",
		"info: node/program: binary data",
		`info: node/truth.yaml: nothing is recognised in 1 line: "service: a/b"`,
	}
	if diff := cmp.Diff(want, open(t, dir, capture.Options{}, "node")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, open(t, dir, capture.Options{Strict: true}, "node")); diff != "" {
		t.Errorf("strict: files that are no captures are no mistake: %s", diff)
	}
}
