package dct_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/verify"
	"signboard/inventory/verify/dct"
)

var _ verify.Outside = (*dct.Place)(nil)

func TestOutage_isNeverAFinding(t *testing.T) {
	for status, reason := range map[int]inventory.Reason{
		500: inventory.ReasonRegistryUnreachable, 502: inventory.ReasonRegistryUnreachable, 503: inventory.ReasonRegistryUnreachable,
		401: inventory.ReasonRegistryDenied, 403: inventory.ReasonRegistryDenied, 429: inventory.ReasonRegistryThrottled,
		204: inventory.ReasonRegistryInconsistent, 418: inventory.ReasonRegistryInconsistent,
	} {
		for _, name := range []string{"timestamp", "root", "snapshot", "targets", "targets/team"} {
			r := newRepo(t)
			r.delegate("targets", "targets/team", []string{""}, newPen(t, noon, ""))
			s := stage(t, r)
			s.server.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/tuf/"+name+".") {
					return false
				}
				w.WriteHeader(status)
				return true
			})
			refused(t, s.place, img("one"), reason)
			if root := s.place.TrustRoot(); !root.Stale || root.Failure == nil || root.Failure.Reason != reason || root.ObtainedAt != nil {
				t.Errorf("status %d for %s: the root of trust is shown as %+v", status, name, root)
			}
		}
	}
}

func TestOutage_serverIsGone(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	h := httptest.NewServer(http.NotFoundHandler())
	s.server.url = h.URL
	h.Close()
	p := place(s.server, s.memory, s.clock)
	refused(t, p, img("one"), inventory.ReasonRegistryUnreachable)
	refused(t, p, image("dct/other", "one"), inventory.ReasonRegistryUnreachable)
	bad := dct.New(dct.Server{Registry: "local", Host: host, URL: "notary.example.com", Client: client()}, nil, s.clock.now)
	refused(t, bad, img("one"), inventory.ReasonRegistryUnreachable)
}

// Whoever can't be reached isn't waited for by a thousand repositories.
func TestOutage_aSilentServerIsWaitedForOnce(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	var mu sync.Mutex
	asked := 0
	s.server.answer(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		asked++
		mu.Unlock()
		<-r.Context().Done()
		return true
	})
	s.place.Hurry(50 * time.Millisecond)
	for i := range 100 {
		l := refused(t, s.place, image(fmt.Sprintf("dct/app%d", i), "one"), inventory.ReasonRegistryUnreachable)
		if !strings.Contains(l.Message, "in time") {
			t.Errorf("it says %q", l.Message)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestOutage_aCallerNeedNotWait(t *testing.T) {
	s := stage(t, newRepo(t))
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.server.answer(func(w http.ResponseWriter, r *http.Request) bool { <-release; return true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := s.place.Look(ctx, img("one")); err == nil {
		t.Errorf("found %+v", found)
	}
}

func TestAbsent_isNothing(t *testing.T) {
	s := stage(t, newRepo(t))
	none(t, s.place, image("dct/never", "one"))
	if root := s.place.TrustRoot(); root.Stale {
		t.Errorf("%+v", root)
	}
}

// A repository that had signatures doesn't lose them by the server's say-so.
func TestAbsent_afterItWasKnown(t *testing.T) {
	s := stage(t, newRepo(t))
	verified(t, s.place, img("one"))
	s.later(nil)
	l := refused(t, s.place, img("one"), inventory.ReasonRegistryInconsistent)
	if !strings.Contains(l.Message, "no longer knows") {
		t.Errorf("it says %q", l.Message)
	}
	refused(t, place(s.server, s.memory, s.clock), img("never signed"), inventory.ReasonRegistryInconsistent)
}

// Something else at the server's address has no files of any repository.
func TestAbsent_atAWrongAddress(t *testing.T) {
	h := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(h.Close)
	p := dct.New(dct.Server{Registry: "local", Host: host, URL: h.URL, Client: client()}, nil, (&clock{at: noon}).now)
	refused(t, p, img("one"), inventory.ReasonRegistryInconsistent)
}

func TestAbsent_filesThatShouldBeThere(t *testing.T) {
	for _, name := range []string{"root", "snapshot", "targets", "targets/team"} {
		r := newRepo(t)
		r.delegate("targets", "targets/team", []string{""}, newPen(t, noon, ""))
		s := stage(t, r)
		files := r.publish()
		delete(files, name)
		s.server.hold(files)
		refused(t, s.place, img("never signed"), inventory.ReasonRegistryInconsistent)
	}
	r := newRepo(t) // but a role that the snapshot doesn't name has signed nothing yet
	r.delegate("targets", "targets/team", []string{""}, newPen(t, noon, ""))
	r.listed["targets/team"] = false
	s := stage(t, r)
	none(t, s.place, img("never signed"))
	verified(t, s.place, img("one"))
}

func TestServer_withoutNamesByHash(t *testing.T) {
	s := stage(t, newRepo(t))
	s.server.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if len(r.URL.Path) < 64 || !strings.Contains(r.URL.Path[len(r.URL.Path)-70:], ".") || strings.Count(r.URL.Path[strings.LastIndex(r.URL.Path, "/"):], ".") == 1 {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	verified(t, s.place, img("one"))
}

// A write between two requests makes files that don't fit; they are read again.
func TestServer_isWrittenToMeanwhile(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	r.rotate()
	next := r.publish()
	asked := 0
	s.server.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		if asked++; asked == 2 { // after the timestamp, before the root
			s.server.hold(next)
		}
		return false
	})
	verified(t, s.place, img("one"))
}

func TestLarge_isNotRead(t *testing.T) {
	r := newRepo(t)
	files := r.publish()
	for _, name := range []string{"timestamp", "root", "snapshot", "targets"} {
		s := stage(t, r)
		var sent int64
		s.server.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/tuf/"+name+".") {
				return false
			}
			n, _ := io.Copy(w, io.MultiReader(strings.NewReader(string(files[name])), io.LimitReader(spaces{}, 100<<20)))
			sent += n
			return true
		})
		refused(t, s.place, img("one"), inventory.ReasonTooLarge)
		if sent > 24<<20 {
			t.Errorf("%d bytes of %s went out", sent, name)
		}
	}
}

