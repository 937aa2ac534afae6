package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// removed is a world in which an image was trusted until its signature was
// removed from the registry.
func removed(t *testing.T) *world {
	w := newWorld(t, plan{})
	w.must(w.db.ApplyConfig(t.Context(), []inventory.Registry{
		{Name: "local", URL: "https://registry.test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}},
		{Name: "spare", URL: "https://spare.test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}},
	}, nil, noon))
	w.look("pay/api", found(1, inventory.Trusted, inventory.ReasonOK, "It is trusted.", []string{"v1"}, keyless))
	bare := found(1, inventory.Unsigned, inventory.ReasonNoSignature, "There is none.", []string{"v1"})
	bare.Evidence.Fingerprint = digest(3000)
	w.look("pay/api", bare)
	return w
}

func TestOverview_saysThatASignatureWasRemoved(t *testing.T) {
	w := removed(t)
	for _, page := range []string{"/", "/?registry=local"} {
		a := w.get(viewer, page)
		if !a.says("The signature of pay/api:v1 was removed") || !strings.Contains(a.body, "#history") {
			t.Errorf("%s says nothing of it: %s", page, text(a.body))
		}
	}
	if a := w.get(viewer, "/?registry=spare"); a.says("was removed") {
		t.Error("it is said of a registry that it isn't in")
	}
}

func TestOverview_ofOneRegistry(t *testing.T) {
	w := removed(t)
	a := w.get(viewer, "/?registry=local")
	for _, want := range []string{"of the registry local", "0 of 1 image", `<option value="local" selected`, "/images?registry=local&amp;status=unsigned"} {
		if !a.says(want) {
			t.Errorf("the page lacks %q: %s", want, text(a.body))
		}
	}
	if a := w.get(viewer, "/?registry=spare"); !a.says("No image seen yet") {
		t.Errorf("a registry without images: %s", text(a.body))
	}
	if a := w.get(viewer, "/?registry=nowhere"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a registry that isn't there: %d", a.StatusCode)
	}
	if a := w.get(viewer, "/?registry=local&team=payments"); a.StatusCode < 400 || a.StatusCode >= 500 || !a.says("Choose a team or a registry") {
		t.Errorf("a team in a registry: %d, %s", a.StatusCode, text(a.body))
	}
}

func TestImage_tellsWhatHappened(t *testing.T) {
	w := removed(t)
	a := w.get(viewer, "/images/"+string(digest(1))+"?repository=local/pay/api")
	page := text(a.body)
	for _, want := range []string{
		"A signature that had made this image trusted was removed from the registry.", "Because a look no longer found what was attached.",
		"The first look found 1 signature and 0 attestations.", "by release.yml of org/app", "First seen", "the tag appeared here",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
	w.look("pay/api", found(2, inventory.Unsigned, inventory.ReasonNoSignature, "There is none.", []string{"v1"}))
	a = w.get(viewer, "/images/"+string(digest(1))+"?repository=local/pay/api")
	for _, want := range []string{"No tag points here since", "No tag points here any more", "the tag went on to"} {
		if !a.says(want) {
			t.Errorf("when the tag has moved on, the page lacks %q: %s", want, text(a.body))
		}
	}
	if a := w.get(viewer, "/"); a.says("The signature of pay/api:v1 was removed") {
		t.Error("nobody uses the image any more, and the overview still asks for somebody")
	}
}
