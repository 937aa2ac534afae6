package handlers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/handlers/api"
	"signboard/inventory"
)

// Image is GET /images.csv and /images.json, with the filter of /images.
func (e Export) Image(w http.ResponseWriter, r *http.Request) error {
	f, err := inventory.ParseImageFilter(r.Form)
	if err != nil {
		return err
	}
	var registries []inventory.Registry
	if f.Registry != "" {
		if registries, err = e.Around.Registries(r.Context()); err != nil {
			return err
		}
	}
	if err := f.Configured(e.Teams, registries); err != nil {
		return err
	}
	now := e.Clock().UTC()
	return export(e, w, r, sheet[inventory.Image]{
		name: fileName("images", string(f.Status), f.Team, f.Registry),
		columns: []string{"registry", "repository", "tags", "digest", "status", "reason", "message", "checked_at", "stale", "last_good_status", "last_good_at",
			"quarantined", "quarantine_reason", "teams", "signers", "signer_ids", "kind", "media_type", "first_seen", "last_seen"},
		page: func(ctx context.Context, p inventory.Page) ([]inventory.Image, string, error) {
			list, err := e.Images.Images(ctx, f, p, now)
			return list.Images, list.Next, err
		},
		cells: func(i inventory.Image) []string {
			made := api.NewListedImage(i)
			good, held := []string{"", ""}, []string{"false", ""}
			if made.LastGood != nil {
				good = []string{string(made.LastGood.Status), moment(made.LastGood.CheckedAt)}
			}
			if made.Quarantine != nil {
				held = []string{"true", made.Quarantine.Reason}
			}
			var names, ids []string
			for _, s := range made.Signers {
				names, ids = append(names, s.Name), append(ids, string(s.ID))
			}
			return slices.Concat(
				[]string{made.Registry, made.Repository, several(made.Tags), string(made.Digest), string(made.Status), string(made.Reason), made.Message, maybe(made.CheckedAt), strconv.FormatBool(made.Stale)},
				good, held,
				[]string{several(made.Teams), several(names), several(ids), made.Kind, made.MediaType, moment(i.FirstSeen), moment(i.LastSeen)})
		},
		object: func(i inventory.Image) any { return api.NewListedImage(i) },
	})
}

// Signer is GET /signers.csv and /signers.json: signers of every standing, or of
// one.
func (e Export) Signer(w http.ResponseWriter, r *http.Request) error {
	f, err := inventory.ParseSignerFilter(r.Form)
	if err == nil {
		err = f.Configured(e.Teams)
	}
	if err != nil {
		return err
	}
	now := e.Clock().UTC()
	seen := map[inventory.SignerID]bool{}
	return export(e, w, r, sheet[inventory.Signer]{
		name: fileName("signers", string(f.Standing), string(f.Kind)),
		columns: []string{"id", "kind", "name", "standing", "images", "waiting", "first_seen", "last_seen", "registered_at", "registered_by",
			"repositories", "teams", "formats", "ends_at", "oddities"},
		page: func(ctx context.Context, p inventory.Page) ([]inventory.Signer, string, error) {
			list, next, err := e.Signers.Signers(ctx, f, p, now)
			return unseen(list, seen, func(s inventory.Signer) inventory.SignerID { return s.ID }), next, err
		},
		cells: func(s inventory.Signer) []string {
			made := api.NewSigner(s)
			var formats, odd []string
			for _, f := range made.Formats {
				formats = append(formats, string(f))
			}
			for _, o := range made.Oddities {
				odd = append(odd, string(o.Kind)+": "+o.Message)
			}
			return []string{string(made.ID), string(made.Kind), made.Name, string(made.Standing), strconv.Itoa(made.Images), strconv.Itoa(made.Waiting),
				maybe(made.FirstSeen), maybe(made.LastSeen), maybe(made.RegisteredAt), made.RegisteredBy,
				several(made.Repositories), several(made.Teams), several(formats), maybe(made.EndsAt), several(odd)}
		},
		object: func(s inventory.Signer) any { return api.NewSigner(s) },
	})
}

// Quarantine is GET /quarantine.csv and /quarantine.json: those that stand, then
// those that are over.
func (e Export) Quarantine(w http.ResponseWriter, r *http.Request) error {
	now := e.Clock().UTC()
	seen := map[string]bool{}
	return export(e, w, r, sheet[inventory.Quarantine]{
		name:    "quarantines",
		columns: []string{"id", "digest", "repository", "tag", "reason", "by", "at", "expires_at", "standing", "images", "released_at", "released_by", "released_reason"},
		page: func(ctx context.Context, p inventory.Page) (list []inventory.Quarantine, next string, err error) {
			cursor, over := strings.CutPrefix(p.Cursor, "over ")
			p.Cursor = cursor
			list, next, err = e.Quarantines.Quarantines(ctx, !over, p, now)
			if over && next != "" || !over && next == "" {
				next = "over " + next
			}
			return unseen(list, seen, func(q inventory.Quarantine) string { return q.ID }), next, err
		},
		cells: func(q inventory.Quarantine) []string {
			made := api.NewQuarantine(q)
			return []string{made.ID, string(made.Digest), made.Repository, made.Tag, made.Reason, made.By, moment(made.At), maybe(made.ExpiresAt), strconv.FormatBool(q.StandsAt(now)),
				strconv.Itoa(q.Images), maybe(made.ReleasedAt), q.ReleasedBy, q.ReleasedReason}
		},
		object: func(q inventory.Quarantine) any { return api.NewQuarantine(q) },
	})
}

