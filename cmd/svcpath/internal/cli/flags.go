package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// addresses is the value of --node-ip.
type addresses []netip.Addr

// Set adds an address, or several with commas between.
func (a *addresses) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		addr, err := netip.ParseAddr(one)
		if err != nil || addr.Zone() != "" {
			return fmt.Errorf("expected an IPv4 or IPv6 address")
		}
		*a = append(*a, addr.Unmap())
	}
	return nil
}

func (a *addresses) String() string { return joined(*a) }
func (a *addresses) Type() string   { return "ADDR" }

// prefixes is the value of --pod-cidr.
type prefixes []netip.Prefix

// Set adds a prefix, or several with commas between, as kube-proxy's own
// --cluster-cidr has them.
func (p *prefixes) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			return fmt.Errorf("expected an address range such as 10.244.0.0/16")
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

func (p *prefixes) String() string { return joined(*p) }
func (p *prefixes) Type() string   { return "CIDR" }

func joined[S fmt.Stringer](values []S) string {
	var s []string
	for _, v := range values {
		s = append(s, v.String())
	}
	return strings.Join(s, ",")
}

// An output is the value of --output: one of the formats that a command has.
type output struct {
	format  string
	formats []string
}

// outputFlag gives the command the flag -o with its formats; the first is what
// it writes when nothing else is asked for.
func outputFlag(command *cobra.Command, formats ...string) *output {
	o := &output{format: formats[0], formats: formats}
	command.Flags().VarP(o, "output", "o", "one of "+strings.Join(formats, ", "))
	err := command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag was made a line above
	}
	return o
}

func (o *output) Set(s string) error {
	if !slices.Contains(o.formats, s) {
		return fmt.Errorf("expected one of %s", strings.Join(o.formats, ", "))
	}
	o.format = s
	return nil
}

func (o *output) String() string { return o.format }
func (o *output) Type() string   { return "FORMAT" }
