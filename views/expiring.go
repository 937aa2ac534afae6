package views

import (
	"fmt"
	"net/url"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// ApprovalsExpiring says that approvals run out within a window, the first to do
// so first. There is at least one. Who wants them to go on renews them.
func ApprovalsExpiring(list []inventory.Expiring, within time.Duration, now time.Time) Attention {
	first := list[0]
	a := Attention{Icon: "calendar-clock", Action: "Renew", URL: renewURL(first.Signer.ID, first.Decision.ID)}
	when := "on " + ui.Day(*first.Decision.ExpiresAt)
	if within <= inventory.ExpiringAtOnce {
		a.Icon = "triangle-alert"
		when = "in " + hours(first.Decision.ExpiresAt.Sub(now))
	}
	if len(list) == 1 {
		a.Title = "The approval of " + ui.ShortName(first.Signer) + " runs out " + when
		a.Detail = expiringDetail(first.Trusted)
		return a
	}
	days := int(within.Hours() / 24)
	a.Count = len(list)
	a.Title = "approvals run out within " + ui.Count(days, "day", "days")
	a.Detail = "The first is that of " + ui.ShortName(first.Signer) + ", " + when + ". " + expiringDetail(first.Trusted)
	a.URL, a.Action = expiringURL(days), "Show"
	return a
}

// expiringDetail is what happens when an approval runs out.
func expiringDetail(trusted int) string {
	if trusted == 0 {
		return "No trusted image rests on it."
	}
	return "Up to " + ui.Count(trusted, "trusted image turns", "trusted images turn") + " unapproved then."
}

// expiringSoon is said quietly of all that run out within the longest window.
func expiringSoon(n int) string {
	return ui.Count(n, "approval runs out", "approvals run out") + " within 30 days."
}

func expiringURL(days int) string { return fmt.Sprintf("/signers?expiring=%dd", days) }

// renewURL is a signer's page with the form filled in to make an approval anew.
func renewURL(id inventory.SignerID, decision string) string {
	return id.Path() + "?" + url.Values{"renew": {decision}}.Encode() + "#decide"
}

// hours is a time of less than two days, roughly.
func hours(d time.Duration) string {
	if d < time.Hour {
		return "less than an hour"
	}
	return ui.Count(int(d/time.Hour), "hour", "hours")
}

// renewable reports whether a decision is an approval that ends, or has ended by
// itself, and nothing goes on with it.
func renewable(d inventory.Decision, all []inventory.Decision) bool {
	return d.Verb == inventory.Approve && (d.State == inventory.StateActive || d.State == inventory.StateExpired) && d.ExpiresAt != nil && !d.Renewed(all)
}

// Renewing is the form that makes one of a signer's approvals anew, with the same
// scope; false when it has no such approval.
func Renewing(s inventory.Signer, id string) (SignerForm, bool) {
	for _, d := range s.Decisions {
		if d.ID == id && d.Verb == inventory.Approve {
			f := SignerForm{Decision: inventory.Approve, Repositories: lines(d.Repositories)}
			if d.Identities != "" {
				f.Identities, f.OwnPattern = ownPattern, string(d.Identities)
			}
			return f, true
		}
	}
	return SignerForm{}, false
}
