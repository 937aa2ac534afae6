package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views"
)

// TeamStore is what the pages about teams read.
type TeamStore interface {
	Counts(ctx context.Context, s inventory.Scope) (inventory.Counts, error)
	TeamCounts(ctx context.Context) ([]inventory.TeamCounts, error)
	Coverage(ctx context.Context, s inventory.Scope, days int, now time.Time) ([]inventory.Day, error)
	Images(ctx context.Context, f inventory.ImageFilter, p inventory.Page, now time.Time) (inventory.ImageList, error)
	OldestImages(ctx context.Context, team string, status inventory.Status, p inventory.Page, now time.Time) ([]inventory.Image, string, error)
	RepositoriesOf(ctx context.Context, team string, most int) ([]string, error)
}

// Team is the pages about teams.
type Team struct {
	Pages
	Store TeamStore
}

// How many images a team's page lists: the unsigned ones, and of each other
// status.
const (
	unsignedRows = 10
	needRows     = 5
)

// List is GET /teams.
func (t Team) List(w http.ResponseWriter, r *http.Request) error {
	frame, registries, err := t.frame(r, "Teams")
	if err != nil {
		return err
	}
	p := views.TeamsPage{Frame: frame, Registries: len(registries)}
	if p.All, err = t.Store.Counts(r.Context(), inventory.Scope{}); err != nil {
		return err
	}
	counts, err := teamCounts(r.Context(), t.Store)
	if err != nil {
		return err
	}
	for _, c := range counts {
		if c.Team == inventory.NoTeam {
			p.Unowned = c.Counts
		} else {
			p.Teams = append(p.Teams, c)
		}
	}
	return show(w, r, http.StatusOK, p)
}

// teamCounts are the teams by name, inventory.NoTeam last.
func teamCounts(ctx context.Context, store interface {
	TeamCounts(context.Context) ([]inventory.TeamCounts, error)
}) ([]inventory.TeamCounts, error) {
	list, err := store.TeamCounts(ctx)
	slices.SortFunc(list, func(a, b inventory.TeamCounts) int {
		switch {
		case a.Team == b.Team:
			return 0
		case a.Team == inventory.NoTeam:
			return 1
		case b.Team == inventory.NoTeam:
			return -1
		}
		return strings.Compare(strings.ToLower(a.Team)+"\x00"+a.Team, strings.ToLower(b.Team)+"\x00"+b.Team)
	})
	return list, err
}

// Show is GET /teams/{name}.
func (t Team) Show(w http.ResponseWriter, r *http.Request) error {
	ctx, name := r.Context(), param(r, "name")
	team := inventory.Team{Name: inventory.NoTeam}
	if name != inventory.NoTeam {
		i := slices.IndexFunc(t.Teams, func(c inventory.Team) bool { return c.Name == name })
		if i < 0 {
			return inventory.Errorf(inventory.NotFound, "There is no team called %q. Teams are named in signboard.yaml, under teams.", inventory.Visible(clip(name)))
		}
		team = t.Teams[i]
	}
	frame, registries, err := t.frame(r, name)
	if err != nil {
		return err
	}
	if name == inventory.NoTeam {
		frame.Title = "No team"
	}
	p := views.TeamPage{
		Frame: frame, Team: team, Own: slices.Contains(frame.Teams, name), Registries: len(registries), Cursor: r.FormValue("cursor"),
		Addresses: map[string]string{},
	}
	for _, registry := range registries {
		p.Addresses[registry.Name] = address(registries, registry.Name)
	}
	scope := inventory.Scope{Team: name}
	if p.Counts, err = t.Store.Counts(ctx, scope); err != nil {
		return err
	}
	if p.Days, err = t.Store.Coverage(ctx, scope, trendDays, frame.Now); err != nil {
		return err
	}
	p.WeekAgo = weekAgo(p.Days, frame.Now)
	if p.Unsigned, p.Next, err = t.Store.OldestImages(ctx, name, inventory.Unsigned, inventory.Page{Limit: unsignedRows, Cursor: p.Cursor}, frame.Now); err != nil {
		return err
	}
	if p.Needs, err = t.needs(ctx, name, p.Counts, frame.Now); err != nil {
		return err
	}
	if name == inventory.NoTeam {
		if p.Repositories, err = t.Store.RepositoriesOf(ctx, name, inventory.MaxPage); err != nil {
			return err
		}
	}
	return show(w, r, http.StatusOK, p)
}

// needs are a team's images that need somebody other than to sign them.
func (t Team) needs(ctx context.Context, team string, c inventory.Counts, now time.Time) (list []views.TeamNeed, err error) {
	for _, status := range []inventory.Status{inventory.Failed, inventory.Quarantined, inventory.Unapproved, inventory.Unverifiable, inventory.Unknown} {
		need := views.TeamNeed{Status: status, Count: c.Of(status)}
		if need.Count == 0 {
			continue
		}
		page := inventory.Page{Limit: needRows}
		if status == inventory.Quarantined { // no status of its own, so the newest of them
			var held inventory.ImageList
			held, err = t.Store.Images(ctx, inventory.ImageFilter{Team: team, Status: status}, page, now)
			need.Images = held.Images
		} else {
			need.Images, _, err = t.Store.OldestImages(ctx, team, status, page, now)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, need)
	}
	return list, nil
}
