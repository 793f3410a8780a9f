package netfilter

// A Field is a value that a packet, its connection or the way it takes has, and
// that nft rules name: "ip daddr", "meta mark", "ct original proto-dst".
type Field uint8

// The fields that analyses know. A packet of another protocol or family has no
// such field: then a rule that asks for it does not match, negated or not
// (net/netfilter/nft_payload.c, nft_payload_eval: NFT_BREAK).
const (
	NoField Field = iota
	IPSaddr
	IPDaddr
	IPProtocol
	IPLength
	IPTTL
	IPDSCP
	IP6Saddr
	IP6Daddr
	IP6NextHeader
	IP6HopLimit
	IP6DSCP
	THSport // of whatever transport protocol
	THDport
	TCPSport
	TCPDport
	TCPFlagBits // "tcp flags"
	UDPSport
	UDPDport
	SCTPSport
	SCTPDport
	DCCPSport
	DCCPDport
	UDPLiteSport
	UDPLiteDport
	ICMPTypeField
	ICMPCodeField
	ICMPv6TypeField
	ICMPv6CodeField
	EtherSaddr
	EtherDaddr
	EtherTypeField

	MetaL4Proto
	MetaNFProto
	MetaProtocol
	MetaMark
	MetaIif
	MetaOif
	MetaIifName
	MetaOifName
	MetaPktType
	MetaLength
	MetaSkUID
	MetaSkGID
	MetaRandom
	MetaPriority
	MetaNFTrace

	CTState
	CTStatus
	CTMark
	CTDirectionField
	CTProtocol
	CTOriginalSaddr
	CTOriginalDaddr
	CTOriginalSaddr6
	CTOriginalDaddr6
	CTOriginalSport
	CTOriginalDport
	CTReplySaddr
	CTReplyDaddr
	CTReplySaddr6
	CTReplyDaddr6
	CTReplySport
	CTReplyDport
	CTHelper
	CTZone

	SocketTransparent
	SocketMark
	SocketWildcard
)

type fieldInfo struct {
	text string // as nft prints it
	typ  DataType
}

