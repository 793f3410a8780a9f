package source

import "strings"

// IsElision reports whether a line stands for others that somebody has left out:
// "...", "[…]", "-- snip --", and the line that grep puts between what it found
// in different places.
func IsElision(line string) bool {
	line = strings.TrimSpace(line)
	line = strings.Trim(line, "[]()<># *,")
	if strings.Trim(line, "-. ") == "snip" {
		return true
	}
	return len(line) > 1 && strings.Trim(line, ".") == "" || line == "\u2026" || line == "--"
}
