package netfilter

// An IPSetType says how a set is kept and what its elements consist of:
// "hash:ip,port".
type IPSetType string

// The types of ipset(8).
const (
	BitmapIP       IPSetType = "bitmap:ip"
	BitmapIPMAC    IPSetType = "bitmap:ip,mac"
	BitmapPort     IPSetType = "bitmap:port"
	HashIP         IPSetType = "hash:ip"
	HashMAC        IPSetType = "hash:mac"
	HashIPMAC      IPSetType = "hash:ip,mac"
	HashNet        IPSetType = "hash:net"
	HashNetNet     IPSetType = "hash:net,net"
	HashIPPort     IPSetType = "hash:ip,port"
	HashIPPortIP   IPSetType = "hash:ip,port,ip"
	HashIPPortNet  IPSetType = "hash:ip,port,net"
	HashNetPort    IPSetType = "hash:net,port"
	HashNetPortNet IPSetType = "hash:net,port,net"
	HashNetIface   IPSetType = "hash:net,iface"
	HashIPMark     IPSetType = "hash:ip,mark"
	ListSet        IPSetType = "list:set"
)

// An IPSetPart is one part of an element, and of what a packet is asked for.
type IPSetPart uint8

// The parts.
const (
	PartIP     IPSetPart = iota // an address
	PartNet                     // an address in an element's network
	PartPort                    // protocol and port
	PartIface                   // an interface
	PartMark                    // the packet's mark
	PartMAC                     // a hardware address
	PartMember                  // another set
)

// maxDimensions is how many parts elements have at most.
const maxDimensions = 3

var ipsetParts = map[IPSetType][]IPSetPart{
	BitmapIP:       {PartIP},
	BitmapIPMAC:    {PartIP, PartMAC},
	BitmapPort:     {PartPort},
	HashIP:         {PartIP},
	HashMAC:        {PartMAC},
	HashIPMAC:      {PartIP, PartMAC},
	HashNet:        {PartNet},
	HashNetNet:     {PartNet, PartNet},
	HashIPPort:     {PartIP, PartPort},
	HashIPPortIP:   {PartIP, PartPort, PartIP},
	HashIPPortNet:  {PartIP, PartPort, PartNet},
	HashNetPort:    {PartNet, PartPort},
	HashNetPortNet: {PartNet, PartPort, PartNet},
	HashNetIface:   {PartNet, PartIface},
	HashIPMark:     {PartIP, PartMark},
	ListSet:        {PartMember},
}

// IsKnown reports whether the type is one of those above.
func (t IPSetType) IsKnown() bool { return ipsetParts[t] != nil }

// Parts are what the type's elements consist of, in order. The caller must not
// change the slice.
func (t IPSetType) Parts() []IPSetPart { return ipsetParts[t] }

// HasNetworks reports whether elements hold networks: then the longest one
// decides, and may say nomatch.
func (t IPSetType) HasNetworks() bool {
	for _, p := range ipsetParts[t] {
		if p == PartNet {
			return true
		}
	}
	return false
}

// HasFamily reports whether sets of the type hold addresses of one family.
func (t IPSetType) HasFamily() bool {
	return t != BitmapPort && t != HashMAC && t != ListSet && t.IsKnown()
}
