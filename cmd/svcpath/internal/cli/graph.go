package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/report"
)

func (p *program) graphCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "graph INPUT…",
		Short: "Draw what jumps where: the chains of all tables, or those of one service",
		Long: `graph writes the chains of a node's tables and the jumps between them: for Graphviz (dot),
for Markdown pages (mermaid), or for programs (json).`,
		Example: `  svcpath graph node.tar.gz --service default/web -o mermaid
  svcpath graph sample:myth2-loadbalancer | dot -Tsvg > chains.svg`,
		Args:              needsInput,
		ValidArgsFunction: completeInput,
	}
	out := outputFlag(command, "dot", "mermaid", "json")
	var o report.GraphOptions
	command.Flags().StringVar(&o.Service, "service", "", "only the chains of this service, `NAMESPACE/NAME`")
	command.RunE = func(_ *cobra.Command, inputs []string) error {
		a, err := p.analyze(inputs, analyzer.Survey)
		if a == nil {
			return err
		}
		write := report.GraphDOT
		switch out.format {
		case "mermaid":
			write = report.GraphMermaid
		case "json":
			write = report.GraphJSON
		}
		writeErr := write(p.stdout, a, o)
		if unknown := (*report.UnknownServiceError)(nil); errors.As(writeErr, &unknown) {
			// What could not be read may be why; it is said first.
			return errors.Join(err, writeErr)
		}
		return errors.Join(written(writeErr), err)
	}
	return command
}
