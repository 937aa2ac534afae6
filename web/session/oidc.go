package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"signboard/inventory"
)

// OIDC is the provider that people sign in with.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	Scopes       []string
	GroupsClaim  string                      // the claim that holds a person's groups
	Roles        map[inventory.Role][]string // groups that give a role; "*" is anyone who can sign in
}

// role is the highest role that one of the groups gives.
func (o OIDC) role(groups []string) inventory.Role {
	for _, role := range []inventory.Role{inventory.Admin, inventory.Reviewer, inventory.Viewer} {
		for _, g := range o.Roles[role] {
			if g == "*" || slices.Contains(groups, g) {
				return role
			}
		}
	}
	return inventory.Nobody
}

// provider is the OpenID provider, discovered when it is first needed.
type provider struct {
	OIDC
	redirect string
	client   *http.Client

	mu   sync.Mutex
	oidc *oidc.Provider
}

func newProvider(o OIDC, baseURL string) *provider {
	return &provider{OIDC: o, redirect: baseURL + "/auth/callback", client: &http.Client{Timeout: 10 * time.Second}}
}

// discovered reads the provider's metadata (OpenID Connect Discovery 1.0,
// section 4), once it succeeds.
func (p *provider) discovered(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oidc == nil {
		found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
		if err != nil {
			return nil, nil, &inventory.Error{Kind: inventory.Unavailable, Err: err,
				Message: fmt.Sprintf("The identity provider %s can't be reached at the moment. Try again in a minute; if it stays so, its operator can help.", p.Issuer)}
		}
		p.oidc = found
	}
	return p.oidc, &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: p.redirect, Scopes: p.Scopes, Endpoint: p.oidc.Endpoint(),
	}, nil
}

// flow is one sign-in that a browser began. It lives in that browser's session,
// so nobody else's callback can finish it.
type flow struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Return   string    `json:"return"`
	Began    time.Time `json:"began"`
}

// A browser may have a few sign-ins open in several tabs, for a while.
const (
	maxFlows = 5
	flowLife = 10 * time.Minute
)

func (s *Sessions) flows(ctx context.Context) []flow {
	var all []flow
	_ = json.Unmarshal([]byte(s.scs.GetString(ctx, flowsKey)), &all) // none, or none that can be read
	return slices.DeleteFunc(all, func(f flow) bool { return s.Clock().Sub(f.Began) > flowLife })
}

func (s *Sessions) putFlows(ctx context.Context, all []flow) {
	b, err := json.Marshal(all)
	if err != nil {
		panic("session: " + err.Error())
	}
	s.scs.Put(ctx, flowsKey, string(b))
}

// Start sends the browser to the provider: authorization code flow with PKCE
// (RFC 7636), state and nonce (OpenID Connect Core 1.0, section 3.1.2.1).
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request) error {
	if s.provider == nil {
		return inventory.Errorf(inventory.NotFound, "There is no identity provider to sign in with.")
	}
	if elsewhere := s.otherName(r); elsewhere != "" {
		http.Redirect(w, r, elsewhere, http.StatusFound)
		return nil
	}
	_, config, err := s.provider.discovered(r.Context())
	if err != nil {
		return err
	}
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: Local(r.FormValue("return")), Began: s.Clock()}
	all := append(s.flows(r.Context()), f)
	if len(all) > maxFlows {
		all = all[len(all)-maxFlows:]
	}
	s.putFlows(r.Context(), all)
	http.Redirect(w, r, config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusFound)
	return nil
}

