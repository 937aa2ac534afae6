package dct

import (
	"net/url"
	"strings"
	"time"
)

// closing lists the hosted servers whose end was announced: the last day that
// they can be counted on.
var closing = []struct {
	host string // or, with a leading dot, every name below it
	on   time.Time
}{
	{"notary.docker.io", time.Date(2026, time.December, 8, 0, 0, 0, 0, time.UTC)}, // Docker Hub
	{".azurecr.io", time.Date(2028, time.March, 31, 0, 0, 0, 0, time.UTC)},        // Azure Container Registry: by March 2028
}

// Closes reports when the server at an address is going to close, or did. What
// is signed only there then can't be checked any more.
func Closes(serverURL string) (time.Time, bool) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return time.Time{}, false
	}
	host := strings.ToLower(u.Hostname())
	for _, c := range closing {
		if host == c.host || strings.HasPrefix(c.host, ".") && strings.HasSuffix(host, c.host) {
			return c.on, true
		}
	}
	return time.Time{}, false
}
