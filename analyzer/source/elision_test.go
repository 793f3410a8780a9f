package source

import "testing"

func TestIsElision(t *testing.T) {
	for line, want := range map[string]bool{
		"...": true, "\t\t...\r": true, "[...]": true, "…": true, "--": true, "-- snip --": true, "<snip>": true, "....,": true,
		"": false, ".": false, "}": false, "10.0.0.1,": false, "jump snip": false, "-A INPUT -j DROP": false, "# handle 5": false,
	} {
		if got := IsElision(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
