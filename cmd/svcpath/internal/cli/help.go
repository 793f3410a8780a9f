package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usage writes how a command is called, below what its help tells of it.
func usage(c *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(&b, "  %s\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	writeFlags(&b, "Flags", c.LocalFlags())
	writeFlags(&b, "Flags that all commands share", c.InheritedFlags())
	_, err := io.WriteString(c.OutOrStdout(), b.String())
	return err
}

func writeFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	// That a switch takes values is true, and in nobody's way unsaid.
	const values = "[=true|false]"
	lines := strings.ReplaceAll(flags.FlagUsages(), values, strings.Repeat(" ", len(values)))
	fmt.Fprintf(b, "\n%s:\n%s", title, lines)
}

// mendCobra makes cobra's own commands answer a wrong argument with an error,
// as all others do.
func mendCobra(root *cobra.Command) {
	root.SetUsageFunc(usage)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short, c.Long = "Help about any command", ""
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return fmt.Errorf("no help about %q: no such command", strings.Join(args, " "))
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			c.Short, c.Long = "Write the completion script of a shell", ""
			c.RunE = func(*cobra.Command, []string) error {
				return errors.New("missing SHELL: bash, zsh, fish or powershell")
			}
		}
	}
}
