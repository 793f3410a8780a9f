//go:build linux

package kerneltest_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
	"github.com/svcpath/svcpath/samples/generate"
)

var (
	rounds    = flag.Int("rounds", 0, "how often to measure svcpath and the tools of iptables, in turn; 0 does not")
	services  = flag.Int("services", 1000, "of the node that is measured with")
	endpoints = flag.Int("endpoints", 5, "of each of its services")
)

// TestPeers measures, for "make bench-peers", how long svcpath takes to
// analyze a dump and how long the tools of iptables take to read it: CPU time
// on one processor, medians of rounds in turn, for only the ratio holds on a
// machine that does other things.
func TestPeers(t *testing.T) {
	if *rounds == 0 {
		return
	}
	kerneltest.Require(t, "ip", "taskset", "iptables-legacy-restore", "iptables-nft-restore")
	dir := t.TempDir()
	svcpath, dump := filepath.Join(dir, "svcpath"), filepath.Join(dir, "iptables-save.txt")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", svcpath, "github.com/svcpath/svcpath/cmd/svcpath").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	var text bytes.Buffer
	size := generate.Size{Services: *services, Endpoints: *endpoints}
	if err := generate.New(size).WriteRules(&text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dump, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	ns := kerneltest.New(t)
	tools := [][]string{
		{svcpath, "analyze", dump},
		{"iptables-legacy-restore", "--test", dump},
		{"iptables-nft-restore", "--test", dump},
	}
	used := make([][]time.Duration, len(tools))
	memory := make([]int64, len(tools))
	for range *rounds {
		for i, tool := range tools {
			cmd := ns.Command(append([]string{"taskset", "-c", "0"}, tool...)...)
			cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v", strings.Join(tool, " "), err)
			}
			used[i] = append(used[i], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			memory[i] = max(memory[i], cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		}
	}
	fmt.Println("| services | MB | tool | CPU s | against svcpath | peak MB |\n|---|--:|---|--:|--:|--:|")
	median := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)/2]
	}
	ours := median(used[0])
	for i, tool := range tools {
		name := filepath.Base(tool[0]) + " " + tool[1]
		fmt.Printf("| %d × %d | %.1f | `%s` | %.2f | %.1f | %d |\n", size.Services, size.Endpoints, float64(text.Len())/1e6, name,
			median(used[i]).Seconds(), median(used[i]).Seconds()/ours.Seconds(), memory[i]>>10)
	}
}
