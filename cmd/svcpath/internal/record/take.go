package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/svcpath/svcpath/parsers/bundle"
)

// take records one step: the first of its ways that works, or else what became
// of the first.
func (r Recording) take(ctx context.Context, s step, done map[string]bundle.Status) (record bundle.Record, text string) {
	has := func(name string) bool { return done[name] == bundle.Recorded || done[name] == bundle.Empty }
	if i := slices.IndexFunc(s.unless, has); i >= 0 {
		return bundle.Record{What: s.what, Command: s.ways[0].String(), Status: bundle.Skipped, Error: s.unless[i] + " holds it"}, ""
	}
	var failed []bundle.Record
	for _, w := range s.ways {
		if w.raw && r.Redactor != nil {
			continue
		}
		record, text = r.try(ctx, s, w)
		switch record.Status {
		case bundle.Recorded, bundle.Empty:
			return record, text
		}
		failed = append(failed, record)
	}
	return failed[0], ""
}

// try goes one way.
func (r Recording) try(ctx context.Context, s step, w way) (record bundle.Record, text string) {
	record = bundle.Record{What: s.what, Command: w.String()}
	if w.needs != "" {
		r.say(lookFor(w.needs))
		if _, _, err := r.Machine.ReadFile(w.needs, 1); errors.Is(err, fs.ErrNotExist) {
			record.Status, record.Error = bundle.Absent, fmt.Sprintf("the kernel has no %s: what tells of it is not loaded", w.needs)
			return record, ""
		}
	}
	r.say(w.String())
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var err error
	switch {
	case w.ipvs:
		text, err = r.Machine.IPVS(ctx)
	case w.file != "":
		text, record.Truncated, err = r.Machine.ReadFile(w.file, r.Limit)
	default:
		out := r.Machine.Run(ctx, w.command, r.Limit)
		text, err = out.Text, out.Err
		record.Path, record.Stderr, record.Truncated = out.Path, out.Stderr, out.Truncated
		if out.ExitStatus >= 0 && out.Path != "" {
			record.ExitStatus = &out.ExitStatus
		}
	}
	record.Milliseconds = time.Since(start).Milliseconds()
	switch {
	case record.Truncated:
		// The last line is cut off as well: what is kept is whole lines.
		text = text[:strings.LastIndexByte(text, '\n')+1]
		err = fmt.Errorf("it holds more than %d bytes", r.Limit)
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil:
		err = fmt.Errorf("it took longer than %s", r.Timeout)
	}
	record.Status, record.Error = status(err, record.Stderr)
	switch {
	case record.Truncated && text != "":
		record.Status = bundle.Recorded
	case record.Status == bundle.Recorded && isEmpty(text):
		record.Status = bundle.Empty
	}
	if record.Status == bundle.Recorded {
		record.File, record.Bytes = s.name+w.suffix, len(text)
		return record, text
	}
	return record, ""
}

// status sorts what can go wrong. Programs tell in words only that they may
// not do something: the exit status is the same as for every other failure.
func status(err error, stderr string) (bundle.Status, string) {
	if err == nil {
		return bundle.Recorded, ""
	}
	message := err.Error()
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	if first != "" {
		message += ": " + first
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return bundle.Absent, "no such program"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoIPVS):
		return bundle.Absent, message
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EPERM), forbids(stderr):
		return bundle.Forbidden, message
	}
	return bundle.Failed, message
}

func forbids(stderr string) bool {
	return slices.ContainsFunc([]string{"Permission denied", "Operation not permitted", "you must be root"}, func(words string) bool {
		return strings.Contains(strings.ToLower(stderr), strings.ToLower(words))
	})
}

// isEmpty reports whether there is nothing in an output. Of no route ip makes
// an empty JSON array, and of no table nft an object about itself.
func isEmpty(text string) bool {
	return strings.Trim(text, " \t\r\n[]") == "" ||
		strings.HasPrefix(text, `{"nftables": [{"metainfo"`) && !strings.Contains(text, `{"table":`)
}

func (r Recording) say(command string) {
	if r.Say != nil {
		r.Say(command)
	}
}
