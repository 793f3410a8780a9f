package cli

import (
	"os"
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

// collectOften is for what makes more garbage than it keeps.
func collectOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
}
