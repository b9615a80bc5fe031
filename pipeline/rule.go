package pipeline

import (
	"fmt"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// rule is a detector with its committed state.
type rule struct {
	detect.Detector
	saved    bool // its version stands in the committed state
	restored []entry
}

type entry struct{ key, value []byte }

func (r *rule) prefix() string { return keyDetector + r.Name() + "/" }

// restore gives the detector what was committed of it.
func (r *rule) restore() error {
	next := 0
	err := r.Restore(func() (key, value []byte, ok bool) {
		if next == len(r.restored) {
			return nil, nil, false
		}
		e := r.restored[next]
		next++
		return e.key, e.value, true
	})
	r.restored = nil
	if err != nil {
		return fmt.Errorf("restore rule %s: %w", r.Name(), err)
	}
	return nil
}

// hold keeps a committed entry for restore.
func (r *rule) hold(key, value []byte) {
	r.restored = append(r.restored, entry{slices.Clone(key), slices.Clone(value)})
}
