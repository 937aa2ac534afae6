package web_test

import (
	"net/http"
	"testing"
)

// The four empty states are designed: each says why there is nothing and what
// to do.
func TestEmptyPages_sayWhyAndWhatToDo(t *testing.T) {
	none, empty, filled := newWorld(t, plan{noRegistry: true}), newWorld(t, plan{}), newWorld(t, plan{})
	filled.fill()
	for _, target := range []string{"/", "/images", "/signers", "/quarantine", "/teams", "/teams/payments", "/teams/-", "/registries"} {
		if a := none.get(admin, target); a.StatusCode != http.StatusOK || !a.says("No registry yet") || !a.says("signboard.yaml") {
			t.Errorf("no registry, %s: %d: %s", target, a.StatusCode, text(a.body))
		}
	}
	for target, says := range map[string]string{
		"/": "No image seen yet", "/images": "0 images", "/signers": "All is well", "/quarantine": "All is well", "/registries": "https://registry.test", "/search?q=x": "Nothing matches",
		"/signers?standing=revoked": "There are no signers", "/learn": "no_signature", "/teams": "2 teams, and no image yet.", "/teams/payments": "No image seen yet", "/teams/-": "Every image belongs to a team.",
	} {
		if a := empty.get(viewer, target); a.StatusCode != http.StatusOK || !a.says(says) {
			t.Errorf("nothing read yet, %s: %d, without %q: %s", target, a.StatusCode, says, text(a.body))
		}
	}
	for _, target := range []string{"/images?q=there-is-none", "/images?tag=none", "/images?status=trusted&team=-", "/search?q=there-is-none"} {
		a := filled.get(viewer, target)
		if a.StatusCode != http.StatusOK || !a.says("Nothing matches") {
			t.Errorf("nothing matches, %s: %d: %s", target, a.StatusCode, text(a.body))
		}
	}
	for target, says := range map[string]string{keyless.ID.Path(): "This takes a reviewer", "/signers?standing=revoked": "There are no signers"} {
		if a := filled.get(viewer, target); !a.says(says) {
			t.Errorf("a viewer, %s, without %q: %s", target, says, text(a.body))
		}
	}
}

func TestImagesPastTheEnd_sayThatTheListEndsThere(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	a := w.get(viewer, "/images?cursor=1")
	if a.StatusCode != http.StatusOK || !a.says("Nothing further") || !a.says("First page") || a.says("No image seen yet") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
}
