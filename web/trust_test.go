package web_test

import "testing"

// Everything is checked against a root: one that isn't renewed is somebody's
// business before its images are unverifiable.
func TestOverview_saysThatARootOfTrustIsTooOld(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	a := w.get(viewer, "/")
	if !a.says("The root of trust plant is too old") || !a.says(`href="/trust#root-sigstore-plant"`) {
		t.Errorf("the overview says nothing of it: %s", text(a.body))
	}
	if a.says("root of trust acme") {
		t.Error("a root that is as new as it should be needs somebody")
	}
	if a := w.get(viewer, "/trust"); !a.says(`id="root-sigstore-plant"`) || !a.says("CN=plant") {
		t.Errorf("the link leads nowhere: %s", text(a.body))
	}
}

// A configuration without roots is a valid one.
func TestTrust_withoutRootsSaysHowToNameThem(t *testing.T) {
	w := newWorld(t, plan{})
	w.routes.Trust.Roots = nil
	w.handler = w.routes.Handler()
	a := w.get(viewer, "/trust")
	for _, want := range []string{"No root of trust is configured", "tuf: public-good", "type: tsa", "registry: local"} {
		if !a.says(want) {
			t.Errorf("the page lacks %q: %s", want, text(a.body))
		}
	}
}
