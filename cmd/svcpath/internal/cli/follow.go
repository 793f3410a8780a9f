package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/flows"
	"github.com/svcpath/svcpath/samples"
)

// flowsFlag gives the command the flag --flows.
func flowsFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "flows", "",
		"a `FILE` of flows, \"-\" for standard input, or sample:NAME for those of a sample")
	if err := command.RegisterFlagCompletionFunc("flows", completeInput); err != nil {
		panic(err) // the flag was made a line above
	}
}

// readFlows reads a FLOWS file.
func (p *program) readFlows(file string, inputs []string) ([]flows.Flow, error) {
	p.makeRoom(append(slices.Clone(inputs), file), toRead)
	var content strings.Builder
	var err error
	name, isSample := strings.CutPrefix(file, samplePrefix)
	switch {
	case isSample:
		var sample fs.FS
		if sample, err = samples.Open(name); err != nil {
			return nil, err
		}
		file += "/flows.yaml"
		var whole []byte
		whole, err = fs.ReadFile(sample, "flows.yaml")
		content.Write(whole)
	case file == "-" && slices.Contains(inputs, "-"):
		return nil, errors.New("--flows and INPUT are both -, and there is one standard input")
	case file == "-":
		err = readLimited(&content, p.stdin)
	default:
		var f *os.File
		if f, err = os.Open(file); err == nil {
			content.Grow(int(min(p.sizeOf([]string{file}), flows.MaxBytes)) + 1)
			err = readLimited(&content, f)
			f.Close()
		}
	}
	if err != nil {
		return nil, &failure{doing: "reading flows:", err: err}
	}
	return flows.Read(file, content.String())
}

// readLimited reads a byte more than a FLOWS file may have at most.
func readLimited(into *strings.Builder, r io.Reader) error {
	_, err := io.Copy(into, io.LimitReader(r, flows.MaxBytes+1))
	return err
}

// detail says what is to be told of flows.
type detail uint8

const (
	withPaths    detail = iota
	withAllSteps        // paths with the rules that did not match
	// whereDiffering is withPaths for flows that are not as expected. Of the
	// others nothing is kept but that they are, and they are followed once
	// however often they are asked for.
	whereDiffering
)

// asExpected is what is kept of a flow that was followed, if it is as expected;
// the flow itself is put into the list with its defaults filled in.
type asExpected struct{ is, usualSource bool }

// followAll traces flows over what the inputs hold, and has them written. No
// flow is followed unless all can be.
func (p *program) followAll(inputs []string, list []flows.Flow, d detail, write func(report.Traces) error) error {
	p.makeRoom(inputs, toRead)
	a, err := p.analyze(inputs, analyzer.ForPackets)
	if a == nil {
		return err
	}
	if impossible := impossibleFlows(a, list); impossible != nil {
		return errors.Join(err, impossible)
	}
	follow := a.Tracer.Trace
	switch d {
	case withPaths:
		collectOften()
	case withAllSteps:
		collectOften()
		follow = a.Tracer.TraceAllSteps
	}
	usual := usualSources{analysis: a, known: map[sourceKey]netip.Addr{}}
	t := report.Traces{Analysis: a, Families: familiesOf(list)}
	var traceErr error
	var known []asExpected // of the flows, whereDiffering
	if d == whereDiffering {
		known = make([]asExpected, len(list))
	}
	t.Flows = func(yield func(report.TracedFlow) bool) {
		var bare trace.Trace // of a flow that is as expected
		for i, f := range list {
			one := report.TracedFlow{Expect: f.Expect}
			if i < len(known) && known[i].is {
				bare.Flow = f.Flow
				one.Trace, one.UsualSource = &bare, known[i].usualSource
				if !yield(one) {
					return
				}
				continue
			}
			if !f.AnySource && !f.Source.IsValid() {
				f.Source, one.UsualSource = usual.of(f.Flow)
			}
			meets := false
			if d == whereDiffering {
				if bare.Flow, meets, traceErr = a.Tracer.Meets(f.Flow, *f.Expect); traceErr != nil {
					return
				}
				one.Trace = &bare
			}
			if !meets {
				if one.Trace, traceErr = follow(f.Flow); traceErr != nil {
					return
				}
				if f.Expect != nil {
					one.Difference = f.Expect.Difference(one.Trace)
				}
			}
			if d == whereDiffering && one.Difference == "" {
				bare.Flow = one.Trace.Flow
				one.Trace = &bare
				list[i].Flow, known[i] = bare.Flow, asExpected{is: true, usualSource: one.UsualSource}
			}
			if !yield(one) {
				return
			}
		}
	}
	return errors.Join(written(write(t)), traceErr, err)
}

// impossibleFlows says of every flow that no packet can be why not.
func impossibleFlows(a *analyzer.Analysis, list []flows.Flow) error {
	var errs []error
	for i, f := range list {
		err := a.Tracer.Check(f.Flow)
		switch {
		case err == nil:
			continue
		case !f.Pos.IsValid(): // of the command line
		case f.Name == "":
			err = fmt.Errorf("%s: flow %d: %s", f.Pos, i+1, strings.TrimPrefix(err.Error(), "flow: "))
		default:
			err = fmt.Errorf("%s: %w", f.Pos, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func familiesOf(list []flows.Flow) []netfilter.Family {
	var families []netfilter.Family
	for _, f := range list {
		family := netfilter.IPv6
		if f.Destination.Is4() {
			family = netfilter.IPv4
		}
		if !slices.Contains(families, family) {
			families = append(families, family)
		}
	}
	return families
}

// usualSources remembers the usual sources of an analysis: finding one can
// mean a look at every endpoint.
type usualSources struct {
	analysis *analyzer.Analysis
	known    map[sourceKey]netip.Addr
}

type sourceKey struct {
	from  trace.Origin
	is4   bool
	local bool // the destination is the node's own
}

func (u usualSources) of(f trace.Flow) (netip.Addr, bool) {
	local, _ := u.analysis.Snapshot.IsLocal(f.Destination)
	key := sourceKey{f.From, f.Destination.Is4(), local}
	addr, ok := u.known[key]
	if !ok || addr == f.Destination {
		addr, _ = u.analysis.UsualSource(f)
		u.known[key] = addr
	}
	return addr, addr.IsValid()
}
