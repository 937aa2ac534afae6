package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/web"
)

// apiCall is a call that answers what was asked for.
type apiCall struct {
	route  string // with its method, of the table
	target string
	says   string
}

var apiCalls = []apiCall{
	{"GET /api/v1/openapi.json", "/api/v1/openapi.json", `"openapi":"3.1.0"`},
	{"GET /api/v1/openapi.yaml", "/api/v1/openapi.yaml", `openapi: 3.1.0`},
	{"GET /api/v1/images", "/api/v1/images?status=unsigned&team=payments", `"digest":"` + string(digest(3)) + `"`},
	{"GET /api/v1/images/{digest}", "/api/v1/images/" + string(digest(1)) + "?repository=local/pay/api", `"role":"key"`},
	{"GET /api/v1/images/{digest}/history", "/api/v1/images/" + string(digest(1)) + "/history?repository=local/pay/api", `"status":"trusted"`},
	{"GET /api/v1/summary", "/api/v1/summary?team=payments", `{"images":4,"by_status":{"invalid":0,"trusted":2,"unapproved":1,"unknown":0,"unsigned":1,"unverifiable":0},"quarantined":0,"signers":{"approved":1,"expired":0,"pending":2,`},
	{"GET /api/v1/signers", "/api/v1/signers?standing=pending&kind=keyless", `"id":"` + string(keyless.ID) + `"`},
	{"GET /api/v1/signers/{id}", "/api/v1" + keyless.ID.Path(), `"more_repositories":false,"teams":["payments"],"formats":["cosign-simplesigning"]`},
	{"GET /api/v1/quarantines", "/api/v1/quarantines", `"reason":"holds a secret"`},
	{"GET /api/v1/registries", "/api/v1/registries", `"state":"unread"`},
	{"GET /api/v1/audit/checkpoint", "/api/v1/audit/checkpoint", "signboard.test\n"},
	{"GET /api/v1/audit/proof/{index}", "/api/v1/audit/proof/0", `"index":0,"leaf":"{\"action\":`},
	{"GET /api/v1/audit/{index}", "/api/v1/audit/0", `"index":0,`},
	{"GET /api/v1/audit", "/api/v1/audit", `"action":"image.quarantine","object":"` + string(digest(7)) + `"`},
}

const asProblem = "application/problem+json"

// object is the answer as a program reads it.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%d %q is no JSON: %v", a.StatusCode, a.body, err)
	}
	return o
}

// problem holds that an answer is a problem document with the status, and
// returns its detail.
func (a answer) problem(t *testing.T, status int) string {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("Content-Type") != asProblem {
		t.Errorf("%d %q, want the problem %d: %s", a.StatusCode, a.Header.Get("Content-Type"), status, a.body)
		return ""
	}
	o := a.object(t)
	if keys := slices.Sorted(maps.Keys(o)); !slices.Equal(keys, []string{"detail", "instance", "status", "title", "type"}) {
		t.Errorf("a problem has %v", keys)
	}
	if o["status"] != float64(status) || o["type"] != "about:blank" || o["title"] != http.StatusText(status) || o["instance"] == "" {
		t.Errorf("a problem says %v", o)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a problem may be kept: Cache-Control %q", a.Header.Get("Cache-Control"))
	}
	detail, _ := o["detail"].(string)
	if detail == "" {
		t.Error("a problem without detail")
	}
	return detail
}

func TestAPI_answersWhatWasAskedFor(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for _, c := range apiCalls {
		a := w.get(viewer, c.target)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d, and doesn't say %s: %s", c.target, a.StatusCode, c.says, a.body)
		}
		if a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", c.target, a.Header.Get("Cache-Control"))
		}
		head := w.ask(viewer, http.MethodHead, c.target, nil)
		if head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != a.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %q", c.target, head.StatusCode, head.Header.Get("Content-Type"))
		}
		if a := w.get(nobody, c.target); strings.Contains(c.target, "/openapi.") {
			if a.StatusCode != http.StatusOK {
				t.Errorf("%s of nobody: %d", c.target, a.StatusCode)
			}
		} else if a.problem(t, http.StatusUnauthorized); a.Header.Get("WWW-Authenticate") != `Bearer realm="Signboard"` {
			t.Errorf("%s of nobody: WWW-Authenticate %q", c.target, a.Header.Get("WWW-Authenticate"))
		}
		if !strings.Contains(c.target, "/openapi.") {
			if detail := w.get(stranger, c.target).problem(t, http.StatusForbidden); !strings.Contains(detail, "none of your groups") {
				t.Errorf("%s of somebody without a role: %q", c.target, detail)
			}
		}
	}
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("answering what was asked for logged errors: %s", lines)
	}
}

