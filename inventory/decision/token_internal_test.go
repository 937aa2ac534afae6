package decision

import (
	"testing"
	"time"

	"signboard/inventory"
)

// TestNewToken_neverAboveOnesOwnRole holds the rule by itself: today only those
// who may do everything may make tokens.
func TestNewToken_neverAboveOnesOwnRole(t *testing.T) {
	for _, role := range []inventory.Role{inventory.Viewer, inventory.Reviewer, inventory.Admin} {
		for _, asked := range []inventory.Role{inventory.Viewer, inventory.Reviewer, inventory.Admin} {
			_, err := newToken(inventory.Actor{Role: role}, TokenRequest{Name: "ci", Role: asked}, time.Now())
			if refused := inventory.KindOf(err) == inventory.Forbidden; refused != (asked > role) || err != nil && !refused {
				t.Errorf("%s makes one that is %s: %v", role, asked, err)
			}
		}
	}
}
