package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Room has the pages of its first part, and asks for large ones behind it unless
// small ones are quicker (proc(5), smaps).
func TestRoom(t *testing.T) {
	if memory := roomOf(1<<50, 1<<20); memory != nil {
		t.Fatal("memory of 1 PiB was given")
	}
	memory := roomOf(64<<20, 16<<20)
	if len(memory) != 64<<20 {
		t.Fatalf("got %d bytes, asked for 64 MiB", len(memory))
	}
	resident := func(at int) bool {
		page := int(-uintptr(unsafe.Pointer(&memory[at])) & uintptr(unix.Getpagesize()-1))
		var there [1]byte
		if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&memory[at+page])), 1,
			uintptr(unsafe.Pointer(&there[0]))); errno != 0 {
			t.Fatal(errno)
		}
		return there[0]&1 != 0
	}
	if !resident(8 << 20) {
		t.Error("no page was made in the part that will be used")
	}
	if resident(len(memory) / 2) {
		t.Error("a page was made in the part that may never be used")
	}
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		return // this kernel knows of no large pages
	}
	if flags := flagsOf(t, &memory[len(memory)/2]); !regexp.MustCompile(`\b(hg|nh)\b`).MatchString(flags) {
		t.Errorf("the memory's flags are %s, with neither hg nor nh", flags)
	}
}

// flagsOf are the flags of the area that holds the byte.
func flagsOf(t *testing.T, at *byte) string {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?ms)^([0-9a-f]+)-([0-9a-f]+) .*?^VmFlags:([^\n]*)`).FindAllStringSubmatch(string(smaps), -1) {
		var from, to uintptr
		if _, err := fmt.Sscanf(m[1]+" "+m[2], "%x %x", &from, &to); err != nil {
			t.Fatal(err)
		}
		if address := uintptr(unsafe.Pointer(at)); from <= address && address < to {
			return m[3]
		}
	}
	t.Fatal("no area holds the memory")
	return ""
}

// Large pages are made as long as they are quicker; none is made beyond what is used.
func TestTouch(t *testing.T) {
	const mega = 1 << 20
	cases := []struct {
		name  string
		used  int
		large []time.Duration // each large page takes, the last so long as all that follow; none: not made in advance
		want  string
	}{
		{"large ones are quick", 10 * mega, []time.Duration{100},
			"small 2M-, large 2M+14M, made 2M+2M 4M+2M 6M+2M 8M+2M"},
		{"a part of one", 9 * mega, []time.Duration{100},
			"small 2M-, large 2M+14M, made 2M+2M 4M+2M 6M+2M"},
		{"large ones are slow", 10 * mega, []time.Duration{4000},
			"small 2M-, large 2M+14M, made 2M+2M, small 4M+12M, made 4M+6M"},
		{"some are slow", 10 * mega, []time.Duration{100, 100, 4000, 100},
			"small 2M-, large 2M+14M, made 2M+2M 4M+2M 6M+2M, small 8M+8M, made 8M+2M"},
		{"slow and a part of one", 10*mega - 5000, []time.Duration{4000},
			"small 2M-, large 2M+14M, made 2M+2M, small 4M+12M, made 4M+5.875M"},
		{"too little is used", mega, []time.Duration{100}, ""},
		{"a kernel that makes none in advance", 10 * mega, nil, "small 2M-, large 2M+14M"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			// Memory that begins at a large page's beginning; nobody writes to it.
			memory := make([]byte, 18*mega)
			at := func(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }
			memory = memory[roundUp(at(&memory[0]), largePage)-at(&memory[0]):][:16*mega]
			var told []string
			clock := time.Unix(0, 0)
			size := func(n uintptr) string { return fmt.Sprintf("%gM", float64(n)/mega) }
			p := pager{
				now: func() time.Time { return clock },
				advise: func(part []byte, advice int) error {
					from := at(&part[0]) - at(&memory[0])
					area := size(from) + "+" + size(uintptr(len(part)))
					switch {
					case from < largePage && advice == unix.MADV_NOHUGEPAGE:
						told = append(told, "small "+size(from+uintptr(len(part)))+"-")
					case advice == unix.MADV_NOHUGEPAGE:
						told = append(told, "small "+area)
					case advice == unix.MADV_HUGEPAGE:
						told = append(told, "large "+area)
					case advice != unix.MADV_POPULATE_WRITE:
						t.Fatalf("advice %d", advice)
					case c.large == nil:
						return unix.EINVAL
					case len(part) == timed: // 512 microseconds for as much as a large page has
						if from+timed > largePage {
							t.Errorf("small pages were made at %s", area)
						}
						clock = clock.Add(32 * time.Microsecond)
					default:
						if last := len(told) - 1; strings.HasPrefix(told[last], "made") {
							told[last] += " " + area
						} else {
							told = append(told, "made "+area)
						}
						clock = clock.Add(c.large[0] * time.Microsecond)
						if len(c.large) > 1 {
							c.large = c.large[1:]
						}
					}
					return nil
				},
			}
			p.touch(memory, int64(c.used))
			if diff := cmp.Diff(c.want, strings.Join(told, ", ")); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if slices.Max(memory) != 0 {
				t.Error("the memory was written to")
			}
		})
	}
}
