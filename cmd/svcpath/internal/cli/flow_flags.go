package cli

import (
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/flows"
)

// complete has the shell propose values for a flag, and no files.
func complete(command *cobra.Command, flag string, values ...string) {
	err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag was made just before
	}
}

// origin is the value of --from.
type origin struct{ trace.Origin }

func (o *origin) Set(s string) (err error) { o.Origin, err = flows.ParseOrigin(s); return err }
func (o *origin) String() string           { return string(o.Origin) }
func (o *origin) Type() string             { return "WHO" }

// target is the value of --to.
type target struct {
	addr     netip.AddrPort
	protocol uint8
	set      bool
	text     string
}

func (t *target) Set(s string) (err error) {
	t.addr, t.protocol, err = flows.ParseTarget(s)
	t.set, t.text = true, s
	return err
}
func (t *target) String() string { return t.text }
func (t *target) Type() string   { return "ADDR:PORT[/PROTO]" }

// flowSource is the value of --source.
type flowSource struct {
	addr netip.AddrPort
	any  bool
	text string
}

func (f *flowSource) Set(s string) (err error) {
	f.text, f.any = s, s == flows.Any
	if f.addr = (netip.AddrPort{}); !f.any {
		f.addr, err = flows.ParseSource(s)
	}
	return err
}
func (f *flowSource) String() string { return f.text }
func (f *flowSource) Type() string   { return "ADDR[:PORT]" }

// connState is the value of --ctstate.
type connState struct{ states netfilter.ConnStates }

func (c *connState) Set(s string) (err error) { c.states, err = flows.ParseState(s); return err }
func (c *connState) String() string {
	if c.states == 0 {
		return ""
	}
	return c.states.String()
}
func (c *connState) Type() string { return "STATE" }

// device is the value of --in-interface.
type device struct{ name string }

func (d *device) Set(s string) (err error) { d.name, err = flows.ParseInterface(s); return err }
func (d *device) String() string           { return d.name }
func (d *device) Type() string             { return "IF" }
