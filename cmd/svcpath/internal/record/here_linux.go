package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Here is the machine that svcpath runs on.
func Here() (Machine, error) { return here{}, nil }

type here struct{}

func (here) Platform() string                     { return runtime.GOOS + "/" + runtime.GOARCH }
func (here) UserID() int                          { return os.Getuid() }
func (here) Readlink(name string) (string, error) { return os.Readlink(name) }

// systemDirectories hold the programs that are asked; a shell of a user who
// became root may have them not in its PATH.
var systemDirectories = []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"}

func find(program string) (path string, err error) {
	if path, err = exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range systemDirectories {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// grace is how long a command that was ended has to close its output.
const grace = 2 * time.Second

// Run runs a command without input and in the C locale.
func (here) Run(ctx context.Context, command []string, limit int) Output {
	path, err := find(command[0])
	if err != nil {
		return Output{ExitStatus: -1, Err: err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = grace
	// A program can be a script that runs another: they are ended together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	stdout := &limited{left: limit, full: cancel} // a command that prints more is ended
	stderr := &limited{left: stderrLimit}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	return Output{
		Path: path, Text: stdout.text.String(), Stderr: strings.TrimSpace(stderr.text.String()),
		Truncated: stdout.truncated, ExitStatus: cmd.ProcessState.ExitCode(), Err: err,
	}
}

// A limited writer keeps the beginning of what is written to it.
type limited struct {
	text      bytes.Buffer
	left      int
	truncated bool
	full      func() // is told when there is more; nil when nobody wants to know
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		l.text.Write(p[:l.left])
		l.left, l.truncated = 0, true
		if l.full != nil {
			l.full()
		}
		return len(p), nil
	}
	l.left -= len(p)
	return l.text.Write(p)
}

// ReadFile reads the beginning of a file.
func (here) ReadFile(name string, limit int) (text string, truncated bool, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", false, err
	}
	defer file.Close()
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return "", false, err
	}
	text = b.String()
	if n > int64(limit) {
		return text[:limit], true, nil
	}
	return text, false, nil
}

// Get asks a web server of this machine: without a proxy, and without going
// where it redirects to.
func (here) Get(ctx context.Context, url string, limit int) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)))
	return strings.TrimSpace(string(body)), err
}

// IPVS asks the kernel for its virtual servers. The library that does so gives
// no way to end it, so it is left alone when it takes too long.
func (here) IPVS(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := virtualServers()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return "", errors.New("the kernel does not answer")
	}
}
