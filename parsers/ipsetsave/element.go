package ipsetsave

import (
	"errors"
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

var errNoElement = errors.New("expected an element, found none")

// parseElement reads an element: "10.0.0.1,tcp:80", and the options behind it.
func parseElement(set *netfilter.IPSet, words []string) (e netfilter.IPSetElement, err error) {
	if len(words) == 0 || words[0] == "" {
		return e, errNoElement
	}
	if err := parseParts(set, &e, words[0]); err != nil {
		return e, err
	}
	return e, parseExtension(&e, words[1:])
}

func parseParts(set *netfilter.IPSet, e *netfilter.IPSetElement, text string) error {
	parts, rest, addr := set.Parts(), text, 0
	for i, part := range parts {
		word, more, found := strings.Cut(rest, ",")
		if i == len(parts)-1 && found || i < len(parts)-1 && !found && !(set.Type == netfilter.BitmapIPMAC && i == 0) {
			return fmt.Errorf("found %s, expected %s", source.Quote(text), example(set))
		}
		rest = more
		if part == netfilter.PartMAC && word == "" && set.Type == netfilter.BitmapIPMAC {
			break // a bitmap learns it from the first packet
		}
		err := parsePart(set, e, part, addr, word)
		if err != nil {
			return fmt.Errorf("found %s in %s, expected %w", source.Quote(word), source.Quote(text), err)
		}
		if part == netfilter.PartIP || part == netfilter.PartNet {
			addr++
		}
	}
	return nil
}

func parsePart(set *netfilter.IPSet, e *netfilter.IPSetElement, part netfilter.IPSetPart, addr int, word string) (err error) {
	switch part {
	case netfilter.PartIP, netfilter.PartNet:
		e.Nets[addr], e.Lasts[addr], err = network(word)
		switch net, last := e.Nets[addr], e.Lasts[addr]; {
		case err != nil || net.Addr().Is4() != (set.Family == netfilter.IPv4):
			return errors.New("an address or a network of " + set.Family.String())
		case last.IsValid() && !last.Is4():
			return errors.New("no range of IPv6, which no set takes")
		case set.First.IsValid() && (net.Addr().Less(set.First) || set.Last.Less(net.Addr())):
			return fmt.Errorf("an address from %s to %s", set.First, set.Last)
		}
	case netfilter.PartPort:
		if set.Type != netfilter.BitmapPort {
			if word, err = protocolOf(e, word); err != nil {
				return err
			}
		}
		if e.Ports, err = portOf(e.Protocol, word); err != nil {
			return err
		}
		if set.Type == netfilter.BitmapPort && (e.Ports.First < set.FirstPort || set.LastPort < e.Ports.Last) {
			return fmt.Errorf("a port from %d to %d", set.FirstPort, set.LastPort)
		}
	case netfilter.PartIface:
		e.Interface, e.Physdev = strings.CutPrefix(word, "physdev:")
		if e.Interface == "" || len(e.Interface) > 15 {
			return errors.New("an interface's name, which has 1 to 15 bytes")
		}
	case netfilter.PartMark:
		if e.Mark, err = number32(word); err != nil {
			return errors.New("a mark")
		}
	case netfilter.PartMAC:
		e.MAC, err = hardwareAddress(word)
		e.HasMAC = err == nil
	case netfilter.PartMember:
		if e.Member = word; word == "" || len(word) > 31 {
			return errors.New("a set's name, which has 1 to 31 bytes")
		}
	}
	return err
}

// example is what an element of the set looks like.
func example(set *netfilter.IPSet) string {
	var b strings.Builder
	for i, part := range set.Parts() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString([...]string{
			netfilter.PartIP: "ADDRESS", netfilter.PartNet: "NETWORK", netfilter.PartPort: "PROTOCOL:PORT", netfilter.PartIface: "INTERFACE",
			netfilter.PartMark: "MARK", netfilter.PartMAC: "MAC", netfilter.PartMember: "SET",
		}[part])
	}
	return b.String()
}

// parseExtension reads what stands behind an element.
func parseExtension(e *netfilter.IPSetElement, words []string) error {
	for len(words) > 0 {
		key := words[0]
		words = words[1:]
		switch key {
		case "nomatch":
			e.NoMatch = true
			continue
		case "wildcard":
			e.Wildcard = true
			continue
		case "-exist", "-!":
			continue
		}
		if len(words) == 0 {
			return fmt.Errorf("found %s at the end, expected a value or one of ipset's options", source.Quote(key))
		}
		if err := extend(e, key, words[0]); err != nil {
			return fmt.Errorf("option %s: %w", source.Quote(key), err)
		}
		words = words[1:]
	}
	return nil
}

func extend(e *netfilter.IPSetElement, key, value string) (err error) {
	switch key {
	case "timeout":
		e.HasTimeout = true
		e.Timeout, err = number32(value)
	case "packets":
		e.Counters.Packets, err = number(value, 1<<64-1)
	case "bytes":
		e.Counters.Bytes, err = number(value, 1<<64-1)
	case "comment":
		if strings.IndexByte(value, '"') >= 0 {
			return errors.New("expected a comment without quotation marks in it")
		}
		e.HasComment, e.Comment = true, value
	case "skbmark":
		mark, mask, has := strings.Cut(value, "/")
		e.HasSKBMark, e.SKBMarkMask = true, 1<<32-1
		if e.SKBMark, err = number32(mark); err == nil && has {
			e.SKBMarkMask, err = number32(mask)
		}
	case "skbprio":
		e.SKBPrio, err = class(value)
	case "skbqueue":
		e.SKBQueue, err = number16(value)
	default:
		err = errors.New("expected one of ipset's options")
	}
	return err
}
