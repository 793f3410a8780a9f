package report

import (
	"bufio"
	"io"
)

// newWriter is what renderers write through. A large node's answer has
// megabytes, and each system call costs as much as some lines.
func newWriter(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }
