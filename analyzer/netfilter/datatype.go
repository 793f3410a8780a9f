package netfilter

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// A DataType is the type of a value that nft rules compare, look up or set, as
// nft(8) and the declarations of sets name it ("ipv4_addr").
type DataType uint8

// The types. Values of TypeText are kept as their text, for what they stand
// for is not modelled: dates, labels, bytes at an offset.
const (
	TypeText DataType = iota
	TypeIPv4
	TypeIPv6
	TypeEther
	TypeProtocol // inet_proto
	TypePort     // inet_service
	TypeMark
	TypeIfName
	TypeIfIndex // listed by the interface's name, and kept as that
	TypeInteger // of up to 64 bits
	TypeBoolean
	TypeNFProto
	TypeEtherType
	TypePktType
	TypeIfType
	TypeTCPFlags
	TypeICMPType
	TypeICMPv6Type
	TypeICMPCode
	TypeICMPv6Code
	TypeDSCP
	TypeUID
	TypeGID
	TypeCTState
	TypeCTStatus
	TypeCTDirection
	TypeAddrType // fib_addrtype
	TypeSeconds  // relative time, in milliseconds
	numDataTypes
)

// A base says how values of a type are written.
type base uint8

const (
	textBase base = iota
	addressBase
	etherBase
	nameBase // up to 15 bytes, padded with zeros (IFNAMSIZ)
	decimalBase
	hexBase
	symbolBase // one of the symbols, else a decimal number
	flagBase   // a list of the symbols, which are bits
	timeBase
)

type symbol struct {
	name  string
	value uint64
}

// dataTypes say what nft (1.0.6: datatype.c, meta.c, ct.c, proto.c, fib.c) has
// for each type: its name, the width of its values here in bytes, and their
// symbols in the order in which nft prints them.
var dataTypes = [numDataTypes]struct {
	name    string
	width   int
	base    base
	symbols []symbol
}{
	TypeText:      {name: "string"},
	TypeIPv4:      {name: "ipv4_addr", width: 4, base: addressBase},
	TypeIPv6:      {name: "ipv6_addr", width: 16, base: addressBase},
	TypeEther:     {name: "ether_addr", width: 6, base: etherBase},
	TypeProtocol:  {name: "inet_proto", width: 1, base: symbolBase, symbols: protocolSymbols},
	TypePort:      {name: "inet_service", width: 2, base: decimalBase},
	TypeMark:      {name: "mark", width: 4, base: hexBase},
	TypeIfName:    {name: "ifname", width: 16, base: nameBase},
	TypeIfIndex:   {name: "iface_index", width: 16, base: nameBase},
	TypeInteger:   {name: "integer", width: 8, base: decimalBase},
	TypeBoolean:   {name: "boolean", width: 1, base: symbolBase, symbols: []symbol{{"exists", 1}, {"missing", 0}}},
	TypeNFProto:   {name: "nf_proto", width: 1, base: symbolBase, symbols: []symbol{{"ipv4", 2}, {"ipv6", 10}}},
	TypeEtherType: {name: "ether_type", width: 2, base: symbolBase, symbols: etherSymbols},
	TypePktType: {name: "pkt_type", width: 1, base: symbolBase, symbols: []symbol{
		{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}}},
	TypeIfType: {name: "iface_type", width: 2, base: symbolBase, symbols: []symbol{
		{"ether", 1}, {"ppp", 512}, {"ipip", 768}, {"ipip6", 769}, {"loopback", 772}, {"sit", 776}, {"ipgre", 778}}},
	TypeTCPFlags: {name: "tcp_flag", width: 1, base: flagBase, symbols: []symbol{
		{"fin", 1}, {"syn", 2}, {"rst", 4}, {"psh", 8}, {"ack", 16}, {"urg", 32}, {"ecn", 64}, {"cwr", 128}}},
	TypeICMPType:   {name: "icmp_type", width: 1, base: symbolBase, symbols: icmpSymbols},
	TypeICMPv6Type: {name: "icmpv6_type", width: 1, base: symbolBase, symbols: icmpv6Symbols},
	TypeICMPCode: {name: "icmp_code", width: 1, base: symbolBase, symbols: []symbol{
		{"net-unreachable", 0}, {"host-unreachable", 1}, {"prot-unreachable", 2}, {"port-unreachable", 3}, {"frag-needed", 4},
		{"net-prohibited", 9}, {"host-prohibited", 10}, {"admin-prohibited", 13}}},
	TypeICMPv6Code: {name: "icmpv6_code", width: 1, base: symbolBase, symbols: []symbol{
		{"no-route", 0}, {"admin-prohibited", 1}, {"addr-unreachable", 3}, {"port-unreachable", 4}, {"policy-fail", 5}, {"reject-route", 6}}},
	TypeDSCP: {name: "dscp", width: 1, base: symbolBase, symbols: dscpSymbols},
	TypeUID:  {name: "uid", width: 4, base: decimalBase},
	TypeGID:  {name: "gid", width: 4, base: decimalBase},
	TypeCTState: {name: "ct_state", width: 4, base: flagBase, symbols: []symbol{
		{"invalid", 1}, {"established", 2}, {"related", 4}, {"new", 8}, {"untracked", 64}}},
	TypeCTStatus: {name: "ct_status", width: 4, base: flagBase, symbols: []symbol{
		{"expected", 1 << 0}, {"seen-reply", 1 << 1}, {"assured", 1 << 2}, {"confirmed", 1 << 3}, {"snat", 1 << 4}, {"dnat", 1 << 5}, {"dying", 1 << 9}}},
	TypeCTDirection: {name: "ct_dir", width: 1, base: symbolBase, symbols: []symbol{{"original", 0}, {"reply", 1}}},
	TypeAddrType: {name: "fib_addrtype", width: 4, base: symbolBase, symbols: []symbol{
		{"unspec", 0}, {"unicast", 1}, {"local", 2}, {"broadcast", 3}, {"anycast", 4}, {"multicast", 5}, {"blackhole", 6}, {"unreachable", 7}, {"prohibit", 8}}},
	TypeSeconds: {name: "time", width: 8, base: timeBase},
}