// A snapshot that announces a list of 100 MB is believed in that.
func TestLarge_whenItIsAnnounced(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	files := r.publish()
	announced := meta(files["targets"])
	announced.Length = 100 << 20
	files["snapshot"] = r.signed("snapshot", data.Snapshot{SignedCommon: r.common("snapshot", "Snapshot"), Meta: data.Files{"root": meta(files["root"]), "targets": announced}})
	files["timestamp"] = r.signed("timestamp", data.Timestamp{SignedCommon: r.common("timestamp", "Timestamp"), Meta: data.Files{"snapshot": meta(files["snapshot"])}})
	s.server.hold(files)
	refused(t, s.place, img("one"), inventory.ReasonTooLarge)
	for _, name := range s.server.requests() {
		if strings.HasPrefix(name, "targets") {
			t.Errorf("asked for %s", name)
		}
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Each list is small enough, and all together aren't.
func TestLarge_allFilesTogether(t *testing.T) {
	r := newRepo(t)
	p := newPen(t, noon, "")
	for i := range 6 {
		r.delegate("targets", fmt.Sprintf("targets/r%d", i), []string{""}, p)
	}
	r.padding = bytes.Repeat([]byte(" "), 7<<20)
	s := stage(t, r)
	refused(t, s.place, img("one"), inventory.ReasonTooLarge)
}

func TestRedirect_leadsNowhereElse(t *testing.T) {
	s := stage(t, newRepo(t))
	reached := false
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached = true }))
	t.Cleanup(inner.Close)
	s.server.answer(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, inner.URL+"/latest/meta-data", http.StatusFound)
		return true
	})
	refused(t, s.place, img("one"), inventory.ReasonRegistryInconsistent)
	if reached {
		t.Error("another host was asked")
	}
	// And a server on a private address isn't asked at all unless that is allowed.
	closed := dct.New(dct.Server{Registry: "local", Host: host, URL: s.server.url, Client: registry.NewOutsideClient(registry.Outside{})}, nil, s.clock.now)
	if _, err := closed.Look(t.Context(), img("one")); err == nil {
		t.Error("loopback was asked")
	}
}

