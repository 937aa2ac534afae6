package session_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/web/session"
)

// renewing is a site whose provider gives refresh tokens, with somebody signed
// in. Each refresh token works once.
func renewing(t *testing.T) (*hostile, *clock, *person) {
	t.Helper()
	h := newHostile(t)
	clock := h.clock()
	n := 0
	h.answer = func(a map[string]any) { // the lock is held
		n++
		a["refresh_token"] = "refresh " + string(rune('a'+n))
	}
	p := h.site(func(c *session.Config) { c.Clock = clock.Now }).person()
	if status, _, body := p.get(p.pass(h)); status != http.StatusSeeOther {
		t.Fatalf("%d: %s", status, body)
	}
	return h, clock, p
}

func (h *hostile) groups(groups ...string) {
	h.set(func() {
		h.claims = func(c map[string]any) { c["groups"], c["nonce"] = groups, nil }
	})
}

func TestRenewal_rolesFollowTheGroups(t *testing.T) {
	h, clock, p := renewing(t)
	h.groups("staff")
	clock.pass(9 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|reviewer|") || h.asked("/token") != 1 {
		t.Errorf("after 9 minutes they are %s, and the provider was asked %d times", who, h.asked("/token"))
	}
	clock.pass(2 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|viewer|") {
		t.Errorf("after 11 minutes they are %s", who)
	}
	if h.form.Get("grant_type") != "refresh_token" || h.form.Get("refresh_token") != "refresh b" {
		t.Errorf("the provider was asked with %v", h.form)
	}
	p.who()
	if n := h.asked("/token"); n != 2 {
		t.Errorf("the provider was asked %d times", n)
	}
	h.groups("platform")
	clock.pass(11 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|admin|") || h.form.Get("refresh_token") != "refresh c" {
		t.Errorf("after 22 minutes they are %s, by %v", who, h.form)
	}
}

func TestRenewal_happensOnceForManyRequests(t *testing.T) {
	h, clock, p := renewing(t)
	h.groups("staff")
	clock.pass(11 * time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if who := p.who(); !strings.HasPrefix(who, "Sam|viewer|") {
				t.Errorf("they are %s", who)
			}
		})
	}
	all.Wait()
	if n := h.asked("/token"); n != 2 {
		t.Errorf("20 requests at once asked the provider %d times", n-1)
	}
}

func TestRenewal_endsWhatTheProviderEnds(t *testing.T) {
	for name, lie := range map[string]func(h *hostile){
		"the sign-in is over": func(h *hostile) { h.refuse = "invalid_grant" },
		"somebody else":       func(h *hostile) { h.claims = func(c map[string]any) { c["sub"] = "18" } },
		"another client":      func(h *hostile) { h.claims = func(c map[string]any) { c["aud"] = "other" } },
		"too many groups": func(h *hostile) {
			h.claims = func(c map[string]any) { c["groups"], c["hasgroups"] = nil, true }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, clock, p := renewing(t)
			h.set(func() { lie(h) })
			clock.pass(11 * time.Minute)
			for range 2 {
				if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
					t.Errorf("they are %s", who)
				}
			}
			log := p.audited()
			if last := log[len(log)-1]; len(log) != 2 || last.Action != "session.end" || last.Actor.Name != "Sam" || !strings.Contains(last.Reason, "no longer vouches") {
				t.Errorf("the audit log says %+v", log)
			}
		})
	}
}

func TestRenewal_withTheProviderDownGoesOn(t *testing.T) {
	for name, lie := range map[string]func(h *hostile){
		"down":                    func(h *hostile) { h.down = true },
		"it doesn't know us":      func(h *hostile) { h.refuse = "invalid_client" },
		"no groups and no answer": func(h *hostile) { h.claims = func(c map[string]any) { c["groups"] = nil } },
		"keys that can't be found": func(h *hostile) {
			h.keyID = "new"
			h.change = func(m map[string]any) { m["jwks_uri"] = h.URL + "/nowhere" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, clock, p := renewing(t)
			h.set(func() { lie(h) })
			for range 6 {
				clock.pass(110 * time.Minute)
				if who := p.who(); !strings.HasPrefix(who, "Sam|reviewer|") {
					t.Errorf("they are %s", who)
				}
			}
			asked := h.asked("/token")
			p.who()
			if h.asked("/token") != asked {
				t.Error("the provider is asked again at once")
			}
			clock.pass(70 * time.Minute) // 12 hours and ten minutes
			if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
				t.Errorf("after the session's end they are %s", who)
			}
		})
	}
}

