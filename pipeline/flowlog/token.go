package flowlog

// isBlank reports whether c separates values: a space, or a tab, line feed,
// vertical tab, form feed or carriage return.
func isBlank(c byte) bool { return c == ' ' || c-'\t' < 5 }

// endsAt reports whether a token may end before line[at].
func endsAt(line []byte, at int) bool { return at >= len(line) || isBlank(line[at]) }

// tokenEnd returns where the token that begins at from ends.
func tokenEnd(line []byte, from int) int {
	for i, c := range line[from:] {
		if c <= ' ' && isBlank(c) {
			return from + i
		}
	}
	return len(line)
}

// nextToken returns the first token at or after from, and where it ends. The
// token is empty when there is none.
func nextToken(line []byte, from int) (token []byte, end int) {
	for from < len(line) && isBlank(line[from]) {
		from++
	}
	end = tokenEnd(line, from)
	return line[from:end], end
}

// values counts the tokens of a line.
func values(line []byte) int {
	n := 0
	for token, at := nextToken(line, 0); len(token) > 0; token, at = nextToken(line, at) {
		n++
	}
	return n
}