var protocolSymbols = []symbol{
	{"ip", 0}, {"icmp", 1}, {"igmp", 2}, {"ipencap", 4}, {"tcp", 6}, {"udp", 17}, {"dccp", 33}, {"ipv6", 41}, {"ipv6-route", 43},
	{"ipv6-frag", 44}, {"gre", 47}, {"esp", 50}, {"ah", 51}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60},
	{"ospf", 89}, {"ipip", 94}, {"pim", 103}, {"ipcomp", 108}, {"comp", 108}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132},
	{"mobility-header", 135}, {"udplite", 136}, {"mptcp", 262},
}

var etherSymbols = []symbol{
	{"ip", 0x0800}, {"arp", 0x0806}, {"ip6", 0x86dd}, {"8021q", 0x8100}, {"vlan", 0x8100}, {"8021ad", 0x88a8},
}

var icmpSymbols = []symbol{
	{"echo-reply", 0}, {"destination-unreachable", 3}, {"source-quench", 4}, {"redirect", 5}, {"echo-request", 8},
	{"router-advertisement", 9}, {"router-solicitation", 10}, {"time-exceeded", 11}, {"parameter-problem", 12}, {"timestamp-request", 13},
	{"timestamp-reply", 14}, {"info-request", 15}, {"info-reply", 16}, {"address-mask-request", 17}, {"address-mask-reply", 18},
}

var icmpv6Symbols = []symbol{
	{"destination-unreachable", 1}, {"packet-too-big", 2}, {"time-exceeded", 3}, {"parameter-problem", 4}, {"echo-request", 128},
	{"echo-reply", 129}, {"mld-listener-query", 130}, {"mld-listener-report", 131}, {"mld-listener-done", 132},
	{"mld-listener-reduction", 132}, {"nd-router-solicit", 133}, {"nd-router-advert", 134}, {"nd-neighbor-solicit", 135},
	{"nd-neighbor-advert", 136}, {"nd-redirect", 137}, {"router-renumbering", 138}, {"ind-neighbor-solicit", 141},
	{"ind-neighbor-advert", 142}, {"mld2-listener-report", 143},
}