// fields are those of nft 1.0.6 (proto.c, meta.c, ct.c, rt.c, socket.c).
var fields = append([]fieldInfo{
	NoField:         {"", TypeText},
	IPSaddr:         {"ip saddr", TypeIPv4},
	IPDaddr:         {"ip daddr", TypeIPv4},
	IPProtocol:      {"ip protocol", TypeProtocol},
	IPLength:        {"ip length", TypeInteger},
	IPTTL:           {"ip ttl", TypeInteger},
	IPDSCP:          {"ip dscp", TypeDSCP},
	IP6Saddr:        {"ip6 saddr", TypeIPv6},
	IP6Daddr:        {"ip6 daddr", TypeIPv6},
	IP6NextHeader:   {"ip6 nexthdr", TypeProtocol},
	IP6HopLimit:     {"ip6 hoplimit", TypeInteger},
	IP6DSCP:         {"ip6 dscp", TypeDSCP},
	THSport:         {"th sport", TypePort},
	THDport:         {"th dport", TypePort},
	TCPSport:        {"tcp sport", TypePort},
	TCPDport:        {"tcp dport", TypePort},
	TCPFlagBits:     {"tcp flags", TypeTCPFlags},
	UDPSport:        {"udp sport", TypePort},
	UDPDport:        {"udp dport", TypePort},
	SCTPSport:       {"sctp sport", TypePort},
	SCTPDport:       {"sctp dport", TypePort},
	DCCPSport:       {"dccp sport", TypePort},
	DCCPDport:       {"dccp dport", TypePort},
	UDPLiteSport:    {"udplite sport", TypePort},
	UDPLiteDport:    {"udplite dport", TypePort},
	ICMPTypeField:   {"icmp type", TypeICMPType},
	ICMPCodeField:   {"icmp code", TypeICMPCode},
	ICMPv6TypeField: {"icmpv6 type", TypeICMPv6Type},
	ICMPv6CodeField: {"icmpv6 code", TypeICMPv6Code},
	EtherSaddr:      {"ether saddr", TypeEther},
	EtherDaddr:      {"ether daddr", TypeEther},
	EtherTypeField:  {"ether type", TypeEtherType},

	MetaL4Proto:  {"meta l4proto", TypeProtocol},
	MetaNFProto:  {"meta nfproto", TypeNFProto},
	MetaProtocol: {"meta protocol", TypeEtherType},
	MetaMark:     {"meta mark", TypeMark},
	MetaIif:      {"iif", TypeIfIndex},
	MetaOif:      {"oif", TypeIfIndex},
	MetaIifName:  {"iifname", TypeIfName},
	MetaOifName:  {"oifname", TypeIfName},
	MetaPktType:  {"meta pkttype", TypePktType},
	MetaLength:   {"meta length", TypeInteger},
	MetaSkUID:    {"meta skuid", TypeUID},
	MetaSkGID:    {"meta skgid", TypeGID},
	MetaRandom:   {"meta random", TypeInteger},
	MetaPriority: {"meta priority", TypeText},
	MetaNFTrace:  {"meta nftrace", TypeInteger},

	CTState:          {"ct state", TypeCTState},
	CTStatus:         {"ct status", TypeCTStatus},
	CTMark:           {"ct mark", TypeMark},
	CTDirectionField: {"ct direction", TypeCTDirection},
	CTProtocol:       {"ct protocol", TypeProtocol},
	CTOriginalSaddr:  {"ct original ip saddr", TypeIPv4},
	CTOriginalDaddr:  {"ct original ip daddr", TypeIPv4},
	CTOriginalSaddr6: {"ct original ip6 saddr", TypeIPv6},
	CTOriginalDaddr6: {"ct original ip6 daddr", TypeIPv6},
	CTOriginalSport:  {"ct original proto-src", TypePort},
	CTOriginalDport:  {"ct original proto-dst", TypePort},
	CTReplySaddr:     {"ct reply ip saddr", TypeIPv4},
	CTReplyDaddr:     {"ct reply ip daddr", TypeIPv4},
	CTReplySaddr6:    {"ct reply ip6 saddr", TypeIPv6},
	CTReplyDaddr6:    {"ct reply ip6 daddr", TypeIPv6},
	CTReplySport:     {"ct reply proto-src", TypePort},
	CTReplyDport:     {"ct reply proto-dst", TypePort},
	CTHelper:         {"ct helper", TypeText},
	CTZone:           {"ct zone", TypeInteger},

	SocketTransparent: {"socket transparent", TypeInteger},
	SocketMark:        {"socket mark", TypeMark},
	SocketWildcard:    {"socket wildcard", TypeInteger},
}, otherFields...)

