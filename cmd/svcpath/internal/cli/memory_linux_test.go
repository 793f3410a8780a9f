package cli

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"unsafe"
)

// Memory for which large pages were asked for says so in smaps (proc(5),
// VmFlags: hg).
func TestLargePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		return // this kernel knows of none
	}
	if largePages(1<<50) != nil {
		t.Fatal("memory of 1 PiB was asked for")
	}
	memory := largePages(64 << 20)
	if len(memory) != 64<<20 {
		t.Fatalf("got %d bytes, asked for 64 MiB", len(memory))
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	middle := uintptr(unsafe.Pointer(&memory[len(memory)/2]))
	for _, m := range regexp.MustCompile(`(?ms)^([0-9a-f]+)-([0-9a-f]+) .*?^VmFlags:([^\n]*)`).FindAllStringSubmatch(string(smaps), -1) {
		var from, to uintptr
		if _, err := fmt.Sscanf(m[1]+" "+m[2], "%x %x", &from, &to); err != nil {
			t.Fatal(err)
		}
		if from <= middle && middle < to {
			if !regexp.MustCompile(`\bhg\b`).MatchString(m[3]) {
				t.Errorf("the memory's flags are %s, without hg", m[3])
			}
			return
		}
	}
	t.Error("no area holds the memory")
}
