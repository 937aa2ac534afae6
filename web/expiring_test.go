package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// TestOverview_announcesApprovalsThatRunOut holds that the words grow as the end
// comes nearer, and that renewing is one link away, with the same scope.
func TestOverview_announcesApprovalsThatRunOut(t *testing.T) {
	for left, c := range map[time.Duration]struct {
		says, not string
	}{
		40 * 24 * time.Hour: {"", "runs out"},
		20 * 24 * time.Hour: {"1 approval runs out within 30 days.", "The approval of"},
		6 * 24 * time.Hour:  {"runs out on 27 November 2026", "runs out in"},
		20 * time.Hour:      {"runs out in 20 hours", "runs out on"},
	} {
		w := newWorld(t, plan{})
		w.fill()
		at := keyless.ID.Path()
		body := fmt.Sprintf(`{"decision":"approve","repositories":["local/pay/*"],"expires_at":%q,"reason":"met the team","revision":0}`, noon.Add(left).Format(time.RFC3339))
		made := w.json(reviewer, "POST", "/api/v1"+at+"/decisions", body).object(t)
		page := w.get(reviewer, "/")
		if c.says != "" && !page.says(c.says) || page.says(c.not) {
			t.Errorf("%s before: %s", left, text(page.body))
		}
		if left > inventory.ExpiringNext {
			continue
		}
		renew := at + "?" + url.Values{"renew": {made["id"].(string)}}.Encode()
		if !strings.Contains(page.body, `href="`+renew+`#decide"`) {
			t.Errorf("%s before, there is no %s", left, renew)
		}
		form := w.get(reviewer, renew)
		for _, filled := range []string{`value="approve" required checked`, ">local/pay/*</textarea>", `name="revision" value="1"`} {
			if !strings.Contains(form.body, filled) {
				t.Errorf("%s isn't filled in: %s", filled, text(form.body))
			}
		}
		// Renewed, nothing is announced.
		w.json(reviewer, "POST", "/api/v1"+at+"/decisions", `{"decision":"approve","repositories":["local/pay/*"],"reason":"still so","revision":1}`).object(t)
		if page := w.get(reviewer, "/"); page.says("runs out") {
			t.Errorf("renewed: %s", text(page.body))
		}
	}
}
