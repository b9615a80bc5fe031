package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// SignatureHeader holds the signature of a request: t=<Unix seconds>,v1=<hex>.
const SignatureHeader = "Flowwatch-Signature"

// Sign returns the value of SignatureHeader. v1 is the HMAC-SHA256, keyed with
// the secret, of the time in decimal, a full stop and the body. A receiver
// computes the same and refuses a time that is minutes off: so a request can't
// be replayed.
func Sign(secret string, now time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.", now.Unix())
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", now.Unix(), hex.EncodeToString(mac.Sum(nil)))
}
