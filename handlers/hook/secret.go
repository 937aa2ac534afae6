package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
)

// secret is what a registry shows with its events. Comparing takes the same time
// whatever is shown.
type secret string

// shown reports whether a request shows the secret: as Authorization: Bearer
// SECRET, as Authorization: SECRET (Harbor), as the password of Basic, with any
// name (zot), or as ?secret=SECRET by those who can't set a header (Quay, Docker
// Hub).
func (s secret) shown(r *http.Request) bool {
	shown := 0
	for _, value := range r.Header.Values("Authorization") {
		shown |= s.equals(value)
		if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			shown |= s.equals(strings.TrimSpace(rest))
		}
	}
	if _, password, ok := r.BasicAuth(); ok {
		shown |= s.equals(password)
	}
	for _, value := range r.URL.Query()["secret"] {
		shown |= s.equals(value)
	}
	return shown == 1
}

func (s secret) equals(value string) int {
	a, b := sha256.Sum256([]byte(s)), sha256.Sum256([]byte(value))
	return subtle.ConstantTimeCompare(a[:], b[:])
}

// signatureHeader is where GitHub says the HMAC of the body
// (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
const signatureHeader = "X-Hub-Signature-256"

// signed reports whether the body was signed with the secret.
func (s secret) signed(header string, body []byte) bool {
	text, ok := strings.CutPrefix(header, "sha256=")
	sum, err := hex.DecodeString(text)
	mac := hmac.New(sha256.New, []byte(s))
	mac.Write(body)
	return hmac.Equal(sum, mac.Sum(nil)) && ok && err == nil
}
