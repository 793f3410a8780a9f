package record_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/record"
)

// A command that is ended takes with it what it has started.
func TestNothingGoesOnRunning(t *testing.T) {
	machine, err := record.Here()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for ctx.Err() == nil && pidIn(file) == "" {
			time.Sleep(time.Millisecond)
		}
	}()
	out := machine.Run(ctx, []string{"sh", "-c", `sleep 1000 & echo $! >"$0"; wait`, file}, 100)
	if out.Err == nil {
		t.Fatal("it ended by itself")
	}
	pid := pidIn(file)
	if pid == "" {
		t.Fatalf("nothing was started: %v", out.Err)
	}
	for isRunning(pid) { // it is ended at once, and goes when the system gets to it
		if t.Context().Err() != nil {
			t.Fatal("it goes on running")
		}
		time.Sleep(time.Millisecond)
	}
}

// pidIn is what a file holds when its line is whole.
func pidIn(file string) string {
	text, _ := os.ReadFile(file)
	pid, _, whole := strings.Cut(string(text), "\n")
	if !whole {
		return ""
	}
	return pid
}

func isRunning(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
