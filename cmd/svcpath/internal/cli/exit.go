package cli

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/source"
)

// The exit codes.
const (
	exitDone    = 0
	exitNo      = 1 // done, and the answer is "no"
	exitUsage   = 2 // the command line is wrong
	exitFailure = 3 // an input cannot be read, is damaged or holds nothing that could be analysed, or the answer cannot be written
)

// errNo is the answer "no". All that there is to say of it has been said.
var errNo = errors.New("the answer is no")

// A failure is an error that is no fault of the command line. Any other error
// that a command gives is one.
type failure struct {
	doing string // "reading": what was being done when it happened
	err   error
}

func (f *failure) Error() string { return f.doing + " " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// inputFailure makes a failure of each error of capture.Open.
func inputFailure(err error) error {
	var failures []error
	for _, e := range flatten(err) {
		failures = append(failures, &failure{doing: "reading", err: e})
	}
	return errors.Join(failures...)
}

// maxDamages is how many damaged places are told one by one on standard error;
// the answer itself lists them all.
const maxDamages = 10

// damage makes failures of the places where an input is damaged, such as a
// dump cut off in the middle: what stands around them is analysed, and still
// nobody should take the answer for one about the whole.
func damage(a *analyzer.Analysis) error {
	var failures []error
	for _, d := range a.Diagnostics {
		if d.Severity == source.Error {
			failures = append(failures, &failure{doing: "reading", err: errors.New(d.String())})
		}
	}
	if more := len(failures) - maxDamages; more > 0 {
		failures = append(failures[:maxDamages], &failure{doing: "reading", err: fmt.Errorf("%d more places that are damaged; the answer lists them", more)})
	}
	return errors.Join(failures...)
}

// written is what a renderer gives, as a failure if it is one.
func written(err error) error {
	if err == nil {
		return nil
	}
	return &failure{doing: "writing the answer:", err: err}
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// exit says on standard error what went wrong, if anything did, and gives the
// exit code. A reader that went away is nothing to complain about.
func (p *program) exit(command *cobra.Command, err error) int {
	if errors.Is(err, syscall.EPIPE) {
		return exitDone
	}
	if err == errNo {
		return exitNo
	}
	code, wrong := exitDone, false
	for _, e := range flatten(err) {
		// Errors quote what they found.
		fmt.Fprintf(p.stderr, "svcpath: %s\n", report.Escape(e.Error()))
		if f := (*failure)(nil); errors.As(e, &f) {
			code = exitFailure
			continue
		}
		wrong = true
	}
	if wrong {
		fmt.Fprintf(p.stderr, "Run '%s --help' for usage.\n", command.CommandPath())
		return exitUsage
	}
	return code
}
