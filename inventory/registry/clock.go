package registry

import (
	"net/http"
	"sync/atomic"
	"time"
)

// skew is how far a registry's clock is from ours, as its latest answer says.
type skew struct{ known atomic.Pointer[time.Duration] }

// note takes the Date of an answer (RFC 9110, section 6.6.1) that was waited for
// between two moments. One from a cache (it has an Age) says when it was made.
func (s *skew) note(header http.Header, asked, answered time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return
	}
	var ahead time.Duration
	switch { // a Date has whole seconds, and may be that of any moment between
	case date.Before(asked.Add(-time.Second)):
		ahead = date.Sub(asked)
	case date.After(answered):
		ahead = date.Sub(answered)
	}
	s.known.Store(&ahead)
}

// Skew is how far the registry's clock is ahead of ours, negative when it is
// behind, as its latest answer says; false when none has said. It is the
// registry's word, and either clock may be the wrong one.
func (c *Client) Skew() (ahead time.Duration, known bool) {
	if d := c.guard.skew.known.Load(); d != nil {
		return *d, true
	}
	return 0, false
}
