package flowlog

import "bytes"

var bom = []byte("\xef\xbb\xbf")

// isHeader reports whether a line names the columns of the lines after it
// instead of holding values. Every token must look like a name and one must be
// known; when others are unknown (AWS adds fields every year) one must be of
// several words, as "pkt-srcaddr" is. Values fail this: they hold numbers,
// addresses, capitals, a lone "-", or identifiers such as eni-0a1b2c.
func isHeader(line []byte) bool {
	known, total, compound := 0, 0, false
	for token, at := nextToken(line, 0); len(token) > 0; token, at = nextToken(line, at) {
		if bytes.HasPrefix(token, []byte("${")) && bytes.HasSuffix(token, []byte("}")) {
			token = token[2 : len(token)-1]
		}
		if !likeName(token) {
			return false
		}
		if _, ok := Lookup(string(token)); ok {
			known++
		}
		total++
		compound = compound || bytes.ContainsAny(token, "-_")
	}
	return known > 0 && (known == total || compound)
}

// likeName reports whether a token could be the name of a field: words of
// lower-case letters joined by hyphens or underscores, the last perhaps a
// number of one or two digits, as in instance-tag-2.
func likeName(token []byte) bool {
	letters, digits, words := 0, 0, 0
	for _, c := range token {
		switch {
		case c >= 'a' && c <= 'z' && digits == 0:
			letters++
		case c >= '0' && c <= '9' && letters == 0 && words > 0 && digits < 2:
			digits++
		case (c == '-' || c == '_') && letters > 0:
			letters = 0
			words++
		default:
			return false
		}
	}
	return letters > 0 || digits > 0
}
