package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	impactFew      = 10 // repositories and tags that are named
	impactExamples = 5
	impactOthers   = 5
)

// WouldHold is what a quarantine would hold if it were made now. It fails with
// Invalid when its repository is in no configured registry: nothing would ever be
// held.
func (d *DB) WouldHold(ctx context.Context, of inventory.Quarantine, now time.Time) ([]inventory.Hold, error) {
	var list []inventory.Hold
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		list, err = wouldHold(ctx, q, of, now)
		return err
	})
	return list, err
}

func wouldHold(ctx context.Context, q database.Querier, of inventory.Quarantine, now time.Time) ([]inventory.Hold, error) {
	if of.Digest == "" {
		name, _, _ := strings.Cut(of.Repository, "/")
		known, err := database.Value[bool](ctx, q, "select exists (select 1 from registries where name = $1 and not removed)", database.Clean(name))
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, inventory.Errorf(inventory.Invalid, "There is no registry called %q, so nothing would be held.", inventory.Visible(name))
		}
	}
	pointed, err := pointedAt(ctx, q, of, now)
	if err != nil {
		return nil, err
	}
	return closure(ctx, q, pointed)
}

// HoldImpact says what a quarantine would hold if it were made now or, of one that
// is stored (it has an id), what it holds and what else holds that.
func (d *DB) HoldImpact(ctx context.Context, of inventory.Quarantine, now time.Time) (inventory.HoldImpact, error) {
	impact := inventory.HoldImpact{
		Counts: inventory.Counts{ByStatus: map[inventory.Status]int{}}, Free: inventory.Counts{ByStatus: map[inventory.Status]int{}},
	}
	err := d.sql.Read(ctx, func(q database.Querier) error {
		list, err := heldNow(ctx, q, of, now)
		if err != nil {
			return err
		}
		impact.Digests = len(list)
		impact.Holds = list[:min(len(list), inventory.MaxHeldDigests)]
		digests := make([]inventory.Digest, 0, len(list))
		for _, h := range list {
			digests = append(digests, h.Digest)
		}
		slices.Sort(digests)
		if err := impactCounts(ctx, q, of, digests, &impact, now); err != nil {
			return err
		}
		if err := impactPlaces(ctx, q, digests, &impact); err != nil {
			return err
		}
		rows, err := imageRows(ctx, q, "listed and digest in %s order by id desc limit 5", digests)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *imageRow) int { return int(b.ID - a.ID) })
		impact.Examples, err = d.shown(ctx, q, rows[:min(len(rows), impactExamples)], now)
		return err
	})
	return impact, err
}

// heldNow is what a stored quarantine holds, or what one would.
func heldNow(ctx context.Context, q database.Querier, of inventory.Quarantine, now time.Time) ([]inventory.Hold, error) {
	if of.ID == "" {
		return wouldHold(ctx, q, of, now)
	}
	var list []inventory.Hold
	err := database.Each(ctx, q, `
		select d.digest, d.because, d.of_digest, d.platform, d.since
		from quarantine_digests d
		join quarantines h on h.id = d.quarantine_id
		where d.quarantine_id = $1 and (h.expires_at is null or d.since < h.expires_at)
		order by d.since desc, d.digest`, func(rows *sql.Rows) error {
		var h inventory.Hold
		var since int64
		err := rows.Scan(&h.Digest, &h.Because, &h.Of, &h.Platform, &since)
		h.Since = timeOf(since)
		list = append(list, h)
		return err
	}, of.ID)
	slices.SortStableFunc(list, func(a, b inventory.Hold) int { return a.Because.Weight() - b.Because.Weight() })
	return list, err
}

// impactCounts counts the images by status, with those that other quarantines hold.
func impactCounts(ctx context.Context, q database.Querier, of inventory.Quarantine, digests []inventory.Digest, impact *inventory.HoldImpact, now time.Time) error {
	held, err := holding(ctx, q, digests)
	if err != nil {
		return err
	}
	other := map[inventory.Digest]bool{}
	named := map[string]bool{}
	for _, digest := range digests {
		for _, one := range held[digest] {
			if one.ID == of.ID || !one.StandsAt(now) {
				continue
			}
			other[digest] = true
			if !named[one.ID] && len(impact.Others) < impactOthers {
				named[one.ID] = true
				impact.Others = append(impact.Others, one)
			}
		}
	}
	return database.EachIn(ctx, q, "select digest, status, count(*) from images where listed and digest in %s group by digest, status", digests, func(rows *sql.Rows) error {
		var digest inventory.Digest
		var status inventory.Status
		var n int
		if err := rows.Scan(&digest, &status, &n); err != nil {
			return err
		}
		impact.Counts.Images += n
		impact.Counts.ByStatus[status] += n
		if other[digest] {
			impact.Counts.Quarantined += n
		} else {
			impact.Free.Images += n
			impact.Free.ByStatus[status] += n
		}
		return nil
	})
}

// impactPlaces says where the images are, and whose.
func impactPlaces(ctx context.Context, q database.Querier, digests []inventory.Digest, impact *inventory.HoldImpact) error {
	count := func(query string, more func(a, b inventory.NamedCount) int) ([]inventory.NamedCount, error) {
		n := map[string]int{}
		err := database.EachIn(ctx, q, query, digests, func(rows *sql.Rows) error {
			var name string
			var images int
			err := rows.Scan(&name, &images)
			n[name] += images
			return err
		})
		list := make([]inventory.NamedCount, 0, len(n))
		for name, images := range n {
			list = append(list, inventory.NamedCount{Name: name, Images: images})
		}
		slices.SortFunc(list, more)
		return list, err
	}
	most := func(a, b inventory.NamedCount) int {
		if a.Images != b.Images {
			return b.Images - a.Images
		}
		return strings.Compare(a.Name, b.Name)
	}
	var err error
	if impact.Teams, err = count(`
		select t.team, count(*)
		from images i
		join team_repositories t on t.repository_id = i.repository_id
		where i.listed and i.digest in %s
		group by t.team`, most); err != nil {
		return err
	}
	if impact.Registries, err = count(`
		select g.name, count(*)
		from images i
		join registries g on g.id = i.registry_id
		where i.listed and i.digest in %s
		group by g.name`, most); err != nil {
		return err
	}
	if impact.Repositories, err = count(`
		select r.full_name, count(*)
		from images i
		join repositories r on r.id = i.repository_id
		where i.listed and i.digest in %s
		group by r.full_name`, func(a, b inventory.NamedCount) int { return strings.Compare(a.Name, b.Name) }); err != nil {
		return err
	}
	impact.RepositoryCount = len(impact.Repositories)
	impact.Repositories = impact.Repositories[:min(len(impact.Repositories), impactFew)]
	if err := database.EachIn(ctx, q, "select count(*) from tags t join images i on i.id = t.image_id where i.listed and i.digest in %s", digests, func(rows *sql.Rows) error {
		var n int
		err := rows.Scan(&n)
		impact.TagCount += n
		return err
	}); err != nil {
		return err
	}
	err = database.EachIn(ctx, q, `
		select r.full_name || ':' || t.name
		from tags t
		join images i on i.id = t.image_id
		join repositories r on r.id = i.repository_id
		where i.listed and i.digest in %s
		order by 1
		limit 10`, digests, func(rows *sql.Rows) error {
		var tag string
		err := rows.Scan(&tag)
		impact.Tags = append(impact.Tags, tag)
		return err
	})
	slices.Sort(impact.Tags)
	impact.Tags = impact.Tags[:min(len(impact.Tags), impactFew)]
	return err
}
