package detect

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Suppression holds findings back for a while, such as those about a test that
// was announced. An empty field matches everything.
type Suppression struct {
	Rule    string `yaml:"rule,omitempty" strict:"oneof=spike|scan.internal|scan.external|scan.slow|scan.distributed|scan.success|bruteforce|ceiling"`
	Source  string `yaml:"source,omitempty"` // what the finding is about, its Key: an address, alone or within a CIDR, or an interface
	Account string `yaml:"account,omitempty"`
	Until   Until  `yaml:"until"`
	Reason  string `yaml:"reason" strict:"required"` // for those who read the configuration and the closing event
}

// Until is a time of event time, in Unix seconds.
type Until int64

// UnmarshalText reads a date, which means 00:00 UTC of it, or an RFC 3339 time.
func (u *Until) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			*u = Until(at.Unix())
			return nil
		}
	}
	return errors.New("is no time; accepted: " + acceptedUntil)
}

const acceptedUntil = "a date like 2027-01-31, which ends it at 00:00 UTC of that day, or RFC 3339 like 2027-01-31T18:00:00Z"

// MarshalText writes RFC 3339 in UTC.
func (u Until) MarshalText() ([]byte, error) {
	return []byte(time.Unix(int64(u), 0).UTC().Format(time.RFC3339)), nil
}

// Validate judges every key.
func (s *Suppression) Validate() error {
	var errs []error
	if s.Source != "" {
		if _, ok := prefixOf(s.Source); !ok && !isInterface(s.Source) {
			errs = append(errs, fmt.Errorf("source: %q is no source; accepted: an address, a network like 198.51.100.0/24, or an interface like eni-0123456789abcdef0", s.Source))
		}
	}
	if s.Rule == "" && s.Source == "" && s.Account == "" {
		errs = append(errs, errors.New("has no rule, source or account, so it would hold back everything; accepted: at least one of them"))
	}
	if s.Until == 0 {
		errs = append(errs, errors.New("until: is missing; accepted: "+acceptedUntil))
	}
	if strings.TrimSpace(s.Reason) == "" {
		errs = append(errs, errors.New("reason: is empty; accepted: a few words on why"))
	}
	return errors.Join(errs...)
}

func isInterface(s string) bool {
	return !strings.ContainsAny(s, "/.: \t") && strings.Contains(s, "-")
}

// prefixOf reads an address or a CIDR.
func prefixOf(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// Suppressions are what a configuration holds back. The zero value holds back
// nothing.
type Suppressions []Suppression

// Match returns the first suppression of a finding, nil when there is none. It
// is a function of the finding alone: until is held against the end of the
// pane that decided it.
func (all Suppressions) Match(f *Finding) *Suppression {
	i := slices.IndexFunc(all, func(s Suppression) bool { return s.matches(f) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func (s *Suppression) matches(f *Finding) bool {
	if f.Time >= int64(s.Until) || s.Rule != "" && s.Rule != f.Rule || s.Account != "" && s.Account != f.Account {
		return false
	}
	if s.Source == "" || s.Source == f.Key {
		return true
	}
	p, ok := prefixOf(s.Source)
	if !ok {
		return false
	}
	a, err := netip.ParseAddr(f.Key)
	return err == nil && p.Contains(a)
}

// Hush returns the event that closes an incident which was sent before and is
// suppressed from now on: it takes the place of f.
func (s *Suppression) Hush(f Finding) Finding {
	f.Activity, f.CloseReason = Close, Suppressed
	f.Message += "; no longer sent: suppressed (" + s.Reason + ")"
	return f
}

// Unhush returns the event that opens an incident when what held it back is
// over: it takes the place of f.
func Unhush(f Finding) Finding {
	f.Activity = Create
	return f
}
