package demo

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-jose/go-jose/v4/jwt"
)

// verifierForm is a PKCE verifier (RFC 7636, section 4.1).
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// exchange is the token endpoint (RFC 6749, section 4.1.3).
func (p *provider) exchange(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the form can't be read")
		return
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			refuse(w, http.StatusBadRequest, "invalid_request", name+" is there twice")
			return
		}
	}
	if !p.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="demo"`)
		refuse(w, http.StatusUnauthorized, "invalid_client", "the client's id or secret is wrong")
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "only authorization_code is offered")
		return
	}
	g := p.redeem(r.PostForm.Get("code"))
	// Whatever is wrong from here on, the code is spent, and the answer doesn't
	// tell a guesser which part was right.
	if g == nil || r.PostForm.Get("redirect_uri") != p.redirect || !proves(r.PostForm.Get("code_verifier"), g.challenge) {
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code is unknown, used or expired, or doesn't belong to this request")
		return
	}
	idToken, err := jwt.Signed(p.signer).Claims(p.claims(g)).Serialize()
	if err != nil {
		p.logger.Error("the demo's provider could not sign a token", "error", err)
		refuse(w, http.StatusInternalServerError, "server_error", "the token could not be signed")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": p.admit(g),
		"token_type":   "Bearer",
		"expires_in":   int(idLifetime.Seconds()),
		"id_token":     idToken,
	})
}

// authenticated checks the client's secret, from the header or the form but
// not from both (RFC 6749, section 2.3).
func (p *provider) authenticated(r *http.Request) bool {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		if secret != "" {
			return false
		}
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		secret, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return false
		}
	}
	return id == clientID && subtle.ConstantTimeCompare([]byte(secret), []byte(p.secret)) == 1
}

// redeem takes a code out of use. A code that comes twice was stolen: the
// access token it gave before is withdrawn too (RFC 6749, section 4.1.2).
func (p *provider) redeem(code string) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	g := p.codes[code]
	if g == nil {
		return nil
	}
	if g.used {
		delete(p.tokens, g.token)
		return nil
	}
	g.used = true
	return g
}

// admit makes an access token for a grant.
func (p *provider) admit(g *grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.token = rand.Text()
	p.tokens[g.token] = g
	return g.token
}

func proves(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return verifierForm.MatchString(verifier) && subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

// claims are an ID token's (OpenID Connect Core 1.0, section 2).
func (p *provider) claims(g *grant) map[string]any {
	claims := p.personal(g)
	claims["iss"] = p.issuer
	claims["aud"] = clientID
	claims["iat"] = p.now().Unix()
	claims["exp"] = p.now().Add(idLifetime).Unix()
	claims["auth_time"] = g.at.Unix()
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return claims
}

// personal are the claims about the person that the scopes ask for.
func (p *provider) personal(g *grant) map[string]any {
	claims := map[string]any{"sub": g.person.Subject}
	if g.scopes["profile"] {
		claims["name"] = g.person.Name
	}
	if g.scopes["email"] {
		claims["email"], claims["email_verified"] = g.person.Email, true
	}
	if g.scopes["groups"] {
		claims["groups"] = g.person.Groups
	}
	return claims
}

func (p *provider) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	p.mu.Lock()
	p.sweep()
	g := p.tokens[token]
	p.mu.Unlock()
	if !strings.EqualFold(scheme, "Bearer") || g == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="demo", error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token", "the access token is unknown or expired")
		return
	}
	answer(w, http.StatusOK, p.personal(g))
}

// endSession is where signing out leads (OpenID Connect RP-Initiated Logout
// 1.0). There is no session to end, so it only leads back, and only to the
// client's own origin.
func (p *provider) endSession(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.page(w, http.StatusBadRequest, signInPage{Problem: "The request can't be read."})
		return
	}
	to := r.Form.Get("post_logout_redirect_uri")
	if to == "" {
		p.page(w, http.StatusOK, signInPage{Title: "You are signed out"})
		return
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Scheme+"://"+u.Host != p.home {
		p.page(w, http.StatusBadRequest, signInPage{Problem: "The request asks to return to an address that isn't Signboard's."})
		return
	}
	if state := r.Form.Get("state"); state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}
