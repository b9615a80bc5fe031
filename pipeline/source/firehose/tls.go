package firehose

import (
	"crypto/tls"
	"os"
	"sync"
	"time"
)

// certificate is read again when its files change. When the new ones don't
// fit together, as in the middle of a renewal, the old one stays.
type certificate struct {
	cfg TLSConfig

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed [2]time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed [2]time.Time
	for i, path := range []string{c.cfg.Cert, c.cfg.Key} {
		if info, err := os.Stat(path); err == nil {
			changed[i] = info.ModTime()
		}
	}
	if c.loaded != nil && changed == c.changed {
		return c.loaded, nil
	}
	fresh, err := tls.LoadX509KeyPair(c.cfg.Cert, c.cfg.Key)
	switch {
	case err == nil:
		c.loaded, c.changed = &fresh, changed
	case c.loaded == nil:
		return nil, err
	}
	return c.loaded, nil
}
