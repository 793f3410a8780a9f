//go:build linux

package kernel

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Node is a network namespace laid out as a node, whose interfaces this
// process holds. It is for one goroutine at a time.
type Node struct {
	work chan func()
	dir  string // private files
	sockets
	tuns    []tun
	byName  map[string]int // of tuns
	loaded  Ruleset
	recents []int // open files of the lists of "-m recent"
	filled  []filledSet
	fresh   bool // nothing was sent yet: these have what the dump has
	// fillers are the sources that they may have of probes.
	fillers map[netip.Addr]bool
	// changing are the ipsets that rules change.
	changing []string

	number uint32 // of the next probe
	port   uint16 // source port of the next probe that names none
	known  int    // probes that conntrack may still know
	fixed  bool   // some of these named their source port
	alone  bool   // conntrack may know of one probe only
}

// Start makes a node. Close it after use.
func Start(layout Layout) (*Node, error) {
	dir, err := os.MkdirTemp("", "svcpath-kernel-")
	if err != nil {
		return nil, err
	}
	n := &Node{work: make(chan func()), dir: dir, byName: map[string]int{}, fillers: map[netip.Addr]bool{}, number: firstNumber, port: firstPort}
	go n.thread()
	if err := n.do(func() error { return n.build(layout) }); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Close takes the node down.
func (n *Node) Close() {
	n.do(func() error {
		n.sockets.close()
		n.closeRecents()
		for _, t := range n.tuns {
			unix.Close(t.fd)
		}
		return nil
	})
	close(n.work)
	os.RemoveAll(n.dir)
}

// thread is the only one of this process in the namespace. It is never
// unlocked, so it ends with its goroutine, and the namespace with it.
func (n *Node) thread() {
	runtime.LockOSThread()
	for f := range n.work {
		f()
	}
}

// do runs f on the namespace's thread. Commands that f starts run in the
// namespace too: a child begins in the namespaces of the thread that forks.
func (n *Node) do(f func() error) error {
	done := make(chan error)
	n.work <- func() { done <- f() }
	return <-done
}

func (n *Node) build(layout Layout) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	if err := stayOnOneCPU(); err != nil {
		return err
	}
	if err := setSysctls(); err != nil {
		return err
	}
	for _, dev := range layout.Interfaces {
		t, err := openTun(dev.Name)
		if err != nil {
			return err
		}
		n.byName[dev.Name] = len(n.tuns)
		n.tuns = append(n.tuns, t)
	}
	if _, err := n.run(layout.script(), "ip", "-batch", "-"); err != nil {
		return err
	}
	if err := layout.awaitAddresses(); err != nil {
		return err
	}
	return n.sockets.open()
}

// started counts nodes, to spread them over the CPUs.
var started atomic.Uint32

// stayOnOneCPU binds the calling thread. On one CPU the kernel handles packets
// in the order in which they were sent, also those that wait in the CPU's
// backlog on their way over lo.
func stayOnOneCPU() error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("reading the CPUs to run on: %w", err)
	}
	skip := int(started.Add(1)-1) % max(allowed.Count(), 1)
	for cpu := 0; one.Count() == 0 && cpu < 64*len(allowed); cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		if skip == 0 {
			one.Set(cpu)
		}
		skip--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("staying on one CPU: %w", err)
	}
	return nil
}

// run runs a command in the namespace and gives what it prints; its words on
// standard error are part of the error.
func (n *Node) run(stdin, name string, args ...string) (stdout string, err error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	// One lock is for all namespaces unless it is told otherwise.
	cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE="+filepath.Join(n.dir, "xtables.lock"))
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.String(), nil
}
