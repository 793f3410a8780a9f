package cli_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/cli"
)

// A failingWriter is an output that cannot be written to.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{
		{"analyze", "sample:myth2-loadbalancer"},
		{"analyze", "-o", "json", "sample:myth2-loadbalancer"},
		{"analyze", "-o", "yaml", "sample:myth2-loadbalancer"},
		{"trace", "sample:myth2-loadbalancer", "--to", "172.18.0.3:32000"},
		{"trace", "-o", "json", "sample:myth2-loadbalancer", "--to", "172.18.0.3:32000"},
		{"trace", "-o", "yaml", "sample:myth2-loadbalancer", "--to", "172.18.0.3:32000"},
		{"verify", "sample:myth2-loadbalancer", "--flows", "sample:myth2-loadbalancer"},
		{"graph", "sample:myth2-loadbalancer"},
		{"graph", "-o", "json", "sample:myth2-loadbalancer"},
		{"samples"},
		{"samples", "-o", "json"},
		{"samples", "show", "service-zoo"},
		{"version", "-o", "yaml"},
	} {
		for _, test := range []struct {
			err    error
			code   int
			stderr string
		}{
			// Whoever pipes into head wants no more, and no complaint.
			{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, 0, ""},
			{errors.New("no space left on device"), 3, "svcpath: writing the answer: no space left on device\n"},
		} {
			var stderr bytes.Buffer
			code := cli.Main(args, strings.NewReader(""), failingWriter{test.err}, &stderr)
			if code != test.code || stderr.String() != test.stderr {
				t.Errorf("%v with %v: exit code %d and %q, want %d and %q", args, test.err, code, stderr.String(), test.code, test.stderr)
			}
		}
	}
}
