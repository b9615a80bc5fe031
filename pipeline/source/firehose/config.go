package firehose

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Config says where the endpoint listens and what it accepts.
type Config struct {
	// Listen is host:port. Firehose itself only calls public HTTPS on port 443:
	// a load balancer stands before it, or TLS is set and the port is 443.
	Listen string `yaml:"listen"`
	// AccessKey is what X-Amz-Firehose-Access-Key must hold. Required.
	AccessKey string `yaml:"access_key"`
	// TLS names the certificate; without it the endpoint is plain HTTP for a
	// load balancer that ends TLS.
	TLS TLSConfig `yaml:"tls"`
	// Bodies is how many requests are held in memory at a time.
	Bodies int `yaml:"bodies"`
}

// TLSConfig names PEM files. They are read again when they change.
type TLSConfig struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// DefaultConfig returns the values that keys left out have.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:8443", Bodies: 2} }

// Validate returns every problem, joined; each begins with its key and says
// what is accepted.
func (c Config) Validate() error {
	var errs []error
	_, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("listen: %q is no address; accepted: host:port, like 127.0.0.1:8443", c.Listen))
	}
	if c.AccessKey == "" {
		errs = append(errs, errors.New("access_key: is required; accepted: the access key that the Firehose stream is configured with"))
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		errs = append(errs, errors.New("tls: has one of cert and key; accepted: both, or none behind a load balancer"))
	}
	if c.Bodies < 1 || c.Bodies > 64 {
		errs = append(errs, fmt.Errorf("bodies: %d; accepted: 1 to 64 requests held at a time, each up to 64 MiB", c.Bodies))
	}
	return errors.Join(errs...)
}
