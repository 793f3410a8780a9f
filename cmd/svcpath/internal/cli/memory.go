package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

// collectSeldom lets the heap grow fivefold before the collector looks at it
// anew. Nearly all that is allocated to read and analyze a dump is kept to the
// end: collecting at each doubling, as Go does by itself, walked the same
// million rules again and again and found nothing to free, for a tenth to a
// quarter of the time. Whoever sets GOGC decides otherwise.
func collectSeldom() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// makeRoom lets the heap grow to eight times what the inputs hold before the
// collector looks at it for the first time. It would do so by itself for one
// large file, all of which is there before anything is made of it; of a node in
// several files it would look at what the first ones left, halfway.
func makeRoom(inputs []string) {
	size := min(sizeOf(inputs), maxRoom)
	if os.Getenv("GOGC") != "" || size < minRoom {
		return
	}
	// Memory that nobody writes to is none that the system gives. The collector
	// takes it for a part of the heap until it looks again.
	room := make([]byte, 2*size)
	runtime.GC()
	runtime.KeepAlive(room)
}

const (
	minRoom = 2 << 20 // of input; eight times less fits in the smallest heap, of 16 MiB
	maxRoom = 1 << 30
)

// sizeOf is how many bytes the inputs hold, as far as the file system tells.
func sizeOf(inputs []string) int64 {
	size := int64(0)
	add := func(name string) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
	}
	for _, name := range inputs {
		add(name)
		entries, err := os.ReadDir(name) // a recording's directory is flat
		for _, e := range entries {
			if err == nil {
				add(filepath.Join(name, e.Name()))
			}
		}
	}
	return size
}

// collectOften is for what makes more garbage than it keeps.
func collectOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
}
