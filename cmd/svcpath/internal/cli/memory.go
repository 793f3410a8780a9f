package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
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

// makeRoom prepares the heap to grow to eight times what the inputs hold before
// the collector looks at it for the first time, and where the system lets us it has
// the pages made that will be needed in any case: one that is touched for the first
// time costs up to several microseconds, and a dump of 35 MB takes thirty thousand.
//
// The collector takes what it finds alive for a part of the heap, whether
// somebody has written to it or not, and looks again when there is five times as
// much. What it finds dead is what the heap grows into first. The first call counts,
// with all inputs that will be read, and needs is how many times what they hold is
// needed for certain.
func (p *program) makeRoom(inputs []string, needs float64) {
	if p.hasRoom {
		return
	}
	p.hasRoom = true
	collectSeldom()
	size := min(p.sizeOf(inputs), maxRoom)
	if os.Getenv("GOGC") != "" || size < minRoom || strconv.IntSize < 64 {
		return
	}
	debug.SetGCPercent(-1) // until both are allocated
	alive := make([]byte, 2*size)
	_ = roomOf(8*size, min(int64(needs*float64(size)), maxTouched)) // and given back
	runtime.GC()
	runtime.KeepAlive(alive)
	collectSeldom()
}

// What a dump of iptables needs, which needs least, of what its text holds.
const (
	toRead    = 2.5 // the text and the model
	toExplain = 3.5 // and inventory and graph
)

const (
	minRoom    = 1 << 20 // of input; eight times less is soon read
	maxRoom    = 1 << 30
	maxTouched = 1 << 29 // an input may not be what it is thought to be
)

// sizeOf is how many bytes the inputs hold, as far as the file system tells.
func (p *program) sizeOf(inputs []string) int64 {
	size := int64(0)
	add := func(info os.FileInfo, err error) {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
	}
	for _, name := range inputs {
		if stdin, isFile := p.stdin.(*os.File); isFile && name == "-" {
			add(stdin.Stat())
			continue
		}
		add(os.Stat(name))
		entries, err := os.ReadDir(name) // a recording's directory is flat
		for _, e := range entries {
			if err == nil {
				add(os.Stat(filepath.Join(name, e.Name())))
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
