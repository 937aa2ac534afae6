package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"signboard/inventory"
)

var errNoProvider = inventory.Errorf(inventory.NotFound, "There is no identity provider to sign in with.")

// Start sends the browser to the provider: authorization code flow with PKCE
// (RFC 7636), state and nonce (OpenID Connect Core 1.0, section 3.1.2.1). The
// answer comes in the query, which is what response_mode is for codes.
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request) error {
	if s.provider == nil {
		return errNoProvider
	}
	if elsewhere := s.otherName(r); elsewhere != "" {
		http.Redirect(w, r, elsewhere, http.StatusFound)
		return nil
	}
	if err := s.limited(w, r); err != nil {
		return err
	}
	m, err := s.provider.metadata(r.Context())
	if err != nil {
		return err
	}
	f := newFlow(Local(r.FormValue("return")), s.Clock())
	s.putFlow(w, r, f)
	http.Redirect(w, r, s.provider.config(m).AuthCodeURL(f.state(), oidc.Nonce(f.nonce()), oauth2.S256ChallengeOption(f.verifier())), http.StatusFound)
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

// Callback finishes a sign-in and goes on to where it began. A sign-in that is
// refused is a RefusedError.
func (s *Sessions) Callback(w http.ResponseWriter, r *http.Request) error {
	if s.provider == nil {
		return errNoProvider
	}
	if err := s.limited(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	p, back, err := s.answered(w, r)
	if err != nil {
		return refusedSignIn(inventory.Actor{}, err)
	}
	now := s.Clock()
	started := inventory.Session{
		Subject: p.Subject, Name: p.Name, Groups: p.Groups, CreatedAt: now, LastSeenAt: now, ExpiresAt: s.expiry(now, now),
		Address: Address(r), Agent: clip(r.UserAgent()),
	}
	actor := s.actorOf(started)
	actor.Address = started.Address
	if actor.Role == inventory.Nobody {
		return refusedSignIn(actor, inventory.Errorf(inventory.Forbidden, "You are signed in as %s, but none of your groups gives you a role here. An administrator can add one under oidc.roles.", inventory.Visible(p.Name)))
	}
	h := heldIn(ctx)
	if h.Session != nil {
		entry := inventory.AuditEntry{At: now, Actor: s.actorOf(*h.Session), Action: "session.end", Object: h.Subject, Reason: "Somebody signed in anew in the same browser.", Address: actor.Address}
		if err := s.Store.EndSession(ctx, h.ID, h.Subject, entry); err != nil && inventory.KindOf(err) != inventory.NotFound {
			return fmt.Errorf("ending the session from before: %w", err)
		}
		h.Session = nil
	}
	// A session from before the sign-in must not become a signed-in one.
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renewing the session: %w", err)
	}
	token := s.scs.Token(ctx)
	started.ID = idOf(token)
	if started.Data, err = (codec{}).Encode(s.scs.Deadline(ctx), nil); err != nil {
		return fmt.Errorf("writing the session: %w", err)
	}
	if started.Sealed, err = seal(token, p.tokens); err != nil {
		return err
	}
	if p.tokens.Refresh != "" {
		at := now.Add(renewEvery)
		started.RenewAt = &at
	}
	if err := s.Store.StartSession(ctx, started, inventory.AuditEntry{At: now, Actor: actor, Action: "session.start", Object: p.Subject, Address: actor.Address}); err != nil {
		return err
	}
	h.Session = &started
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// person is whom the provider vouches for, and what it handed out with that.
type person struct {
	Subject string // issuer|sub
	Name    string
	Groups  []string
	tokens  tokens
}

// answered reads the provider's answer, which the browser brings: for whom it
// vouches, and where the sign-in leads.
func (s *Sessions) answered(w http.ResponseWriter, r *http.Request) (p person, back string, err error) {
	q := r.URL.Query()
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(q[name]) > 1 { // RFC 6749, section 3.1
			return person{}, "", rejected("The identity provider's answer could not be accepted. Start again.", fmt.Errorf("the answer says %s twice", name))
		}
	}
	f, err := s.takeFlow(w, r, q.Get("state"))
	if err != nil {
		return person{}, "", err
	}
	m, err := s.provider.metadata(r.Context())
	if err != nil {
		return person{}, "", err
	}
	// An answer of another provider, a mix-up (RFC 9207, section 2.4). One that
	// names itself without having said that it would is held to its word too.
	if iss := q.Get("iss"); iss != s.OIDC.Issuer && (iss != "" || m.NamesIssuer) {
		return person{}, "", rejected("The identity provider's answer could not be accepted. Start again.", fmt.Errorf("the answer names the issuer %q", inventory.Visible(clip(iss))))
	}
	if code := q.Get("error"); code != "" {
		return person{}, "", declined(code)
	}
	p, err = s.provider.exchange(r.Context(), m, f, q.Get("code"))
	return p, Local(f.back), err
}

// rejected is an answer of the provider that can't be accepted, and why for the
// log.
func rejected(message string, cause error) error {
	return &inventory.Error{Kind: inventory.Unauthorized, Message: message, Err: cause}
}

func unaccepted(cause error) error {
	return rejected("The identity provider's answer could not be accepted. Start again.", cause)
}

// declined is an error answer of the authorization endpoint (RFC 6749, section
// 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6). Its description isn't
// shown: anybody can write one into an address.
func declined(code string) error {
	message := map[string]string{
		"access_denied":             "The identity provider did not let you in.",
		"login_required":            "The identity provider wants you to sign in there first. Start again.",
		"interaction_required":      "The identity provider has to ask you something first. Start again.",
		"consent_required":          "You have to agree at the identity provider that Signboard may know who you are. Start again.",
		"invalid_scope":             "The identity provider doesn't know one of the scopes that Signboard asks for. An administrator can correct oidc.scopes.",
		"unauthorized_client":       "The identity provider doesn't let this Signboard sign people in. An administrator can allow it the authorization code flow there.",
		"unsupported_response_type": "The identity provider doesn't let this Signboard sign people in. An administrator can allow it the authorization code flow there.",
		"server_error":              "The identity provider failed while signing you in. Try again in a minute.",
		"temporarily_unavailable":   "The identity provider is overloaded at the moment. Try again in a minute.",
	}[code]
	switch {
	case code == "access_denied":
		return inventory.Errorf(inventory.Forbidden, "%s", message)
	case message == "":
		message = fmt.Sprintf("The identity provider refused the sign-in: %s.", inventory.Visible(clip(code)))
	}
	return inventory.Errorf(inventory.Unauthorized, "%s", message)
}

// exchange turns a code into the person it stands for.
func (p *provider) exchange(ctx context.Context, m *metadata, f flow, code string) (person, error) {
	if code == "" {
		return person{}, unaccepted(errors.New("the answer holds no code"))
	}
	token, err := p.config(m).Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(f.verifier()))
	if err != nil {
		return person{}, p.untraded(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return person{}, unaccepted(errors.New("the answer holds no ID token"))
	}
	id, said, err := p.vouched(ctx, m, raw, token)
	if err != nil {
		return person{}, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.nonce())) != 1 {
		return person{}, unaccepted(errors.New("the ID token was made for another sign-in"))
	}
	who, err := p.person(ctx, m, id, said, token)
	who.tokens = tokens{Refresh: token.RefreshToken, ID: raw}
	return who, err
}

