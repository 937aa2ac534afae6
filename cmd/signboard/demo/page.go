package demo

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed signin.html
var signInHTML string

//go:embed style.css
var styleSheet []byte

//go:embed icon.svg
var icon []byte

var signIn = template.Must(template.New("signin").Parse(signInHTML))

// signInPage is the provider's only page, in its three states: the people to
// choose from, a problem, or a sentence.
type signInPage struct {
	Title   string
	Problem string
	People  []Person
	Action  string // where the choice is sent
	Home    string // Signboard; filled in by page
}

func (p *provider) page(w http.ResponseWriter, status int, s signInPage) {
	s.Home = p.home
	switch {
	case s.Title != "":
	case s.People == nil:
		s.Title = "This sign-in can't go on"
	default:
		s.Title = "Who would you like to be?"
	}
	var b bytes.Buffer
	if err := signIn.Execute(&b, s); err != nil {
		p.logger.Error("the demo's sign-in page could not be made", "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.pageSecure)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone away
}

// front is for somebody who opens the provider's address by hand.
func (p *provider) front(w http.ResponseWriter, r *http.Request) {
	p.page(w, http.StatusOK, signInPage{Title: "Nothing to do here"})
}

func (p *provider) nothing(w http.ResponseWriter, r *http.Request) {
	p.page(w, http.StatusNotFound, signInPage{Title: "There is no such page"})
}

func asset(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(content) // the browser has gone away
	}
}