func TestAPI_tellsEveryErrorAsAProblem(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for _, c := range []struct {
		method, target string
		status         int
		says           string
	}{
		{"GET", "/api", 404, "nothing at this address"},
		{"GET", "/api/", 404, ""},
		{"GET", "/api/v1", 404, ""},
		{"GET", "/api/v2/images", 404, ""},
		{"GET", "/api/v1/images/", 404, ""},
		{"GET", "/api/v1/docs", 404, ""},
		{"GET", "/api/v1/schemas/Image.json", 404, ""},
		{"POST", "/api/v1/images", 405, "GET, HEAD"},
		{"DELETE", "/api/v1/images/x", 405, "GET, HEAD"},
		{"BREW", "/api/v1/images", 405, "GET, HEAD"},
		{"GET", "/api/v1/images?limit=201", 422, "limit"},
		{"GET", "/api/v1/images?limit=0", 422, "limit"},
		{"GET", "/api/v1/images?limit=-1", 422, "limit"},
		{"GET", "/api/v1/images?limit=99999999999999999999", 422, "limit"},
		{"GET", "/api/v1/images?limit=many", 422, "limit"},
		{"GET", "/api/v1/images?cursor=7", 422, "cursor"},
		{"GET", "/api/v1/images?cursor=aW1hZ2VzIHg", 422, "cursor"}, // "images x"
		{"GET", "/api/v1/images?cursor=aW1hZ2VzIA", 422, "cursor"},  // "images "
		{"GET", "/api/v1/images?stauts=unsigned", 422, `no query parameter "stauts"; it has status, registry`},
		{"GET", "/api/v1/openapi.json/x", 404, ""},
		{"GET", "/api/v1/images?status=unsigned&status=trusted", 422, "only once"},
		{"GET", "/api/v1/images?status=Unsigned", 422, "status"},
		{"GET", "/api/v1/images?repository=a//b", 422, "empty segment"},
		{"GET", "/api/v1/images?signer=me", 422, "is not the id of a signer"},
		{"GET", "/api/v1/images?team=paymnets", 422, `There is no team called "paymnets".`},
		{"GET", "/api/v1/images?registry=lokal", 422, `There is no registry called "lokal".`},
		{"GET", "/api/v1/summary?team=paymnets", 422, `There is no team called "paymnets".`},
		{"GET", "/api/v1/quarantines?state=gone", 422, "state in the query"},
		{"GET", "/api/v1/quarantines?cursor=cXVhcmFudGluZXMgb3Zlcg", 422, "cursor"},                 // "quarantines over"
		{"GET", "/api/v1/quarantines?cursor=cXVhcmFudGluZXMgc3RhbmRpbmcg", 422, "cursor"},           // "quarantines standing "
		{"GET", "/api/v1/quarantines?state=standing&cursor=cXVhcmFudGluZXMgb3ZlciA", 422, "cursor"}, // "quarantines over "
		{"GET", "/api/v1/images?q=%", 400, "can't be read"},
		{"GET", "/api/v1/images?q=a;b", 400, "can't be read"},
		{"GET", "/api/v1/images?q=%ff", 400, "UTF-8"},
		{"GET", "/api/v1/images?tag=a%00", 400, "NUL"},
		{"GET", "/api/v1/images/sha256:abc?repository=local/pay/api", 422, "is not a digest"},
		{"GET", "/api/v1/images/%ff", 400, "UTF-8"},
		{"GET", "/api/v1/images/" + string(digest(1)) + "?repository=local", 422, "write registry/repository"},
		{"GET", "/api/v1/images/" + string(digest(1)), 422, "say which one with repository"},
		{"GET", "/api/v1/images/" + string(digest(99)), 404, "is known here"},
		{"GET", "/api/v1/images/" + string(digest(99)) + "?repository=local/pay/api", 404, "There is no image"},
	} {
		a := w.ask(viewer, c.method, c.target, nil, "Sec-Fetch-Site", "same-origin")
		if detail := a.problem(t, c.status); !strings.Contains(detail, c.says) {
			t.Errorf("%s %s says %q, and not %q", c.method, c.target, detail, c.says)
		}
		if c.status == 405 && a.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", c.method, c.target, a.Header.Get("Allow"))
		}
		if t.Failed() {
			t.Logf("that was %s %s", c.method, c.target)
		}
	}
	if a := w.ask(viewer, "POST", "/api/v1/images", nil, "Sec-Fetch-Site", "cross-site"); a.StatusCode < 400 {
		t.Errorf("a form of another site: %d", a.StatusCode)
	}
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("refusing logged errors: %s", lines)
	}
}

