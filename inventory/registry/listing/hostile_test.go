package listing

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// service is how a product answers for the namespace acme, whatever it holds.
type service struct {
	config Config
	before int // requests before the first page
	// page writes a page of names, which are without their namespace; next is
	// the address of the next one, "" for none, total what is said of all.
	page func(w http.ResponseWriter, names []string, total int, next string)
	// next is where the next page is, as the product says it.
	next func(r *http.Request, n int) string
	// tokens is set where the next page is a token, which can't lead elsewhere.
	tokens bool
}

func entries(key, prefix string, names []string) []map[string]string {
	list := []map[string]string{}
	for _, n := range names {
		list = append(list, map[string]string{key: prefix + n, "namespace": "acme"})
	}
	return list
}

func linked(key, prefix, total string) func(http.ResponseWriter, []string, int, string) {
	return func(w http.ResponseWriter, names []string, n int, next string) {
		if next != "" {
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next))
		}
		if total != "" && n >= 0 {
			w.Header().Set(total, strconv.Itoa(n))
		}
		json.NewEncoder(w).Encode(entries(key, prefix, names))
	}
}

func numberedNext(r *http.Request, n int) string {
	q := r.URL.Query()
	q.Set("page", strconv.Itoa(n+1))
	return "http://" + r.Host + r.URL.EscapedPath() + "?" + q.Encode()
}

var hostile = map[string]service{
	Harbor: {config: Config{Way: Harbor, Username: "robot$lister", Token: "listing-secret"}, page: linked("name", "acme/", "X-Total-Count"), next: numberedNext},
	GitLab: {config: Config{Way: GitLab, Token: "listing-secret"}, page: linked("path", "acme/", "X-Total"), next: numberedNext},
	GHCR:   {config: Config{Way: GHCR, Token: "listing-secret"}, before: 1, page: linked("name", "", ""), next: numberedNext},
	Quay: {config: Config{Way: Quay, Token: "listing-secret"}, page: func(w http.ResponseWriter, names []string, _ int, next string) {
		json.NewEncoder(w).Encode(map[string]any{"repositories": entries("name", "", names), "next_page": next})
	}, next: func(_ *http.Request, n int) string { return fmt.Sprint("token-", n) }, tokens: true},
	DockerHub: {config: Config{Way: DockerHub, Username: "acmebot", Token: "listing-secret"}, before: 1, page: func(w http.ResponseWriter, names []string, total int, next string) {
		doc := map[string]any{"next": nil, "results": entries("name", "", names)}
		if next != "" {
			doc["next"] = next
		}
		if total >= 0 {
			doc["count"] = total
		}
		json.NewEncoder(w).Encode(doc)
	}, next: numberedNext},
}

// eachService runs a test on every product: with its API on a host of its own, and a
// registry that must not be asked.
func eachService(t *testing.T, f func(t *testing.T, s service, open opener)) {
	for way, s := range hostile {
		t.Run(way, func(t *testing.T) {
			f(t, s, func(t *testing.T, answer http.HandlerFunc, change ...func(*registry.Config)) (*Registry, *server) {
				at := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					switch {
					case strings.Contains(r.Header.Get("Authorization"), "secret") && r.URL.Path == "/users/acme":
						fmt.Fprint(w, `{"login":"acme","type":"Organization"}`)
					case r.Method == http.MethodPost:
						fmt.Fprint(w, `{"access_token":"exchanged-secret"}`)
					default:
						answer(w, r)
					}
				})
				c := s.config
				c.URL, c.Repositories = at.URL, globs(t, "acme/**")
				return open(t, nobody(t), c, change...), at
			})
		})
	}
}

type opener = func(t *testing.T, answer http.HandlerFunc, change ...func(*registry.Config)) (*Registry, *server)

