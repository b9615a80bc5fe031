// Package mmdb reads where addresses belong from databases in MaxMind's format
// that the user brings, and notices when a file is replaced.
package mmdb

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// Database is one file. It implements enrich.Database: looking up takes no lock,
// also while a new file takes the place of the old one.
//
// The file is held in memory. Mapped, it would be faster to open, but a file that
// is overwritten in place, as cp does it, would end the process.
type Database struct {
	path    string
	current atomic.Pointer[edition]
	version atomic.Uint64
	broken  atomic.Uint64 // records that could not be read
	seen    stamp         // of the file, when it was looked at last; owned by Reload
}

// edition is what was read of one state of the file.
type edition struct {
	reader          *maxminddb.Reader
	schema          schema
	name            string // of the file, for Place.List
	stamp           stamp
	country, system bool // whether its records tell them
	cache           [cacheSlots]atomic.Pointer[cached]
}

// cacheSlots bounds the records that are kept decoded: a power of two.
const cacheSlots = 1 << 12

// cached is a record by where it lies in the file.
type cached struct {
	offset uintptr
	place  *enrich.Place
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// limit is the size from which on a file is taken for something else.
const limit = 4 << 30

// Open reads a file. The error names it.
func Open(path string) (*Database, error) {
	d := &Database{path: path}
	e, err := read(path)
	if err != nil {
		return nil, err
	}
	d.current.Store(e)
	d.seen = e.stamp
	return d, nil
}

func read(path string) (*edition, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("database: %w", err)
	case stat.IsDir():
		return nil, fmt.Errorf("database %s is a folder; accepted: an mmdb file", path)
	case stat.Size() > limit:
		return nil, fmt.Errorf("database %s is larger than 4 GiB, so it is none", path)
	}
	file := make([]byte, stat.Size())
	if _, err := io.ReadFull(f, file); err != nil {
		return nil, fmt.Errorf("read database %s: %w", path, err)
	}
	reader, err := maxminddb.OpenBytes(file)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w; accepted: an mmdb file of MaxMind, DB-IP, IPinfo or ip-location-db", path, err)
	}
	e := &edition{reader: reader, name: filepath.Base(path), stamp: stamp{stat.ModTime(), stat.Size()}}
	if err := e.learn(); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return e, nil
}

// sampled is how many records are looked at to learn what a file tells.
const sampled = 2000

// learn finds out how the records are written and what they tell.
func (e *edition) learn() error {
	kind := e.reader.Metadata.DatabaseType
	e.schema = schemaOf(kind)
	anything := false
	n := 0
	for result := range e.reader.Networks() {
		p, err := e.schema.place(result, e.name)
		if err != nil {
			return fmt.Errorf("its type is %q, and the record of %s is not of its kind: %w", kind, result.Prefix(), err)
		}
		e.country, e.system = e.country || p.Country != "", e.system || p.ASN != 0
		anything = anything || p != enrich.Place{}
		if n++; n == sampled {
			break
		}
	}
	if !anything {
		return fmt.Errorf("its type is %q, and none of its first %d records tells a country, a city, an autonomous system or a kind of address", kind, n)
	}
	return nil
}

// Find implements enrich.Database. A record that can't be read is counted and
// tells nothing.
func (d *Database) Find(a netip.Addr) *enrich.Place {
	e := d.current.Load()
	if a.Is6() && e.reader.Metadata.IPVersion == 4 {
		return nil
	}
	result := e.reader.Lookup(a)
	if !result.Found() {
		if result.Err() != nil {
			d.broken.Add(1)
		}
		return nil
	}
	offset := result.Offset()
	slot := &e.cache[uint64(offset)*0x9e3779b97f4a7c15>>(64-12)]
	if c := slot.Load(); c != nil && c.offset == offset {
		return c.place
	}
	c := &cached{offset: offset}
	if p, err := e.schema.place(result, e.name); err != nil {
		d.broken.Add(1)
	} else if p != (enrich.Place{}) {
		c.place = &p
	}
	slot.Store(c)
	return c.place
}

// Version implements enrich.Database.
func (d *Database) Version() uint64 { return d.version.Load() }

// Tells implements enrich.Database.
func (d *Database) Tells() (country, system bool) {
	e := d.current.Load()
	return e.country, e.system
}

// Path returns the file's name.
func (d *Database) Path() string { return d.path }

// Built returns when the database was made, and Type what its metadata call it.
func (d *Database) Built() time.Time { return d.current.Load().reader.Metadata.BuildTime() }

// Type returns what the metadata call the database.
func (d *Database) Type() string { return d.current.Load().reader.Metadata.DatabaseType }

// Reload takes up the file where it has changed since it was read, but not while
// it still changes: one that differs from the call before is left for the next.
// After an error the old state stays. Calls must not overlap.
func (d *Database) Reload() (changed bool, err error) {
	stat, err := os.Stat(d.path)
	if err != nil {
		return false, fmt.Errorf("database: %w", err)
	}
	now, before := stamp{stat.ModTime(), stat.Size()}, d.seen
	d.seen = now
	if now == d.current.Load().stamp || now != before {
		return false, nil
	}
	e, err := read(d.path)
	if err != nil {
		return false, err
	}
	d.current.Store(e)
	d.version.Add(1)
	return true, nil
}
