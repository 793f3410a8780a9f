package cli

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// roomOf is memory of so many bytes to which nobody has written. Its first part, of
// which it is certain that it will be used, has its pages already.
//
// It is nil where the process's address space is limited or the machine has little
// memory: what may never be used could be refused there.
func roomOf(size, used int64) []byte {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur != unix.RLIM_INFINITY {
		return nil
	}
	var system unix.Sysinfo_t
	if err := unix.Sysinfo(&system); err != nil || uint64(size) > uint64(system.Totalram)*uint64(system.Unit)/4 {
		return nil
	}
	memory := make([]byte, size)
	pager{unix.Madvise, time.Now}.touch(memory, used)
	return memory
}

// pager has the system make pages.
type pager struct {
	advise func(memory []byte, advice int) error // madvise(2)
	now    func() time.Time
}

const (
	largePage = 2 << 20   // bytes, where small ones have 4 KiB
	timed     = 128 << 10 // bytes of small pages that are timed together
)

// touch makes the pages of memory's first used bytes, many at once (madvise(2),
// MADV_POPULATE_WRITE): made one by one, when somebody writes to them, each costs
// an exception, which takes microseconds on a virtual machine.
//
// It asks for large pages (MADV_HUGEPAGE; the kernel's
// Documentation/admin-guide/mm/transhuge.rst) as long as one is made in less time
// than as much memory in small ones. Mostly that takes a third. But where the
// system reports free memory to the host that it runs on (the kernel's
// Documentation/mm/free_page_reporting.rst) what large pages are made of can have
// been given away, and to get it back takes six times as long; small pages are made
// of what is left of other memory, which is too small to be given away.
//
// Kernels before 5.14 make no pages in advance. They are asked for large ones.
func (p pager) touch(memory []byte, used int64) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	large := roundUp(start+2*timed, largePage) - start // where the first can be
	if used = min(used, int64(len(memory))); used < int64(large) {
		return
	}
	small := time.Duration(math.MaxInt64)
	_ = p.advise(memory[roundUp(start, uintptr(unix.Getpagesize()))-start:large], unix.MADV_NOHUGEPAGE)
	for at := int64(large) - timed; at >= 0; at -= timed {
		took, err := p.make(memory[at : at+timed])
		if err != nil {
			break
		}
		small = min(small, took*(largePage/timed))
	}
	memory, used = memory[large:], used-int64(large)
	_ = p.advise(memory, unix.MADV_HUGEPAGE) // refused, the pages are small
	for used >= largePage {
		took, err := p.make(memory[:largePage])
		if err != nil {
			return
		}
		memory, used = memory[largePage:], used-largePage
		if took > small {
			_ = p.advise(memory, unix.MADV_NOHUGEPAGE)
			_, _ = p.make(memory[:used&^(timed-1)])
			return
		}
	}
}

// make makes the pages of memory, which begins and ends with one, and tells how long it took.
func (p pager) make(memory []byte) (time.Duration, error) {
	start := p.now()
	err := p.advise(memory, unix.MADV_POPULATE_WRITE)
	return p.now().Sub(start), err
}

// roundUp is the next multiple of unit, a power of two.
func roundUp(at, unit uintptr) uintptr { return (at + unit - 1) &^ (unit - 1) }
