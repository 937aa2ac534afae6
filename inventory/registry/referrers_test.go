package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"signboard/inventory"
)

var subject = inventory.DigestOf([]byte(ociManifest))

func referrersPath(repository string) string {
	return "/v2/" + repository + "/referrers/" + string(subject)
}

func indexOf(digests ...inventory.Digest) string {
	var entries []string
	for _, d := range digests {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":7,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`, inventory.MediaTypeOCIManifest, d))
	}
	return `{"schemaVersion":2,"mediaType":"` + inventory.MediaTypeOCIIndex + `","manifests":[` + strings.Join(entries, ",") + `]}`
}

func TestReferrers_readsEveryPage(t *testing.T) {
	one, two, three := inventory.DigestOf([]byte("1")), inventory.DigestOf([]byte("2")), inventory.DigestOf([]byte("3"))
	server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		page := indexOf(one, two)
		if r.URL.Query().Get("page") == "2" {
			page = indexOf(two, three)
		} else {
			w.Header().Set("Link", `<`+r.URL.Path+`?page=2>; rel="next"`)
		}
		text(200, inventory.MediaTypeOCIIndex+"; charset=utf-8", page)(w, r)
	}})
	c, _ := client(t, server)
	list, supported, err := c.Referrers(context.Background(), "a", subject)
	if err != nil || !supported || len(list) != 3 || list[2].Digest != three {
		t.Fatalf("%v, %v, %v", list, supported, err)
	}
	if list[0].ArtifactType == "" || list[0].Size != 7 {
		t.Errorf("%+v", list[0])
	}
}

func TestReferrers_noneIsNotUnsupportedAndNotFailed(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"empty":                   text(200, inventory.MediaTypeOCIIndex, indexOf()),
		"null":                    text(200, inventory.MediaTypeOCIIndex, `{"schemaVersion":2,"manifests":null}`),
		"under a less exact type": text(200, "application/json", indexOf()),
	} {
		server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): h})
		c, _ := client(t, server)
		if list, supported, err := c.Referrers(context.Background(), "a", subject); err != nil || !supported || len(list) != 0 {
			t.Errorf("%s: %v, %v, %v", name, list, supported, err)
		}
	}
}

func TestReferrers_unsupportedIsRemembered(t *testing.T) {
	other, visited := serve(t, nil)
	for name, h := range map[string]http.HandlerFunc{
		"404":                      text(404, "text/plain", "404 page not found\n"),
		"404 as JSON":              text(404, "application/json", `{"errors":[{"code":"METHOD_UNKNOWN"}]}`),
		"404 as a page":            text(404, "text/html", "<html>"),
		"405":                      text(405, "text/plain", ""),
		"400":                      text(400, "application/json", `{}`),
		"501":                      text(501, "text/plain", ""),
		"redirect to another host": redirectTo(other.URL + "/token"),
		"a web page":               text(200, "text/html", "<!doctype html>"),
		"the image itself":         text(200, inventory.MediaTypeOCIManifest, ociManifest),
		"a list of something":      text(200, "application/json", `{"items":[]}`),
		"plain words":              text(200, "text/plain", "ok"),
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := serve(t, map[string]http.HandlerFunc{referrersPath("a"): h})
			c, clk := client(t, server)
			ask := func() {
				t.Helper()
				if list, supported, err := c.Referrers(context.Background(), "a", subject); err != nil || supported || list != nil {
					t.Fatalf("%v, %v, %v", list, supported, err)
				}
			}
			ask()
			ask()
			if n := asked.count(referrersPath("a")); n != 1 {
				t.Errorf("asked %d times before the memory expired", n)
			}
			clk.advance(capabilityAge)
			ask()
			if n := asked.count(referrersPath("a")); n != 2 {
				t.Errorf("asked %d times after it expired", n)
			}
		})
	}
	if n := len(visited.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestReferrers_anIndexIsNotItsOwnListOfReferrers(t *testing.T) {
	index := indexOf(inventory.DigestOf([]byte("linux/amd64")))
	digest := inventory.DigestOf([]byte(index))
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/referrers/" + string(digest): text(200, inventory.MediaTypeOCIIndex, index)})
	c, _ := client(t, server)
	if list, supported, err := c.Referrers(context.Background(), "a", digest); err != nil || supported || list != nil {
		t.Fatal(list, supported, err)
	}
}

func TestReferrers_unsupportedIsNotConcludedFromOneMissingImage(t *testing.T) {
	missing := true
	server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		if missing {
			text(404, "application/json", `{"errors":[{"code":"NAME_UNKNOWN"}]}`)(w, r)
			return
		}
		text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf(nil)))(w, r)
	}})
	c, _ := client(t, server)
	if _, supported, err := c.Referrers(context.Background(), "a", subject); supported || err != nil {
		t.Fatal(supported, err)
	}
	missing = false
	if list, supported, err := c.Referrers(context.Background(), "a", subject); !supported || err != nil || len(list) != 1 {
		t.Fatal(list, supported, err)
	}
}

