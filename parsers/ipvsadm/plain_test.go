package ipvsadm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
)

// TestPlainServer holds what is read of plain lines, most of which are
// spoilt, against what the reader of all lines does.
func TestPlainServer(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 5))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	services := []string{"-t 10.0.0.1:80", "-u 10.0.0.1:80", "--tcp-service=10.0.0.1:80", "-f 5", "-f 5 -6", "-t [fd00::1]:80", "-t 10.0.0.1"}
	const spoilers = "0123456789.:-+ \t\r/mwargx[]e"
	var last plainBehind
	plain := 0
	for range 300_000 {
		words := pick(services...)
		line := pick("-a", "-a", "-a", "-A", "ipvsadm -a") + " " + pick(words, words, words, pick(services...)) + " -r " +
			pick("10.128.0.7", "10.128.0.7", "10.128.0.7", "10.128.0.07", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "0.0.0.0", "[fd00::1]", "web") + ":" +
			pick("8080", "8080", "80", "80", "0", "65535", "65536", "080", "999999", "http", "") +
			pick(" -m", " -m", " -m", " -g", "") + pick(" -w ", " -w ", " -w ", " -w", " --weight=") + pick("1", "1", "0", "100", "999999999", "1000000000", "2147483648", "", "01", "x") +
			pick("", "", "", " ", " -x 5", "\r")
		for range r.IntN(3) {
			switch at, with := r.IntN(len(line)), string(spoilers[r.IntN(len(spoilers))]); r.IntN(6) {
			case 0:
				line = line[:at] + with + line[at:]
			case 1:
				line = line[:at] + with + line[at+1:]
			case 2:
				line = line[:at] + line[at+1:]
			}
		}
		before := plainBefore(line, words)
		if before == "" {
			continue
		}
		more := line + pick("\n", "\n-a "+words+" -r ")
		address, length := last.read(more, len(before))
		if length == 0 {
			continue
		}
		plain++
		got := ipvs.RealServer{Address: netip.AddrFrom4(address), Port: last.port, PortKnown: true, Method: ipvs.Masquerading, Weight: last.weight, WeightKnown: true}
		at := source.Start(&source.File{Text: line})
		command, rest := saveCommand(line)
		service, behind := serviceWords(rest)
		reader := saveReader{reader: newReader(at)}
		want, details, err := reader.readServer(at, service, behind)
		if command != "-a" || service != words || err != nil || got != want || details != (ipvs.Details{}) || length != len(line) || spanOf(at, line).Len != length || len(reader.ports) > 0 {
			t.Fatalf("%q of %q: %+v, expected %+v %+v of %q, %v", line, words, got, want, details, service, err)
		}
	}
	if plain < 2000 {
		t.Errorf("%d lines are plain: the test does not ask what it should", plain)
	}
}

// TestPlainVirtual holds what readPlainVirtual makes of lines, most of which are
// spoilt, against what the reader of all lines does.
func TestPlainVirtual(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 8))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	const spoilers = "0123456789.:-+ \t\r/mwargx[]eAtups"
	plain := 0
	for range 300_000 {
		line := pick("-A", "-A", "-A", "-a", "ipvsadm -A") + " " + pick("-t", "-u", "--tcp-service", "-f") + " " +
			pick("10.96.0.7", "10.96.0.7", "10.96.0.7", "10.96.0.7", "10.96.0.07", "255.255.255.255", "256.1.1.1", "[fd00::1]", "web") + ":" + pick("8080", "80", "0", "65535", "65536", "080", "") +
			pick(" -s ", " -s ", " -s ", " -s", "") + pick("rr", "wrr", "sh", "x1", "") +
			pick("", "", "", "", " -p 10800", " -p 10800", " -p 999999999", " -p 4294967296", " -p", " -p x", " -o", " -p 5 -M 255.255.255.0") + pick("", "", "", " ", "\r")
		for range r.IntN(3) {
			switch at, with := r.IntN(len(line)), string(spoilers[r.IntN(len(spoilers))]); r.IntN(6) {
			case 0:
				line = line[:at] + with + line[at:]
			case 1:
				line = line[:at] + with + line[at+1:]
			case 2:
				line = line[:at] + line[at+1:]
			}
		}
		got, words, length := readPlainVirtual(line + pick("\n", "\n-a "))
		if length == 0 {
			continue
		}
		plain++
		at := source.Start(&source.File{Text: line})
		command, rest := saveCommand(line)
		service, behind := serviceWords(rest)
		reader := saveReader{reader: newReader(at)}
		want, err := reader.readNoted(at, service)
		if err == nil {
			err = serviceOptions(&want, behind)
		}
		if command != "-A" || service != words || err != nil || !reflect.DeepEqual(got, want) || length != len(line) || spanOf(at, line).Len != length || len(reader.ports) > 0 {
			t.Fatalf("%q: %+v of %q, expected %+v of %q, %v", line, got, words, want, service, err)
		}
	}
	if plain < 2000 {
		t.Errorf("%d lines are plain: the test does not ask what it should", plain)
	}
}

