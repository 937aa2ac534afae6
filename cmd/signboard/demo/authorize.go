package demo

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// challengeForm is base64url of a SHA-256 (RFC 7636, section 4.2).
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// refusal is an error of the authorization endpoint (RFC 6749, section
// 4.1.2.1). Without a code it is for the person alone: there is nobody safe to
// send it to.
type refusal struct{ code, message string }

// check reads an authorization request. The redirect address comes first and
// has to be the registered one to the letter; until that is settled nothing is
// redirected.
func (p *provider) check(q url.Values) *refusal {
	for name, values := range q {
		if len(values) > 1 && (name == "client_id" || name == "redirect_uri") {
			return &refusal{message: "The request says " + name + " twice."}
		}
	}
	if q.Get("client_id") != clientID {
		return &refusal{message: "The application that sent you here isn't registered with this demo."}
	}
	if q.Get("redirect_uri") != p.redirect {
		return &refusal{message: "The request asks to return to another address than the registered one, which is " + p.redirect + "."}
	}
	for name, values := range q {
		if len(values) > 1 {
			return &refusal{"invalid_request", name + " is there twice"}
		}
	}
	switch {
	case q.Get("response_type") != "code":
		return &refusal{"unsupported_response_type", "only the authorization code flow is offered"}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return &refusal{"invalid_request", "only response_mode=query is offered"}
	case q.Get("request") != "":
		return &refusal{"request_not_supported", "request objects are not read"}
	case q.Get("request_uri") != "":
		return &refusal{"request_uri_not_supported", "request objects are not read"}
	case !scopesOf(q)["openid"]:
		return &refusal{"invalid_scope", "the scope openid is missing"}
	case q.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(q.Get("code_challenge")):
		return &refusal{"invalid_request", "PKCE with S256 is required"}
	case q.Get("prompt") == "none":
		return &refusal{"login_required", "nobody stays signed in here"}
	}
	return nil
}

func scopesOf(q url.Values) map[string]bool {
	scopes := map[string]bool{}
	for _, s := range strings.Fields(q.Get("scope")) {
		scopes[s] = true
	}
	return scopes
}

// ask shows the three people.
func (p *provider) ask(w http.ResponseWriter, r *http.Request) {
	if !p.admitted(w, r) {
		return
	}
	p.page(w, http.StatusOK, signInPage{People: people, Action: "/authorize?" + r.URL.RawQuery})
}

// choose takes the choice. It comes from this provider's own page or not at
// all: another site must not be able to sign a browser in as somebody.
func (p *provider) choose(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.page(w, http.StatusForbidden, signInPage{Problem: "The choice was sent from another site."})
		return
	}
	if !p.admitted(w, r) {
		return
	}
	for _, person := range people {
		if person.Subject == r.PostFormValue("person") {
			q := r.URL.Query()
			g := &grant{person: person, nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), scopes: scopesOf(q)}
			p.returnTo(w, r, url.Values{"code": {p.issue(g)}})
			p.logger.Info("somebody chose a person of the demo", "person", person.Name)
			return
		}
	}
	p.page(w, http.StatusBadRequest, signInPage{People: people, Action: "/authorize?" + r.URL.RawQuery, Problem: "Choose one of the three people."})
}

// admitted answers a request that can't be granted and reports whether it can.
func (p *provider) admitted(w http.ResponseWriter, r *http.Request) bool {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.page(w, http.StatusBadRequest, signInPage{Problem: "The request can't be read."})
		return false
	}
	no := p.check(q)
	switch {
	case no == nil:
		return true
	case no.code == "":
		p.page(w, http.StatusBadRequest, signInPage{Problem: no.message})
	default:
		p.returnTo(w, r, url.Values{"error": {no.code}, "error_description": {no.message}})
	}
	return false
}

// returnTo sends the browser back to the registered address, which check has
// seen in the request, naming the issuer (RFC 9207).
func (p *provider) returnTo(w http.ResponseWriter, r *http.Request, with url.Values) {
	with.Set("iss", p.issuer)
	if state := r.URL.Query().Get("state"); state != "" {
		with.Set("state", state)
	}
	http.Redirect(w, r, p.redirect+"?"+with.Encode(), http.StatusSeeOther)
}

// issue makes a code for a grant.
func (p *provider) issue(g *grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	g.at = p.now()
	code := rand.Text()
	p.codes[code] = g
	return code
}