func TestToken_forReadersWithoutAName(t *testing.T) {
	s := stage(t, newRepo(t))
	realm, issued := s.server.url+"/token", 0
	demand := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			if r.Header.Get("Authorization") != "" || r.URL.Query().Get("scope") != "repository:x:pull" || r.URL.Query().Get("service") != "notary" {
				t.Errorf("a token was asked for with %v %s", r.Header, r.URL)
			}
			issued++
			fmt.Fprint(w, `{"token":"tok"}`)
			return true
		}
		if r.Header.Get("Authorization") == "Bearer tok" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="notary",scope="repository:x:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	s.server.answer(demand)
	verified(t, s.place, img("one"))
	if issued != 1 {
		t.Errorf("%d tokens for one repository", issued)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a foreign host was asked for a token") }))
	t.Cleanup(elsewhere.Close)
	for _, foreign := range []string{elsewhere.URL + "/token", "http://user:secret@" + strings.TrimPrefix(s.server.url, "http://") + "/token", "file:///etc/passwd", "::", ""} {
		realm = foreign
		refused(t, place(s.server, nil, s.clock), img("one"), inventory.ReasonRegistryDenied)
	}
}

func TestCache_oneReadingForAllImagesOfARepository(t *testing.T) {
	r := newRepo(t)
	for i := range 50 {
		r.sign("targets", fmt.Sprintf("t%d", i), fmt.Sprintf("image %d", i))
	}
	s := stage(t, r)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if found, err := s.place.Look(t.Context(), img(fmt.Sprintf("image %d", i))); err != nil || len(found.Signatures) != 1 {
				t.Errorf("image %d: %+v, %v", i, found, err)
			}
		})
	}
	wg.Wait()
	if n := len(s.server.requests()); n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
	if s.memory.kept != 1 {
		t.Errorf("remembered %d times", s.memory.kept)
	}
	before := look(t, s.place, img("image 7"))
	s.clock.pass(2 * time.Minute)
	after := look(t, s.place, img("image 7"))
	if asked := s.server.requests(); !slices.Equal(asked, []string{"timestamp"}) {
		t.Errorf("asked for %v; the timestamp alone shows that nothing changed", asked)
	}
	if before.Mark != after.Mark || s.memory.kept != 1 {
		t.Errorf("nothing changed, and the mark did, or it was remembered again (%d)", s.memory.kept)
	}
	r.sign("targets", "new", "brand new")
	r.bump()
	s.later(r.publish())
	verified(t, s.place, img("brand new"))
}

// A new timestamp is made every fortnight and changes nothing of what is signed.
func TestMark_changesWithWhatMatters(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	first := look(t, s.place, img("one")).Mark
	r.versions["timestamp"]++
	r.expires["timestamp"] = noon.AddDate(0, 0, 28)
	s.later(r.publish())
	if look(t, s.place, img("one")).Mark == "" || s.memory.kept != 2 {
		t.Errorf("remembered %d times", s.memory.kept)
	}
	// Signing with ECDSA anew makes other bytes, so compare what is said of them.
	r.sign("targets", "v1.0", "one")
	r.bump()
	s.later(r.publish())
	if look(t, s.place, img("one")).Mark == first {
		t.Error("another tag was signed, and the mark is the same")
	}
	if mark := look(t, s.place, img("never")).Mark; mark != "" {
		t.Errorf("nothing has the mark %q", mark)
	}
}

// Failures are kept as long as findings, and no longer.
func TestCache_failuresPass(t *testing.T) {
	s := stage(t, newRepo(t))
	s.server.answer(func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(500); return true })
	refused(t, s.place, img("one"), inventory.ReasonRegistryUnreachable)
	s.server.answer(nil)
	s.clock.pass(2 * time.Minute)
	verified(t, s.place, img("one"))
	if root := s.place.TrustRoot(); root.Stale || root.ObtainedAt == nil || !root.ObtainedAt.Equal(s.clock.now()) {
		t.Errorf("the root of trust is shown as %+v", root)
	}
}

func TestCache_isBounded(t *testing.T) {
	s := stage(t, newRepo(t))
	for i := range dct.Keep + 20 {
		none(t, s.place, image(fmt.Sprintf("dct/n%d", i), "one"))
		s.clock.pass(time.Millisecond)
	}
	s.server.requests()
	none(t, s.place, image(fmt.Sprintf("dct/n%d", dct.Keep+19), "one"))
	if n := len(s.server.requests()); n != 0 {
		t.Errorf("the newest isn't kept: asked %d times", n)
	}
	none(t, s.place, image("dct/n0", "one"))
	if n := len(s.server.requests()); n != 1 {
		t.Errorf("the oldest is still kept: asked %d times", n)
	}
}