func TestRenewal_withoutAnIDTokenAsksUserInfo(t *testing.T) {
	h, clock, p := renewing(t)
	h.set(func() {
		answer := h.answer
		h.answer = func(a map[string]any) { answer(a); a["id_token"] = nil }
		h.userinfo = map[string]any{"sub": "17", "groups": []string{"platform"}}
	})
	clock.pass(11 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|admin|") {
		t.Errorf("they are %s", who)
	}
	h.set(func() { h.userinfo = map[string]any{"sub": "17"} })
	clock.pass(11 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|admin|") {
		t.Errorf("without the claim they are %s", who)
	}
	h.set(func() { h.userinfo = map[string]any{"sub": "18", "groups": []string{"platform"}} })
	clock.pass(11 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("with another's userinfo they are %s", who)
	}
}

func TestSession_withoutRefreshTokenAsksNobody(t *testing.T) {
	h := newHostile(t)
	clock := h.clock()
	p := h.site(func(c *session.Config) { c.Clock = clock.Now }).person()
	p.get(p.pass(h))
	h.groups("staff")
	clock.pass(time.Hour)
	if who := p.who(); !strings.HasPrefix(who, "Sam|reviewer|") || h.asked("/token") != 1 {
		t.Errorf("they are %s", who)
	}
}

func TestSession_limits(t *testing.T) {
	h := newHostile(t)
	clock := h.clock()
	p := h.site(func(c *session.Config) {
		c.Clock, c.Lifetime, c.Idle = clock.Now, 3*time.Hour, time.Hour
	}).person()
	for name, pauses := range map[string][]time.Duration{"idle": {50 * time.Minute, 61 * time.Minute}, "absolute": {50 * time.Minute, 50 * time.Minute, 50 * time.Minute, 31 * time.Minute}} {
		p.get(p.pass(h))
		for i, pause := range pauses {
			clock.pass(pause)
			if is := strings.HasPrefix(p.who(), "Sam|"); is != (i < len(pauses)-1) {
				t.Errorf("%s: after pause %d they are signed in: %v", name, i, is)
			}
		}
	}
}

// TestSession_thatWasEndedIsNotBroughtBack is the request that began before the
// session was ended elsewhere, and ends after.
func TestSession_thatWasEndedIsNotBroughtBack(t *testing.T) {
	h := newHostile(t)
	p := h.site(nil).person()
	p.get(p.pass(h))
	slow := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { p.get("/slow") })
	p.slow <- slow
	list, err := p.db.SessionsOf(t.Context(), h.URL+"|17", time.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := p.db.EndSession(t.Context(), list[0].ID, list[0].Subject, inventory.AuditEntry{At: time.Now(), Action: "session.revoke"}); err != nil {
		t.Fatal(err)
	}
	close(slow)
	all.Wait()
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("they are %s", who)
	}
}

// TestDatabase_holdsNothingToSignInWith reads every session as a thief of the
// database would.
func TestDatabase_holdsNothingToSignInWith(t *testing.T) {
	h, clock, p := renewing(t)
	u, _ := url.Parse(p.url)
	cookie := p.client.Jar.Cookies(u)[0].Value
	for range 2 {
		list, err := p.db.SessionsOf(t.Context(), h.URL+"|17", clock.Now())
		if err != nil || len(list) != 1 || len(list[0].Sealed) < 200 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, secret := range []string{"refresh", "eyJ", cookie} {
			if s := list[0]; strings.Contains(s.Sealed, secret) || strings.Contains(string(s.Data), secret) || strings.Contains(s.ID, secret) {
				t.Errorf("the session holds %q: %+v", secret, s)
			}
		}
		h.groups("security")
		clock.pass(11 * time.Minute)
		p.who()
	}
	if h.form.Get("refresh_token") != "refresh c" {
		t.Errorf("and they can't be used: %v", h.form)
	}
}

