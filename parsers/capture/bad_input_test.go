package capture_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/capture"
)

func TestBadInput(t *testing.T) {
	cut := gzipped(strings.Repeat(dump, 2000))
	cut = cut[:len(cut)/2]
	wrongSum := []byte(gzipped(dump + addr))
	wrongSum[len(wrongSum)-8] ^= 1
	tests := []struct {
		name, content string
		want          []string
	}{
		{"empty file", "", []string{"fails: input: empty" + nothing, "no snapshot"}},
		{"blank lines", "\n \n\t\n", []string{"fails: input: empty" + nothing, "no snapshot"}},
		{"empty gzip", gzipped(""), []string{"fails: input: empty" + nothing, "no snapshot"}},
		{"prose", "\n# Title\n\ntext\n", []string{`fails: input:2: nothing is recognised in 2 lines, first: "# Title"` + nothing, "no snapshot"}},
		{"binary data", "\x7fELF\x02\x01\x01\x00*nat\n-A INPUT\n", []string{"fails: input: binary data" + nothing, "no snapshot"}},
		{"binary data in gzip", gzipped("\x00\x01"), []string{"fails: input: binary data" + nothing, "no snapshot"}},
		{"terminal escapes", "\x1b[31mred\x1b[0m\n", []string{`fails: input:1: nothing is recognised in 1 line: "\x1b[31mred\x1b[0m"` + nothing, "no snapshot"}},
		{"not UTF-8", "caf\xe9\n", []string{`fails: input:1: nothing is recognised in 1 line: "caf\xe9"` + nothing, "no snapshot"}},
		{"another packer", "BZh91AY", []string{"fails: input: bzip2 data, which is not unpacked: unpack it first" + nothing, "no snapshot"}},
		{"100 MB of one line", strings.Repeat("x", 100_000_000), []string{
			`fails: input:1: nothing is recognised in 1 line: "` + strings.Repeat("x", 60) + `"…` + nothing, "no snapshot",
		}},
		{"gzip's first bytes", "\x1f\x8b", []string{"fails: input: gzip: unexpected EOF", "no snapshot"}},
		{"gzip cut before any text", gzipped(dump)[:20], []string{"fails: input: unexpected EOF", "no snapshot"}},
		{"gzip with a wrong sum", string(wrongSum), []string{
			"input:1: iptables-save, IPv4 [nat], 2 chains, 1 rules",
			"input:8: ip-addr, 4 lines",
			"error: input:11: the file is cut short or damaged here (gzip: invalid checksum): only what comes before is analysed",
		}},
		{"bytes behind gzip", gzipped(addr) + "and then some more", []string{
			"input:1: ip-addr, 4 lines",
			"error: input:4: the file is cut short or damaged here (gzip: invalid header): only what comes before is analysed",
		}},
		{"zstd's first bytes", "\x28\xb5\x2f\xfd\x00", []string{"fails: input: unexpected EOF", "no snapshot"}},
		{"an archive without files", tarred(), []string{"fails: input: binary data" + nothing, "no snapshot"}},
		{"an archive without captures", tarred("a", "x\n", "b", "y\n", "c", "", "d", "\x00"), []string{
			"fails: input: nothing in it is recognised, found input/a, input/b, input/c and 1 more" + nothing, "no snapshot",
		}},
		{"an archive with a wrong header", strings.Replace(tarred("a", dump), "ustar", "ustar!", 1), []string{"fails: input: tar: archive/tar: invalid tar header", "no snapshot"}},
		{"an archive that is cut short", tarred("a", addr, "b", addr)[:512*3+100], []string{
			"input/a:1: ip-addr, 4 lines",
			"input/b:1: ip-addr, 3 lines, 1 skipped",
			"error: input: the archive is cut short or damaged (unexpected EOF): only what comes before is analysed",
			"error: input/b:3: the list of addresses is cut off in the middle of a line, which is not used: the node may have others",
			"error: input/b:3: the file is cut short or damaged here (unexpected EOF): only what comes before is analysed",
		}},
	}
	wrongArchive := []byte(gzipped(tarred("a", addr)))
	wrongArchive[len(wrongArchive)-8] ^= 1
	for _, test := range []struct{ name, content, reason string }{
		{"an archive with a wrong sum", string(wrongArchive), "the archive is damaged, or something else stands behind it (gzip: invalid checksum): what was read of it may be wrong"},
		{"bytes behind an archive in gzip", gzipped(tarred("a", addr)) + "and then some more", "the archive is damaged, or something else stands behind it (gzip: invalid header): what was read of it may be wrong"},
		{"archives one behind the other", tarred("a", addr) + tarred("b", dump), "there is more behind the end of the archive, which is not read: another archive perhaps"},
	} {
		tests = append(tests, struct {
			name, content string
			want          []string
		}{test.name, test.content, []string{"input/a:1: ip-addr, 4 lines", "error: input: " + test.reason}})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, "input", test.content)
			if diff := cmp.Diff(test.want, open(t, dir, capture.Options{}, "input")); diff != "" {
				t.Error(diff)
			}
		})
	}

	t.Run("cut gzip", func(t *testing.T) {
		got := open(t, write(t, "input", cut), capture.Options{}, "input")
		if len(got) < 2 || !strings.HasPrefix(got[0], "input:1: iptables-save, ") || !strings.Contains(strings.Join(got, "\n"), "damaged here (unexpected EOF)") {
			t.Errorf("got %v", got[:min(5, len(got))])
		}
	})
}

