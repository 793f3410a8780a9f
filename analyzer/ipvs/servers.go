package ipvs

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// servers are the real servers of a virtual server, in one of two forms: packed
// ones only, or others. A node has hundreds of thousands, and nearly all of them
// say the same few things.
type servers struct {
	packed []packedServer
	others []RealServer // all of them, where one cannot be packed
}

// A packedServer is a real server with an IPv4 address, a port and a weight, and
// nothing beside, whose line stands in the virtual server's file: as many lines
// below the virtual server's own as there are real servers before it.
type packedServer struct {
	address [4]byte
	weight  uint32
	offset  uint32 // of its line in the file
	port    uint16
	method  Forwarding
}

// NumServers counts the real servers.
func (v *VirtualServer) NumServers() int { return len(v.servers.packed) + len(v.servers.others) }

// Server is the real server at a place, from 0, in the order of the text.
func (v *VirtualServer) Server(i int) RealServer {
	if len(v.servers.others) > 0 {
		return v.servers.others[i]
	}
	p := &v.servers.packed[i]
	return RealServer{
		Address: netip.AddrFrom4(p.address), Port: p.port, PortKnown: true, Method: p.method, Weight: p.weight, WeightKnown: true,
		text:    span{p.offset, uint32(lineEnd(v.file.Text, int(p.offset))) - p.offset, v.text.line + 1 + int32(i)},
		service: v,
	}
}

// Servers are the real servers in the order of the text. The caller must not
// change the slice, which may be made anew at each call.
func (v *VirtualServer) Servers() []RealServer {
	if v.servers.packed == nil {
		return v.servers.others
	}
	list := make([]RealServer, len(v.servers.packed))
	for i := range list {
		list[i] = v.Server(i)
	}
	return list
}

// ServerAddr is where the real server at a place is: its address, invalid if the
// text does not tell, and port. It asks for less than Server.
func (v *VirtualServer) ServerAddr(i int) netip.AddrPort {
	if len(v.servers.others) > 0 {
		return v.servers.others[i].AddrPort()
	}
	p := &v.servers.packed[i]
	return netip.AddrPortFrom(netip.AddrFrom4(p.address), p.port)
}

// ServerWeight is the weight of the real server at a place.
func (v *VirtualServer) ServerWeight(i int) (weight uint32, known bool) {
	if len(v.servers.others) > 0 {
		r := &v.servers.others[i]
		return r.Weight, r.WeightKnown
	}
	return v.servers.packed[i].weight, true
}

// ServerTakes is RealServer.Takes of the real server at a place.
func (v *VirtualServer) ServerTakes(i int) (takes, certain bool) {
	if len(v.servers.others) > 0 {
		return v.servers.others[i].Takes()
	}
	return v.servers.packed[i].weight != 0, true
}

// ServerKnown reports whether the text tells the address and port of the real
// server at a place.
func (v *VirtualServer) ServerKnown(i int) bool {
	if len(v.servers.others) > 0 {
		r := &v.servers.others[i]
		return r.Address.IsValid() && r.PortKnown
	}
	return true
}

// AppendServerAddrs appends the addresses and ports of all real servers to a
// text that two virtual servers have in common if these are the same.
func (v *VirtualServer) AppendServerAddrs(b []byte) []byte {
	for i := range v.servers.packed {
		p := &v.servers.packed[i]
		b = append(b, p.address[0], p.address[1], p.address[2], p.address[3], byte(p.port), byte(p.port>>8))
	}
	for i := range v.servers.others {
		b = v.AppendServerAddr(b, i)
	}
	return b
}

// AppendServerAddr is AppendServerAddrs of the real server at a place.
func (v *VirtualServer) AppendServerAddr(b []byte, i int) []byte {
	if len(v.servers.others) == 0 {
		p := &v.servers.packed[i]
		return append(b, p.address[0], p.address[1], p.address[2], p.address[3], byte(p.port), byte(p.port>>8))
	}
	r := &v.servers.others[i]
	if r.Address.Is4() {
		four := r.Address.As4()
		b = append(b, four[:]...)
	} else {
		b, _ = r.Address.AppendBinary(b) // never fails
	}
	return append(b, byte(r.Port), byte(r.Port>>8))
}

// SameServers reports whether two virtual servers have the same real servers in
// the same order: with the same addresses, ports and weights, and taking new
// connections or not alike.
func (v *VirtualServer) SameServers(w *VirtualServer) bool {
	n := v.NumServers()
	if n != w.NumServers() {
		return false
	}
	if len(v.servers.packed) > 0 && len(w.servers.packed) > 0 {
		for i := range v.servers.packed {
			p, q := &v.servers.packed[i], &w.servers.packed[i]
			if p.address != q.address || p.port != q.port || p.weight != q.weight {
				return false
			}
		}
		return true
	}
	for i := range n {
		r, s := v.Server(i), w.Server(i)
		if r.Address != s.Address || r.Port != s.Port || r.PortKnown != s.PortKnown || r.Weight != s.Weight || r.WeightKnown != s.WeightKnown {
			return false
		}
		takes, certain := r.Takes()
		if takes2, certain2 := s.Takes(); takes != takes2 || certain != certain2 {
			return false
		}
	}
	return true
}

