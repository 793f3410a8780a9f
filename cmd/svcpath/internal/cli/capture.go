package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/record"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/redact"
)

// A capturing is one call of svcpath capture.
type capturing struct {
	output         string
	redact, dryRun bool
	timeout        time.Duration
}

func (p *program) captureCommand() *cobra.Command {
	c := capturing{}
	command := &cobra.Command{
		Use:   "capture",
		Short: "Record this Linux node into one file that analyze reads",
		Long: `capture records the node that it runs on into a bundle, a .tar.gz that is an INPUT of every
other command: the rules of both iptables back ends, nftables, ipsets, IPVS, addresses, routes,
connections, and a manifest that says how each was recorded. What cannot be recorded is noted
in the manifest, and no reason to stop. It needs root.

It only reads. With -v it says each command before it runs it; --dry-run says them all and
runs none. --redact replaces addresses and the names of services and hosts, the same in all
files of the bundle, so that answers stay what they are.`,
		Example: `  svcpath capture --output node.tar.gz && svcpath analyze node.tar.gz
  ssh root@node svcpath capture --output - > node.tar.gz
  svcpath capture --dry-run
  svcpath capture --redact --output for-the-bug-report.tar.gz`,
		Args: namedArgs(),
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVarP(&c.output, "output", "o", "", "the bundle to write, `FILE`; \"-\" is standard output (default svcpath-HOST-TIME.tar.gz)")
	flags.BoolVar(&c.redact, "redact", false, "replace addresses and the names of services and hosts")
	flags.BoolVar(&c.dryRun, "dry-run", false, "say what would be run and read, and do nothing")
	flags.DurationVar(&c.timeout, "timeout", time.Minute, "how long one command may take")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if c.timeout <= 0 {
			return fmt.Errorf("--timeout %s: expected more than nothing", c.timeout)
		}
		if command.Flags().Changed("output") && c.output == "" {
			return errors.New(`--output: expected a file, or "-" for standard output`)
		}
		return p.capture(c)
	}
	return command
}

func (p *program) capture(c capturing) error {
	machine, err := record.Here()
	if err != nil {
		return &failure{doing: "recording:", err: err}
	}
	if c.dryRun {
		_, err := io.WriteString(p.stdout, strings.Join(record.Commands(c.redact), "\n")+"\n")
		return written(err)
	}
	if c.output == "-" && terminal(p.stdout) != nil {
		return errors.New("a bundle is not written to a terminal: name a file with --output")
	}
	now := time.Now().UTC()
	r := record.Recording{
		Machine: machine, Recorder: readVersion().String(), Time: now, Timeout: c.timeout, Limit: record.DefaultLimit,
	}
	if p.verbose {
		r.Say = func(command string) { fmt.Fprintln(p.stderr, "svcpath:", command) }
	}
	if c.redact {
		r.Redactor = redact.New(redact.NewKey())
	}
	file := &bundleFile{Writer: p.stdout}
	if c.output != "-" {
		if c.output == "" {
			c.output = bundleName(c.redact, now)
		}
		if file, err = createBundle(c.output); err != nil {
			return &failure{doing: "writing the bundle:", err: err}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := p.showProgress("recording")
	manifest, err := r.Write(ctx, file)
	done()
	if err = errors.Join(err, file.finish(err == nil)); err != nil {
		return &failure{doing: "writing the bundle:", err: err}
	}
	if err := p.sayRecorded(c.output, record.Summary(manifest)); err != nil {
		return err
	}
	if !record.HasRules(manifest) {
		return &failure{doing: "recording:", err: errors.New("no rules could be recorded, the manifest says why for each command; capture needs root, and iptables, nft or IPVS")}
	}
	return nil
}

// bundleName is the name of a bundle that the user gave none.
func bundleName(redacted bool, now time.Time) string {
	host := "node"
	if name, err := os.Hostname(); err == nil && !redacted {
		host = strings.Map(func(r rune) rune {
			if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '_'
		}, name)
	}
	return "svcpath-" + host + "-" + now.Format("20060102T150405Z") + ".tar.gz"
}

// sayRecorded says what is in the bundle and what is not: on standard output,
// unless that is where the bundle went.
func (p *program) sayRecorded(output string, summary []string) error {
	to, text := p.stdout, output+": "+strings.Join(summary, "\n  ")+"\n\nNext: svcpath analyze "+output+"\n"
	switch {
	case p.quiet && output == "-":
		return nil
	case p.quiet:
		text = output + "\n"
	case output == "-":
		to, text = p.stderr, "recorded "+strings.Join(summary, "\n  ")+"\n"
	}
	_, err := io.WriteString(to, text)
	return written(err)
}