// Registry is GET /registries.csv and /registries.json.
func (e Export) Registry(w http.ResponseWriter, r *http.Request) error {
	now := e.Clock().UTC()
	return export(e, w, r, sheet[inventory.Registry]{
		name: "registries",
		columns: []string{"name", "url", "state", "repositories", "images", "last_complete_at", "next_due_at", "failing_repositories",
			"failing_reason", "failing_message", "failing_since"},
		page: func(ctx context.Context, _ inventory.Page) ([]inventory.Registry, string, error) {
			list, err := e.Around.Registries(ctx)
			return list, "", err
		},
		cells: func(r inventory.Registry) []string {
			made := api.NewRegistry(r, nil, now)
			failing := []string{"", "", ""}
			if f := made.Failing; f != nil {
				failing = []string{string(f.Reason), f.Message, moment(f.Since)}
			}
			return append([]string{made.Name, made.URL, string(made.State), strconv.Itoa(made.RepositoryCount), strconv.Itoa(made.ImageCount),
				maybe(made.LastCompleteAt), maybe(made.NextDueAt), strconv.Itoa(made.FailingRepositories)}, failing...)
		},
		object: func(r inventory.Registry) any { return api.NewRegistry(r, nil, now) },
	})
}

// Entry is GET /audit.csv and /audit.json, with the filter of /audit.
func (e Export) Entry(w http.ResponseWriter, r *http.Request) error {
	f, err := inventory.ParseAuditFilter(r.Form)
	if err != nil {
		return err
	}
	return export(e, w, r, sheet[inventory.AuditEntry]{
		name:    fileName("audit", f.Action),
		columns: []string{"index", "at", "actor_kind", "actor", "action", "object", "reason", "before", "after", "address"},
		page: func(ctx context.Context, p inventory.Page) ([]inventory.AuditEntry, string, error) {
			list, err := e.Audit.FindAudit(ctx, f, p)
			return list.Entries, list.Next, err
		},
		cells: func(a inventory.AuditEntry) []string {
			made := api.NewAuditEntry(a)
			return []string{strconv.FormatInt(made.Index, 10), moment(made.At), string(made.Actor.Kind), made.Actor.Name, made.Action, made.Object, made.Reason,
				made.Before, made.After, made.Address}
		},
		object: func(a inventory.AuditEntry) any { return api.NewAuditEntry(a) },
	})
}

// Team is GET /teams.csv and /teams.json: every team with its coverage, and the
// images that belong to none.
func (e Export) Team(w http.ResponseWriter, r *http.Request) error {
	columns := []string{"team", "images"}
	for _, s := range inventory.Statuses {
		columns = append(columns, string(s))
	}
	return export(e, w, r, sheet[inventory.TeamCounts]{
		name:    "teams",
		columns: append(columns, "quarantined", "stale"),
		page: func(ctx context.Context, _ inventory.Page) ([]inventory.TeamCounts, string, error) {
			list, err := teamCounts(ctx, e.Coverage)
			return list, "", err
		},
		cells: func(t inventory.TeamCounts) []string {
			cells := []string{t.Team, strconv.Itoa(t.Counts.Images)}
			for _, s := range append(slices.Clone(inventory.Statuses), inventory.Quarantined) {
				cells = append(cells, strconv.Itoa(t.Counts.Of(s)))
			}
			return append(cells, strconv.Itoa(t.Counts.Stale))
		},
		object: func(t inventory.TeamCounts) any { return api.NewTeam(t) },
	})
}

// unseen leaves out what was there before: a row can move down a list while that is
// read.
func unseen[T any, K comparable](list []T, seen map[K]bool, key func(T) K) []T {
	return slices.DeleteFunc(list, func(one T) bool {
		k := key(one)
		again := seen[k]
		seen[k] = true
		return again
	})
}

// fileName is what a file is called by what is in it; inventory.NoTeam and what
// can't stand in a file's name are left out.
func fileName(parts ...string) string {
	var kept []string
	for _, part := range parts {
		part = strings.Trim(strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			}
			return '-'
		}, part), "-")
		if part = part[:min(len(part), 40)]; part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "-")
}

// several are values that stand in one field.
func several(values []string) string { return strings.Join(values, "; ") }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func maybe(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}
