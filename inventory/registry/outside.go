package registry

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"

	"signboard/inventory"
)

// Outside says how servers that aren't registries are spoken to: those of
// revocation lists, of trust roots, of Docker Content Trust. Their addresses
// often come out of something a registry said, so they are guarded alike.
type Outside struct {
	// AllowPrivate lets them live on private and loopback addresses.
	AllowPrivate bool
	RootCAs      *x509.CertPool // default: the system's
	UserAgent    string         // default "signboard"
	Timeout      time.Duration  // of one request with its body; default 20 seconds
	MaxBytes     int64          // of one body; default 16 MiB
}

// NewOutsideClient makes an HTTP client whose every connection is to an address
// that was checked when it was dialled, or, behind a proxy of the environment,
// as far as this machine can tell where the proxy goes. It carries no credentials and no
// cookies, follows at most three redirects and none from https down to http,
// and an answer that is too long ends in an error with reason too_large.
func NewOutsideClient(o Outside) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "signboard"
	}
	limits := Limits{Concurrent: 4}
	// The empty Proxy is the environment's, which can't be wrong.
	way, _ := newRoute(Config{RootCAs: o.RootCAs}, limits, dialer{allowPrivate: o.AllowPrivate})
	return &http.Client{
		Timeout:   o.Timeout,
		Transport: &outside{max: o.MaxBytes, userAgent: o.UserAgent, inner: way},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > 3:
				return look(inventory.ReasonRegistryInconsistent, nil, "The server %s redirects more than three times.", via[0].URL.Host)
			case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
				return look(inventory.ReasonRegistryInconsistent, nil, "The server %s redirects from https down to %s; that is refused.", via[0].URL.Host, inventory.Visible(clip(r.URL.Scheme)))
			}
			return nil
		},
	}
}

// outside is the RoundTripper of such a client.
type outside struct {
	inner     http.RoundTripper
	max       int64
	userAgent string
}

func (o *outside) RoundTrip(in *http.Request) (*http.Response, error) {
	if in.URL.Scheme != "http" && in.URL.Scheme != "https" {
		closeBody(in)
		return nil, fmt.Errorf("asking %s: only http and https are spoken", clip(in.URL.Scheme))
	}
	r := in.Clone(in.Context())
	r.Header.Set("User-Agent", o.userAgent)
	response, err := o.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &cappedBody{ReadCloser: response.Body, left: o.max, host: in.URL.Host}
	return response, nil
}

// cappedBody ends in an error where a longer body would go on.
type cappedBody struct {
	io.ReadCloser
	left int64
	host string
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n + int(b.left), look(inventory.ReasonTooLarge, nil, "The answer of %s is longer than what is read of one.", inventory.Visible(clip(b.host)))
	}
	return n, err
}