func TestReferrers_failureIsNeitherUnsupportedNorNone(t *testing.T) {
	index := text(200, inventory.MediaTypeOCIIndex, indexOf())
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		reason inventory.Reason
	}{
		"429":              {text(429, "text/plain", ""), inventory.ReasonRegistryThrottled},
		"500":              {text(500, "text/plain", ""), inventory.ReasonRegistryUnreachable},
		"502":              {text(502, "text/html", "<html>"), inventory.ReasonRegistryUnreachable},
		"401":              {text(401, "text/plain", ""), inventory.ReasonRegistryDenied},
		"403":              {text(403, "text/plain", ""), inventory.ReasonRegistryDenied},
		"cut off, as JSON": {text(200, inventory.MediaTypeOCIIndex, indexOf(subject)[:90]), inventory.ReasonPayloadMalformed},
		"cut off, untyped": {text(200, "application/json", indexOf(subject)[:90]), inventory.ReasonPayloadMalformed},
		"cut off, on the wire": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			index(w, r)
		}, inventory.ReasonRegistryUnreachable},
		"without the list":   {text(200, inventory.MediaTypeOCIIndex, `{"schemaVersion":2}`), inventory.ReasonPayloadMalformed},
		"empty":              {text(200, inventory.MediaTypeOCIIndex, ``), inventory.ReasonPayloadMalformed},
		"not digests":        {text(200, inventory.MediaTypeOCIIndex, indexOf("../../x")), inventory.ReasonPayloadMalformed},
		"list twice":         {text(200, inventory.MediaTypeOCIIndex, `{"schemaVersion":2,"manifests":[],"Manifests":[]}`), inventory.ReasonPayloadMalformed},
		"too large":          {text(200, inventory.MediaTypeOCIIndex, indexOf()+strings.Repeat(" ", DefaultManifestBytes)), inventory.ReasonTooLarge},
		"redirects for ever": {redirectTo(referrersPath("a")), inventory.ReasonRegistryInconsistent},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): tt.h})
			c, _ := client(t, server)
			for range 2 { // and it isn't remembered as anything
				_, _, err := c.Referrers(context.Background(), "a", subject)
				wantLook(t, err, tt.reason)
				if errors.Is(err, inventory.ErrNotFound) {
					t.Errorf("%v is ErrNotFound", err)
				}
			}
		})
	}
}

func TestReferrers_anAPIThatVanishesProvesNothing(t *testing.T) {
	up := true
	server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		if up {
			text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf(nil)))(w, r)
			return
		}
		text(404, "text/html", "<html>maintenance")(w, r)
	}})
	c, _ := client(t, server)
	if _, supported, err := c.Referrers(context.Background(), "a", subject); !supported || err != nil {
		t.Fatal(supported, err)
	}
	up = false
	_, _, err := c.Referrers(context.Background(), "a", subject)
	wantLook(t, err, inventory.ReasonRegistryInconsistent, "before")
}

func TestReferrers_keepsWhatWasReadBeforeAFailure(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{referrersPath("a"): func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Link", `<?page=2>; rel="next"`)
		text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf(nil)))(w, r)
	}})
	c, _ := client(t, server)
	list, supported, err := c.Referrers(context.Background(), "a", subject)
	wantLook(t, err, inventory.ReasonRegistryDenied)
	if !supported || len(list) != 1 {
		t.Errorf("%v, %v", list, supported)
	}
}
