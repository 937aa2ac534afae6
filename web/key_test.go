package web_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
)

func TestKey_isShownAndThenRegistered(t *testing.T) {
	w := newWorld(t, plan{})
	s, err := verify.NewKeySigner("", []byte(somePublicKey))
	w.must(err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	w.must(form.WriteField("name", "release pipeline of ops"))
	w.must(form.WriteField("key", ""))
	part, err := form.CreateFormFile("file", "cosign.pub")
	w.must(err)
	_, err = part.Write([]byte(somePublicKey))
	w.must(err)
	w.must(form.Close())
	w.cookie(reviewer)
	before := len(w.entries())
	a := w.ask(reviewer, http.MethodPost, "/keys", &body, "Content-Type", form.FormDataContentType(), "Sec-Fetch-Site", "same-origin")
	if a.StatusCode != http.StatusOK || !a.says("Is this the key?") || !a.says(strings.TrimPrefix(string(s.ID), "key:")) || !a.says("ECDSA P-256") {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if n := len(w.entries()); n != before {
		t.Errorf("showing it wrote %d entries", n-before)
	}
	a = w.post(reviewer, "/keys", url.Values{"name": {"release pipeline of ops"}, "key": {somePublicKey}, "confirmed": {string(s.ID)}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != s.ID.Path() {
		t.Fatalf("%d to %q: %s", a.StatusCode, a.Header.Get("Location"), text(a.body))
	}
	made, err := w.db.Signer(t.Context(), s.ID, noon)
	if err != nil || made.Name != "release pipeline of ops" || made.RegisteredAt == nil || made.Standing != inventory.Pending || len(w.entries()) != before+1 {
		t.Errorf("registered is %+v (%v)", made, err)
	}
	if a = w.post(reviewer, "/keys", url.Values{"name": {"again"}, "key": {somePublicKey}, "confirmed": {string(s.ID)}}); a.StatusCode != http.StatusConflict || !a.says("registered already") {
		t.Errorf("the second time it is %d: %s", a.StatusCode, text(a.body))
	}
}

func TestKey_aPrivateOneIsNeverShownAgain(t *testing.T) {
	w := newWorld(t, plan{})
	const secret = "MHcCAQEEIBsecretsecretsecret"
	private := "-----BEGIN EC PRIVATE KEY-----\n" + secret + "\n-----END EC PRIVATE KEY-----\n"
	w.cookie(reviewer)
	before := len(w.entries())
	for _, form := range []url.Values{{"name": {"x"}, "key": {private}}, {"name": {private}, "key": {private}}, {"name": {"x"}, "key": {somePublicKey + private}}} {
		a := w.post(reviewer, "/keys", form)
		if a.StatusCode != http.StatusUnprocessableEntity || !a.says("exposed") || strings.Contains(a.body, secret) {
			t.Errorf("%d: %s", a.StatusCode, text(a.body))
		}
	}
	if n := len(w.entries()); n != before {
		t.Errorf("%d entries were written", n-before)
	}
}
