package trace

import (
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// TestBits holds numbers that are known in part against every number that they
// may stand for.
func TestBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, 1, 0x4000, 0x8000, 0xffff0000, 1<<32 - 1}))
		draw := func(name string) (bits, uint32) {
			value, known := word.Draw(t, name), word.Draw(t, name+" known")
			return bits{value & known, known}, value
		}
		check := func(what string, b bits, value uint32) {
			if b.value&^b.known != 0 || value&b.known != b.value {
				t.Fatalf("%s: %#x is not one of %+v", what, value, b)
			}
		}
		b, x := draw("b")
		from, y := draw("from")
		value, mask := word.Draw(t, "value"), word.Draw(t, "mask")
		shift := rapid.Int8Range(-40, 40).Draw(t, "shift")
		check("set", b.set(value, mask), x&^mask^value)
		check("copied", b.copied(from, mask), x&^mask^y)
		check("masked", b.masked(mask), x&mask)
		shifted := x << max(shift, 0) >> max(-shift, 0)
		check("shifted", b.shifted(shift), shifted)
		if got, want := b.equals(value, mask), ternaryOf(x&mask == value); got != maybe && got != want {
			t.Fatalf("%+v equals %#x under %#x: got %d for %#x", b, value, mask, got, x)
		}
		if b.known == 1<<32-1 && b.equals(value, mask) == maybe {
			t.Fatalf("%+v equals %#x under %#x is maybe", b, value, mask)
		}
		if b, from = knownBits(x), knownBits(y); b.set(value, mask).known&b.copied(from, mask).known&b.masked(mask).known&b.shifted(shift).known != 1<<32-1 {
			t.Fatalf("what is known got lost")
		}
	})
}

// TestConditions holds diagrams against truth tables over four questions.
func TestConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const questions = 4
		d := newDiagrams()
		conditions, tables := []condition{never, always}, []uint16{0, 0xffff}
		for range rapid.IntRange(1, 20).Draw(t, "operations") {
			pick := rapid.IntRange(0, len(conditions)-1)
			a, b := pick.Draw(t, "a"), pick.Draw(t, "b")
			var c condition
			var table uint16
			switch rapid.IntRange(0, 3).Draw(t, "operation") {
			case 0:
				q := rapid.IntRange(0, questions-1).Draw(t, "question")
				c = d.literal(int32(q))
				for row := range 1 << questions {
					if row&(1<<q) != 0 {
						table |= 1 << row
					}
				}
			case 1:
				c, table = d.and(conditions[a], conditions[b]), tables[a]&tables[b]
			case 2:
				c, table = d.or(conditions[a], conditions[b]), tables[a]|tables[b]
			default:
				c, table = d.not(conditions[a]), ^tables[a]
			}
			for i := range conditions {
				if (conditions[i] == c) != (tables[i] == table) {
					t.Fatalf("equal functions are not equal conditions, or different ones are")
				}
			}
			conditions, tables = append(conditions, c), append(tables, table)
			for i := range conditions {
				if d.exclude(conditions[i], c) != (tables[i]&table == 0) || d.exclude(c, conditions[i]) != (tables[i]&table == 0) {
					t.Fatalf("conditions that can hold together exclude each other, or others do not")
				}
			}
		}
		for i, c := range conditions {
			for name, cubes := range map[string]func(condition, []answer, func([]answer) bool) bool{
				"oldest first": func(c condition, _ []answer, yield func([]answer) bool) bool { return d.oldestFirst(c, yield) }, "youngest first": d.youngestFirst,
			} {
				var table uint16
				cubes(c, nil, func(cube []answer) bool {
					rows := uint16(0)
					for row := range 1 << questions {
						fits := true
						for j, a := range cube {
							fits = fits && (row&(1<<a.question) != 0) == a.yes
							if j > 0 && cube[j-1].question >= a.question {
								t.Fatalf("%s: answers are not in the order of their questions: %v", name, cube)
							}
						}
						if fits {
							rows |= 1 << row
						}
					}
					if table&rows != 0 {
						t.Fatalf("%s: two cubes hold at once", name)
					}
					table |= rows
					if !d.agrees(c, cube) || d.agrees(d.not(c), cube) {
						t.Fatalf("%s: the condition does not agree with its own cube", name)
					}
					return true
				})
				if table != tables[i] {
					t.Fatalf("%s: cubes cover %016b, want %016b", name, table, tables[i])
				}
			}
		}
	})
}