// AppendServerOrder appends the places of the real servers to a list without
// elements, in the order of their addresses and ports.
func (v *VirtualServer) AppendServerOrder(order []int32) []int32 {
	for i := range v.NumServers() {
		order = append(order, int32(i))
	}
	if list := v.servers.packed; list != nil {
		byAddress := func(i, j int32) int { return cmp.Compare(list[i].dial(), list[j].dial()) }
		if !slices.IsSortedFunc(order, byAddress) {
			slices.SortStableFunc(order, byAddress)
		}
		return order
	}
	slices.SortStableFunc(order, func(i, j int32) int { return v.ServerAddr(int(i)).Compare(v.ServerAddr(int(j))) })
	return order
}

// dial is the address and port as a number, larger for what AddrPort.Compare
// finds larger.
func (p *packedServer) dial() uint64 {
	return uint64(binary.BigEndian.Uint32(p.address[:]))<<16 | uint64(p.port)
}

// AddServer appends a real server, which may be one of another virtual server
// or table: it keeps its text.
func (v *VirtualServer) AddServer(r RealServer) {
	if len(v.servers.others) == 0 && v.packs(&r) {
		four := r.Address.As4()
		v.table.packed.add(&v.servers.packed, packedServer{address: four, weight: r.Weight, offset: r.text.offset, port: r.Port, method: r.Method})
		return
	}
	if r.service != nil && r.file() != v.file {
		d := r.Details()
		d.file = r.file()
		r.more = &d
	}
	r.service = v
	v.unpack()
	v.table.others.add(&v.servers.others, r)
}

// AddPlain appends a real server that says no more than an IPv4 address, a port,
// a forwarding method and a weight. It stands in the line at offset of the
// virtual server's file, the line below that of the real server before it or, if
// it is the first, below the virtual server's own.
func (v *VirtualServer) AddPlain(to [4]byte, port uint16, method Forwarding, weight uint32, at source.Span) {
	if at.File == v.file && int32(at.Line) == v.text.line+1+int32(len(v.servers.packed)) && len(v.servers.others) == 0 {
		v.table.packed.add(&v.servers.packed, packedServer{address: to, weight: weight, offset: uint32(at.Offset), port: port, method: method})
		return
	}
	r := RealServer{Address: netip.AddrFrom4(to), Port: port, PortKnown: true, Method: method, Weight: weight, WeightKnown: true}
	r.SetText(at)
	v.AddServer(r)
}

// SetServer has another real server stand at a place: one that was taken from
// there, and knows more now.
func (v *VirtualServer) SetServer(i int, r RealServer) {
	v.unpack()
	v.servers.others[i] = r
}

// packs reports whether a real server that is to be added last can be packed.
func (v *VirtualServer) packs(r *RealServer) bool {
	return r.service == nil && r.more == nil && r.Address.Is4() && r.PortKnown && r.WeightKnown && !r.Counted && v.file != nil &&
		r.text.line == v.text.line+1+int32(len(v.servers.packed)) &&
		lineEnd(v.file.Text, int(r.text.offset)) == int(r.text.offset+r.text.length)
}

// unpack has the real servers in the form that can say all.
func (v *VirtualServer) unpack() {
	if v.servers.packed == nil {
		return
	}
	v.servers.others = v.Servers()
	v.table.packed.drop(&v.servers.packed)
	v.table.others.made += len(v.servers.others)
}

// rows are lists that stand one behind another in pieces of memory.
type rows[T any] struct {
	last *[]T // that was last added to
	made int  // in all lists
}

// add appends to a list. One that others came after moves to a piece of its own
// when it gets more.
func (r *rows[T]) add(list *[]T, x T) {
	if r.last != list && len(*list) == 0 {
		if r.last != nil {
			n := len(*r.last)
			*list, *r.last = (*r.last)[n:], (*r.last)[:n:n]
		}
		r.last = list
	}
	if n := len(*list); n == cap(*list) {
		size := max(2*n, 4)
		if r.last == list {
			size = max(2*n, chunk(r.made))
		}
		*list = append(make([]T, 0, size), *list...)
	}
	*list = append(*list, x)
	r.made++
}

// drop empties a list.
func (r *rows[T]) drop(list *[]T) {
	if r.last == list {
		r.last = nil
	}
	r.made -= len(*list)
	*list = nil
}

// lineEnd is where the line ends that begins at an offset, blanks aside.
func lineEnd(text string, at int) int {
	end := len(text)
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		end = at + n
	}
	for end > at && (text[end-1] == ' ' || text[end-1] == '\t' || text[end-1] == '\r') {
		end--
	}
	return end
}