func TestMemory_failingIsAFailure(t *testing.T) {
	s := stage(t, newRepo(t))
	s.memory.fail = errors.New("disk full")
	refused(t, s.place, img("one"), inventory.ReasonNotChecked)
	s.memory.fail = nil
	s.clock.pass(2 * time.Minute)
	verified(t, s.place, img("one"))
	good := s.memory.states[s.gun]
	for _, state := range []string{"{", "{}", `{"format":9,"root":"e30="}`, `{"format":1,"root":"e30="}`, strings.Replace(string(good), `"format":1`, `"format":2`, 1)} {
		s.memory.states[s.gun] = []byte(state)
		s.clock.pass(2 * time.Minute)
		refused(t, s.place, img("one"), inventory.ReasonNotChecked)
	}
}

func TestSigners_ofARoleWithSeveralKeys(t *testing.T) {
	r := newRepo(t)
	a, b := newPen(t, noon, "ann"), newPen(t, noon, "ben")
	r.delegate("targets", "targets/releases", []string{""}, a, b)
	r.delegate("targets", "targets/ann", []string{""}, a)
	r.sign("targets/releases", "v3", "three")
	r.sign("targets/ann", "v3", "three")
	s := stage(t, r)
	found := look(t, s.place, img("three"))
	if len(found.Signatures) != 2 {
		t.Fatalf("%d signatures", len(found.Signatures))
	}
	ids := []string{a.public.ID(), b.public.ID()}
	slices.Sort(ids)
	team := found.Signatures[0]
	if team.Signer.ID != inventory.TUFID(r.gun, ids[0]) || !has(team.Chain, inventory.RoleSignature, "Signed by key", ids[1]) {
		t.Errorf("the team's list is signed by %s\n%+v", team.Signer.ID, team.Chain)
	}
	for _, signature := range found.Signatures {
		if signature.Signer.ID == inventory.TUFID(r.gun, a.public.ID()) && signature.Signer.Name != "ann (targets/ann of "+r.gun+")" {
			t.Errorf("ann, in whichever role, is called %s", signature.Signer.Name)
		}
	}
}

func TestPin_toAnAuthority(t *testing.T) {
	ca, caKey := authority(t, noon)
	other, _ := authority(t, noon)
	r := newRepo(t)
	r.pens["root"] = []pen{certified(t, newPen(t, noon, "").private, r.gun, noon.AddDate(0, 0, -1), noon.AddDate(1, 0, 0), ca, caKey)}
	pin := dct.Pin{Repositories: []inventory.Glob{"dct/**"}}
	pin.CA = append(pin.CA, ca)
	verified(t, stage(t, r, pin).place, img("one"))
	pin.CA[0] = other
	if c := check(invalid(t, stage(t, r, pin).place, img("one"), inventory.ReasonRootUnknown), "root_pin"); c.Result != inventory.Fail {
		t.Errorf("%+v", c)
	}
	invalid(t, stage(t, newRepo(t), pin).place, img("one"), inventory.ReasonRootUnknown)
}

// A repository that was made anew on purpose is let in by pinning its root.
func TestPin_beginsAnew(t *testing.T) {
	s := stage(t, newRepo(t))
	s.versions["targets"] = 9
	s.server.hold(s.publish())
	verified(t, s.place, img("one"))
	anew := newRepo(t)
	s.later(anew.publish())
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
	pin := dct.Pin{Repositories: []inventory.Glob{"**"}, RootKeyIDs: []string{anew.pens["root"][0].public.ID()}}
	pinned := place(s.server, s.memory, s.clock, pin)
	verified(t, pinned, img("one"))
	// From there on it is remembered as any other.
	old := anew.publish()
	anew.bump()
	s.later(anew.publish())
	verified(t, pinned, img("one"))
	s.later(old)
	invalid(t, pinned, img("one"), inventory.ReasonTrustRootStale)
}

func TestNames_thatCouldBeAnothers(t *testing.T) {
	s := stage(t, newRepo(t))
	for _, repository := range []string{"", "dct/../dct/app", "/dct/app", "dct//app", "dct/app?x", "dct/app#", "DCT/app", "dct/app/", "dct/%2e%2e/app", "dct/app\n", strings.Repeat("a", 300)} {
		refused(t, s.place, image(repository, "one"), inventory.ReasonRegistryInconsistent)
	}
	if n := len(s.server.requests()); n != 0 {
		t.Errorf("asked %d times", n)
	}
	hub := serve(t, "docker.io/library/alpine", nil)
	p := dct.New(dct.Server{Registry: "hub", Host: "docker.io", URL: hub.url + "/", Client: client()}, nil, s.clock.now)
	if _, err := p.Look(t.Context(), image("alpine", "x")); err != nil {
		t.Error(err)
	}
	if asked := hub.requests(); !slices.Equal(asked, []string{"timestamp"}) {
		t.Errorf("Docker Hub's alpine is asked for as %v", asked)
	}
}

