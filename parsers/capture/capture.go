// Package capture opens what was recorded on a node: files, directories,
// archives, standard input, shipped samples. It recognises each text by its
// content, has the right parser read it, and makes one snapshot of it all.
package capture

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// Options say what is known besides the inputs, and how they are read.
type Options struct {
	// NodeIPs are addresses of the node, besides those that the inputs show.
	NodeIPs []netip.Addr
	// PodCIDRs are the ranges of pod addresses.
	PodCIDRs []netip.Prefix
	// Strict makes an error of everything that was not understood.
	Strict bool
	// Stdin is what the input "-" reads, once; nil makes that an error.
	Stdin  io.Reader
	Limits Limits
}

// Limits bound what an input can make the tool do. A zero field stands for its
// default.
type Limits struct {
	FileBytes  int64 // of one text, decompressed; 4 GiB
	TotalBytes int64 // of all texts together, decompressed; 16 GiB
	Files      int   // in directories and archives, all together; 100,000
	// Layers of compression and archives inside one another; 6, which is
	// three .tar.gz deep.
	Layers int
}

func (l Limits) withDefaults() Limits {
	set := func(field *int64, value int64) {
		if *field == 0 {
			*field = value
		}
	}
	files, layers := int64(l.Files), int64(l.Layers)
	set(&l.FileBytes, 4<<30)
	set(&l.TotalBytes, 16<<30)
	set(&files, 100_000)
	set(&layers, 6)
	l.Files, l.Layers = int(files), int(layers)
	return l
}

// An InputError says why an input, or a file of it, could not be used.
type InputError struct {
	Path string
	Line int // from 1; 0 when it is about the input as a whole
	Err  error
}

// Error is "path: reason" or "path:line: reason".
func (e *InputError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

func (e *InputError) Unwrap() error { return e.Err }

// Open reads all inputs into one snapshot of one node. An input is a file, a
// directory, an archive, "-" for standard input, or "sample:NAME".
//
// The snapshot is nil only when no text was recognised in any of them. A text
// of a format that is not read yet is recognised: it is one of the snapshot's
// sources and no error. The error joins an *InputError for everything that
// could not be read or holds nothing that is recognised; with Options.Strict
// also for everything that was not understood. Snapshot and error can both be
// there.
func Open(inputs []string, o Options) (*snapshot.Snapshot, error) {
	op := &opener{limits: o.Limits.withDefaults(), stdin: o.Stdin}
	op.bytesLeft, op.filesLeft = op.limits.TotalBytes, op.limits.Files
	for _, input := range inputs {
		op.open(input)
	}
	snap := assemble(op.readings, o)
	if o.Strict {
		for _, d := range snap.Diagnostics {
			if d.Unread > 0 || d.Severity == source.Error {
				op.fail(d.Pos.Path(), d.Pos.Line, errors.New(d.Message))
			}
		}
	}
	if len(snap.Sources) == 0 {
		snap = nil
	}
	return snap, errors.Join(op.errs...)
}

// appendTo is append, which takes a list as it is where there is none yet: most
// captures have one text of a kind, and some of these lists are long.
func appendTo[T any](list, more []T) []T {
	if len(list) == 0 {
		return more
	}
	return append(list, more...)
}

// assemble makes a snapshot of what was read, in the order of the input.
func assemble(readings []*reading, o Options) *snapshot.Snapshot {
	snap := &snapshot.Snapshot{PodCIDRs: slices.Clone(o.PodCIDRs)}
	var tables []*netfilter.Table
	var servers []*ipvs.Table
	var ipsets []*netfilter.IPSet
	for _, r := range readings {
		snap.Sources = append(snap.Sources, r.sources...)
		snap.Addresses = appendTo(snap.Addresses, r.addrs)
		snap.AddressesCut = snap.AddressesCut || r.cutAddrs
		snap.Routes = append(snap.Routes, r.routes...)
		snap.Diagnostics = append(snap.Diagnostics, r.diagnostics()...)
		tables = append(tables, r.captured()...)
		servers = append(servers, r.ipvs...)
		ipsets = append(ipsets, r.ipsets...)
	}
	diags := otherRecordings(readings)
	snap.Diagnostics = append(snap.Diagnostics, diags...)
	snap.Tables, diags = chooseTables(tables)
	snap.Diagnostics = append(snap.Diagnostics, diags...)
	snap.Cluster, diags = joinObjects(readings)
	snap.Diagnostics = append(snap.Diagnostics, diags...)
	snap.IPVS, diags = ipvsadm.Merge(servers)
	snap.Diagnostics = append(snap.Diagnostics, diags...)
	snap.IPSets, diags = chooseIPSets(ipsets)
	snap.Diagnostics = append(snap.Diagnostics, diags...)
	setAddresses(snap, o.NodeIPs)
	return snap
}
