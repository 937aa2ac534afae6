package views

import (
	"testing"

	"signboard/inventory"
)

// What an approval covered is what its renewal offers, the pattern too.
func TestRenewing_offersTheWholeScope(t *testing.T) {
	s := inventory.Signer{Decisions: []inventory.Decision{{ID: "1", Verb: inventory.Approve, Repositories: []inventory.Glob{"a/b", "c/**"}, Identities: "https://github.com/acme/api/*"}, {ID: "2", Verb: inventory.Reject}}}
	f, ok := Renewing(s, "1")
	if !ok || f.Decision != inventory.Approve || f.Repositories != "a/b\nc/**" || f.Pattern() != "https://github.com/acme/api/*" {
		t.Errorf("%+v", f)
	}
	if f, ok := Renewing(s, "2"); ok || f != (SignerForm{}) {
		t.Errorf("%+v", f)
	}
}
