package ipvsadm

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// cutWord takes the first word off a line. word is "" when there is none.
func cutWord(line string) (word, rest string) {
	begin := 0
	for begin < len(line) && isSpace(line[begin]) {
		begin++
	}
	end := begin
	for end < len(line) && !isSpace(line[end]) {
		end++
	}
	return line[begin:end], line[end:]
}

func isBlank(line string) bool {
	word, _ := cutWord(line)
	return word == ""
}

// words are the words of a line, n of them; what comes after the first dozen is
// counted once.
func words(line string) (w [12]string, n int) {
	for ; n < len(w); n++ {
		if w[n], line = cutWord(line); w[n] == "" {
			break
		}
	}
	return w, n
}

// decimal reads a number that has decimal digits only and is not above limit.
func decimal(s string, limit uint64) (n uint64, ok bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	for i := range len(s) {
		d := uint64(s[i]) - '0'
		if d > 9 || n > (limit-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, true
}

// hexadecimal reads a number of as many digits as there are.
func hexadecimal(s string) (n uint32, ok bool) {
	if s == "" || len(s) > 8 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
