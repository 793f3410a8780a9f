// Package kerneltest lets tests ask the real kernel and the real tools, in a
// network namespace of their own.
package kerneltest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Require skips the test unless it runs as root with the tools at hand. With
// SVCPATH_NO_SKIP=1 in the environment it fails instead, so that whoever means
// to run everything does.
func Require(t testing.TB, tools ...string) {
	t.Helper()
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) == 0 {
		return
	}
	message := "this test asks the kernel and needs " + strings.Join(missing, ", ")
	if os.Getenv("SVCPATH_NO_SKIP") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// A Namespace is a network namespace that ends with the test.
type Namespace struct {
	name string
	lock string // iptables' lock is one for all namespaces, unless named
}

var namespaces atomic.Int32

// New makes a network namespace; it needs ip(8), see Require.
func New(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{
		name: fmt.Sprintf("svcpath-test-%d-%d", os.Getpid(), namespaces.Add(1)),
		lock: filepath.Join(t.TempDir(), "xtables.lock"),
	}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Fatalf("ip netns add %s: %v: %s", n.name, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", n.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del %s: %v: %s", n.name, err, out)
		}
	})
	return n
}

// Command is a command that runs in the namespace.
func (n *Namespace) Command(command ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.name}, command...)...)
	cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE="+n.lock)
	return cmd
}

// Run runs a command in the namespace and gives its standard output. A command
// that fails ends the test.
func (n *Namespace) Run(t testing.TB, input string, command ...string) string {
	t.Helper()
	cmd := n.Command(command...)
	cmd.Stdin = strings.NewReader(input)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, errors.String())
	}
	return out.String()
}

// Settled runs a command that lists what the kernel holds until it prints the same
// twice in a row, but for what passes with time. The kernel enlarges the hash tables
// of nft's sets in the background (lib/rhashtable.c, rht_deferred_worker), and a
// listing made meanwhile names elements twice or leaves some out.
func (n *Namespace) Settled(t testing.TB, command ...string) string {
	t.Helper()
	last := n.Run(t, "", command...)
	for range 20 {
		again := n.Run(t, "", command...)
		if passing.ReplaceAllString(again, "") == passing.ReplaceAllString(last, "") {
			return again
		}
		last = again
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s: prints something else each time", strings.Join(command, " "))
	return ""
}

// passing is how long elements still have, as text and as JSON.
var passing = regexp.MustCompile(`expires [0-9dhms]+|"expires": [0-9]+`)
