package main_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"svcpath": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as users do, one file a subject.
func TestScripts(t *testing.T) {
	schemas := map[string]*jsonschema.Schema{}
	for kind, file := range map[string]string{"Analysis": "analysis.json", "Trace": "trace.json"} {
		schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/" + file)
		if err != nil {
			t.Fatal(err)
		}
		schemas[kind] = schema
	}
	samples, err := filepath.Abs("../../samples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SAMPLES", samples)
			env.Setenv("RECORDINGS", filepath.Join(samples, "testdata", "recordings"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"json":   jsonField,
			"fits":   func(ts *testscript.TestScript, neg bool, args []string) { fits(ts, schemas, neg, args) },
			"binary": binary,
			"gzip":   gzipFile,
		},
	})
}

// exits CODE ARGUMENT… runs svcpath and compares its exit code. An argument in
// double quotes is a string literal of Go.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARGUMENT…")
	}
	for i, arg := range args {
		if strings.HasPrefix(arg, `"`) {
			text, err := strconv.Unquote(arg)
			ts.Check(err)
			args[i] = text
		}
	}
	err := ts.Exec("svcpath", args[1:]...)
	code := "0"
	if exit := (interface{ ExitCode() int })(nil); err != nil {
		var ok bool
		if exit, ok = err.(interface{ ExitCode() int }); !ok {
			ts.Fatalf("running svcpath: %v", err)
		}
		code = strconv.Itoa(exit.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// json FILE PATH WANT compares a field of a JSON document. The path is keys
// and indices with dots between; for a list without an index its length.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for step := range strings.SplitSeq(args[1], ".") {
		switch inner := v.(type) {
		case map[string]any:
			v = inner[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(inner) {
				ts.Fatalf("%s: no element %s among %d", args[1], step, len(inner))
			}
			v = inner[i]
		default:
			ts.Fatalf("%s: nothing below %v", args[1], v)
		}
	}
	got := fmt.Sprint(v)
	if list, ok := v.([]any); ok {
		got = strconv.Itoa(len(list))
	}
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %q, want %q", args[1], got, args[2])
	}
}

// fits FILE validates JSON against the schema of its kind.
func fits(ts *testscript.TestScript, schemas map[string]*jsonschema.Schema, neg bool, args []string) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	kind, _ := doc.(map[string]any)["kind"].(string)
	schema := schemas[kind]
	if schema == nil {
		ts.Fatalf("%s: no schema for kind %q", args[0], kind)
	}
	if err := schema.Validate(doc); (err != nil) != neg {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

// binary FILE TEXT writes a file with what a script cannot hold: TEXT is a
// string literal of Go, of which a last *N repeats it.
func binary(ts *testscript.TestScript, _ bool, args []string) {
	times := 1
	if len(args) == 3 {
		n, err := strconv.Atoi(strings.TrimPrefix(args[2], "*"))
		ts.Check(err)
		times = n
	}
	text, err := strconv.Unquote(args[1])
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o777))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte(text), times), 0o666))
}

// gzip FROM TO compresses a file.
func gzipFile(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o666))
}
