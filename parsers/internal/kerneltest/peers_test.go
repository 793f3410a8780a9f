//go:build linux

package kerneltest_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
	dumpFile  = flag.String("dump", "", "write the node's rules into this file, for TestPeers")
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
	// Another process writes the dump: the peak memory of a child is at least
	// that of the process that started it.
	write := exec.Command(os.Args[0], "-test.run", "^TestWritePeersDump$", "-dump", dump,
		"-services", strconv.Itoa(*services), "-endpoints", strconv.Itoa(*endpoints))
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("writing the dump: %v: %s", err, out)
	}
	info, err := os.Stat(dump)
	if err != nil {
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
			memory[i] = max(memory[i], int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss))
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
		fmt.Printf("| %d × %d | %.1f | `%s` | %.2f | %.1f | %d |\n", *services, *endpoints, float64(info.Size())/1e6, name,
			median(used[i]).Seconds(), median(used[i]).Seconds()/ours.Seconds(), memory[i]>>10)
	}
}

func TestWritePeersDump(t *testing.T) {
	if *dumpFile == "" {
		return
	}
	f, err := os.Create(*dumpFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := generate.New(generate.Size{Services: *services, Endpoints: *endpoints}).WriteRules(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
