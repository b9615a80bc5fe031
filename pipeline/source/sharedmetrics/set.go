// Package sharedmetrics registers the metrics of a kind of source, which all
// sources of that kind in a process share.
package sharedmetrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Set registers collectors at one place.
type Set struct {
	registerer prometheus.Registerer
	errs       []error
}

// At returns a set that registers at registerer, or nowhere when that is nil.
func At(registerer prometheus.Registerer) *Set { return &Set{registerer: registerer} }

// Err is what could not be registered, joined.
func (s *Set) Err() error { return errors.Join(s.errs...) }

// Register registers c, or returns the one that another source of the same kind
// registered before.
func Register[C prometheus.Collector](s *Set, c C) C {
	if s.registerer == nil {
		return c
	}
	err := s.registerer.Register(c)
	var before prometheus.AlreadyRegisteredError
	if errors.As(err, &before) {
		if same, ok := before.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		s.errs = append(s.errs, err)
	}
	return c
}