func TestHostile_pagesThatNeverEnd(t *testing.T) {
	thief := serve(t, http.NotFound)
	eachService(t, func(t *testing.T, s service, open opener) {
		for name, next := range map[string]func(r *http.Request, n int) string{
			"ever new ones": s.next,
			"itself":        func(r *http.Request, n int) string { return s.next(r, 0) },
			"a circle":      func(r *http.Request, n int) string { return s.next(r, n%3) },
			"another host":  func(*http.Request, int) string { return thief.URL + "/api" },
			"a scheme":      func(r *http.Request, _ int) string { return "https://" + r.Host + "/" },
			"nowhere":       func(*http.Request, int) string { return "http://[::" },
			"with a user":   func(*http.Request, int) string { return "http://a:b@" + strings.TrimPrefix(thief.URL, "http://") },
			"much too long": func(r *http.Request, _ int) string { return "/" + strings.Repeat("x", 9000) },
		} {
			t.Run(name, func(t *testing.T) {
				n := 0
				r, at := open(t, func(w http.ResponseWriter, r *http.Request) {
					n++
					s.page(w, []string{fmt.Sprint("r", n)}, -1, next(r, n))
				}, func(cfg *registry.Config) { cfg.Limits.Pages = 20 })
				names, err := repositories(r)
				wantLook(t, err, inventory.ReasonTooMany, "incomplete", strings.TrimPrefix(at.URL, "http://"))
				if len(names) == 0 || n > 21 { // the first, and 20 more
					t.Errorf("%d names from %d pages", len(names), n)
				}
				if (name == "another host" || name == "a scheme") && !s.tokens && n != 1 {
					t.Errorf("%d pages were read", n)
				}
			})
		}
	})
	if n := len(thief.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestHostile_entriesBytesAndTimeAreCapped(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		n := 0
		endless := func(w http.ResponseWriter, r *http.Request) {
			n++
			var names []string
			for i := range 10 {
				names = append(names, fmt.Sprintf("r%d-%d", n, i))
			}
			s.page(w, names, -1, s.next(r, n))
		}
		r, _ := open(t, endless, func(cfg *registry.Config) { cfg.Limits.Entries = 35 })
		names, err := repositories(r)
		wantLook(t, err, inventory.ReasonTooMany, "too many entries", "incomplete")
		if len(names) != 40 {
			t.Errorf("%d names", len(names))
		}
		r, _ = open(t, endless, func(cfg *registry.Config) { cfg.Limits.ListingBytes = 90 })
		_, err = repositories(r)
		wantLook(t, err, inventory.ReasonTooLarge, "90 bytes")
		r, _ = open(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(cfg *registry.Config) { cfg.Limits.ListingTimeout = 100 * time.Millisecond })
		_, err = repositories(r)
		wantLook(t, err, inventory.ReasonTooMany, "100ms", "incomplete")
		r, _ = open(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(cfg *registry.Config) { cfg.Limits.RequestTimeout = 100 * time.Millisecond })
		_, err = repositories(r)
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "did not answer within 100ms")
	})
}

// TestHostile_whatIsNotAListIsNeverAnEmptyOne holds that nothing is taken for
// gone because of an answer that says nothing.
func TestHostile_whatIsNotAListIsNeverAnEmptyOne(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		for name, tt := range map[string]struct {
			answer string
			reason inventory.Reason
		}{
			"nothing":         {``, inventory.ReasonPayloadMalformed},
			"null":            {`null`, inventory.ReasonPayloadMalformed},
			"another object":  {`{"errors":[]}`, inventory.ReasonPayloadMalformed},
			"null lists":      {`{"repositories":null,"results":null,"count":0}`, inventory.ReasonPayloadMalformed},
			"cut off":         {`[{"name":"acme/a","path":"acme/a"},{"na`, inventory.ReasonPayloadMalformed},
			"cut off objects": {`{"count":1,"results":[{"name":"a"}],"repositories":[{"na`, inventory.ReasonPayloadMalformed},
			"no names":        {`[{"id":1}]`, inventory.ReasonPayloadMalformed},
			"nameless":        {`{"results":[{"id":1}],"repositories":[{"id":1}]}`, inventory.ReasonPayloadMalformed},
			"strings":         {`["acme/a"]`, inventory.ReasonPayloadMalformed},
			"wrong types":     {`[{"name":1,"path":{}}]`, inventory.ReasonPayloadMalformed},
			"a key twice":     {`[{"name":"a","name":"b","path":"a","path":"b"}]`, inventory.ReasonPayloadMalformed},
			"trailing data":   {`[][{"name":"a","path":"a"}]`, inventory.ReasonPayloadMalformed},
			"very deep":       {strings.Repeat("[", 100_000), inventory.ReasonPayloadMalformed},
			"a web page":      {"\n<html>sign in</html>", inventory.ReasonRegistryInconsistent},
		} {
			t.Run(name, func(t *testing.T) {
				r, at := open(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.answer) })
				names, err := repositories(r)
				wantLook(t, err, tt.reason, strings.TrimPrefix(at.URL, "http://"))
				if len(names) != 0 {
					t.Errorf("%v", names)
				}
			})
		}
		r, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `[]`)
		})
		_, err := repositories(r)
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "broke off")
		r, _ = open(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "\x1f\x8b")
		})
		_, err = repositories(r)
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "compressed")
	})
}

