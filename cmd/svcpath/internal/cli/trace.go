package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/flows"
)

func (p *program) traceCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "trace INPUT… (--to ADDR:PORT[/PROTO] | --flows FILE)",
		Short: "Follow a packet through every hook, to every outcome it can have",
		Long: `trace follows one packet, the first of a connection, through all hooks and tables of the node:
each rule that decided something, and every outcome with its probability. What the input does
not tell is not guessed: the outcome names what it assumes.

--from says who sends it: external is a client outside the node, pod a pod on the node, node a
process in the node's own network namespace. Without --from the source address says; without
either it is external. Without --source a usual one is taken, and the output says which;
--source any takes none, and the outcomes say what each rests on.`,
		Example: `  svcpath trace sample:service-zoo --to 172.18.0.3:30082 --from external
  svcpath trace node.tar.gz --to 10.96.0.10:53/udp --from pod --source 10.244.1.7
  svcpath trace node.tar.gz --to [fd00:10:96::a]:443 --all-steps
  svcpath trace sample:service-zoo --flows sample:service-zoo -o json`,
		Args:              needsInput,
		ValidArgsFunction: completeInput,
	}
	var one oneFlow
	var file string
	var allSteps bool
	one.flags(command)
	flowsFlag(command, &file)
	command.Flags().BoolVar(&allSteps, "all-steps", false, "also show the rules that did not match, and why")
	out := outputFlag(command, "text", "json", "yaml")
	command.RunE = func(_ *cobra.Command, inputs []string) error {
		var list []flows.Flow
		switch {
		case file == "" && !one.to.set:
			return errors.New("missing --to ADDR:PORT[/PROTO], or --flows FILE")
		case file != "" && one.used(command) != "":
			return fmt.Errorf("--%s and --flows exclude each other", one.used(command))
		case file != "":
			var err error
			if list, err = p.readFlows(file, inputs); err != nil {
				return err
			}
		default:
			list = []flows.Flow{one.flow()}
		}
		detail := withPaths
		if allSteps {
			detail = withAllSteps
		}
		return p.followAll(inputs, list, detail, func(t report.Traces) error {
			switch out.format {
			case "json":
				return report.TraceJSON(p.stdout, t)
			case "yaml":
				return report.TraceYAML(p.stdout, t)
			}
			return report.TraceText(p.stdout, t, p.textOptions(inputs))
		})
	}
	return command
}

// oneFlow are the flags that describe a flow.
type oneFlow struct {
	from   origin
	to     target
	source flowSource
	state  connState
	link   device
}

// flowFlags are their names.
var flowFlags = []string{"to", "from", "source", "in-interface", "ctstate"}

func (o *oneFlow) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&o.to, "to", "where the packet is sent to: 10.0.0.1:80, 10.0.0.1:53/udp, [fd00::1]:80, 10.0.0.1/icmp")
	flags.Var(&o.from, "from", "who sends it: external, pod or node")
	flags.Var(&o.source, "source", `the sender's address, with or without port; "any" for one that is not known`)
	flags.Var(&o.link, "in-interface", "the interface that it comes in by, if not the one that leads to its source")
	flags.Var(&o.state, "ctstate", "the state of its connection; NEW if not given")
	complete(command, "from", string(trace.FromExternal), string(trace.FromPod), string(trace.FromNode))
	complete(command, "ctstate", flows.States...)
	for _, name := range []string{"to", "source", "in-interface"} {
		complete(command, name)
	}
}

// used is the first of the flags that was given, "" if none was.
func (o *oneFlow) used(command *cobra.Command) string {
	for _, name := range flowFlags {
		if command.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

func (o *oneFlow) flow() flows.Flow {
	f := flows.Flow{AnySource: o.source.any}
	f.From = o.from.Origin
	f.Destination, f.Port, f.Protocol = o.to.addr.Addr(), o.to.addr.Port(), o.to.protocol
	f.Source, f.SourcePort = o.source.addr.Addr(), o.source.addr.Port()
	f.InInterface, f.State = o.link.name, o.state.states
	return f
}
