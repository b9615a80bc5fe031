package main

import (
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
	"github.com/flowwatch/flowwatch/pipeline/enrich/mmdb"
)

// EnrichConfig says what is known of addresses beside what is built in.
type EnrichConfig struct {
	Databases []string        `yaml:"databases,omitempty"` // mmdb files; what an earlier one tells counts
	Lists     KindListsConfig `yaml:"lists,omitempty"`
	AWSRanges string          `yaml:"aws_ranges,omitempty"` // a copy of ip-ranges.json
}

// KindListsConfig are files and folders that list the networks of one kind.
type KindListsConfig struct {
	Scanner []string `yaml:"scanner,omitempty"`
	Tor     []string `yaml:"tor,omitempty"`
	VPN     []string `yaml:"vpn,omitempty"`
	Hosting []string `yaml:"hosting,omitempty"`
}

// Validate judges the names, not what is there now.
func (c *EnrichConfig) Validate() error {
	var errs []error
	for i, path := range c.Databases {
		if path == "" {
			errs = append(errs, fmt.Errorf("databases[%d]: is empty; accepted: an mmdb file", i))
		}
		for j, earlier := range c.Databases[:i] {
			if path == earlier && path != "" {
				errs = append(errs, fmt.Errorf("databases[%d]: %q is databases[%d] already; accepted: each file once", i, path, j))
			}
		}
	}
	return errors.Join(errs...)
}

// of returns the paths of a kind, nil for one that lists can't tell.
func (c *KindListsConfig) of(kind enrich.Kind) *[]string {
	switch kind {
	case enrich.Scanner:
		return &c.Scanner
	case enrich.Tor:
		return &c.Tor
	case enrich.VPN:
		return &c.VPN
	case enrich.Hosting:
		return &c.Hosting
	}
	return nil
}

// listedKinds are the kinds that lists may tell, in the order of their keys.
var listedKinds = []enrich.Kind{enrich.Scanner, enrich.Tor, enrich.VPN, enrich.Hosting}

// openPlaces reads all that is known of addresses. own are the own networks. An
// error names its key.
func openPlaces(cfg *EnrichConfig, own []netip.Prefix, log *zap.Logger) (*enrich.Places, []*mmdb.Database, error) {
	known := enrich.PlacesConfig{Own: own, Table: geotable.Embedded()}
	var databases []*mmdb.Database
	for _, path := range cfg.Databases {
		d, err := mmdb.Open(path)
		if err != nil {
			return nil, nil, fmt.Errorf("enrich.databases: %w", err)
		}
		log.Info("database is read", zap.String("path", path), zap.String("type", d.Type()), zap.Time("built", d.Built()))
		databases = append(databases, d)
		known.Databases = append(known.Databases, d)
	}
	for _, kind := range listedKinds {
		lists, err := readLists(*cfg.Lists.of(kind), log)
		if err != nil {
			return nil, nil, fmt.Errorf("enrich.lists.%s: %w", kind, err)
		}
		for _, l := range lists.All {
			known.Lists = append(known.Lists, enrich.Listed{Kind: kind, Name: l.Name, Prefixes: l.Prefixes})
		}
	}
	if cfg.AWSRanges != "" {
		ranges, err := enrich.ReadAWSRanges(cfg.AWSRanges)
		if err != nil {
			return nil, nil, fmt.Errorf("enrich.aws_ranges: %w", err)
		}
		known.Services = ranges
	}
	return enrich.NewPlaces(known), databases, nil
}

// readLists reads lists and tells the log what they are.
func readLists(paths []string, log *zap.Logger) (*enrich.Lists, error) {
	if len(paths) == 0 {
		return &enrich.Lists{}, nil
	}
	lists, err := enrich.ReadLists(paths)
	if err != nil {
		return nil, err
	}
	for _, why := range lists.Skipped {
		log.Warn("list is skipped: " + why)
	}
	log.Info("lists are read", zap.Strings("paths", paths), zap.Int("files", len(lists.All)), zap.Int("networks", len(lists.Prefixes())))
	return lists, nil
}