func TestHostile_refusalsSayWhatToDo(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		for _, tt := range []struct {
			status int
			kind   string
			reason inventory.Reason
			word   string
		}{
			{401, "application/json", inventory.ReasonRegistryDenied, "(401): "},
			{403, "application/json", inventory.ReasonRegistryDenied, "(403): "},
			{404, "application/json", inventory.ReasonRegistryDenied, "(404)"},
			{403, "text/html", inventory.ReasonRegistryInconsistent, "listing_url"},
			{404, "text/html", inventory.ReasonRegistryInconsistent, "listing_url"},
			{429, "text/html", inventory.ReasonRegistryThrottled, "429"},
			{500, "application/json", inventory.ReasonRegistryUnreachable, "500"},
			{503, "text/html", inventory.ReasonRegistryUnreachable, "503"},
			{204, "application/json", inventory.ReasonRegistryInconsistent, "204"},
			{418, "application/json", inventory.ReasonRegistryInconsistent, "418"},
		} {
			r, at := open(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
			})
			names, err := repositories(r)
			wantLook(t, err, tt.reason, tt.word, strings.TrimPrefix(at.URL, "http://"))
			if len(names) != 0 || errors.Is(err, inventory.ErrNotFound) {
				t.Errorf("%d: %v, %v", tt.status, names, err)
			}
		}
	})
}

// TestHostile_aRefusalInTheMiddleIsIncomplete holds that what was read before it
// counts, and that the listing doesn't seem complete.
func TestHostile_aRefusalInTheMiddleIsIncomplete(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		n := 0
		r, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			if n++; n > 1 {
				w.WriteHeader(403)
				return
			}
			s.page(w, []string{"a"}, -1, s.next(r, n))
		})
		names, err := repositories(r)
		wantLook(t, err, inventory.ReasonRegistryDenied)
		if !slices.Equal(names, []string{"acme/a"}) {
			t.Errorf("%v", names)
		}
	})
}

func TestHostile_namesThatCannotBeAreLeftOut(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		odd := []string{"../../etc", "UPPER", "a//b", "<b>x</b>", "a b", "a/../b", "-a", "a\u202eb", strings.Repeat("a", 300), "ok", "ok"}
		r, _ := open(t, func(w http.ResponseWriter, r *http.Request) { s.page(w, odd, len(odd), "") })
		if got, err := repositories(r); err != nil || !slices.Equal(got, []string{"acme/ok"}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestHostile_redirectsElsewhereAreNotFollowed(t *testing.T) {
	thief := serve(t, http.NotFound)
	eachService(t, func(t *testing.T, s service, open opener) {
		r, _ := open(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, http.StatusFound) })
		_, err := repositories(r)
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "redirects to another host", "listing_url")
	})
	if n := len(thief.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

// TestHostile_credentials holds that the API is shown its own credentials and
// nothing else, and the registry nothing at all (see nobody).
func TestHostile_credentials(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		r, at := open(t, func(w http.ResponseWriter, r *http.Request) { s.page(w, []string{"a"}, 1, "") })
		if names, err := repositories(r); err != nil || len(names) != 1 {
			t.Fatalf("%v, %v", names, err)
		}
		for _, q := range at.all() {
			header := fmt.Sprint(q.Header)
			if u, p, ok := q.BasicAuth(); ok {
				header += u + ":" + p
			}
			if q.Method == http.MethodGet && !strings.Contains(header, "secret") {
				t.Errorf("%s was asked without the API's credentials", q.URL)
			}
			if strings.Contains(header, robot) || strings.Contains(header, "registry-secret") {
				t.Errorf("%s was shown the registry's credentials", q.URL)
			}
		}
		if !r.Elsewhere() {
			t.Error("an outage of the API would be taken for one of the registry")
		}
		if n := len(at.all()); n != s.before+1 || r.Traffic().Requests != int64(n) {
			t.Errorf("%d requests, %d counted", n, r.Traffic().Requests)
		}
	})
}

// TestHostile_withoutCredentialsNobodyElsesAreShown holds that an API on another
// host isn't shown the registry's for want of its own.
func TestHostile_withoutCredentialsNobodyElsesAreShown(t *testing.T) {
	for way, s := range hostile {
		if way == GHCR { // it needs a token
			continue
		}
		at := serve(t, func(w http.ResponseWriter, r *http.Request) { s.page(w, []string{"a"}, 1, "") })
		r := open(t, nobody(t), Config{Way: way, URL: at.URL, Repositories: globs(t, "acme/**")})
		if names, err := repositories(r); err != nil || len(names) != 1 {
			t.Errorf("%s: %v, %v", way, names, err)
		}
		for _, q := range at.all() {
			if got := q.Header.Get("Authorization"); got != "" {
				t.Errorf("%s: %s was shown %q", way, q.URL, got)
			}
		}
	}
}