// TestChance holds chances against big.Rat.
func TestChance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, r := Certain, big.NewRat(1, 1)
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			num := rapid.Uint64Range(0, 1<<31).Draw(t, "number")
			x, y := newChance(num, 31), new(big.Rat).SetFrac64(int64(num), 1<<31)
			if rapid.Bool().Draw(t, "ratio") {
				den := num + rapid.Uint64Range(1, 1000).Draw(t, "rest")
				x, y = ratioChance(num, den), new(big.Rat).SetFrac64(int64(num), int64(den))
			}
			if got, want := c.Compare(x), r.Cmp(y); got != want || c.Equal(x) != (want == 0) {
				t.Fatalf("%s compared with %s: got %d, want %d", c, x, got, want)
			}
			switch rapid.IntRange(0, 2).Draw(t, "operation") {
			case 0:
				c, r = c.times(x), r.Mul(r, y)
			case 1:
				if sum := new(big.Rat).Add(r, y); sum.Cmp(big.NewRat(1, 1)) <= 0 {
					c, r = c.plus(x), sum
				}
			default:
				c, r = c.complement(), r.Sub(big.NewRat(1, 1), r)
			}
			if c.Rat().Cmp(r) != 0 || c.IsZero() != (r.Sign() == 0) || c.IsCertain() != (r.Cmp(big.NewRat(1, 1)) == 0) {
				t.Fatalf("got %s, want %s", c, r.RatString())
			}
			if want, _ := r.Float64(); c.Float64() != want && c.fraction().den == nil {
				t.Fatalf("%s: got %g, want %g", c, c.Float64(), want)
			}
		}
	})
}

// TestEveryKindIsNamed finds the kinds of matches and statements in the
// model's source, and each of them in this package's.
func TestEveryKindIsNamed(t *testing.T) {
	kinds := regexp.MustCompile(`func \(\*?(\w+)\) is(?:Match|Statement)\(\)`)
	var here strings.Builder
	for _, pattern := range []string{"*.go"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				here.Write(text)
			}
		}
	}
	files, _ := filepath.Glob("../netfilter/*.go")
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds.FindAllStringSubmatch(string(text), -1) {
			found++
			if !regexp.MustCompile(`netfilter\.` + kind[1] + `\b`).MatchString(here.String()) {
				t.Errorf("the walk does not know netfilter.%s", kind[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d kinds only", found)
	}
}

func TestImpossibleFlows(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		flow Flow
		want string
	}{
		{Flow{Name: "x", Port: 80}, `flow "x": no destination address`},
		{Flow{Source: six, Destination: four, Port: 80}, "flow: source 2001:db8::1 and destination 192.0.2.1: expected addresses of one family"},
		{Flow{Destination: four}, "flow: port 0: expected 1 to 65535 for tcp"},
		{Flow{Destination: four, Protocol: netfilter.ICMP, Port: 80}, "flow: protocol icmp has no ports: expected none, found 80"},
		{Flow{Destination: six, Protocol: netfilter.ICMP}, "flow: protocol icmp to 2001:db8::1: expected an address of its own family"},
		{Flow{Destination: four, Port: 80, From: "moon"}, `flow: from "moon": expected external, pod or node`},
		{Flow{Destination: four, Port: 80, From: FromNode, InInterface: "eth0"}, "flow: interface eth0: a packet that the node sends comes in by none"},
		{Flow{Destination: netip.IPv4Unspecified(), Port: 80}, "flow: destination 0.0.0.0: expected the address of a host"},
		{Flow{Source: netip.MustParseAddr("224.0.0.1"), Destination: four, Port: 80}, "flow: source 224.0.0.1: expected the address of a host"},
		{Flow{Destination: four, Port: 80, State: netfilter.StateDNAT}, "flow: connection state DNAT: expected one of NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED"},
		{Flow{Source: netip.MustParseAddr("::ffff:192.0.2.2"), Destination: four, Port: 80}, ""},
	} {
		_, err := test.flow.checked()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.flow, diff)
		}
	}
}

// TestKeys holds keys against a map.
func TestKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k keys
		for range 2 { // in the room of the first time
			want := map[string]int32{}
			for i := range rapid.IntRange(0, 200).Draw(t, "keys") {
				text := rapid.StringN(0, 3, 3).Draw(t, "key")
				got, ok := k.find([]byte(text))
				if n, known := want[text]; ok != known || ok && got != n {
					t.Fatalf("%q: found %d %t, want %d %t", text, got, ok, n, known)
				}
				if !ok {
					k.add([]byte(text), int32(i))
					want[text] = int32(i)
				}
			}
			for text, n := range want {
				if got, ok := k.find([]byte(text)); !ok || got != n {
					t.Fatalf("%q: found %d %t, want %d", text, got, ok, n)
				}
			}
			k.reset()
		}
	})
}
