package session

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"signboard/inventory"
)

// maxHint is the longest ID token that is put into an address.
const maxHint = 4000

// End signs the person out: here at once, and then at the provider where it
// offers that (OpenID Connect RP-Initiated Logout 1.0). With the provider down
// they are signed out here.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	h, token := heldIn(ctx), s.scs.Token(ctx)
	there := ""
	if h.Session != nil {
		entry := inventory.AuditEntry{At: s.Clock(), Actor: inventory.ActorFrom(ctx), Action: "session.end", Object: h.Subject, Address: Address(r)}
		if err := s.Store.EndSession(ctx, h.ID, h.Subject, entry); err != nil && inventory.KindOf(err) != inventory.NotFound {
			return err
		}
		kept, err := unseal(token, h.Sealed)
		if err != nil {
			s.Log.Warn("what the provider handed out can't be read", "error", err)
		}
		there = s.goodbye(ctx, kept.ID)
		h.Session = nil
	}
	if err := s.scs.Destroy(ctx); err != nil {
		return err
	}
	if there == "" {
		there = "/signin?signed_out=1"
	}
	http.Redirect(w, r, there, http.StatusSeeOther)
	return nil
}

// signedOut is the state that a sign-out at the provider brings back to /signin,
// where it says that the person is signed out. It proves nothing.
const signedOut = "signed_out"

// goodbye is the address at which the provider signs people out, empty when it
// has none or isn't there.
func (s *Sessions) goodbye(ctx context.Context, idToken string) string {
	if s.provider == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	m, err := s.provider.metadata(ctx)
	if err != nil || m.EndSessionURL == "" {
		return ""
	}
	u, err := url.Parse(m.EndSessionURL)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", s.OIDC.ClientID)
	q.Set("post_logout_redirect_uri", s.BaseURL+"/signin")
	q.Set("state", signedOut)
	if idToken != "" && len(idToken) <= maxHint {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// FormAction are the origins that a form of ours may lead to besides our own:
// browsers hold the page's policy against the redirect after a form too, and the
// one to sign out leads to the provider.
func (s *Sessions) FormAction() []string {
	if s.provider == nil {
		return nil
	}
	addresses := []string{s.OIDC.Issuer}
	if m := s.provider.reachedBefore(); m != nil && m.EndSessionURL != "" {
		addresses = append(addresses, m.EndSessionURL)
	}
	var origins []string
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || len(origins) > 0 && origins[0] == u.Scheme+"://"+u.Host {
			continue
		}
		origins = append(origins, u.Scheme+"://"+u.Host)
	}
	return origins
}
