package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory/store/database/databasetest"
)

// TestPages_takeAnyText asks each page for text that databases refuse: whatever
// an address says, nothing fails here.
func TestPages_takeAnyText(t *testing.T) {
	databasetest.OnBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, plan{dsn: dsn})
		w.fill()
		image := "/images/" + string(digest(1))
		for _, page := range []string{
			"/?team=", "/?registry=", "/images?q=", "/images?tag=", "/images?cursor=", "/images?team=", "/images?registry=", "/images?repository=", "/images?signer=keyless:a%7C",
			"/signers?cursor=1.", "/quarantine?cursor=1.", "/audit?cursor=", "/search?q=", "/learn/ok?digest=", "/learn/ok?repository=", image + "?repository=local/", "/teams/", "/signers/", "/images/",
			"/signin?return=",
		} {
			for _, said := range []string{"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "%", `\`, "'", strings.Repeat("é", 3000)} {
				a := w.get(viewer, page+url.QueryEscape(said))
				if a.StatusCode >= http.StatusInternalServerError {
					t.Errorf("%s%.20q: %d: %s", page, said, a.StatusCode, text(a.body))
				}
			}
		}
		if lines := w.log.errors(); len(lines) > 0 {
			t.Errorf("text of an address logged errors: %s", lines[0])
		}
	})
}
