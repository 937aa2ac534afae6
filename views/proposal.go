package views

import (
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// lines are patterns as a form sends them.
func lines(globs []inventory.Glob) string {
	var list []string
	for _, g := range globs {
		list = append(list, string(g))
	}
	return strings.Join(list, "\n")
}

// confirms reports whether the form repeats a proposal that its person can
// confirm: what comes of it is then shown beside the proposal.
func (p SignerPage) confirms(d inventory.Decision) bool {
	same := func(globs []string) []string { return slices.Compact(slices.Sorted(slices.Values(globs))) }
	return d.OpenAt(p.Frame.Now) && !d.By(p.Frame.Actor) && p.Form.Decision == d.Verb && p.Form.Replaces == d.Replaces &&
		slices.Equal(same(strings.Fields(p.Form.Repositories)), same(strings.Fields(lines(d.Repositories))))
}

// besides reports whether what comes of the form is shown in the form that
// decides anew, and not beside something that is there already.
func (p SignerPage) besides() bool {
	return p.Ends == "" && !slices.ContainsFunc(p.Signer.Decisions, p.confirms)
}

// lastDay is an end as a form has it: the last whole day, UTC.
func lastDay(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Add(-time.Millisecond).UTC().Format(time.DateOnly)
}

func (p SignerPage) confirmReason(d inventory.Decision) string {
	if p.confirms(d) {
		return p.Form.Reason
	}
	return ""
}

func (p SignerPage) endReason(d inventory.Decision) string {
	if p.Ends == d.ID {
		return p.Form.Reason
	}
	return ""
}

// ProposalsWait says that approvals wait for a second reviewer.
func ProposalsWait(list []inventory.Proposal, actor inventory.Actor) Attention {
	mine := 0
	for _, one := range list {
		if one.Decision.By(actor) {
			mine++
		}
	}
	a := Attention{
		Icon:   "users",
		Count:  len(list),
		Title:  ui.Plural(len(list), "approval waits", "approvals wait") + " for a second reviewer",
		Detail: "Until then it changes nothing.",
		URL:    "/signers#proposals",
		Action: "Confirm",
	}
	switch {
	case mine == len(list):
		a.Detail, a.Action = "Yours: somebody else has to confirm it. Until then it changes nothing.", "Show"
	case mine > 0:
		a.Detail = ui.Count(mine, "of them is", "of them are") + " yours, for somebody else to confirm."
	}
	return a
}
