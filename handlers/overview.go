package handlers

import (
	"context"
	"net/http"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/views"
)

// OverviewStore is what the overview reads.
type OverviewStore interface {
	Counts(ctx context.Context, s inventory.Scope) (inventory.Counts, error)
	TeamCounts(ctx context.Context) ([]inventory.TeamCounts, error)
	Coverage(ctx context.Context, s inventory.Scope, days int, now time.Time) ([]inventory.Day, error)
	MovedTags(ctx context.Context, since time.Time, most int) ([]inventory.MovedTag, error)
	LostSignatures(ctx context.Context, since time.Time, most int) ([]inventory.LostSignature, error)
	ProposalStore
	Expiring(ctx context.Context, within time.Duration, now time.Time) ([]inventory.Expiring, error)
}

// ProposalStore lists what waits for a second reviewer.
type ProposalStore interface {
	Proposals(ctx context.Context, now time.Time) ([]inventory.Proposal, error)
}

// Overview is GET /: how much can we trust, and is it getting better?
type Overview struct {
	Pages
	Store       OverviewStore
	Signers     SignerStore
	Quarantines QuarantineStore
	Roots       func() []inventory.TrustRoot // as Trust.Roots
}

// trendDays is how many days the trend shows; movedDays is for how long a tag
// that left a trusted image, or a signature that was removed from one, is worth
// somebody's attention.
const (
	trendDays = 90
	movedDays = 14
)

func (o Overview) Show(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	frame, registries, err := o.frame(r, "Overview")
	if err != nil {
		return err
	}
	p := views.OverviewPage{Frame: frame, Registries: len(registries), Team: r.FormValue("team"), Registry: r.FormValue("registry")}
	scope := inventory.Scope{Team: p.Team, Registry: p.Registry}
	if p.Counts, err = o.Store.Counts(ctx, scope); err != nil {
		return err
	}
	if p.Teams, err = o.Store.TeamCounts(ctx); err != nil {
		return err
	}
	if p.Days, err = o.Store.Coverage(ctx, scope, trendDays, frame.Now); err != nil {
		return err
	}
	p.WeekAgo = weekAgo(p.Days, frame.Now)
	for _, registry := range registries {
		p.Names = append(p.Names, registry.Name)
		if p.Registry != "" && p.Registry != registry.Name {
			continue
		}
		if registry.State.Failing != nil || registry.State.FailingRepos > 0 {
			p.Failing = append(p.Failing, registry)
		}
	}
	if p.Quarantines, _, err = o.Quarantines.Quarantines(ctx, true, inventory.Page{Limit: 5}, frame.Now); err != nil {
		return err
	}
	waiting, _, err := o.Signers.Signers(ctx, inventory.SignerFilter{Standing: inventory.Pending}, inventory.Page{Limit: 50}, frame.Now)
	if err != nil {
		return err
	}
	proposals, err := o.Store.Proposals(ctx, frame.Now)
	if err != nil {
		return err
	}
	expiring, err := o.Store.Expiring(ctx, inventory.ExpiringSoon, frame.Now)
	if err != nil {
		return err
	}
	p.Expiring = len(expiring)
	var moved []inventory.MovedTag
	var lost []inventory.LostSignature
	if p.Team == "" {
		since := frame.Now.AddDate(0, 0, -movedDays)
		if moved, err = o.Store.MovedTags(ctx, since, 200); err != nil {
			return err
		}
		if lost, err = o.Store.LostSignatures(ctx, since, 200); err != nil {
			return err
		}
		if p.Registry != "" {
			moved = slices.DeleteFunc(moved, func(t inventory.MovedTag) bool { return t.Registry != p.Registry })
			lost = slices.DeleteFunc(lost, func(l inventory.LostSignature) bool { return l.Registry != p.Registry })
		}
	}
	var roots []inventory.TrustRoot
	if o.Roots != nil {
		roots = o.Roots()
	}
	p.Attention = attention(p, waiting, frame.Inbox, moved, lost, roots, proposals, expiring)
	return show(w, r, http.StatusOK, p)
}

// weekAgo is the newest day at least a week old, or else the oldest there is
// before today.
func weekAgo(days []inventory.Day, now time.Time) *inventory.Day {
	limit, today := now.AddDate(0, 0, -7).Format(time.DateOnly), now.Format(time.DateOnly)
	var found *inventory.Day
	for i := range days {
		if d := &days[i]; d.Date <= limit || found == nil && d.Date < today {
			found = d
		}
	}
	return found
}

// attention lists what needs somebody, most urgent first.
func attention(p views.OverviewPage, waiting []inventory.Signer, inbox int, moved []inventory.MovedTag, lost []inventory.LostSignature, roots []inventory.TrustRoot, proposals []inventory.Proposal, expiring []inventory.Expiring) []views.Attention {
	var list []views.Attention
	scope := inventory.Scope{Team: p.Team, Registry: p.Registry}
	if n := p.Counts.Of(inventory.Failed); n > 0 {
		list = append(list, views.ImagesNeed(inventory.Failed, n, scope))
	}
	today, week := soon(expiring, p.Frame.Now)
	if len(today) > 0 {
		list = append(list, views.ApprovalsExpiring(today, inventory.ExpiringAtOnce, p.Frame.Now))
	}
	if len(lost) > 0 {
		list = append(list, views.SignaturesRemoved(lost))
	}
	for _, registry := range p.Failing {
		list = append(list, views.RegistryFailing(registry))
	}
	for _, root := range roots {
		if root.Stale {
			list = append(list, views.RootStale(root))
		}
	}
	for _, t := range moved {
		if t.Before == inventory.Trusted && t.After != inventory.Trusted {
			list = append(list, views.TagMoved(inventory.Image{Registry: t.Registry, Repository: t.Repository, Digest: t.To, Status: t.After}, t.Tag))
		}
	}
	if len(week) > 0 {
		list = append(list, views.ApprovalsExpiring(week, inventory.ExpiringNext, p.Frame.Now))
	}
	if len(proposals) > 0 {
		list = append(list, views.ProposalsWait(proposals, p.Frame.Actor))
	}
	images := 0
	for _, s := range waiting {
		images += s.Waiting
	}
	if inbox > 0 && images > 0 {
		list = append(list, views.SignersWaiting(inbox, images))
	}
	for _, status := range []inventory.Status{inventory.Unverifiable, inventory.Unsigned, inventory.Unapproved, inventory.Unknown} {
		if n := p.Counts.Of(status); n > 0 {
			list = append(list, views.ImagesNeed(status, n, scope))
		}
	}
	if inbox > 0 && images == 0 {
		list = append(list, views.SignersWaiting(inbox, images))
	}
	return list
}

// soon are the approvals that run out within a day, and those that do within a
// week but not within a day.
func soon(expiring []inventory.Expiring, now time.Time) (today, week []inventory.Expiring) {
	for _, e := range expiring {
		switch end := *e.Decision.ExpiresAt; {
		case !end.After(now.Add(inventory.ExpiringAtOnce)):
			today = append(today, e)
		case !end.After(now.Add(inventory.ExpiringNext)):
			week = append(week, e)
		}
	}
	return today, week
}
