package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/analyzer/source"
)

func (p *program) verifyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "verify INPUT… --flows FILE",
		Short: "Compare flows with what is expected of them",
		Long: `verify traces every flow of a file and compares its outcomes with what the file expects: the
verdict of every outcome, the whole set of endpoints, whether the source is rewritten. An outcome
that rests on an assumption counts like any other. The exit code is 1 if a flow differs.`,
		Example: `  svcpath verify sample:service-zoo --flows sample:service-zoo
  svcpath verify node.tar.gz --flows flows.yaml -o json | jq '.flows[] | select(.ok | not)'`,
		Args:              needsInput,
		ValidArgsFunction: completeInput,
	}
	var file string
	flowsFlag(command, &file)
	out := outputFlag(command, "text", "json", "yaml")
	command.RunE = func(_ *cobra.Command, inputs []string) error {
		if file == "" {
			return errors.New("missing --flows FILE")
		}
		list, err := p.readFlows(file, inputs)
		if err != nil {
			return err
		}
		var errs []error
		for i, f := range list {
			if f.Expect == nil {
				errs = append(errs, fmt.Errorf("%s: %s: nothing is expected of it, add expect", f.Pos, flowName(f.Name, i)))
			}
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		detail := withPaths
		if out.format == "text" {
			detail = whereDiffering
		}
		differ := false
		err = p.followAll(inputs, list, detail, func(t report.Traces) error {
			t.Verify = true
			each := t.Flows
			t.Flows = func(yield func(report.TracedFlow) bool) {
				for f := range each {
					differ = differ || f.Difference != ""
					if !yield(f) {
						return
					}
				}
			}
			switch out.format {
			case "json":
				return report.TraceJSON(p.stdout, t)
			case "yaml":
				return report.TraceYAML(p.stdout, t)
			}
			return report.VerifyText(p.stdout, t, p.textOptions(inputs))
		})
		if err == nil && differ {
			return errNo
		}
		return err
	}
	return command
}

// flowName is what messages call a flow.
func flowName(name string, index int) string {
	if name == "" {
		return fmt.Sprintf("flow %d", index+1)
	}
	return "flow " + source.Quote(name)
}