func TestAPI_hidesWhatFailed(t *testing.T) {
	const secret = "the database said: password=hunter2"
	w := newWorld(t, plan{change: func(r *web.Routes) { r.API.Images = failing{err: errors.New(secret)} }})
	detail := w.get(viewer, "/api/v1/images").problem(t, http.StatusInternalServerError)
	if strings.Contains(detail, "hunter2") || !strings.Contains(detail, "log") {
		t.Errorf("an internal error is told as %q", detail)
	}
	if lines := strings.Join(w.log.errors(), ""); !strings.Contains(lines, secret) {
		t.Errorf("the log doesn't have the cause: %s", lines)
	}

	w = newWorld(t, plan{change: func(r *web.Routes) { r.API.Images = failing{} }})
	if detail := w.get(viewer, "/api/v1/images").problem(t, http.StatusInternalServerError); strings.Contains(detail, "nil") {
		t.Errorf("a panic is told as %q", detail)
	}
	if lines := strings.Join(w.log.errors(), ""); !strings.Contains(lines, "panic") {
		t.Errorf("the panic isn't in the log: %s", lines)
	}

	w = newWorld(t, plan{change: func(r *web.Routes) {
		r.API.Images = failing{err: inventory.Errorf(inventory.Unavailable, "The database is only read.")}
	}})
	if detail := w.get(viewer, "/api/v1/images").problem(t, http.StatusServiceUnavailable); detail != "The database is only read." {
		t.Errorf("an outage is told as %q", detail)
	}
}

func TestAPI_givesUpWhatTakesTooLong(t *testing.T) {
	w := newWorld(t, plan{change: func(r *web.Routes) { r.API.Images = failing{err: context.DeadlineExceeded} }})
	if detail := w.get(viewer, "/api/v1/images").problem(t, http.StatusServiceUnavailable); !strings.Contains(detail, "too long") {
		t.Errorf("a call that took too long is told as %q", detail)
	}

	// Whoever went away isn't our failure.
	w = newWorld(t, plan{change: func(r *web.Routes) { r.API.Images = failing{err: context.Canceled} }})
	gone, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "http://signboard.test/api/v1/images", nil)
	r.AddCookie(w.cookie(viewer))
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r = r.WithContext(inventory.WithActor(r.Context(), inventory.Actor{Name: viewer, Role: inventory.Viewer}))
		leave()
		surface := chi.NewRouter()
		w.routes.API.Routes(surface)
		surface.ServeHTTP(rw, r)
	})
	r.URL.Path = "/images"
	if a := w.send(r); a.StatusCode != 499 || len(w.log.errors()) > 0 {
		t.Errorf("for a client that went away: %d, and %s", a.StatusCode, w.log.errors())
	}
}

func TestAPI_findsSignersOfAnyName(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for n, name := range []string{"a%2Fb", "a b+c", "?x#y;z&=", "é𝕊", "..", "../..", `a\b"'<>`, "a//b/", "%", "%25"} {
		id := inventory.KeylessID("https://issuer.test/%7C", name)
		w.look(fmt.Sprintf("any/%d", n), found(100+n, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody has approved the signer.", []string{"v1"},
			inventory.Signer{ID: id, Kind: inventory.KeylessSigner, Name: name}))
		if o := w.get(viewer, "/api/v1"+id.Path()).object(t); o["id"] != string(id) {
			t.Errorf("asked for %s: %v", id, o)
		}
		if a := w.get(viewer, "/api/v1/images?signer="+url.QueryEscape(string(id))); strings.Count(a.body, `"digest":"sha256`) != 1 {
			t.Errorf("the images of %s: %s", id, a.body)
		}
	}
}

