package record

import (
	"context"
	"errors"
	"time"
)

// A Machine is what a recording asks. It changes nothing.
type Machine interface {
	// Run runs a command to its end and keeps at most limit bytes of what it
	// prints.
	Run(ctx context.Context, command []string, limit int) Output
	// ReadFile reads at most limit bytes of a file.
	ReadFile(name string, limit int) (text string, truncated bool, err error)
	Readlink(name string) (string, error)
	// IPVS is the kernel's table of virtual servers, as "ipvsadm-save -n"
	// prints it.
	IPVS(ctx context.Context) (string, error)
	// Get asks a web server of the machine itself.
	Get(ctx context.Context, url string, limit int) (string, error)
	Platform() string
	UserID() int
}

// An Output is what came of a command.
type Output struct {
	Path      string // of the program; "" if there is none
	Text      string
	Stderr    string // its beginning
	Truncated bool   // Text is cut off
	// ExitStatus is the command's; -1 when it was not run to its end.
	ExitStatus int
	Err        error // nil if the command succeeded
}

const (
	stderrLimit = 2048
	smallLimit  = 64 << 10
	httpTimeout = 2 * time.Second
)

// errNoIPVS says that the kernel has no table of virtual servers.
var errNoIPVS = errors.New("the kernel has no IPVS")
