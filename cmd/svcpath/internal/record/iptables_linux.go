package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-iptables/iptables"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// IPTables finds the iptables that the node's programs use, kube-proxy's and
// CNI plugins' among them: the one of its plain name. The library runs
// "iptables --version" and gives no way to end it, so it is left alone when it
// takes too long.
func (here) IPTables(ctx context.Context, family netfilter.Family) (IPTables, error) {
	program, protocol := "iptables", iptables.ProtocolIPv4
	if family == netfilter.IPv6 {
		program, protocol = "ip6tables", iptables.ProtocolIPv6
	}
	path, err := find(program)
	if err != nil {
		return IPTables{}, err
	}
	type answer struct {
		found *iptables.IPTables
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		found, err := iptables.New(iptables.IPFamily(protocol), iptables.Path(path))
		answers <- answer{found, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return IPTables{}, a.err
		}
		major, minor, patch := a.found.GetIptablesVersion()
		return IPTables{Path: path, Version: fmt.Sprintf("%d.%d.%d", major, minor, patch), RandomFully: a.found.HasRandomFully()}, nil
	case <-ctx.Done():
		return IPTables{}, errors.New("it does not answer")
	}
}