// TestHostile_throttled holds that a pause is kept and the reading goes on.
func TestHostile_throttled(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		n := 0
		r, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			if n++; n == 1 {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(429)
				return
			}
			s.page(w, []string{"a"}, 1, "")
		})
		if names, err := repositories(r); err != nil || len(names) != 1 || n != 2 {
			t.Errorf("%v, %v after %d requests", names, err, n)
		}
		if got, want := r.Traffic(), (inventory.Traffic{Requests: int64(s.before + 2), Retried: 1}); got != want {
			t.Errorf("%+v is counted, not %+v", got, want)
		}
	})
}

// TestPages_readAgainWhenSomethingWasDeletedMeanwhile holds that a repository
// which a deletion moved to an earlier page isn't missed.
func TestPages_readAgainWhenSomethingWasDeletedMeanwhile(t *testing.T) {
	for _, way := range []string{Harbor, GitLab, DockerHub} {
		s := hostile[way]
		all := []string{"a", "b", "c", "d"}
		at := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				fmt.Fprint(w, `{"access_token":"x"}`)
				return
			}
			if r.URL.Query().Get("page") == "1" {
				s.page(w, all[:2], len(all), s.next(r, 1))
				all = slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "a" })
				return
			}
			s.page(w, all[min(2, len(all)):], len(all), "")
		})
		c := s.config
		c.URL, c.Repositories = at.URL, globs(t, "acme/*")
		got, err := repositories(open(t, nobody(t), c))
		slices.Sort(got)
		if err != nil || !slices.Equal(got, []string{"acme/a", "acme/b", "acme/c", "acme/d"}) {
			t.Errorf("%s: %v, %v", way, got, err)
		}
	}
}

// TestPages_thatHoldLessThanIsSaidAreIncomplete holds that a list without the
// rest of it isn't complete.
func TestPages_thatHoldLessThanIsSaidAreIncomplete(t *testing.T) {
	for _, way := range []string{Harbor, GitLab, DockerHub} {
		s := hostile[way]
		at := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				fmt.Fprint(w, `{"access_token":"x"}`)
				return
			}
			s.page(w, []string{"a", "b"}, 7, "")
		})
		c := s.config
		c.URL, c.Repositories = at.URL, globs(t, "acme/*")
		got, err := repositories(open(t, nobody(t), c))
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "7", "shows 2")
		if len(got) != 2 || len(at.all()) > attempts+1 {
			t.Errorf("%s: %v after %d requests", way, got, len(at.all()))
		}
	}
}

func TestRepositories_endsWithTheErrorOfPage(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		stop := errors.New("stop")
		r, at := open(t, func(w http.ResponseWriter, r *http.Request) {
			s.page(w, []string{"a"}, -1, s.next(r, len(r.URL.RawQuery)))
		})
		if err := r.Repositories(t.Context(), func([]string) error { return stop }); err != stop {
			t.Errorf("err = %v", err)
		}
		if n := len(at.all()); n != s.before+1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestHostile_credentialsAreNeverLogged holds it against an API that repeats
// what it was shown.
func TestHostile_credentialsAreNeverLogged(t *testing.T) {
	eachService(t, func(t *testing.T, s service, open opener) {
		for _, code := range []int{200, 400, 401, 403, 404, 429, 500, 418} {
			var logged bytes.Buffer
			r, at := open(t, func(w http.ResponseWriter, r *http.Request) {
				_, password, _ := r.BasicAuth()
				w.WriteHeader(code)
				fmt.Fprintf(w, `{"%s":"%s %s"}`, strings.Repeat("x", 10), r.Header.Get("Authorization"), password)
			}, func(cfg *registry.Config) {
				cfg.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			_, err := repositories(r)
			if err == nil || len(at.all()) == 0 {
				t.Fatalf("%d: %v after %d requests", code, err, len(at.all()))
			}
			for _, secret := range []string{"listing-secret", "exchanged-secret", "registry-secret", base64.StdEncoding.EncodeToString([]byte("robot$lister:listing-secret"))} {
				if text := fmt.Sprintf("%v %+v %s", err, errors.Unwrap(err), logged.String()); strings.Contains(text, secret) {
					t.Errorf("%d: %s is in %s", code, secret, text)
				}
			}
		}
	})
}

// TestDockerHub_aRefusedLoginIsNotLogged holds it where the secret travels in
// the body.
func TestDockerHub_aRefusedLoginIsNotLogged(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.Copy(w, r.Body)
	})
	_, err := repositories(open(t, nobody(t), Config{Way: DockerHub, URL: at.URL, Username: "acmebot", Token: "listing-secret", Repositories: globs(t, "acme/*")}))
	wantLook(t, err, inventory.ReasonRegistryDenied)
	if strings.Contains(err.Error(), "listing-secret") {
		t.Error(err)
	}
}