func TestAPI_answersOnlyToItsNames(t *testing.T) {
	w := newWorld(t, plan{local: true, baseURL: "http://127.0.0.1:8080"})
	detail := w.get(nobody, "/api/v1/images", "Host", "elsewhere.test").problem(t, http.StatusMisdirectedRequest)
	if !strings.Contains(detail, "elsewhere.test") {
		t.Errorf("the problem is %q", detail)
	}
	if a := w.get(nobody, "/api/v1/images"); a.StatusCode != http.StatusOK {
		t.Errorf("without sign-in, the local operator gets %d", a.StatusCode)
	}
}

func TestAPI_listsQuarantinesThatStandAndThenTheOthers(t *testing.T) {
	w := newWorld(t, plan{})
	actor := inventory.Actor{Kind: inventory.UserActor, Name: second, Subject: "https://id.test|" + second, Role: inventory.Reviewer}
	for n := range 5 {
		q, err := w.door.Quarantine(t.Context(), actor, decision.QuarantineRequest{Digest: digest(n), Reason: "a flaw"})
		w.must(err)
		if n >= 3 {
			w.must(w.door.Release(t.Context(), actor, q.ID, "no flaw"))
		}
	}
	for _, c := range []struct {
		query  string
		states string // s stands, o is over
	}{{"", "sssoo"}, {"state=standing&", "sss"}, {"state=over&", "oo"}} {
		for _, limit := range []string{"1", "2", "3", "4", "5", "200"} {
			states, seen, cursor := "", map[string]bool{}, ""
			for range 9 {
				o := w.get(viewer, "/api/v1/quarantines?"+c.query+"limit="+limit+"&cursor="+cursor).object(t)
				items := o["items"].([]any)
				if most, _ := strconv.Atoi(limit); len(items) > most {
					t.Errorf("?%slimit=%s: a page of %d", c.query, limit, len(items))
				}
				for _, item := range items {
					q := item.(map[string]any)
					seen[q["id"].(string)] = true
					if q["released_at"] == nil {
						states += "s"
					} else {
						states += "o"
					}
				}
				next, more := o["next_cursor"].(string)
				if !more {
					break
				}
				cursor = url.QueryEscape(next)
			}
			if states != c.states || len(seen) != len(states) {
				t.Errorf("?%slimit=%s: %s of %d, want %s", c.query, limit, states, len(seen), c.states)
			}
		}
	}
}

func TestAPI_pagesThroughAList(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	var seen []string
	target := "/api/v1/images?limit=3"
	for range 10 {
		o := w.get(viewer, target).object(t)
		for _, item := range o["items"].([]any) {
			i := item.(map[string]any)
			seen = append(seen, i["repository"].(string)+"@"+i["digest"].(string))
			if i["evidence"] != false || i["signatures"] == nil {
				t.Errorf("an image of a list says evidence %v, signatures %v", i["evidence"], i["signatures"])
			}
		}
		next, more := o["next_cursor"].(string)
		if !more {
			break
		}
		target = "/api/v1/images?limit=3&cursor=" + url.QueryEscape(next)
	}
	slices.Sort(seen)
	if len(slices.Compact(slices.Clone(seen))) != 8 || len(seen) != 8 {
		t.Errorf("8 images, and the pages had %d: %v", len(seen), seen)
	}
	if a := w.get(viewer, "/api/v1/images?tag=none"); !strings.Contains(a.body, `"items":[]`) || !strings.Contains(a.body, `"next_cursor":null`) {
		t.Errorf("an empty list is %s", a.body)
	}
}

// failing answers with an error, and panics without one.
type failing struct {
	api.ImageStore
	err error
}

func (f failing) Images(context.Context, inventory.ImageFilter, inventory.Page, time.Time) (inventory.ImageList, error) {
	if f.err == nil {
		var none *inventory.ImageList
		return *none, nil
	}
	return inventory.ImageList{}, fmt.Errorf("listing images: %w", f.err)
}
