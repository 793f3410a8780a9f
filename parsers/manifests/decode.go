package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A piece is the text of one object: a document, or an item of a list.
type piece struct {
	text string
	line int    // of its first line
	json bool   // else YAML
	kind string // what items of the list are that do not say it themselves
	cut  bool   // the text breaks off, and perhaps in it
}

// lines counts the lines, those at the end aside that hold nothing.
func (p *piece) lines() int {
	return 1 + strings.Count(strings.TrimRight(p.text, " \t\r\n"), "\n")
}

// mostBytes is how long an object can be that is read. The API server takes
// none of more than some MiB (etcd's limit on requests).
const mostBytes = 16 << 20

// decode reads the piece's object. Where a field has a value of another type,
// the others are read all the same, and the error says so.
func (p *piece) decode() (o object, err error) {
	if len(p.text) > mostBytes {
		return o, fmt.Errorf("found an object of more than %d MiB", mostBytes>>20)
	}
	if p.json {
		err = json.Unmarshal([]byte(p.text), &o)
		return o, err
	}
	// An item of a list is a list of one item.
	if strings.HasPrefix(strings.TrimLeft(p.text, " "), "-") && !strings.HasPrefix(p.text, "---") {
		var items []object
		err = yaml.Unmarshal([]byte(p.text), &items)
		if len(items) > 0 {
			o = items[0]
		}
		return o, err
	}
	err = yaml.Unmarshal([]byte(p.text), &o)
	return o, err
}

// decodeAll decodes pieces on all cores, and hands them over in their order.
func decodeAll(pieces []piece, visit func(piece, object, error)) {
	const batch = 256
	type result struct {
		object object
		err    error
	}
	results := make([]result, batch)
	for len(pieces) > 0 {
		now := pieces[:min(batch, len(pieces))]
		pieces = pieces[len(now):]
		workers := min(runtime.GOMAXPROCS(0), len(now))
		var wait sync.WaitGroup
		for w := range workers {
			wait.Go(func() {
				for i := w; i < len(now); i += workers {
					results[i].object, results[i].err = now[i].decode()
				}
			})
		}
		wait.Wait()
		for i := range now {
			visit(now[i], results[i].object, results[i].err)
			results[i] = result{}
		}
	}
}

// yamlLine is where a message of the YAML package says in what line of its
// text something is.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): `)

// yamlMismatch is its message about a value that a field cannot take.
var yamlMismatch = regexp.MustCompile("(?s)^cannot unmarshal !!(.*) into [^`]*$")

// locate tells in what line of the file a piece is damaged, and how.
func (p *piece) locate(err error) (line int, what string) {
	var (
		syntax   *json.SyntaxError
		mismatch *json.UnmarshalTypeError
		types    *yaml.TypeError
	)
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	before := 0
	switch {
	case errors.As(err, &syntax):
		before = strings.Count(p.text[:min(max(int(syntax.Offset)-1, 0), len(p.text))], "\n")
		if errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(what, "unexpected end") {
			what = "found the end of the text within an object"
		}
	case errors.As(err, &mismatch):
		before = strings.Count(p.text[:min(int(mismatch.Offset), len(p.text))], "\n")
		what = fmt.Sprintf("found %s for the field %s", mismatch.Value, strings.ToLower(mismatch.Field))
	case errors.As(err, &types) && len(types.Errors) > 0:
		what = types.Errors[0]
	}
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			before = max(n-1, 0)
		}
		what = strings.TrimPrefix(what, m[0])
	}
	if m := yamlMismatch.FindStringSubmatch(what); m != nil {
		what = "found " + m[1] + " where another kind of value belongs"
	}
	if len(what) > 200 {
		what = source.Quote(what)
	}
	return p.line + min(before, strings.Count(p.text, "\n")), what
}
