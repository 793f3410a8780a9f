package trace

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// grasp is what is known of a value that an nft rule asks for.
type grasp uint8

const (
	known  grasp = iota
	open         // nobody can tell which value it is, or whether there is one
	absent       // the packet has no such value: the rule ends (NFT_BREAK)
)

// appendKey appends the value of an expression, each part as wide as its type
// has it. It appends nothing that means anything unless the value is known.
func (q *asking) appendKey(key []byte, e netfilter.Expr) ([]byte, grasp) {
	switch e := e.(type) {
	case netfilter.Field:
		return q.appendField(key, e)
	case *netfilter.Constant:
		if e.First == e.Last {
			return append(key, e.First...), known
		}
	case *netfilter.Concat:
		all := known
		for _, part := range e.Parts {
			var have grasp
			key, have = q.appendKey(key, part)
			all = max(all, have)
		}
		return key, all
	case *netfilter.Masked, *netfilter.Shifted:
		n, have := q.number(e)
		if have != known {
			return key, have
		}
		return appendNumber(key, e.Types()[0], n.value), known
	case *netfilter.Numgen:
		if e.Mod == 1 {
			return appendNumber(key, netfilter.TypeInteger, uint64(e.Offset)), known
		}
	case *netfilter.Hash:
		if e.Mod == 1 {
			return appendNumber(key, netfilter.TypeInteger, uint64(e.Offset)), known
		}
	case *netfilter.FIB:
		return q.appendFIB(key, e)
	case *netfilter.MapValue:
		return q.appendMapValue(key, e)
	}
	return key, open
}

// appendMapValue appends what a map has for a key that is known.
func (q *asking) appendMapValue(key []byte, e *netfilter.MapValue) ([]byte, grasp) {
	start := len(key)
	key, have := q.appendKey(key, e.Key)
	if have != known {
		return key[:start], have
	}
	i, found := q.find(e.Map, key[start:])
	key = key[:start]
	switch {
	case found == maybe:
		return key, open
	case found == no:
		return key, absent
	}
	first, last := e.Map.Value(i)
	if first != last {
		return key, open
	}
	return append(key, first...), known
}

func appendNumber(key []byte, t netfilter.DataType, n uint64) []byte {
	for shift := 8 * (numberWidth(t) - 1); shift >= 0; shift -= 8 {
		key = append(key, byte(n>>shift))
	}
	return key
}

// numberWidth is the width of a number of that type in bytes.
func numberWidth(t netfilter.DataType) int {
	if w := t.Width(); w > 0 && w < 8 {
		return w
	}
	return 8
}

// widthMask has the bits that a number of that type can have.
func widthMask(t netfilter.DataType) uint64 { return ^uint64(0) >> (64 - 8*numberWidth(t)) }

// A number is one of up to 64 bits, some of which are known; those that are
// not are 0.
type number struct {
	value, known uint64
}

// number is the value of an expression as a number. It is known if all bits
// are.
func (q *asking) number(e netfilter.Expr) (number, grasp) {
	types := e.Types()
	if len(types) != 1 {
		return number{}, open
	}
	all := widthMask(types[0])
	settle := func(n number, have grasp) (number, grasp) {
		n.known &= all
		n.value &= n.known
		if have == open && n.known == all {
			have = known
		}
		return n, have
	}
	switch e := e.(type) {
	case *netfilter.Masked:
		n, have := q.number(e.Of)
		if have == absent {
			return n, absent
		}
		return settle(number{n.value&e.And ^ e.Xor, n.known | ^e.And}, open)
	case *netfilter.Shifted:
		n, have := q.number(e.Of)
		if have == absent {
			return n, absent
		}
		left, right := max(e.Left, 0), max(-int(e.Left), 0)
		n = number{n.value << left, n.known<<left | (1<<left - 1)}
		return settle(number{n.value >> right, n.known>>right | ^(all >> right)}, open)
	case netfilter.Field:
		if n, ok := q.partOf(e); ok {
			return settle(n, open)
		}
	}
	var room [8]byte
	key, have := q.appendKey(room[:0], e)
	if have != known || len(key) > 8 {
		return number{}, max(have, open)
	}
	return number{netfilter.Key(key).Uint(), all}, known
}

// partOf is the value of a field of which some bits can be known and others
// not; ok is false for other fields, and where the packet has no such field.
func (q *asking) partOf(f netfilter.Field) (n number, ok bool) {
	p := q.packet
	of := func(b bits) (number, bool) { return number{uint64(b.value), uint64(b.known)}, true }
	switch f {
	case netfilter.MetaMark:
		return of(p.mark)
	case netfilter.CTMark:
		if p.connected() {
			return of(p.connMark)
		}
	case netfilter.IPDSCP, netfilter.IP6DSCP:
		if q.flow.Destination.Is4() == (f == netfilter.IPDSCP) {
			return number{uint64(p.tos.value&0xfc) >> 2, uint64(p.tos.known&0xfc)>>2 | 0xc0}, true
		}
	case netfilter.CTStatus:
		if p.connected() {
			return q.connStatus(), true
		}
	}
	return number{}, false
}

// parts are the values of an expression's parts, "" for those that are not
// known, and what is known of the whole.
func (q *asking) parts(e netfilter.Expr) ([]netfilter.Key, grasp) {
	list := []netfilter.Expr{e}
	if c, ok := e.(*netfilter.Concat); ok {
		list = c.Parts
	}
	var keys []netfilter.Key
	all := known
	for _, part := range list {
		key, have := q.appendKey(nil, part)
		all = max(all, have)
		for i, t := range part.Types() {
			if have != known {
				keys = append(keys, "")
				continue
			}
			w := t.Width()
			if w == 0 || i == len(part.Types())-1 {
				w = len(key)
			}
			w = min(w, len(key))
			keys = append(keys, netfilter.Key(key[:w]))
			key = key[w:]
		}
	}
	return keys, all
}

// appendAddr appends an address of the family that the field is of.
func (q *asking) appendAddr(key []byte, a netip.Addr, is4 bool) ([]byte, grasp) {
	switch {
	case q.flow.Destination.Is4() != is4:
		return key, absent
	case !a.IsValid():
		return key, open
	case is4:
		b := a.As4()
		return append(key, b[:]...), known
	}
	b := a.As16()
	return append(key, b[:]...), known
}

func appendPort(key []byte, p port) ([]byte, grasp) {
	if !p.known {
		return key, open
	}
	return append(key, byte(p.number>>8), byte(p.number)), known
}

// nameWidth is IFNAMSIZ.
const nameWidth = 16

// appendLink appends an interface's name. Where there is none it is empty, and
// its index 0 (net/netfilter/nft_meta.c, nft_meta_store_ifname).
func appendLink(key []byte, l link) ([]byte, grasp) {
	if !l.known {
		return key, open
	}
	var name [nameWidth]byte
	copy(name[:nameWidth-1], l.name)
	return append(key, name[:]...), known
}