// untraded says why the token endpoint gave no tokens (RFC 6749, section 5.2).
// What else it answered is kept out of the log: it may hold what was sent.
func (p *provider) untraded(err error) error {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok && answerHeld(err):
		return unaccepted(errors.New("the token endpoint's answer holds no tokens"))
	case !ok:
		return p.unreachable(errors.New("the token endpoint did not answer: " + withoutBody(err)))
	case answer.ErrorCode == "invalid_grant":
		return rejected("This sign-in took too long, or it was used already. Start again.", errors.New("the token endpoint says invalid_grant"))
	case answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client":
		return p.unusable(fmt.Errorf("the token endpoint says %s", answer.ErrorCode), "It doesn't accept Signboard's client_id and client_secret.")
	case answer.ErrorCode == "" && answer.Response != nil && (answer.Response.StatusCode >= 500 || answer.Response.StatusCode == http.StatusTooManyRequests):
		return p.unreachable(fmt.Errorf("the token endpoint answers with status %d", answer.Response.StatusCode))
	}
	status := 0
	if answer.Response != nil {
		status = answer.Response.StatusCode
	}
	return unaccepted(fmt.Errorf("the token endpoint answers with status %d and %q", status, inventory.Visible(clip(answer.ErrorCode))))
}

// answerHeld reports whether an error of the token exchange is about an answer
// that came, not about one that didn't.
func answerHeld(err error) bool {
	_, network := errors.AsType[*url.Error](err)
	return !network && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// withoutBody is a network error in its own words.
func withoutBody(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// vouched checks an ID token as OpenID Connect Core 1.0, section 3.1.3.7 has it:
// what go-oidc checks, and what it leaves to its callers.
func (p *provider) vouched(ctx context.Context, m *metadata, raw string, token *oauth2.Token) (*oidc.IDToken, claims, error) {
	var outage error
	id, err := p.verifier(m).Verify(withOutage(ctx, &outage), raw)
	switch {
	case outage != nil:
		return nil, nil, p.unreachable(outage)
	case err != nil:
		if _, late := errors.AsType[*oidc.TokenExpiredError](err); late {
			return nil, nil, rejected("The identity provider's answer has run out already. If it does so again, this machine's clock and the provider's differ.", err)
		}
		return nil, nil, unaccepted(err)
	}
	var said claims
	var more struct {
		Party string `json:"azp"`
	}
	if err := errors.Join(id.Claims(&said), id.Claims(&more)); err != nil {
		return nil, nil, unaccepted(err)
	}
	switch {
	case id.Subject == "" || len(id.Subject) > 255:
		return nil, nil, unaccepted(errors.New("the ID token names nobody"))
	case id.IssuedAt.Unix() <= 0:
		return nil, nil, unaccepted(errors.New("the ID token doesn't say when it was issued"))
	case id.IssuedAt.After(p.clock().Add(skew)):
		return nil, nil, rejected("The identity provider's answer is from the future: this machine's clock and the provider's differ.", errors.New("the ID token's iat is in the future"))
	case more.Party != "" && more.Party != p.ClientID:
		return nil, nil, unaccepted(errors.New("the ID token was issued to another party"))
	case more.Party == "" && slices.ContainsFunc(id.Audience, func(a string) bool { return a != p.ClientID }):
		return nil, nil, unaccepted(errors.New("the ID token is for others as well, and doesn't say whom it was issued to"))
	case id.AccessTokenHash != "":
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, nil, unaccepted(err)
		}
	}
	return id, said, nil
}

// person is whom a verified ID token vouches for. They are told apart by issuer
// and sub, which a provider never gives to another (OpenID Connect Core 1.0,
// section 5.7): names and addresses are only shown, so whether an address was
// verified doesn't matter.
func (p *provider) person(ctx context.Context, m *metadata, id *oidc.IDToken, said claims, token *oauth2.Token) (person, error) {
	who := person{Subject: p.Issuer + "|" + id.Subject, Name: said.text("name", "preferred_username", "email")}
	groups, ok := said.find(p.GroupsClaim)
	switch {
	case !ok && said.left(p.GroupsClaim):
		return person{}, rejected("You are in more groups than the identity provider puts into a sign-in, so what you may do here isn't known. "+
			"An administrator can have it send only the groups assigned to Signboard, or application roles instead: docs/sign-in.md says how.", errors.New("the groups were left out of the ID token"))
	case !ok && m.UserInfoURL != "":
		more, err := p.userInfo(ctx, m, id.Subject, token)
		if err != nil {
			return person{}, err
		}
		groups, _ = more.find(p.GroupsClaim)
		if who.Name == "" {
			who.Name = more.text("name", "preferred_username", "email")
		}
	}
	if who.Groups = p.groups(groups); who.Name == "" {
		who.Name = clip(id.Subject)
	}
	return who, nil
}

// userInfo asks for claims that aren't in the ID token (OpenID Connect Core 1.0,
// section 5.3). That it can't be reached is no person without groups.
func (p *provider) userInfo(ctx context.Context, m *metadata, subject string, token *oauth2.Token) (claims, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	info, err := m.oidc.UserInfo(oidc.ClientContext(ctx, p.client), oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, p.unreachable(fmt.Errorf("asking the userinfo endpoint: %s", clip(err.Error())))
	}
	if info.Subject != subject {
		return nil, unaccepted(errors.New("the userinfo endpoint answers about somebody else"))
	}
	var said claims
	if err := info.Claims(&said); err != nil {
		return nil, unaccepted(err)
	}
	return said, nil
}
