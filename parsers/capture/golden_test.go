package capture_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/parsers/capture"
	"github.com/svcpath/svcpath/samples"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What a snapshot says of its inputs, for the samples and for every recording.
func TestGolden(t *testing.T) {
	inputs := map[string]string{}
	for _, s := range samples.List() {
		inputs["sample-"+s.Name] = "sample:" + s.Name
	}
	recordings, err := filepath.Glob("../../samples/testdata/recordings/*")
	if err != nil || len(recordings) == 0 {
		t.Fatal("no recordings: ", err)
	}
	for _, dir := range recordings {
		inputs[filepath.Base(dir)] = dir
	}
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			snap, err := capture.Open([]string{input}, capture.Options{Strict: true})
			got := lines("../../samples/testdata/recordings", snap, err)
			for _, table := range snap.Tables {
				got = append(got, fmt.Sprintf("table %s %s %s: %d rules, complete %v", table.Family, table.Name, table.Backend, table.NumRules(), table.Complete))
			}
			for _, a := range snap.Addresses {
				got = append(got, fmt.Sprintf("address %s %s (%s)", a.Interface, a.Prefix, snap.AddressesFrom))
			}
			got = append(got, fmt.Sprintf("%d routes\n", len(snap.Routes)))
			golden := filepath.Join("testdata/golden", name+".txt")
			text := strings.Join(got, "\n")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("%s (-update writes it anew): %s", golden, diff)
			}
		})
	}
}

// The same files give the same snapshot as directory, archive and sample.
func TestContainersOfASampleAgree(t *testing.T) {
	const sample = "myth2-loadbalancer"
	dir := "../../samples/" + sample
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		members = append([]string{f.Name(), string(text)}, members...) // last first
	}
	archive := filepath.Join(write(t, "node.tgz", gzipped(tarred(members...))), "node.tgz")
	var want []string
	for i, input := range []string{dir, archive, "sample:" + sample} {
		snap, err := capture.Open([]string{input}, capture.Options{})
		got := lines(input, snap, err)
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", input, diff)
		}
	}
}