func TestInputsThatCannotBeOpened(t *testing.T) {
	dir := write(t, "addr", addr, "empty/.keep", "", "dir/secret", dump, "dir/addr", addr)
	tests := []struct {
		name   string
		inputs []string
		want   []string
	}{
		{"missing file", []string{"missing"}, []string{"fails: missing: no such file or directory", "no snapshot"}},
		{"empty directory", []string{"empty"}, []string{"fails: empty: holds no files" + nothing, "no snapshot"}},
		{"unknown sample", []string{"sample:zoo"}, []string{`fails: sample:zoo: no sample is named "zoo": there are ipvs-fault-nodeport-drift, ipvs-myth2-loadbalancer, ipvs-service-zoo, myth2-loadbalancer, nftables-service-zoo, service-zoo`, "no snapshot"}},
		{"no standard input", []string{"-"}, []string{"fails: -: standard input is not there, or was read before", "no snapshot"}},
		{"the rest is analysed", []string{"missing", "addr", "empty"}, []string{
			"fails: missing: no such file or directory",
			"fails: empty: holds no files" + nothing,
			"addr:1: ip-addr, 4 lines",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, open(t, dir, capture.Options{}, test.inputs...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := capture.Open([]string{filepath.Join(dir, "missing")}, capture.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cause is hidden: %v", err)
	}
	if got := open(t, dir, capture.Options{Stdin: strings.NewReader(addr)}, "-", "-"); len(got) != 2 || got[1] != "-:1"+addrSource {
		t.Errorf("standard input twice: %v", got)
	}

	// A file that opens and cannot be read, for root neither.
	_, err := capture.Open([]string{"/proc/self/mem"}, capture.Options{})
	if err == nil || err.Error() != "/proc/self/mem: input/output error" {
		t.Errorf("unreadable file: %v", err)
	}
}

func TestLimits(t *testing.T) {
	dir := write(t,
		"addr", addr,
		"bomb.gz", gzipped(strings.Repeat("x", 1<<20)),
		"bomb.zst", zstandard(strings.Repeat("x", 1<<20)),
		"big", addr+strings.Repeat("x", 1<<20),
		"many.tar", tarred("a", addr, "b", addr, "c", addr, "d", addr),
		"deep.gz", gzipped(gzipped(gzipped(gzipped(addr)))),
		"mixed.tar", tarred("a", addr, "b", strings.Repeat("x", 1<<20), "c", "default via 172.18.0.1 dev eth0\n"),
		"dir/a", addr, "dir/b", addr, "dir/c", addr,
	)
	tests := []struct {
		name, input string
		limits      capture.Limits
		want        []string
	}{
		{"gzip bomb", "bomb.gz", capture.Limits{FileBytes: 1 << 16}, []string{"fails: bomb.gz: holds more than 64 KiB, the limit for one file", "no snapshot"}},
		{"zstd bomb", "bomb.zst", capture.Limits{FileBytes: 1 << 16}, []string{"fails: bomb.zst: holds more than 64 KiB, the limit for one file", "no snapshot"}},
		{"large file", "big", capture.Limits{FileBytes: 1000}, []string{"fails: big: holds more than 1000 bytes, the limit for one file", "no snapshot"}},
		{"just not too large", "addr", capture.Limits{FileBytes: int64(len(addr)), TotalBytes: int64(len(addr))}, []string{"addr:1: ip-addr, 4 lines"}},
		{"one byte too large", "addr", capture.Limits{FileBytes: int64(len(addr)) - 1}, []string{fmt.Sprintf("fails: addr: holds more than %d bytes, the limit for one file", len(addr)-1), "no snapshot"}},
		{"one large file among others", "mixed.tar", capture.Limits{FileBytes: 1 << 10}, []string{
			"fails: mixed.tar/b: holds more than 1 KiB, the limit for one file", "mixed.tar/a:1: ip-addr, 4 lines", "mixed.tar/c:1: ip-route, 1 lines",
		}},
		{"too much together", "dir", capture.Limits{TotalBytes: 2 * int64(len(addr))}, []string{
			fmt.Sprintf("fails: dir/c: with this file the inputs hold more than %d bytes, the limit for all together", 2*len(addr)),
			"dir/a:1: ip-addr, 4 lines", "dir/b:1: ip-addr, 4 lines",
		}},
		{"too many files in a directory", "dir", capture.Limits{Files: 1}, []string{"fails: dir/b: no file after the first 1 is read", "dir/a:1: ip-addr, 4 lines"}},
		{"too many files in an archive", "many.tar", capture.Limits{Files: 3}, []string{
			"fails: many.tar/d: no file after the first 3 is read", "many.tar/a:1: ip-addr, 4 lines", "many.tar/b:1: ip-addr, 4 lines", "many.tar/c:1: ip-addr, 4 lines",
		}},
		{"too deep", "deep.gz", capture.Limits{Layers: 3}, []string{"fails: deep.gz: lies under more than 3 layers of compression and archives", "no snapshot"}},
		{"just not too deep", "deep.gz", capture.Limits{Layers: 4}, []string{"deep.gz:1: ip-addr, 4 lines"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, open(t, dir, capture.Options{Limits: test.limits}, test.input)); diff != "" {
				t.Error(diff)
			}
		})
	}
	want := []string{
		"fails: dir/b: no file after the first 1 is read",
		"fails: addr: not read, for the inputs before it hold more than all together may",
		"dir/a:1: ip-addr, 4 lines",
	}
	if diff := cmp.Diff(want, open(t, dir, capture.Options{Limits: capture.Limits{Files: 1}}, "dir", "addr")); diff != "" {
		t.Errorf("an input after the limit: %s", diff)
	}
}
