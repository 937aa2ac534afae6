package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"signboard/inventory"
	"signboard/views"
)

// Account is the page about the person who asks, and their sessions.
type Account struct {
	Pages
	Sessions interface {
		Account(ctx context.Context) (inventory.Account, error)
		EndOne(ctx context.Context, id string) error
		EndOthers(ctx context.Context) (int, error)
	}
}

// Show is GET /account.
func (a Account) Show(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := a.frame(r, "Your account")
	if err != nil {
		return err
	}
	p := views.AccountPage{Frame: frame}
	if p.Account, err = a.Sessions.Account(r.Context()); err != nil {
		return err
	}
	for _, team := range a.Teams {
		if slices.ContainsFunc(team.Groups, func(g string) bool { return slices.Contains(frame.Actor.Groups, g) }) {
			p.Teams = append(p.Teams, team.Name)
		}
	}
	return show(w, r, http.StatusOK, p)
}

// End is POST /account/sessions/{id}/end.
func (a Account) End(w http.ResponseWriter, r *http.Request) error {
	if err := a.Sessions.EndOne(r.Context(), param(r, "id")); err != nil {
		return err
	}
	a.Notices.Notice(r.Context(), "The session is ended.")
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

// EndOthers is POST /account/others/end.
func (a Account) EndOthers(w http.ResponseWriter, r *http.Request) error {
	n, err := a.Sessions.EndOthers(r.Context())
	if err != nil {
		return err
	}
	message := "There was no other session of yours."
	switch {
	case n == 1:
		message = "Your other session is ended."
	case n > 1:
		message = fmt.Sprintf("Your %d other sessions are ended.", n)
	}
	a.Notices.Notice(r.Context(), message)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}
