package cli

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePagesAreAskedFor reports whether the system gives large pages to memory
// that they are asked for, and only there; see the kernel's
// Documentation/admin-guide/mm/transhuge.rst.
func largePagesAreAskedFor() bool {
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && bytes.Contains(setting, []byte("[madvise]"))
}

// largePages is memory of so many bytes for which large pages were asked for
// (madvise(2), MADV_HUGEPAGE). Nothing is written to it: the system makes pages
// when somebody writes.
//
// It is nil where the process's address space is limited or the machine has little
// memory: what may never be used could be refused there.
func largePages(size int64) []byte {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur != unix.RLIM_INFINITY {
		return nil
	}
	var system unix.Sysinfo_t
	if err := unix.Sysinfo(&system); err != nil || uint64(size) > uint64(system.Totalram)*uint64(system.Unit)/4 {
		return nil
	}
	memory := make([]byte, size)
	toPage := -uintptr(unsafe.Pointer(unsafe.SliceData(memory))) & uintptr(unix.Getpagesize()-1)
	_ = unix.Madvise(memory[toPage:], unix.MADV_HUGEPAGE) // refused, the pages are small
	return memory
}
