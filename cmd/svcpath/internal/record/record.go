// Package record records a node: it runs the commands that print what the
// kernel was told about packets, and puts what they print into a bundle, which
// is a .tar.gz with a manifest. It reads and changes nothing. It is the only
// package of svcpath that looks at the machine it runs on.
package record

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcpath/svcpath/parsers/bundle"
)

// A Recording says how a node is recorded.
type Recording struct {
	Machine Machine
	// Recorder is which svcpath records.
	Recorder string
	Time     time.Time
	// Timeout is how long one command may take, Limit how many bytes of its
	// output are kept.
	Timeout time.Duration
	Limit   int
	// Redactor replaces addresses and names; nil keeps them.
	Redactor Redactor
	// Say is told each command before it is run; nil when nobody listens.
	Say func(command string)
}

// A Redactor replaces addresses and names. It is shown all texts before it is
// asked to replace anything, for one of them can tell what another one means.
type Redactor interface {
	Learn(text string)
	Host(name string) string
	Text(text string) string
	Report() bundle.Redaction
}

// DefaultLimit is larger than any dump that a kernel in use has printed: a
// million rules are 150 MB.
const DefaultLimit = 1 << 30

// Write records the node and writes the bundle. What could not be recorded
// stands in the manifest; the error is about writing, or says that ctx ended.
func (r Recording) Write(ctx context.Context, w io.Writer) (*bundle.Manifest, error) {
	m := &bundle.Manifest{
		APIVersion: bundle.APIVersion, Kind: bundle.Kind, Time: r.Time.UTC().Truncate(time.Second),
		Recorder: r.Recorder, Host: r.host(ctx), Tools: r.tools(ctx),
	}
	m.Host.IPTables = r.iptables(ctx, m.Tools)
	out := newArchive(w, r.Time)
	var waiting []held
	done := map[string]bundle.Status{}
	for _, s := range plan {
		record, text := r.take(ctx, s, done)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		done[s.name] = record.Status
		m.Records = append(m.Records, record)
		switch {
		case record.File == "":
		case r.Redactor != nil:
			r.Redactor.Learn(text)
			waiting = append(waiting, held{len(m.Records) - 1, text})
		default:
			if err := out.add(record.File, text); err != nil {
				return nil, err
			}
		}
	}
	if r.Redactor != nil {
		for _, h := range waiting {
			record := &m.Records[h.record]
			text := r.Redactor.Text(h.text)
			record.Bytes = len(text)
			if err := out.add(record.File, text); err != nil {
				return nil, err
			}
		}
		r.redactManifest(m)
	}
	text, err := m.Encode()
	if err == nil {
		err = out.add(bundle.ManifestName, string(text))
	}
	if err == nil {
		err = out.close()
	}
	return m, err
}

// A held text waits to be redacted until all names are known.
type held struct {
	record int
	text   string
}

// redactManifest replaces what the manifest itself tells: what commands said
// when they failed can hold anything.
func (r Recording) redactManifest(m *bundle.Manifest) {
	m.Host.Hostname = r.Redactor.Host(m.Host.Hostname)
	for i := range m.Records {
		record := &m.Records[i]
		record.Error, record.Stderr = r.Redactor.Text(record.Error), r.Redactor.Text(record.Stderr)
	}
	red := r.Redactor.Report()
	m.Redaction = &red
}

// HasRules reports whether anything was recorded that says what the node does
// with packets, or asked for and found empty.
func HasRules(m *bundle.Manifest) bool {
	for i, s := range plan {
		if s.rules && i < len(m.Records) && (m.Records[i].Status == bundle.Recorded || m.Records[i].Status == bundle.Empty) {
			return true
		}
	}
	return false
}

// Commands are what a recording runs and reads, one line each, in its order.
func Commands(redacted bool) []string {
	var lines []string
	for _, f := range hostFiles {
		lines = append(lines, "read "+f)
	}
	lines = append(lines, "get "+proxyModeURL)
	for _, t := range tools {
		lines = append(lines, strings.Join(t, " "))
	}
	for _, f := range families {
		lines = append(lines, findIPTables(f))
	}
	needed := ""
	for _, s := range plan {
		for i, a := range s.ways {
			if redacted && a.raw {
				continue
			}
			if a.needs != "" && a.needs != needed {
				needed = a.needs
				lines = append(lines, lookFor(needed)+"    # without it the next is not asked")
			}
			line := a.String()
			switch {
			case i > 0:
				line += "    # if the one before it does not work"
			case s.unless != nil:
				line += "    # unless " + strings.Join(s.unless, " or ") + " is recorded"
			}
			lines = append(lines, line)
		}
	}
	return lines
}