func TestBeginningSignInsFillsNothing(t *testing.T) {
	h := newHostile(t)
	s := h.site(nil)
	for range 20 {
		if status, _, _ := s.person().get("/auth/start"); status != http.StatusFound {
			t.Fatal(status)
		}
	}
	if n := s.rows("sessions"); n != 0 {
		t.Errorf("20 sign-ins that were begun wrote %d sessions", n)
	}
	p := s.person()
	for range 20 {
		p.get("/auth/start?return=/" + strings.Repeat("x", 1900))
	}
	u, _ := url.Parse(p.url)
	if n := len(p.client.Jar.Cookies(u)); n != 5 {
		t.Errorf("a browser has %d sign-ins open", n)
	}
}

func TestFlow_runsOutAndIsOfOnePiece(t *testing.T) {
	h := newHostile(t)
	clock := h.clock()
	s := h.site(func(c *session.Config) { c.Clock = clock.Now })
	p := s.person()
	callback := p.pass(h)
	clock.pass(11 * time.Minute)
	if status, _, _ := p.get(callback); status != http.StatusUnauthorized {
		t.Errorf("after 11 minutes: %d", status)
	}
	u, _ := url.Parse(p.url)
	for name, change := range map[string]func(parts []string){
		"where it leads": func(parts []string) { parts[2] = "L2V2aWw" },
		"when it began":  func(parts []string) { parts[1] += "0" },
		"its secret":     func(parts []string) { parts[0] = strings.Repeat("A", 43) },
	} {
		p := s.person()
		callback := p.pass(h)
		c := p.client.Jar.Cookies(u)[0]
		parts := strings.Split(c.Value, ".")
		change(parts)
		p.client.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: strings.Join(parts, "."), Path: "/"}})
		if status, _, _ := p.get(callback); status != http.StatusUnauthorized {
			t.Errorf("with %s changed: %d", name, status)
		}
	}
}

func TestSignOut_withTheProviderDown(t *testing.T) {
	h := newHostile(t)
	p := h.site(nil).person()
	p.get(p.pass(h))
	u, _ := url.Parse(p.url)
	kept := p.client.Jar.Cookies(u)
	h.set(func() { h.down = true })
	status, location, _ := p.get("/auth/logout")
	q, _ := url.Parse(location)
	if status != http.StatusSeeOther || q.Path != "/end" || q.Query().Get("client_id") != "signboard" || q.Query().Get("post_logout_redirect_uri") != p.url+"/signin" ||
		!strings.HasPrefix(q.Query().Get("id_token_hint"), "eyJ") || q.Query().Get("state") != "signed_out" {
		t.Errorf("%d to %s", status, location)
	}
	p.client.Jar.SetCookies(u, kept)
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("they are %s", who)
	}
	if log := p.audited(); len(log) != 2 || log[1].Action != "session.end" || log[1].Actor.Name != "Sam" {
		t.Errorf("the audit log says %+v", log)
	}
}

func TestSignIn_anewEndsTheSessionFromBefore(t *testing.T) {
	h := newHostile(t)
	p := h.site(nil).person()
	p.get(p.pass(h))
	p.get(p.pass(h))
	other := p.site.person()
	other.get(other.pass(h)) // another browser of the same person
	if n := p.rows("sessions"); n != 2 {
		t.Errorf("two browsers have %d sessions", n)
	}
	var actions []string
	for _, e := range p.audited() {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "session.start session.end session.start session.start" {
		t.Errorf("the audit log says %s", got)
	}
}
