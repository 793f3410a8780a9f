//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A filledSet is a set of nftables that rules put elements into.
type filledSet struct {
	family      byte
	table, name string
}

// families are the numbers of nft's families (include/uapi/linux/netfilter.h,
// NFPROTO_INET and others).
var families = map[string]byte{"inet": 1, "ip": 2, "netdev": 5, "ip6": 10}

// filledSets finds the sets in a listing that rules fill.
func filledSets(ruleset string) []filledSet {
	var all []filledSet
	var at filledSet
	for line := range strings.Lines(ruleset) {
		w := strings.Fields(line)
		switch {
		case len(w) == 4 && w[0] == "table":
			at.family, at.table = families[w[1]], w[2]
		case len(w) == 3 && (w[0] == "set" || w[0] == "map"):
			at.name = w[1]
		case len(w) == 2 && w[0] == "flags" && strings.Contains(w[1], "dynamic"):
			all = append(all, at)
		}
	}
	return all
}

// Messages and attributes of include/uapi/linux/netfilter/nfnetlink.h and
// nf_tables.h (enum nf_tables_msg_types, enum nft_set_elem_list_attributes).
const (
	batchBegin       = 0x10
	batchEnd         = 0x11
	deleteElements   = unix.NFNL_SUBSYS_NFTABLES<<8 | 14
	elementsTable    = 1
	elementsSet      = 2
	sizeofNfgenmsg   = 4
	nfnetlinkVersion = unix.NFNETLINK_V0
)

// emptySets takes all elements from the sets that rules fill: asked to delete
// none by name, the kernel deletes all (net/netfilter/nf_tables_api.c,
// nf_tables_delsetelem).
func (n *Node) emptySets() error {
	if len(n.filled) == 0 {
		return nil
	}
	batch := appendMessage(nil, batchBegin, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	for i, s := range n.filled {
		flags := uint16(unix.NLM_F_REQUEST)
		if i == len(n.filled)-1 {
			flags |= unix.NLM_F_ACK
		}
		attrs := appendText(appendText(nil, elementsTable, s.table), elementsSet, s.name)
		batch = appendMessage(batch, deleteElements, flags, s.family, 0, attrs)
	}
	batch = appendMessage(batch, batchEnd, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	if err := acknowledged(batch); err != nil {
		return fmt.Errorf("emptying the sets that rules fill: %w", err)
	}
	return nil
}

func appendMessage(b []byte, message, flags uint16, family byte, subsystem uint16, attrs []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+sizeofNfgenmsg+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, message)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(b, make([]byte, 8)...) // sequence and port: one request, one answer
	b = append(b, family, nfnetlinkVersion)
	b = binary.BigEndian.AppendUint16(b, subsystem)
	return append(b, attrs...)
}

// appendText appends an attribute that is a string.
func appendText(b []byte, attribute uint16, text string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(text)+1))
	b = binary.NativeEndian.AppendUint16(b, attribute)
	b = append(append(b, text...), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
