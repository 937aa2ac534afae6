package handlers

import (
	"context"
	"net/http"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/views"
)

// Token is the pages about the tokens of programs.
type Token struct {
	Pages
	Store TokenStore
	Door  TokenDoor
	API   string // scheme and host that programs find this one at
}

// TokenStore is what the page of tokens reads: the live ones, or those that are
// over; both newest first.
type TokenStore interface {
	Tokens(ctx context.Context, live bool, p inventory.Page, now time.Time) ([]inventory.Token, string, error)
}

// TokenDoor is the door for making and revoking tokens.
type TokenDoor interface {
	CreateToken(ctx context.Context, actor inventory.Actor, r decision.TokenRequest) (inventory.Token, inventory.TokenSecret, error)
	RevokeToken(ctx context.Context, actor inventory.Actor, idOrName string) (inventory.Token, error)
}

// List is GET /tokens: the live ones, or with state=over the others.
func (t Token) List(w http.ResponseWriter, r *http.Request) error {
	p, err := t.page(r, r.FormValue("state") == "over", page(r))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

func (t Token) page(r *http.Request, over bool, at inventory.Page) (views.TokensPage, error) {
	frame, _, err := t.frame(r, "Tokens")
	if err != nil {
		return views.TokensPage{}, err
	}
	p := views.TokensPage{Frame: frame, Over: over, Cursor: at.Cursor, Form: views.TokenForm{
		ID: decision.NewTokenID(), Role: inventory.Viewer, Lasts: views.TokenChoices[0].Value,
	}}
	if p.Tokens, p.Next, err = t.Store.Tokens(r.Context(), !over, at, frame.Now); err != nil {
		return p, err
	}
	if p.Ever = len(p.Tokens) > 0; !p.Ever {
		others, _, err := t.Store.Tokens(r.Context(), over, inventory.Page{Limit: 1}, frame.Now)
		if err != nil {
			return p, err
		}
		p.Ever = len(others) > 0
	}
	return p, nil
}

// Create is POST /tokens. It doesn't lead on to another page as other forms do:
// the secret would have to wait for that page somewhere, in an address, a cookie
// or the database, and it is to be in none of them. It is in this one answer,
// which nothing may keep. A reload sends the form again; the form carries the id
// of the token it makes, so that the second time is refused.
func (t Token) Create(w http.ResponseWriter, r *http.Request) error {
	form := views.TokenForm{Name: r.PostFormValue("name"), Lasts: r.PostFormValue("lasts")}
	made, secret, err := t.create(r, &form)
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		p, err := t.page(r, false, inventory.Page{})
		if err != nil {
			return err
		}
		form.ID, form.Problem = p.Form.ID, e.Message
		p.Form, p.Frame.Path = form, "/tokens"
		return show(w, r, status(e.Kind), p)
	}
	if err != nil {
		return err
	}
	frame := t.bare(r, "A new token")
	frame.Path = "/tokens"
	return show(w, r, http.StatusOK, views.TokenPage{Frame: frame, Token: made, Secret: secret, API: t.API})
}

func (t Token) create(r *http.Request, form *views.TokenForm) (_ inventory.Token, _ inventory.TokenSecret, err error) {
	if form.Role, err = inventory.ParseRole(r.PostFormValue("role")); err != nil {
		return inventory.Token{}, "", err
	}
	request := decision.TokenRequest{ID: r.PostFormValue("form"), Name: form.Name, Role: form.Role}
	if request.ExpiresAt, err = t.until(form.Lasts); err != nil {
		return inventory.Token{}, "", err
	}
	if request.ID == "" {
		return inventory.Token{}, "", inventory.Errorf(inventory.Invalid, "Part of the form is missing. Send it again.")
	}
	return t.Door.CreateToken(r.Context(), inventory.ActorFrom(r.Context()), request)
}

// until is the end that somebody chose, nil for none.
func (t Token) until(choice string) (*time.Time, error) {
	for _, c := range views.TokenChoices {
		if c.Value != choice {
			continue
		}
		if c.Days == 0 {
			return nil, nil
		}
		end := t.Clock().UTC().AddDate(0, 0, c.Days)
		return &end, nil
	}
	return nil, inventory.Errorf(inventory.Invalid, "Choose how long the token counts.")
}

// Revoke is POST /tokens/{id}/revoke.
func (t Token) Revoke(w http.ResponseWriter, r *http.Request) error {
	revoked, err := t.Door.RevokeToken(r.Context(), inventory.ActorFrom(r.Context()), param(r, "id"))
	if e, ok := asError(err); ok && e.Kind == inventory.Conflict {
		p, err := t.page(r, false, inventory.Page{})
		if err != nil {
			return err
		}
		p.Frame.Flash, p.Frame.Path = &views.Flash{Problem: true, Message: e.Message}, "/tokens"
		return show(w, r, http.StatusConflict, p)
	}
	if err != nil {
		return err
	}
	t.Notices.Notice(r.Context(), "The token of "+inventory.Visible(revoked.Name)+" is revoked. The next request that shows it is refused.")
	http.Redirect(w, r, "/tokens", http.StatusSeeOther)
	return nil
}
