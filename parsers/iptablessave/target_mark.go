package iptablessave

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// markForms are the forms in which a mark is set. All of them are kept as the
// one that iptables-save prints, --set-xmark (extensions/libxt_MARK.c,
// mark_tg_parse; libxt_CONNMARK.c alike).
var markForms = []struct {
	name string
	of   func(value, mask uint32) (xorValue, clear uint32)
}{
	{"--set-xmark", func(value, mask uint32) (uint32, uint32) { return value, mask }},
	{"--set-mark", func(value, mask uint32) (uint32, uint32) { return value, value | mask }},
	{"--and-mark", func(value, _ uint32) (uint32, uint32) { return 0, ^value }},
	{"--or-mark", func(value, _ uint32) (uint32, uint32) { return value, value }},
	{"--xor-mark", func(value, _ uint32) (uint32, uint32) { return value, 0 }},
}

var markFormNames = func() (names []string) {
	for _, f := range markForms {
		names = append(names, f.name)
	}
	return names
}()

var setMark = func() *extension {
	var args []arg[*netfilter.SetMark]
	for _, form := range markForms {
		args = append(args, one(form.name, func(t *netfilter.SetMark, o option) error {
			value, mask, err := masked(o.value())
			t.Value, t.Mask = form.of(value, mask)
			return err
		}))
	}
	return extend(func() *netfilter.SetMark { return new(netfilter.SetMark) }, args...).needing(markFormNames...).alone()
}()

// connMarkOptions are the options of CONNMARK, which is three things in one.
type connMarkOptions struct {
	set                 netfilter.SetConnMark
	save, restore       bool
	packetMask, ctMask  uint32
	hasMask, hasOwnMask bool
	left, right         uint8
}

var setConnMark = func() *extension {
	type target = connMarkOptions
	var args []arg[*target]
	for _, form := range markForms {
		args = append(args, one(form.name, func(t *target, o option) error {
			value, mask, err := masked(o.value())
			t.set.Value, t.set.Mask = form.of(value, mask)
			return err
		}))
	}
	args = append(args,
		toggle("--save-mark", func(t *target, o option) { t.save = true }),
		toggle("--restore-mark", func(t *target, o option) { t.restore = true }),
		one("--nfmask", func(t *target, o option) (err error) {
			t.hasOwnMask = true
			t.packetMask, err = number32(o.value())
			return err
		}),
		one("--ctmask", func(t *target, o option) (err error) {
			t.hasOwnMask = true
			t.ctMask, err = number32(o.value())
			return err
		}),
		one("--mask", func(t *target, o option) error {
			mask, err := number32(o.value())
			t.hasMask, t.packetMask, t.ctMask = true, mask, mask
			return err
		}),
		one("--left-shift-mark", func(t *target, o option) (err error) { t.left, err = shiftBits(o); return err }),
		one("--right-shift-mark", func(t *target, o option) (err error) { t.right, err = shiftBits(o); return err }),
	)
	actions := append([]string{"--save-mark", "--restore-mark"}, markFormNames...)
	return checking(extend(func() *target { return &target{packetMask: 1<<32 - 1, ctMask: 1<<32 - 1} }, args...).
		needing(actions...).alone().
		excluding("--left-shift-mark", "--right-shift-mark").
		excluding("--mask", "--nfmask").excluding("--mask", "--ctmask"), func(t *target, _ *family) error {
		if (t.hasMask || t.hasOwnMask) && !t.save && !t.restore {
			return fmt.Errorf("a mask: expected --save-mark or --restore-mark")
		}
		return nil
	}).into(func(v any) any {
		t := v.(*target)
		shift := int8(t.left) - int8(t.right)
		switch {
		case t.save:
			return &netfilter.SaveMark{PacketMask: t.packetMask, ConnMask: t.ctMask, LeftShift: shift}
		case t.restore:
			return &netfilter.RestoreMark{PacketMask: t.packetMask, ConnMask: t.ctMask, LeftShift: shift}
		}
		t.set.LeftShift = shift
		return &t.set
	})
}()

func shiftBits(o option) (uint8, error) {
	n, err := number(o.value(), 32)
	return uint8(n), err
}
