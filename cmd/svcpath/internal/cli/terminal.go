package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// terminal is the stream's file if it is a terminal, nil if not.
func terminal(stream io.Writer) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// wantColor reports whether results are written in colour: only to a terminal
// that has them, and only if nobody objects (no-color.org).
func (p *program) wantColor() bool {
	return terminal(p.stdout) != nil && !p.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is the width of the terminal that results are written to, 0 when they
// are not or it does not tell.
func (p *program) width() int {
	if f := terminal(p.stdout); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// showProgress shows what is being done, until done is called: on a
// terminal, and only if it takes more than a second.
func (p *program) showProgress(doing string) (done func()) {
	if terminal(p.stderr) == nil || p.quiet {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
		bar := progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(p.stderr),
			progressbar.OptionSetDescription(doing),
			progressbar.OptionSpinnerType(14),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionClearOnFinish(),
		)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				bar.Finish()
				return
			case <-tick.C:
				bar.Add(1)
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
