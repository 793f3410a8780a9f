package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/report"
)

func (p *program) analyzeCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "analyze INPUT…",
		Short: "Show every service, where each of its entries leads, and the proof",
		Long: `analyze reads kube-proxy's services back from a node's rules and says of each entry (cluster
IP, node port, load-balancer IP, external IP) where the packets of a client outside the node go:
whether it joins the very chain that the service's cluster IP jumps into, or where it goes
instead. The rules that prove it are quoted with file and line.`,
		Example: `  svcpath analyze sample:myth2-loadbalancer
  svcpath analyze iptables-save.txt ip6tables-save.txt ip-addr.txt
  svcpath analyze -o json node.tar.gz | jq '.services[].entries[] | select(.verdict != "clusterip")'`,
		Args:              needsInput,
		ValidArgsFunction: completeInput,
	}
	out := outputFlag(command, "text", "json", "yaml")
	command.RunE = func(_ *cobra.Command, inputs []string) error {
		a, err := p.analyze(inputs, analyzer.Analyze)
		if a == nil {
			return err
		}
		return errors.Join(written(p.writeAnalysis(a, out.format, inputs)), err)
	}
	return command
}

func (p *program) writeAnalysis(a *analyzer.Analysis, format string, inputs []string) error {
	switch format {
	case "json":
		return report.AnalysisJSON(p.stdout, a)
	case "yaml":
		collectOften()
		return report.AnalysisYAML(p.stdout, a)
	}
	return report.AnalysisText(p.stdout, a, p.textOptions(inputs))
}

// textOptions say how text is written for this call.
func (p *program) textOptions(inputs []string) report.TextOptions {
	o := report.TextOptions{Color: p.wantColor(), Width: p.width(), Inputs: inputs}
	switch {
	case p.quiet:
		o.Detail = report.Quiet
	case p.verbose:
		o.Detail = report.Verbose
	}
	return o
}
