// Package cli is svcpath's command line: one file a subcommand. It has flags,
// progress, colours and exit codes, and no analysis.
package cli

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/parsers/capture"
)

// A program is one call of svcpath: its streams, and the flags that all
// subcommands share.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	noColor, strict, quiet, verbose bool
	nodeIPs                         []netip.Addr
	podCIDRs                        []netip.Prefix
	hasRoom                         bool // for the inputs; see makeRoom
}

// Main runs the command line and gives the exit code. Results go to stdout,
// everything else to stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr}
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteC()
	return p.exit(command, err)
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "svcpath",
		Short: "Show where each entry of each Kubernetes Service leads, from a node's dump",
		Long: `svcpath reads the packet filter rules of a Kubernetes node from files and shows where each
entry of each Service leads: cluster IP, node port, load-balancer IP, external IP. It answers
with the dump's own lines as evidence. It works on what was captured and nothing else: it
opens no connection, starts no program and changes nothing. Only capture looks at the machine
that it runs on.

An INPUT is a file, a directory, an archive (.tar, .tar.gz), "-" for standard input, or
sample:NAME for a recording that is built in. Files may be compressed with gzip or zstd; what
they hold is told by their content. All INPUTs of one call are one node at one moment.`,
		Example: `  svcpath analyze sample:myth2-loadbalancer
  iptables-save -c | svcpath analyze -
  svcpath analyze node.tar.gz -o json`,
		Version:       readVersion().String(),
		Args:          noCommand,
		RunE:          func(*cobra.Command, []string) error { return nil }, // Args lets nothing come here
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if p.quiet && p.verbose {
				return errors.New("-q and -v contradict each other")
			}
			return nil
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("{{.Version}}\n")

	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.Var((*addresses)(&p.nodeIPs), "node-ip", "an address of the node, besides those that the input shows; may be repeated")
	flags.Var((*prefixes)(&p.podCIDRs), "pod-cidr", "a range of pod addresses; may be repeated")
	flags.BoolVar(&p.strict, "strict", false, "whatever is not understood is an error")
	flags.BoolVar(&p.noColor, "no-color", false, "no colours; there are none either when NO_COLOR is set or the output is no terminal")
	flags.BoolVarP(&p.quiet, "quiet", "q", false, "say less")
	flags.BoolVarP(&p.verbose, "verbose", "v", false, "say more")

	root.AddCommand(p.analyzeCommand(), p.traceCommand(), p.verifyCommand(), p.graphCommand(), p.samplesCommand(), p.captureCommand(), p.versionCommand())
	mendCobra(root)
	return root
}

// noCommand is what is wrong with a call that names no subcommand.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("missing command")
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q, did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// needsInput is the check of arguments for commands that take INPUTs.
func needsInput(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New(`missing INPUT: a file, a directory, an archive, "-" or sample:NAME`)
	}
	return nil
}

// analyze opens the inputs and has what they hold analysed. Both results can be
// there: what could be analysed, and what could not be used.
func (p *program) analyze(inputs []string, analyze func(*snapshot.Snapshot) *analyzer.Analysis) (*analyzer.Analysis, error) {
	done := p.showProgress("analyzing")
	defer done()
	p.makeRoom(inputs, toExplain)
	snap, err := capture.Open(inputs, capture.Options{
		NodeIPs: p.nodeIPs, PodCIDRs: p.podCIDRs, Strict: p.strict, Stdin: p.stdin,
	})
	if err != nil {
		err = inputFailure(err)
	}
	if snap == nil {
		return nil, err
	}
	a := analyze(snap)
	if len(snap.Tables) == 0 && a.Mode == kubeproxy.UnknownMode {
		err = errors.Join(err, &failure{doing: "reading", err: fmt.Errorf(
			"%s: nothing that tells of kube-proxy, expected the output of iptables-save or ip6tables-save", strings.Join(inputs, " "))})
	}
	return a, errors.Join(err, damage(a))
}