func TestTags_areShownWithoutTheirTricks(t *testing.T) {
	r := newRepo(t)
	r.sign("targets", "v1\u202egnp", "tricky")
	r.sign("targets", strings.Repeat("x", 5000), "long")
	s := stage(t, r)
	for _, content := range []string{"tricky", "long"} {
		signature := verified(t, s.place, img(content))
		if strings.ContainsRune(signature.Message, '\u202e') || len(signature.Message) > 1000 {
			t.Errorf("it says %q", signature.Message)
		}
	}
	r.sign("targets", "V1", "one") // another tag than v1
	r.bump()
	s.later(r.publish())
	if signature := verified(t, s.place, img("one")); !has(signature.Chain, inventory.RoleStatement, "Tags signed", "V1, v1") {
		t.Errorf("%+v", signature.Chain)
	}
}

func TestClosing_isSaidOfHostedServers(t *testing.T) {
	for address, want := range map[string]string{
		"https://notary.docker.io": "2026-12-08", "https://NOTARY.docker.io:443/": "2026-12-08", "https://acme.azurecr.io": "2028-03-31",
		"https://notary.example.com": "", "https://notary.docker.io.example.com": "", "https://azurecr.io.evil": "", "::": "",
	} {
		on, ok := dct.Closes(address)
		if got := on.Format(time.DateOnly); ok != (want != "") || ok && got != want {
			t.Errorf("%s closes on %s, %v", address, got, ok)
		}
	}
	// The server under its real name, answered by ours.
	s := stage(t, newRepo(t))
	to := strings.TrimPrefix(s.server.url, "http://")
	c := client()
	c.Transport = rename{c.Transport, to}
	p := dct.New(dct.Server{Registry: "local", Host: host, URL: "http://notary.docker.io", Client: c}, nil, s.clock.now)
	signature := verified(t, p, img("one"))
	if hint := check(signature, "server_closing"); hint.Result != inventory.Skip || !strings.Contains(hint.Message, "closes on 8 December 2026") || !strings.Contains(hint.Message, "cosign or Notation") {
		t.Errorf("%+v", hint)
	}
	if !has(signature.Chain, inventory.RoleRoot, "Server closes", "8 December 2026") {
		t.Errorf("%+v", signature.Chain)
	}
	s.later(nil)
	if l := refused(t, p, img("one"), inventory.ReasonRegistryInconsistent); !strings.Contains(l.Message, "8 December 2026") {
		t.Errorf("it says %q", l.Message)
	}
	if facts := p.TrustRoot().Facts; !slices.Contains(facts, inventory.Fact{Name: "Server closes", Value: "8 December 2026"}) {
		t.Errorf("%+v", facts)
	}
}

type rename struct {
	inner http.RoundTripper
	to    string
}

func (r rename) RoundTrip(in *http.Request) (*http.Response, error) {
	out := in.Clone(in.Context())
	out.URL.Host = r.to
	return r.inner.RoundTrip(out)
}

func TestRevision_namesServerAndPins(t *testing.T) {
	ca, _ := authority(t, noon)
	base := dct.Server{Registry: "local", Host: host, URL: "https://notary.example.com", Client: client()}
	a := dct.Pin{Repositories: []inventory.Glob{"a/**"}, RootKeyIDs: []string{"aa", "bb"}}
	b := dct.Pin{Repositories: []inventory.Glob{"b/**"}}
	b.CA = append(b.CA, ca)
	variants := []dct.Server{base, base, base, base, base}
	variants[1].URL += "/x"
	variants[2].Pins = []dct.Pin{a}
	variants[3].Pins = []dct.Pin{a, b}
	variants[4].Pins = []dct.Pin{{Repositories: []inventory.Glob{"b/**"}, RootKeyIDs: a.RootKeyIDs}}
	seen := map[string]bool{}
	for _, v := range variants {
		seen[dct.New(v, nil, nil).Revision()] = true
	}
	if len(seen) != len(variants) {
		t.Errorf("%d revisions of %d configurations", len(seen), len(variants))
	}
	turned := base
	turned.Pins = []dct.Pin{b, {Repositories: a.Repositories, RootKeyIDs: []string{"BB", "aa"}}}
	if dct.New(turned, nil, nil).Revision() != dct.New(variants[3], nil, nil).Revision() {
		t.Error("the order and the case of pins matter")
	}
}
