//go:build peers

package peers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestOutage_neverReadsAsAVerdict kills a registry while it is read, and again
// when everything is known. An image is then unknown, with its last good result
// where it has one; no signature counts as missing because nobody could look.
func TestOutage_neverReadsAsAVerdict(t *testing.T) {
	for _, kind := range []string{"distribution", "zot"} {
		t.Run(kind, func(t *testing.T) {
			r := lone(t, kind)
			var refs []string
			for n := range 12 {
				s := &stage{t, peers, r, fmt.Sprintf("outage/%02d", n)}
				i := s.image()
				s.signKey(cosign(2+n%2), "rsa", i)
				refs = append(refs, i.repository)
			}
			// Between signboard and the registry somebody counts, to kill it at
			// the same moment each time.
			var left atomic.Int64
			target, err := url.Parse("http://" + r.host)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
			between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if left.Add(-1) == 0 {
					r.service.kill()
				}
				proxy.ServeHTTP(w, request)
			}))
			defer between.Close()
			seen := *r
			seen.host = strings.TrimPrefix(between.URL, "http://")
			for n := range refs {
				refs[n] = seen.host + "/" + refs[n] + ":v1"
			}
			o := newOperator(t, peers, []*registry{&seen}, nil, "")
			o.signboard(0, "key", "add", "--name", "rsa", peers.keys.public("rsa"))

			left.Store(40) // of the hundred or so requests of a first sync
			o.signboard(3, "sync", "--progress", "none")
			known := 0
			for _, v := range o.verify(3, refs...) {
				if v.Status != "unknown" || v.Reason != "registry_unreachable" {
					t.Errorf("%s, killed in the first sync: %s for %s", v.Repository, v.Status, v.Reason)
				}
				if v.LastGood != nil {
					known++
					if v.LastGood.Status != verified {
						t.Errorf("%s: last good is %s, though nobody could have seen that", v.Repository, v.LastGood.Status)
					}
				}
			}
			if known == len(refs) {
				t.Error("the registry was killed too late: everything is known")
			}

			if err := r.service.start(t.Context(), peers.dir); err != nil {
				t.Fatal(err)
			}
			o.signboard(0, "sync", "--progress", "none")
			for _, v := range o.verify(0, refs...) {
				if v.Status != verified {
					t.Errorf("%s, with the registry back: %s", v.Repository, v)
				}
			}

			left.Store(10)
			o.signboard(3, "sync", "--progress", "none")
			for _, v := range o.verify(3, refs...) {
				if v.Status != "unknown" || v.LastGood == nil || v.LastGood.Status != verified {
					t.Errorf("%s, killed again: %s for %s, last good %+v", v.Repository, v.Status, v.Reason, v.LastGood)
				}
			}
		})
	}
}
