package strictyaml

import (
	"regexp"
	"slices"
	"strings"
)

// masked stands in place of a secret.
const masked = "***"

// shortSecret is the length below which a secret is masked at its own key
// only: shorter ones are part of ordinary words.
const shortSecret = 6

// Secrets are values that must not be shown: those of secret keys and of the
// environment variables that were used there. The zero value holds none.
type Secrets struct{ values []string }

func (s *Secrets) add(value string) {
	if len(value) >= shortSecret && !slices.Contains(s.values, value) {
		s.values = append(s.values, value)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}

var (
	userinfo    = regexp.MustCompile(`://[^/@\s"'?#]+@`)
	secretQuery = regexp.MustCompile(`(?i)([?&][a-z_.-]*(?:token|secret|password|passwd|signature|access_key|api_?key)[a-z_.-]*=)[^&\s"'#]+`)
)

// Mask returns text with every secret, the user and password in URLs, and
// password-like query parameters replaced by ***.
func (s Secrets) Mask(text string) string {
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, masked)
	}
	text = userinfo.ReplaceAllString(text, "://"+masked+"@")
	return secretQuery.ReplaceAllString(text, "${1}"+masked)
}

// secretKey reports whether a key of this name holds a secret.
func secretKey(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "token", "access_key", "api_key", "apikey", "private_key", "routing_key", "authorization"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