var dscpSymbols = []symbol{
	{"cs0", 0}, {"cs1", 8}, {"cs2", 16}, {"cs3", 24}, {"cs4", 32}, {"cs5", 40}, {"cs6", 48}, {"cs7", 56}, {"df", 0}, {"be", 0},
	{"lephb", 1}, {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28},
	{"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38}, {"va", 44}, {"ef", 46},
}

// DataTypeNamed finds a type by its name in nft(8). ok is false for types that
// are not modelled; their values are text.
func DataTypeNamed(name string) (t DataType, ok bool) {
	for i := range dataTypes {
		if dataTypes[i].name == name {
			return DataType(i), true
		}
	}
	return TypeText, false
}

// String is the type's name in nft(8).
func (t DataType) String() string { return dataTypes[t].name }

// Width is the number of bytes that a value takes; 0 for TypeText, whose
// values take as many as they have.
func (t DataType) Width() int { return dataTypes[t].width }

// IsFlags reports whether values are sets of bits: a rule that names some of
// them means any of these.
func (t DataType) IsFlags() bool { return dataTypes[t].base == flagBase }

// A Key is a value, or several values one after another (a concatenation): the
// bytes of each as wide as its type has them, the highest first, so that keys
// compare as their values do. Keys are strings to be compared and looked up.
type Key string

// AddrKey is the key of an address.
func AddrKey(a netip.Addr) Key {
	var room [16]byte
	return Key(AppendAddr(room[:0], a))
}

// AppendAddr appends the key of an address.
func AppendAddr(to []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(to, b[:]...)
	}
	b := a.As16()
	return append(to, b[:]...)
}

// Addr is the address that the key is, of 4 or 16 bytes.
func (k Key) Addr() (a netip.Addr, ok bool) { return netip.AddrFromSlice([]byte(k)) }

// UintKey is the key of a number of that type.
func UintKey(t DataType, n uint64) Key {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	width := t.Width()
	if width > len(b) || width == 0 {
		width = len(b)
	}
	return Key(b[len(b)-width:])
}

// Uint is the number that the key is, of up to 8 bytes.
func (k Key) Uint() uint64 { return bigEndian(k) }

func bigEndian[T ~string | ~[]byte](key T) (n uint64) {
	for i := range len(key) {
		n = n<<8 | uint64(key[i])
	}
	return n
}

// nameWidth is IFNAMSIZ: a name has up to 15 bytes, and a zero ends it.
const nameWidth = 16

// NameKey is the key of an interface's name; what does not fit is cut off.
func NameKey(name string) Key {
	var b [nameWidth]byte
	copy(b[:nameWidth-1], name)
	return Key(b[:])
}

// NamePrefixKeys are the first and the last key of the names that begin so.
func NamePrefixKeys(prefix string) (first, last Key) {
	b := []byte(NameKey(prefix))
	first = Key(b)
	for i := min(len(prefix), nameWidth-1); i < nameWidth; i++ {
		b[i] = 0xff
	}
	return first, Key(b)
}

// Name is the interface's name that the key is.
func (k Key) Name() string {
	if i := strings.IndexByte(string(k), 0); i >= 0 {
		return string(k[:i])
	}
	return string(k)
}

// KeyWidth is the width of a key of these types, 0 if one of them has none.
func KeyWidth(types []DataType) int {
	sum := 0
	for _, t := range types {
		if t.Width() == 0 {
			return 0
		}
		sum += t.Width()
	}
	return sum
}

// Split gives the values of a concatenation.
func (k Key) Split(types []DataType) []Key {
	if len(types) == 1 {
		return []Key{k}
	}
	parts := make([]Key, 0, len(types))
	for _, t := range types {
		w := min(t.Width(), len(k))
		parts = append(parts, k[:w])
		k = k[w:]
	}
	return parts
}
