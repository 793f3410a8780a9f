//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Backend is the iptables that loads a dump: by the name of its commands.
type Backend string

// The back ends.
const (
	Legacy Backend = "legacy"
	NFT    Backend = "nft"
)

// A Ruleset is what a node is loaded with. Each text may be "": nothing.
type Ruleset struct {
	Backend Backend
	IPv4    string // as iptables-save prints it
	IPv6    string // as ip6tables-save prints it
	Sets    string // as ipset save prints it; those that rules change begin empty
	// NFTables are tables of nftables, as nft list ruleset prints them. They
	// are loaded last.
	NFTables string
}

// empty takes away what an earlier dump left in tables that the next one may
// not have.
const empty = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*security
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
`

// Load replaces what the node is loaded with. An error holds what the command
// said that refused a text; the node then holds no rules that decide anything.
func (n *Node) Load(r Ruleset) error {
	return n.do(func() error {
		if err := n.unload(); err != nil {
			return err
		}
		err := n.load(r)
		if err != nil {
			return errors.Join(err, n.unload())
		}
		return nil
	})
}

func (n *Node) load(r Ruleset) error {
	n.loaded = r
	// Where sources have few ports to choose from, two connections may want
	// the same.
	n.alone = strings.Contains(r.IPv4+r.IPv6, "--to-source") || strings.Contains(r.IPv4+r.IPv6, "--to-ports") ||
		strings.Contains(r.NFTables, "snat ") || strings.Contains(r.NFTables, "masquerade to")
	n.changing = nil
	for _, text := range []string{r.IPv4, r.IPv6} {
		for _, option := range []string{"--add-set", "--del-set"} {
			n.changing = append(n.changing, valuesOf(text, option)...)
		}
		for _, name := range valuesOf(text, "--nfacct-name") {
			if err := addAcct(name); err != nil {
				return err
			}
		}
	}
	if r.Sets != "" {
		if _, err := n.run(r.Sets, "ipset", "restore"); err != nil {
			return err
		}
	}
	if r.IPv4 != "" {
		if _, err := n.run(r.IPv4, "iptables-"+string(r.Backend)+"-restore"); err != nil {
			return err
		}
	}
	if r.IPv6 != "" {
		if _, err := n.run(r.IPv6, "ip6tables-"+string(r.Backend)+"-restore"); err != nil {
			return err
		}
	}
	if r.NFTables != "" {
		if _, err := n.run(r.NFTables, "nft", "-f", "-"); err != nil {
			return err
		}
		n.filled, n.fresh = filledSets(r.NFTables), true
	}
	return n.openRecents()
}

// List is what the node is loaded with, as nft list ruleset prints it.
func (n *Node) List() (ruleset string, err error) {
	err = n.do(func() error {
		ruleset, err = n.run("", "nft", "list", "ruleset")
		return err
	})
	return ruleset, err
}

// Save is what the node is loaded with, as iptables-save and ip6tables-save
// print it.
func (n *Node) Save() (ipv4, ipv6 string, err error) {
	err = n.do(func() error {
		var err error
		if n.loaded.IPv4 != "" {
			if ipv4, err = n.run("", "iptables-"+string(n.loaded.Backend)+"-save"); err != nil {
				return err
			}
		}
		if n.loaded.IPv6 != "" {
			ipv6, err = n.run("", "ip6tables-"+string(n.loaded.Backend)+"-save")
		}
		return err
	})
	return ipv4, ipv6, err
}

// SaveSets is what ipset save prints of the node's sets.
func (n *Node) SaveSets() (sets string, err error) {
	err = n.do(func() error {
		sets, err = n.run("", "ipset", "save")
		return err
	})
	return sets, err
}

func (n *Node) unload() error {
	n.closeRecents()
	n.changing = nil
	last := n.loaded
	n.loaded, n.filled = Ruleset{}, nil
	if last.NFTables != "" {
		if _, err := n.run("", "nft", "flush", "ruleset"); err != nil {
			return err
		}
	}
	if last.IPv4 != "" {
		if _, err := n.run(empty, "iptables-"+string(last.Backend)+"-restore"); err != nil {
			return err
		}
	}
	if last.IPv6 != "" {
		if _, err := n.run(empty, "ip6tables-"+string(last.Backend)+"-restore"); err != nil {
			return err
		}
	}
	if last.Sets != "" {
		if err := n.destroySets(); err != nil {
			return err
		}
	}
	return flushConntrack()
}

// destroySets takes all sets away. Lists hold on to their members until they
// are empty, and nf_tables holds on to what its rules used for a moment after
// they are gone.
func (n *Node) destroySets() error {
	if _, err := n.run("", "ipset", "flush"); err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		_, err := n.run("", "ipset", "destroy")
		if err == nil || tries == 100 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// openRecents opens the lists of "-m recent", to empty them between probes.
func (n *Node) openRecents() error {
	const dir = "/proc/thread-self/net/xt_recent"
	lists, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("looking for the lists of recent addresses: %w", err)
	}
	for _, list := range lists {
		fd, err := unix.Open(dir+"/"+list.Name(), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening the list of recent addresses %s: %w", list.Name(), err)
		}
		n.recents = append(n.recents, fd)
	}
	return nil
}

func (n *Node) closeRecents() {
	for _, fd := range n.recents {
		unix.Close(fd)
	}
	n.recents = nil
}

// emptyRecents makes the lists forget all addresses (net/netfilter/xt_recent.c,
// recent_mt_proc_write).
func (n *Node) emptyRecents() error {
	for _, fd := range n.recents {
		if _, err := unix.Write(fd, []byte("/")); err != nil {
			return fmt.Errorf("emptying a list of recent addresses: %w", err)
		}
	}
	return nil
}

// emptyIPSets takes out of ipsets what rules have put there.
func (n *Node) emptyIPSets() error {
	for _, name := range n.changing {
		if err := flushSet(name); err != nil {
			return err
		}
	}
	return nil
}

// valuesOf are the words that follow an option in a dump, without quotes.
func valuesOf(dump, option string) []string {
	var values []string
	for {
		_, rest, found := strings.Cut(dump, option+" ")
		if !found {
			return values
		}
		dump = strings.TrimLeft(rest, " ")
		end := strings.IndexAny(dump, " \n")
		if end < 0 {
			end = len(dump)
		}
		values = append(values, strings.Trim(dump[:end], `"`))
	}
}