// otherName is this address under the name the provider will return to, when
// both names mean this machine: a sign-in begun on localhost would come back to
// 127.0.0.1 without its cookie.
func (s *Sessions) otherName(r *http.Request) string {
	base, err := url.Parse(s.BaseURL)
	if err != nil || r.Host == base.Host || !loopback(base.Hostname()) {
		return ""
	}
	asked := url.URL{Host: r.Host}
	if !loopback(asked.Hostname()) || asked.Port() != base.Port() {
		return ""
	}
	return base.Scheme + "://" + base.Host + r.URL.RequestURI()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Callback finishes a sign-in and goes on to where it began.
func (s *Sessions) Callback(w http.ResponseWriter, r *http.Request) error {
	if s.provider == nil {
		return inventory.Errorf(inventory.NotFound, "There is no identity provider to sign in with.")
	}
	ctx := r.Context()
	f, err := s.take(ctx, r.FormValue("state"))
	if err != nil {
		return err
	}
	if problem := r.FormValue("error"); problem != "" {
		if problem == "access_denied" {
			return inventory.Errorf(inventory.Forbidden, "The identity provider did not let you in.")
		}
		return inventory.Errorf(inventory.Unauthorized, "The identity provider refused the sign-in: %s.", inventory.Visible(clip(problem)))
	}
	p, err := s.exchange(ctx, f, r.FormValue("code"))
	if err != nil {
		return err
	}
	if s.OIDC.role(p.Groups) == inventory.Nobody {
		return inventory.Errorf(inventory.Forbidden, "You are signed in as %s, but none of your groups gives you a role here. An administrator can add one under oidc.roles.", inventory.Visible(p.Name))
	}
	// A session from before the sign-in must not become a signed-in one.
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renewing the session: %w", err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the session: %w", err)
	}
	s.scs.Put(ctx, personKey, string(b))
	actor := inventory.Actor{Kind: inventory.UserActor, Name: p.Name, Subject: p.Subject, Groups: p.Groups, Role: s.OIDC.role(p.Groups), Address: Address(r)}
	if s.Audit != nil {
		err := s.Audit(ctx, inventory.AuditEntry{At: s.Clock(), Actor: actor, Action: "session.start", Object: p.Subject, Address: actor.Address})
		if err != nil {
			return fmt.Errorf("writing down the sign-in: %w", err)
		}
	}
	http.Redirect(w, r, f.Return, http.StatusSeeOther)
	return nil
}

// take removes and returns the flow of a state: each state works once, and only
// in the browser that began it.
func (s *Sessions) take(ctx context.Context, state string) (flow, error) {
	all := s.flows(ctx)
	i := slices.IndexFunc(all, func(f flow) bool {
		return state != "" && subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) == 1
	})
	if i < 0 {
		return flow{}, inventory.Errorf(inventory.Unauthorized, "This sign-in was not begun in this browser, or it took too long. Start again.")
	}
	f := all[i]
	s.putFlows(ctx, slices.Delete(all, i, i+1))
	return f, nil
}

// exchange turns a code into the person it stands for, with every check of
// OpenID Connect Core 1.0, section 3.1.3.7 that go-oidc makes, and the nonce.
func (s *Sessions) exchange(ctx context.Context, f flow, code string) (person, error) {
	refused := func(err error) error {
		return &inventory.Error{Kind: inventory.Unauthorized, Message: "The identity provider's answer could not be accepted. Start again.", Err: err}
	}
	found, config, err := s.provider.discovered(ctx)
	if err != nil {
		return person{}, err
	}
	token, err := config.Exchange(oidc.ClientContext(ctx, s.provider.client), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return person{}, refused(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return person{}, refused(errors.New("the answer holds no ID token"))
	}
	id, err := found.Verifier(&oidc.Config{ClientID: s.OIDC.ClientID, Now: s.Clock}).Verify(oidc.ClientContext(ctx, s.provider.client), raw)
	if err != nil {
		return person{}, refused(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return person{}, refused(errors.New("the ID token was made for another sign-in"))
	}
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return person{}, refused(err)
	}
	p := person{Subject: id.Issuer + "|" + id.Subject, Groups: groups(claims[s.OIDC.GroupsClaim])}
	for _, claim := range []string{"name", "preferred_username", "email"} {
		var v string
		if json.Unmarshal(claims[claim], &v) == nil && v != "" {
			p.Name = clip(v)
			break
		}
	}
	if p.Name == "" {
		p.Name = clip(id.Subject)
	}
	return p, nil
}

// groups reads a claim that is a list of names or a single one.
func groups(claim json.RawMessage) []string {
	var list []string
	if json.Unmarshal(claim, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(claim, &one) == nil && one != "" {
		return []string{one}
	}
	return nil
}

// End signs the person out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.scs.Destroy(r.Context()); err != nil {
		return fmt.Errorf("ending the session: %w", err)
	}
	http.Redirect(w, r, "/signin?signed_out=1", http.StatusSeeOther)
	return nil
}

func clip(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
