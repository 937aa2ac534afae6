package registry

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"signboard/inventory"
)

// TestReferrers_askAgainWithTheETag: a 304 stands for the list that came with the
// ETag, for nothing else.
func TestReferrers_askAgainWithTheETag(t *testing.T) {
	body, etag, status, bodies := indexOf(inventory.DigestOf([]byte("a"))), `"one"`, 0, 0
	server, asked := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		switch {
		case status != 0:
			w.WriteHeader(status)
		case etag != "" && r.Header.Get("If-None-Match") == etag:
			w.WriteHeader(http.StatusNotModified)
		default:
			bodies++
			text(200, inventory.MediaTypeOCIIndex, body)(w, r)
		}
	}})
	c, _ := client(t, server)
	list := func(want string, wantBodies int) {
		t.Helper()
		got, supported, err := c.Referrers(t.Context(), "a", subject)
		if err != nil || !supported || len(got) != 1 || got[0].Digest != inventory.DigestOf([]byte(want)) {
			t.Errorf("%v, %v, %v; want %s", got, supported, err, want)
		}
		if bodies != wantBodies {
			t.Errorf("%d lists were sent, want %d", bodies, wantBodies)
		}
	}
	list("a", 1)
	list("a", 1)
	list("a", 1)
	body, etag = indexOf(inventory.DigestOf([]byte("b"))), `"two"`
	list("b", 2)
	list("b", 2)
	etag = "" // it gives none any more
	list("b", 3)
	list("b", 4)
	if h := asked.all()[len(asked.all())-1].Header.Get("If-None-Match"); h != "" {
		t.Errorf("If-None-Match %s is of a list that isn't kept", h)
	}

	// A registry that says "not modified" unasked says nothing.
	status = http.StatusNotModified
	if got, _, err := c.Referrers(t.Context(), "a", subject); err == nil {
		t.Errorf("a 304 to a plain question was taken for %v", got)
	}
}

// TestReferrers_eTagOfAPageIsNotThatOfTheList: what has more pages is always read.
func TestReferrers_eTagOfAPageIsNotThatOfTheList(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"page"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		page := inventory.DigestOf([]byte("1"))
		if r.URL.Query().Get("last") == "" {
			w.Header().Set("Link", `<`+r.URL.Path+`?last=1>; rel="next"`)
		} else {
			page = inventory.DigestOf([]byte("2"))
		}
		text(200, inventory.MediaTypeOCIIndex, indexOf(page))(w, r)
	}})
	c, _ := client(t, server)
	for range 3 {
		if list, _, err := c.Referrers(t.Context(), "a", subject); err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
	}
}

func TestRepeats_areBounded(t *testing.T) {
	var r repeats
	r.put("a", subject, unchanged{etag: strings.Repeat("x", maxETag+1)})
	r.put("b", subject, unchanged{etag: `"x"`, size: maxRepeatBytes + 1})
	if len(r.lists) != 0 {
		t.Error("too long, and kept")
	}
	for i := range 2 * maxRepeats / maxRepeatBytes {
		r.put(fmt.Sprint(i), subject, unchanged{etag: `"x"`, size: maxRepeatBytes})
		if r.bytes > maxRepeats {
			t.Fatalf("%d bytes are kept", r.bytes)
		}
	}
	if len(r.lists) == 0 {
		t.Error("nothing is kept")
	}
}

// TestReferrers_eTagIsOfTheFirstPage: it isn't asked about the pages of a list
// that has grown.
func TestReferrers_eTagIsOfTheFirstPage(t *testing.T) {
	grown := false
	server, asked := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") != "" {
			text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf([]byte("2"))))(w, r)
			return
		}
		if w.Header().Set("ETag", `"short"`); grown {
			w.Header().Set("Link", `<`+r.URL.Path+`?last=1>; rel="next"`)
		}
		text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf([]byte("1"))))(w, r)
	}})
	c, _ := client(t, server)
	for _, want := range []int{1, 2} {
		if list, _, err := c.Referrers(t.Context(), "a", subject); err != nil || len(list) != want {
			t.Fatalf("%v, %v; want %d", list, err, want)
		}
		grown = true
	}
	for _, r := range asked.all() {
		if r.URL.Query().Get("last") != "" && r.Header.Get("If-None-Match") != "" {
			t.Error("the second page was asked for with the first one's ETag")
		}
	}
}
