package enrich

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// List is the networks of one file, with the name that it gives itself, else the
// file's.
type List struct {
	Name     string
	Prefixes []netip.Prefix
}

// Lists are files that list networks.
type Lists struct {
	All     []List   // in the order of their reading; folders by name
	Skipped []string // one sentence for each file that holds no networks
}

// Prefixes returns the networks of all lists.
func (l *Lists) Prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, list := range l.All {
		all = append(all, list.Prefixes...)
	}
	return all
}

// listLimit is the size from which on a file is taken for something else.
const listLimit = 64 << 20

// ReadLists reads files, and all *.json and *.txt files in folders and what is
// beneath them. A file is a MISP warning list, a JSON object with the networks and
// addresses in "list" and the type "cidr", or text with a network or an address a
// line, where # begins a comment. A warning list of another type is skipped. An
// error names the file and the line.
func ReadLists(paths []string) (*Lists, error) {
	lists := &Lists{}
	for _, path := range paths {
		stat, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		if !stat.IsDir() {
			if err := lists.read(path); err != nil {
				return nil, err
			}
			continue
		}
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fmt.Errorf("list: %w", err)
			}
			if ext := filepath.Ext(name); entry.IsDir() || ext != ".json" && ext != ".txt" {
				return nil
			}
			return lists.read(name)
		})
		if err != nil {
			return nil, err
		}
	}
	return lists, nil
}

func (l *Lists) read(path string) error {
	text, err := readText(path)
	if err != nil {
		return err
	}
	return l.parse(path, text)
}

// readText reads a file that a person could read, without its byte order mark.
func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, listLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("list: %w", err)
	case len(text) > listLimit:
		return nil, fmt.Errorf("list %s is larger than 64 MiB, so it is none", path)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

func (l *Lists) parse(path string, text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return l.warningList(path, text)
	}
	return l.lines(path, text)
}

// warningList reads a MISP warning list.
func (l *Lists) warningList(path string, text []byte) error {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return fmt.Errorf("%s:%d: %w; accepted: a MISP warning list", path, jsonLine(text, err), err)
	}
	if kind.Type != "cidr" {
		l.Skipped = append(l.Skipped, fmt.Sprintf("%s has the type %q; only cidr holds networks", path, kind.Type))
		return nil
	}
	var list struct {
		Name string   `json:"name"`
		List []string `json:"list"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%s:%d: %w; accepted: a list of texts", path, jsonLine(text, err), err)
	}
	read := List{Name: cmp.Or(list.Name, filepath.Base(path))}
	for i, item := range list.List {
		p, err := parseNetwork(item)
		if err != nil {
			quoted, _ := json.Marshal(item) // never fails
			line := lineOf(text, bytes.Index(text, quoted))
			return fmt.Errorf("%s:%d: list[%d]: %w", path, line, i, err)
		}
		read.Prefixes = append(read.Prefixes, p)
	}
	l.All = append(l.All, read)
	return nil
}

// jsonLine returns the line of an error of encoding/json.
func jsonLine(text []byte, err error) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return lineOf(text, int(syntax.Offset)-1)
	case errors.As(err, &kind):
		return lineOf(text, int(kind.Offset)-1)
	}
	return 1
}

func lineOf(text []byte, offset int) int {
	return 1 + bytes.Count(text[:max(0, min(offset, len(text)))], []byte("\n"))
}

// lines reads text with a network a line.
func (l *Lists) lines(path string, text []byte) error {
	read, number := List{Name: filepath.Base(path)}, 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, err := parseNetwork(line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		read.Prefixes = append(read.Prefixes, p)
	}
	l.All = append(l.All, read)
	return nil
}

// parseNetwork reads a CIDR or an address.
func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%.80q is no network; accepted: an address, or one with a length like 192.0.2.0/24", s)
}
