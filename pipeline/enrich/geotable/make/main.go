// Command make writes the table that is built into flowwatch, from two npm
// packages of ip-location-db: the country of whois and geofeeds, and the
// autonomous system of RouteViews, the registries and DB-IP Lite. It needs npm,
// which fetches them, or the packages themselves in a folder.
//
//	go generate ./pipeline/enrich/geotable
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
)

const (
	countryPackage = "@ip-location-db/geo-whois-asn-country-mmdb"
	systemPackage  = "@ip-location-db/asn"
)

func main() {
	version := flag.String("version", "2.3.2026061719", "version of both packages; it ends in the day and hour of the data")
	folder := flag.String("from", "", "folder with what npm pack gives for both; by default npm is asked")
	out := flag.String("out", "table.bin", "file to write")
	flag.Parse()
	if err := run(*version, *folder, *out); err != nil {
		fmt.Fprintln(os.Stderr, "make:", err)
		os.Exit(1)
	}
}

func run(version, folder, out string) error {
	date, err := dateOf(version)
	if err != nil {
		return err
	}
	if folder == "" {
		folder, err = os.MkdirTemp("", "geotable")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if err := pack(folder, version); err != nil {
			return err
		}
	}
	b := &geotable.Builder{Date: date}
	err = errors.Join(
		each(filepath.Join(folder, "ip-location-db-geo-whois-asn-country-mmdb-"+version+".tgz"), map[string]func([]byte) error{
			"package/geo-whois-asn-country-ipv4.mmdb": func(file []byte) error { return addCountries(b, file) },
			"package/geo-whois-asn-country-ipv6.mmdb": func(file []byte) error { return addCountries(b, file) },
		}),
		each(filepath.Join(folder, "ip-location-db-asn-"+version+".tgz"), map[string]func([]byte) error{
			"package/asn-ipv4.csv": func(file []byte) error { return addSystems(b, file) },
			"package/asn-ipv6.csv": func(file []byte) error { return addSystems(b, file) },
		}),
	)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if _, err := b.WriteTo(&table); err != nil {
		return err
	}
	if _, err := geotable.Read(table.Bytes()); err != nil {
		return err
	}
	return os.WriteFile(out, table.Bytes(), 0o644) //nolint:gosec // a file of the repository
}

// dateOf reads the day out of a version like 2.3.2026061719.
func dateOf(version string) (string, error) {
	if len(version) < 10 {
		return "", fmt.Errorf("version %q ends in no day and hour", version)
	}
	t, err := time.Parse("2006010215", version[len(version)-10:])
	if err != nil {
		return "", fmt.Errorf("version %q ends in no day and hour: %w", version, err)
	}
	return t.Format(time.DateOnly), nil
}

func pack(folder, version string) error {
	cmd := exec.Command("npm", "pack", "--silent", "--pack-destination", folder, countryPackage+"@"+version, systemPackage+"@"+version)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm pack: %w", err)
	}
	return nil
}

// each reads the named files of a package; each must be there.
func each(path string, want map[string]func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	files := tar.NewReader(unzipped)
	seen := 0
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		read, ok := want[header.Name]
		if !ok {
			continue
		}
		seen++
		file, err := io.ReadAll(files)
		if err == nil {
			err = read(file)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, header.Name, err)
		}
	}
	if seen != len(want) {
		return fmt.Errorf("%s: has %d of the %d files that are needed", path, seen, len(want))
	}
	return nil
}

func addCountries(b *geotable.Builder, file []byte) error {
	db, err := maxminddb.OpenBytes(file)
	if err != nil {
		return err
	}
	var record struct {
		Country string `maxminddb:"country_code"`
	}
	for result := range db.Networks() {
		record.Country = ""
		if err := result.Decode(&record); err != nil {
			return err
		}
		p := result.Prefix()
		if err := b.AddCountry(p.Addr(), last(p), record.Country); err != nil {
			return err
		}
	}
	return nil
}

func addSystems(b *geotable.Builder, file []byte) error {
	rows := csv.NewReader(bytes.NewReader(file))
	rows.FieldsPerRecord = 4
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		from, err1 := netip.ParseAddr(row[0])
		to, err2 := netip.ParseAddr(row[1])
		number, err3 := strconv.ParseUint(row[2], 10, 32)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if err := b.AddSystem(from, to, uint32(number), row[3]); err != nil {
			return err
		}
	}
}

// last returns the greatest address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
