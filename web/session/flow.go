package session

import (
	"cmp"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
)

// flow is one sign-in that a browser began. It lives in a cookie of that browser
// and nowhere else: nobody else's callback can finish it, and whoever begins
// sign-ins by the million fills no database.
type flow struct {
	secret []byte // what state, nonce and verifier come from
	began  string // unix seconds
	back   string // where the sign-in leads
}

// A browser may have a few sign-ins open in several tabs, for a while.
const (
	maxFlows = 5
	flowLife = 10 * time.Minute
)

func newFlow(back string, now time.Time) flow {
	f := flow{secret: make([]byte, 32), began: strconv.FormatInt(now.Unix(), 10), back: back}
	rand.Read(f.secret) // never fails
	return f
}

// derive makes one of the flow's values. When it began and where it leads go in
// as well, so a cookie in which they were changed belongs to no flow.
func (f flow) derive(purpose string) string {
	key, err := hkdf.Key(sha256.New, f.secret, nil, "signboard sign-in\n"+purpose+"\n"+f.began+"\n"+f.back, 32)
	if err != nil {
		panic("session: " + err.Error()) // the length is right
	}
	return base64.RawURLEncoding.EncodeToString(key)
}

func (f flow) state() string    { return f.derive("state") }
func (f flow) nonce() string    { return f.derive("nonce") }
func (f flow) verifier() string { return f.derive("verifier") } // RFC 7636, section 4.1

func (f flow) String() string {
	return base64.RawURLEncoding.EncodeToString(f.secret) + "." + f.began + "." + base64.RawURLEncoding.EncodeToString([]byte(f.back))
}

func parseFlow(s string) (flow, bool) {
	secret, rest, _ := strings.Cut(s, ".")
	began, back, _ := strings.Cut(rest, ".")
	f := flow{began: began}
	var err, err2 error
	f.secret, err = base64.RawURLEncoding.DecodeString(secret)
	b, err2 := base64.RawURLEncoding.DecodeString(back)
	f.back = string(b)
	return f, err == nil && err2 == nil && len(f.secret) == 32
}

// age is how long ago the flow began; one that began in the future is too old.
func (f flow) age(now time.Time) time.Duration {
	began, err := strconv.ParseInt(f.began, 10, 64)
	if age := now.Sub(time.Unix(began, 0)); err == nil && age > -skew {
		return age
	}
	return 2 * flowLife
}

// flowCookie is a cookie of a flow: one each, so that several tabs don't undo
// each other's. The provider's answer comes from another site, which Strict
// would keep the cookie from.
func (s *Sessions) flowCookie(state, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: s.flowPrefix() + state[:min(16, len(state))], Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: s.scs.Cookie.Secure, SameSite: http.SameSiteLaxMode,
	}
}

func (s *Sessions) flowPrefix() string { return s.scs.Cookie.Name + "-signin-" }

// putFlow gives the browser a flow, and takes the oldest away when it has too
// many.
func (s *Sessions) putFlow(w http.ResponseWriter, r *http.Request, f flow) {
	type old struct {
		name string
		age  time.Duration
	}
	var all []old
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, s.flowPrefix()) {
			f, _ := parseFlow(c.Value)
			all = append(all, old{c.Name, f.age(s.Clock())})
		}
	}
	slices.SortFunc(all, func(a, b old) int { return cmp.Compare(a.age, b.age) })
	for i := maxFlows - 1; i < len(all); i++ {
		s.dropFlow(w, strings.TrimPrefix(all[i].name, s.flowPrefix()))
	}
	http.SetCookie(w, s.flowCookie(f.state(), f.String(), flowLife))
}

func (s *Sessions) dropFlow(w http.ResponseWriter, state string) {
	gone := s.flowCookie(state, "", -time.Second)
	gone.Expires = time.Unix(1, 0)
	http.SetCookie(w, gone)
}

// takeFlow removes and returns the flow of a state, in the browser that began
// it.
func (s *Sessions) takeFlow(w http.ResponseWriter, r *http.Request, state string) (flow, error) {
	none := inventory.Errorf(inventory.Unauthorized, "This sign-in was not begun in this browser, or it took too long. Start again.")
	if len(state) != 43 {
		return flow{}, none
	}
	c, err := r.Cookie(s.flowPrefix() + state[:16])
	if err != nil {
		return flow{}, none
	}
	f, ok := parseFlow(c.Value)
	if !ok || subtle.ConstantTimeCompare([]byte(f.state()), []byte(state)) != 1 {
		return flow{}, none
	}
	s.dropFlow(w, state)
	if f.age(s.Clock()) > flowLife {
		return flow{}, none
	}
	return f, nil
}
