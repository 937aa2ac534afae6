package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"signboard/inventory"
	"signboard/views"
)

// Key is the page on which a reviewer makes a public key known. What was sent is
// never shown again, stored or logged unless it parsed as a public key: people
// paste private ones.
type Key struct {
	Pages
	Parse    func(name string, text []byte) (inventory.Signer, error)
	Register func(ctx context.Context, actor inventory.Actor, name string, text []byte) (inventory.Signer, error)
}

// New is GET /keys/new.
func (k Key) New(w http.ResponseWriter, r *http.Request) error {
	if err := inventory.ActorFrom(r.Context()).Require(inventory.DecideSigner); err != nil {
		return err
	}
	return k.form(w, r, http.StatusOK, views.KeyPage{})
}

// Create is POST /keys: it shows what the key is, and registers it once that was
// confirmed.
func (k Key) Create(w http.ResponseWriter, r *http.Request) error {
	name, text, err := keyForm(r)
	if err != nil {
		return err
	}
	s, err := k.Parse(name, text)
	confirmed := err == nil && r.PostFormValue("confirmed") == string(s.ID)
	if confirmed {
		s, err = k.Register(r.Context(), inventory.ActorFrom(r.Context()), name, text)
	}
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		if strings.Contains(name, "PRIVATE") {
			name = ""
		}
		return k.form(w, r, status(e.Kind), views.KeyPage{Name: name, Problem: e.Message})
	}
	if err != nil {
		return err
	}
	if !confirmed {
		return k.form(w, r, http.StatusOK, views.KeyPage{Name: name, Found: &s})
	}
	k.Notices.Notice(r.Context(), "Registered. Nothing it signed is trusted before it is approved; images that wait for it are checked again in a moment.")
	http.Redirect(w, r, s.ID.Path(), http.StatusSeeOther)
	return nil
}

// keyForm reads the form: what was pasted counts, and otherwise the file.
func keyForm(r *http.Request) (name string, text []byte, err error) {
	name, text = strings.TrimSpace(r.PostFormValue("name")), []byte(r.PostFormValue("key"))
	file, _, err := r.FormFile("file")
	if err != nil {
		if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
			err = nil
		}
		return name, text, err
	}
	defer file.Close()
	if len(strings.TrimSpace(string(text))) == 0 {
		text, err = io.ReadAll(io.LimitReader(file, 128<<10)) // parsing refuses half of that
	}
	return name, text, err
}

func (k Key) form(w http.ResponseWriter, r *http.Request, status int, p views.KeyPage) error {
	frame, _, err := k.frame(r, "Add a key")
	if err != nil {
		return err
	}
	p.Frame = frame
	p.Frame.Path = "/keys/new"
	return show(w, r, status, p)
}
