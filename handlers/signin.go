package handlers

import (
	"net/http"
	"net/url"
	"time"

	"signboard/inventory"
	"signboard/views"
	"signboard/views/ui"
)

// SignIn is GET /signin.
type SignIn struct {
	Pages
	Provider string // what the identity provider is called
	Local    func(path string) string
}

func (s SignIn) Show(w http.ResponseWriter, r *http.Request) error {
	back := s.Local(r.FormValue("return"))
	if inventory.ActorFrom(r.Context()).May(inventory.See) {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	return show(w, r, http.StatusOK, views.SignInPage{
		Frame: s.bare(r, "Sign in"), StartURL: "/auth/start?return=" + url.QueryEscape(back),
		Provider: s.Provider, SignedOut: r.FormValue("signed_out") != "" || r.FormValue("state") == "signed_out",
	})
}

const themeCookie = "signboard_theme"

// Theme is POST /theme: it saves the choice of colours in a cookie, for
// browsers without JavaScript.
type Theme struct {
	Local  func(path string) string
	Secure bool
}

func (t Theme) Create(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{
		Name: themeCookie, Value: string(ui.ParseTheme(r.PostFormValue("theme"))), Path: "/",
		MaxAge: int((365 * 24 * time.Hour).Seconds()), SameSite: http.SameSiteLaxMode, Secure: t.Secure,
	})
	http.Redirect(w, r, t.Local(r.PostFormValue("return")), http.StatusSeeOther)
	return nil
}