// TestPlainLines reads texts with plain lines, and the same with another word
// before some lines or all, so that none of them is plain. Many are wrong, and
// some are cut.
func TestPlainLines(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 9))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	service := "-t 10.0.0.1:80"
	virtual := func() string {
		return pick("-A ", "-A ", "-A ", "-A ", "-A  ", "--add-service ", "-a ") + service + pick(" -s rr", " -s rr", " -s wrr", " -s RR", " -s", "", " -s rr -p 5", " -s rr -p",
			" -s rr -p 0", " -s rr -p 010", " -s rr -p 4294967296", " -s rr -p 5 -M 255.255.255.0", " -s sh -b sh-port,sh-fallback", " -s rr -o", " -s rr pe sip", "\t-s rr", " -p 5 -s rr", " -s rr -6", " -s rr -q")
	}
	server := func() string {
		return pick("-a ", "-a ", "-a ", "-a ", "-a ", "-a  ", "-A ") + service + pick(" -r ", " -r ", " -r ", " -r ", " --real-server=", "  -r ") +
			pick("10.1.1.1", "10.1.1.2", "10.1.1.10", "[fd00::5]", "010.1.1.1", "256.0.0.0", "web", "") + pick(":80", ":80", ":80", ":8080", ":0", ":", "", ":65535", ":65536", ":080", ":http") +
			pick(" -m", " -m", " -m", " -m", " -g", " -i", " -i --tun-type gue --tun-port 5555 --tun-nocsum", "") +
			pick(" -w 1", " -w 1", " -w 1", " -w 0", " -w 100", " -w 2147483648", " -w -1", " -w", "", " -w 01", " -w 1 -x 5 -y 2", " -w 1 -m")
	}
	for range 100_000 {
		text := ""
		for range r.IntN(12) {
			if r.IntN(3) == 0 {
				service = pick("-t 10.0.0.1:80", "-u 10.0.0.1:80", "-t 10.0.0.1:http", "-t 10.0.0.1:080", "-f 5", "-f 5 -6", "-t [fd00::1]:80", "-t 10.0.0.2:80", "-t 10.0.0.1", "-t 10.0.0.1:0",
					"--tcp-service=10.0.0.1:80", "-t fd00::1:80", "-t web:80", "-t 10.0.0.1:65535", "-t 10.0.0.1:65536", "-t 10.0.0.1:80 -6", "-t 1.2.3.4.5:80", "-t 10.0.0.1:unknown")
			}
			line := server()
			if r.IntN(4) == 0 {
				line = virtual()
			}
			text += line + pick("\n", "\n", "\n", "\n", "\n", "\r\n", " \n", "\t\n", "\n\n", "\n# comment\n", "\nsomething else\n")
		}
		if text != "" && r.IntN(4) == 0 {
			text = text[:r.IntN(len(text))]
		}
		lines := strings.SplitAfter(text, "\n")
		every := r.IntN(2) == 0
		for i, line := range lines {
			if len(line) > 2 && (line[:2] == "-A" || line[:2] == "-a") && (every || r.IntN(2) == 0) {
				lines[i] = "ipvsadm " + line
			}
		}
		if got, want := read(text), read(strings.Join(lines, "")); got != want {
			t.Fatalf("%s\nis read as\n%s\nexpected\n%s", text, got, want)
		}
	}
}

// read is what is read of a text, up to its end.
func read(text string) string {
	var b strings.Builder
	for at := source.Start(&source.File{Text: text}); at.More(); {
		line, after := at.Next()
		if !SaveBegins(line) {
			at = after
			continue
		}
		parsed, next := ParseSave(at, nil)
		for _, d := range parsed.Diagnostics {
			b.WriteString(unspoilt(d.String()) + "\n")
		}
		fmt.Fprintf(&b, "%d real servers, complete: %t\n", parsed.Table.NumRealServers(), parsed.Table.Complete)
		for _, v := range parsed.Table.Services() {
			shares, certain := v.Shares()
			fmt.Fprintf(&b, "%s %s is %s %s, one packet: %t, partial: %t, flags %d, shares %v %t\n", v.Pos(), unspoilt(v.Text()), v, v.Scheduler, v.OnePacket, v.Partial, v.Flags, shares, certain)
			if v.Persistence != nil {
				fmt.Fprintf(&b, "persistent %+v\n", *v.Persistence)
			}
			for i, s := range v.Servers() {
				alone, details := v.Server(i), s.Details()
				if details.Tunnel != nil {
					fmt.Fprintf(&b, "tunnel %+v\n", *details.Tunnel)
					details.Tunnel = nil
				}
				fmt.Fprintf(&b, "%s %s is %s and %s, %s, weight %d %t, port known: %t, %+v\n",
					s.Pos(), unspoilt(s.Text()), &s, &alone, s.Method, s.Weight, s.WeightKnown, s.PortKnown, details)
			}
		}
		at = next
	}
	return b.String()
}

// unspoilt is a text without the word that makes its lines others than plain.
func unspoilt(text string) string { return strings.ReplaceAll(text, "ipvsadm ", "") }
