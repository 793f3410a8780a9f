//go:build linux

package kernel

import (
	"os"
	"os/exec"
	"testing"
)

// tools are the commands that a Node runs.
var tools = []string{
	"ip", "ipset", "nft",
	"iptables-legacy-restore", "ip6tables-legacy-restore", "iptables-nft-restore", "ip6tables-nft-restore",
}

// Require skips the test where the kernel cannot be asked: without root's
// rights, TUN devices or the commands. With SVCPATH_NO_SKIP=1 the test fails
// instead, so that a place that must run it notices.
func Require(t testing.TB) {
	t.Helper()
	stop := t.Skipf
	if os.Getenv("SVCPATH_NO_SKIP") == "1" {
		stop = t.Fatalf
	}
	if os.Geteuid() != 0 {
		stop("asking the kernel needs root, not user %d", os.Geteuid())
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			stop("asking the kernel needs the command %s: %v", tool, err)
		}
	}
	n, err := Start(Layout{Interfaces: []Interface{{Name: "eth0"}}})
	if err != nil {
		stop("asking the kernel needs namespaces and devices of its own: %v", err)
		return
	}
	n.Close()
}
