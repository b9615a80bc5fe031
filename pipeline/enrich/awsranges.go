package enrich

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// ReadAWSRanges reads the file that AWS publishes as ip-ranges.json: the networks
// of its services. An error names the file and, where it can, the line.
func ReadAWSRanges(path string) ([]AWSRange, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	return parseAWSRanges(path, text)
}

func parseAWSRanges(path string, text []byte) ([]AWSRange, error) {
	type item struct {
		V4      string `json:"ip_prefix"`
		V6      string `json:"ipv6_prefix"`
		Service string `json:"service"`
	}
	var file struct {
		V4 []item `json:"prefixes"`
		V6 []item `json:"ipv6_prefixes"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s:%d: %w; accepted: the ip-ranges.json of AWS", path, jsonLine(text, err), err)
	}
	var all []AWSRange
	for _, list := range []struct {
		name  string
		items []item
	}{{"prefixes", file.V4}, {"ipv6_prefixes", file.V6}} {
		for i, it := range list.items {
			prefix, err := netip.ParsePrefix(it.V4 + it.V6)
			switch {
			case err != nil:
				return nil, fmt.Errorf("%s: %s[%d]: %.80q is no network", path, list.name, i, it.V4+it.V6)
			case it.Service == "":
				return nil, fmt.Errorf("%s: %s[%d]: %s has no service", path, list.name, i, prefix)
			}
			all = append(all, AWSRange{prefix.Masked(), it.Service})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: holds no prefixes; accepted: the ip-ranges.json of AWS", path)
	}
	return all, nil
}
