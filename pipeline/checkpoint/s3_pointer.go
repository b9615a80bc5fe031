package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// pointer is the one object that changes: it names the holder and the segments
// that make up the state. Writing it under a condition is the commit.
type pointer struct {
	Holder   holder `json:"holder"`
	Released bool   `json:"released"` // closed: whoever comes may take it
	Write    uint64 `json:"write"`    // counts the writes, so that no two are alike
	Commits  uint64 `json:"commits"`  // Appends that it covers

	// Base are puts in ascending order of keys, all below those of the next.
	Base []segment `json:"base"`
	// Deltas are what commits changed since, the oldest first.
	Deltas []segment `json:"deltas"`
	Based  time.Time `json:"based"` // when the base was written
	// Unwanted are keys of objects that nothing refers to, and that may still
	// be there.
	Unwanted []string `json:"unwanted"`
}

// segment names an immutable object.
type segment struct {
	Key    string `json:"key"`    // beneath the prefix
	Stored int64  `json:"stored"` // bytes of the object
	Raw    int64  `json:"raw"`    // bytes of what it says
	SHA256 string `json:"sha256"` // of the object
}

// The pointer's object is a sum and what it is of, so that damage is noticed.
type sealedPointer struct {
	Format  string          `json:"format"`
	SHA256  string          `json:"sha256"`
	Pointer json.RawMessage `json:"pointer"`
}

const (
	pointerName  = "pointer.json"
	pointerLimit = 4 << 20
)

// clone returns a copy that can be changed.
func (p *pointer) clone() *pointer {
	c := *p
	c.Base, c.Deltas, c.Unwanted = slices.Clone(p.Base), slices.Clone(p.Deltas), slices.Clone(p.Unwanted)
	return &c
}

// segments returns all that it refers to.
func (p *pointer) segments() []segment { return slices.Concat(p.Base, p.Deltas) }

func (p *pointer) encode() ([]byte, error) {
	inner, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return json.Marshal(sealedPointer{format, sumOf(inner), inner})
}

func decodePointer(body []byte) (*pointer, error) {
	var sealed sealedPointer
	if err := json.Unmarshal(body, &sealed); err != nil {
		return nil, fmt.Errorf("%s is %w: %w", pointerName, ErrDamaged, err)
	}
	if sealed.Format != format {
		return nil, fmt.Errorf("%s has format %q, this version of flowwatch reads %q", pointerName, sealed.Format, format)
	}
	if sealed.SHA256 != sumOf(sealed.Pointer) {
		return nil, fmt.Errorf("%s is %w: %w", pointerName, ErrDamaged, errChecksum)
	}
	p := new(pointer)
	if err := json.Unmarshal(sealed.Pointer, p); err != nil {
		return nil, fmt.Errorf("%s is %w: %w", pointerName, ErrDamaged, err)
	}
	if p.Holder.ID == "" {
		return nil, fmt.Errorf("%s is %w: %w", pointerName, ErrDamaged, errors.New("it names no holder"))
	}
	return p, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
