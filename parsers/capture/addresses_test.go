package capture

import "testing"

// TestLifetimeIsForeignToAll: iproute.ParseAddr asks of no line that begins so
// whether it begins another format.
func TestLifetimeIsForeignToAll(t *testing.T) {
	for _, line := range []string{
		"valid_lft", "valid_lft forever preferred_lft forever", "    valid_lft 300sec preferred_lft 60sec", "\tvalid_lft : {",
		"valid_lft -A x -t 10.0.0.1:80", "valid_lft [", `valid_lft "a": 1`, "valid_lft table ip nat {", "valid_lft *nat", "valid_lft - a: b",
	} {
		for i, f := range formats {
			if f.begins(line) {
				t.Errorf("format %d begins with %q", i, line)
			}
		}
	}
}
