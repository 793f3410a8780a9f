package capture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A reading is what one file holds: texts of the formats that are known, and
// lines that none of them claims.
type reading struct {
	file    *source.File
	sources []*snapshot.Source
	tables  []*netfilter.Table
	ipvs    []*ipvs.Table
	ipsets  []*netfilter.IPSet
	addrs   []snapshot.Address
	// cutAddrs says that a text of addresses breaks off.
	cutAddrs bool
	routes   []snapshot.Route
	objects  cluster.Objects
	// recordings are the manifests of bundles.
	recordings []recording
	remarks    source.Remarks
	known      []knownText
	skipped    int // lines outside the sources, blank ones excepted

	run source.Diagnostic // the lines that are being skipped; Unread counts them
}

// read goes through a file. Each line either begins a text of a format, which
// takes as many lines as it likes, or is skipped.
func read(file *source.File) *reading {
	r := &reading{file: file}
	for at := source.Start(file); at.More(); {
		if next, ok := r.readText(at); ok {
			at = next
			continue
		}
		line, after := at.Next()
		r.skip(at, line)
		at = after
	}
	r.endRun()
	for _, k := range r.known {
		r.remarks.Add(k.remark())
	}
	return r
}

// diagnostics are the remarks about the file, by line.
func (r *reading) diagnostics() []source.Diagnostic {
	all := r.remarks.All()
	slices.SortStableFunc(all, func(a, b source.Diagnostic) int { return a.Pos.Line - b.Pos.Line })
	return all
}

func (r *reading) remarkAll(diags []source.Diagnostic) {
	for _, d := range diags {
		r.remarks.Add(d)
	}
}

// readText has the first format that claims the line at the cursor read on.
func (r *reading) readText(at source.Cursor) (next source.Cursor, ok bool) {
	line, _ := at.Next()
	for i := range formats {
		f := &formats[i]
		if !f.begins(line) || f.confirm != nil && !f.confirm(at) {
			continue
		}
		src, next := f.read(r, at, f.foreign())
		if next.Offset <= at.Offset {
			continue
		}
		if src == nil {
			return next, true
		}
		r.endRun()
		if len(r.sources) == 0 {
			src.SkippedLines += r.skipped
		}
		src.Pos, src.Lines = at.Pos(), next.Line-at.Line
		r.sources = append(r.sources, src)
		return next, true
	}
	return at, false
}

// foreign reports whether a line begins a text of another format.
func (f *format) foreign() func(line string) bool {
	return func(line string) bool {
		for i := range formats {
			if other := &formats[i]; other != f && other.begins(line) {
				return true
			}
		}
		return false
	}
}

func (r *reading) skip(at source.Cursor, line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if r.run.Unread == 0 {
		r.run = source.Diagnostic{Severity: source.Warning, Pos: at.Pos(), Code: "unread-lines", Message: shown(line)}
	}
	r.run.Unread++
	r.skipped++
	if n := len(r.sources); n > 0 {
		r.sources[n-1].SkippedLines++
	}
}

// endRun reports the lines that were skipped since the last text.
func (r *reading) endRun() {
	if r.run.Unread == 0 {
		return
	}
	if r.run.Unread == 1 {
		r.run.Message = "skipped 1 line: " + r.run.Message
	} else {
		r.run.Message = fmt.Sprintf("skipped %d lines, first: %s", r.run.Unread, r.run.Message)
	}
	r.remarks.Add(r.run)
	r.run = source.Diagnostic{}
}

// shown is a line as messages show it.
func shown(line string) string {
	if strings.IndexByte(line, 0) >= 0 {
		return "binary data"
	}
	return source.Quote(strings.TrimSpace(line))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
