package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/samples"
)

const samplePrefix = "sample:"

// completeInput proposes the samples once an INPUT begins like one of them,
// and else leaves it to the shell to propose files.
func completeInput(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(begun) < 2 || !strings.HasPrefix(samplePrefix, begun) && !strings.HasPrefix(begun, samplePrefix) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return proposeSamples(samplePrefix, begun), cobra.ShellCompDirectiveNoFileComp
}

// completeSample proposes the samples for a command whose first argument is
// the name of one, and directories for the second.
func completeSample(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return proposeSamples("", begun), cobra.ShellCompDirectiveNoFileComp
}

func proposeSamples(prefix, begun string) []cobra.Completion {
	var proposals []cobra.Completion
	for _, s := range samples.List() {
		if name := prefix + s.Name; strings.HasPrefix(name, begun) {
			proposals = append(proposals, cobra.CompletionWithDesc(name, s.Title))
		}
	}
	return proposals
}