// otherFields are read, printed and compared, and nobody knows their value.
var otherFields = []fieldInfo{
	{"ip version", TypeInteger}, {"ip hdrlength", TypeInteger}, {"ip ecn", TypeText}, {"ip id", TypeInteger},
	{"ip frag-off", TypeInteger}, {"ip checksum", TypeInteger},
	{"ip6 version", TypeInteger}, {"ip6 ecn", TypeText}, {"ip6 flowlabel", TypeInteger}, {"ip6 length", TypeInteger},
	{"tcp sequence", TypeInteger}, {"tcp ackseq", TypeInteger}, {"tcp doff", TypeInteger}, {"tcp reserved", TypeInteger},
	{"tcp window", TypeInteger}, {"tcp checksum", TypeInteger}, {"tcp urgptr", TypeInteger},
	{"udp length", TypeInteger}, {"udp checksum", TypeInteger},
	{"udplite csumcov", TypeInteger}, {"udplite checksum", TypeInteger},
	{"sctp vtag", TypeInteger}, {"sctp checksum", TypeInteger}, {"dccp type", TypeText},
	{"icmp checksum", TypeInteger}, {"icmp id", TypeInteger}, {"icmp sequence", TypeInteger}, {"icmp mtu", TypeInteger}, {"icmp gateway", TypeText},
	{"icmpv6 checksum", TypeInteger}, {"icmpv6 parameter-problem", TypeInteger}, {"icmpv6 packet-too-big", TypeInteger},
	{"icmpv6 id", TypeInteger}, {"icmpv6 sequence", TypeInteger}, {"icmpv6 max-delay", TypeInteger},
	{"igmp type", TypeText}, {"igmp mrt", TypeText}, {"igmp checksum", TypeText}, {"igmp group", TypeText},
	{"ah nexthdr", TypeProtocol}, {"ah hdrlength", TypeInteger}, {"ah reserved", TypeInteger}, {"ah spi", TypeInteger}, {"ah sequence", TypeInteger},
	{"esp spi", TypeInteger}, {"esp sequence", TypeInteger}, {"comp nexthdr", TypeProtocol}, {"comp flags", TypeText}, {"comp cpi", TypeInteger},
	{"vlan id", TypeInteger}, {"vlan pcp", TypeInteger}, {"vlan dei", TypeInteger}, {"vlan cfi", TypeInteger}, {"vlan type", TypeEtherType},
	{"arp operation", TypeText}, {"arp htype", TypeText}, {"arp ptype", TypeEtherType}, {"arp hlen", TypeInteger}, {"arp plen", TypeInteger},
	{"arp saddr ip", TypeIPv4}, {"arp daddr ip", TypeIPv4}, {"arp saddr ether", TypeEther}, {"arp daddr ether", TypeEther},

	{"meta iiftype", TypeIfType}, {"meta oiftype", TypeIfType}, {"iifgroup", TypeText}, {"oifgroup", TypeText},
	{"meta rtclassid", TypeText}, {"meta secmark", TypeText}, {"meta ibrname", TypeIfName}, {"meta obrname", TypeIfName},
	{"meta ibriport", TypeIfName}, {"meta obriport", TypeIfName},
	{"meta cpu", TypeInteger}, {"meta cgroup", TypeInteger}, {"meta ipsec", TypeBoolean}, {"meta iifkind", TypeIfName}, {"meta oifkind", TypeIfName},
	{"meta ibrpvid", TypeInteger}, {"meta ibrvproto", TypeEtherType}, {"meta time", TypeText}, {"meta day", TypeText}, {"meta hour", TypeText},
	{"meta sdif", TypeIfIndex}, {"meta sdifname", TypeIfName},

	{"ct expiration", TypeSeconds}, {"ct l3proto", TypeNFProto}, {"ct event", TypeText}, {"ct label", TypeText}, {"ct id", TypeInteger},
	{"ct secmark", TypeText}, {"ct bytes", TypeInteger}, {"ct packets", TypeInteger}, {"ct avgpkt", TypeInteger},
	{"ct original bytes", TypeInteger}, {"ct original packets", TypeInteger}, {"ct original avgpkt", TypeInteger}, {"ct original zone", TypeInteger},
	{"ct original protocol", TypeProtocol}, {"ct original l3proto", TypeNFProto},
	{"ct reply bytes", TypeInteger}, {"ct reply packets", TypeInteger}, {"ct reply avgpkt", TypeInteger}, {"ct reply zone", TypeInteger},
	{"ct reply protocol", TypeProtocol}, {"ct reply l3proto", TypeNFProto},

	{"rt classid", TypeText}, {"rt ip nexthop", TypeIPv4}, {"rt ip6 nexthop", TypeIPv6}, {"rt mtu", TypeInteger}, {"rt ipsec", TypeBoolean},
}

// fieldNumbers finds fields by their text.
var fieldNumbers = func() map[string]Field {
	numbers := make(map[string]Field, len(fields))
	for i := 1; i < len(fields); i++ {
		numbers[fields[i].text] = Field(i)
	}
	return numbers
}()

// FieldNamed finds a field by its text: "ip daddr", "iifname".
func FieldNamed(text string) (Field, bool) {
	f, ok := fieldNumbers[text]
	return f, ok
}

// String is the field as nft prints it.
func (f Field) String() string { return fields[f].text }

// Type is the type of the field's values.
func (f Field) Type() DataType { return fields[f].typ }

// Types are the types of the values, for Expr.
func (f Field) Types() []DataType { return oneType[f.Type()] }

// oneType holds lists of one type each, to be shared.
var oneType = func() (lists [numDataTypes][]DataType) {
	for t := range lists {
		lists[t] = []DataType{DataType(t)}
	}
	return lists
}()

func (Field) isExpr() {}
