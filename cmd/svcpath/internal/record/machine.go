package record

import (
	"context"
	"errors"
	"time"

	"github.com/svcpath/svcpath/analyzer/netfilter"
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
	// IPTables finds the iptables that the node's programs use.
	IPTables(ctx context.Context, family netfilter.Family) (IPTables, error)
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

// IPTables is a program that writes rules.
type IPTables struct {
	Path    string
	Version string // "1.8.9"
	// RandomFully says that it knows MASQUERADE's --random-fully, which
	// kube-proxy writes wherever it can.
	RandomFully bool
}

const (
	stderrLimit = 2048
	smallLimit  = 64 << 10
	httpTimeout = 2 * time.Second
)

// errNoIPVS says that the kernel has no table of virtual servers.
var errNoIPVS = errors.New("the kernel has no IPVS")
