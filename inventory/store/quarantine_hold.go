package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// hold is a row of quarantine_digests.
type hold struct {
	quarantine string
	inventory.Hold
}

// indexes are the platforms of each of some indexes.
type indexes map[inventory.Digest][]inventory.Platform

// unended selects quarantines that nobody released, and whose end wasn't that long
// ago. Whether one counts is StandsAt's to say.
const unended = "h.released_at is null and not h.lapsed"

// holding are the quarantines of each digest that may stand, each with why it holds
// that digest.
func holding(ctx context.Context, q database.Querier, digests []inventory.Digest) (map[inventory.Digest][]inventory.Quarantine, error) {
	digests = slices.Clone(digests)
	slices.Sort(digests)
	held := map[inventory.Digest][]inventory.Quarantine{}
	return held, database.EachIn(ctx, q, `
		select `+quarantineColumns+`, d.held, d.because, d.of_digest, d.platform, d.since
		from (select quarantine_id, digest as held, because, of_digest, platform, since from quarantine_digests) as d
		join quarantines h on h.id = d.quarantine_id
		where `+unended+` and d.held in %s
		order by d.held, h.at, h.id`, slices.Compact(digests), func(rows *sql.Rows) error {
		var why inventory.Hold
		var since int64
		one, err := scanQuarantine(rows, &why.Digest, &why.Because, &why.Of, &why.Platform, &since)
		why.Since = timeOf(since)
		one.Hold = &why
		held[why.Digest] = append(held[why.Digest], one)
		return err
	})
}

// longest is the quarantine that lasts longest of those that stand, nil when none
// does.
func longest(list []inventory.Quarantine, now time.Time) *inventory.Quarantine {
	var best *inventory.Quarantine
	for i := range list {
		switch q := &list[i]; {
		case !q.StandsAt(now):
		case best == nil || best.ExpiresAt != nil && (q.ExpiresAt == nil || best.ExpiresAt.Before(*q.ExpiresAt)):
			best = q
		}
	}
	return best
}

// pointedAt are the digests that a quarantine is of at this moment: its own, or
// what its tag points at, which may be none.
func pointedAt(ctx context.Context, q database.Querier, of inventory.Quarantine, now time.Time) ([]inventory.Hold, error) {
	if of.Digest != "" {
		return []inventory.Hold{{Digest: of.Digest, Because: inventory.HeldByDigest, Since: now}}, nil
	}
	digests, err := database.Column[inventory.Digest](ctx, q, `
		select distinct t.digest
		from tags t
		join repositories r on r.id = t.repository_id
		where r.full_name = $1 and t.name = $2`, database.Clean(of.Repository), database.Clean(of.Tag))
	holds := make([]inventory.Hold, 0, len(digests))
	for _, digest := range digests {
		holds = append(holds, inventory.Hold{Digest: digest, Because: inventory.HeldByTag, Since: now})
	}
	return holds, err
}

// following are the digests that are held because one is: the platforms of an
// index, and each index that lists it. Platforms are listed flat, however deep an
// index is nested. fresh are indexes that this transaction has yet to store.
func following(ctx context.Context, q database.Querier, h inventory.Hold, fresh indexes) ([]inventory.Hold, error) {
	if h.Because == inventory.HeldForPlatform {
		return nil, nil // its other platforms, and what lists it, hold that platform or don't
	}
	var list []inventory.Hold
	for _, p := range fresh[h.Digest] {
		list = append(list, inventory.Hold{Digest: p.Digest, Because: inventory.HeldAsPlatform, Of: h.Digest, Platform: p.Platform, Since: h.Since})
	}
	for index, platforms := range fresh {
		for _, p := range platforms {
			if p.Digest == h.Digest {
				list = append(list, inventory.Hold{Digest: index, Because: inventory.HeldForPlatform, Of: h.Digest, Platform: p.Platform, Since: h.Since})
			}
		}
	}
	// Whatever the repository, the digest says what an index lists.
	err := database.Each(ctx, q, `
		select digest, platform
		from platforms
		where image_id = (select i.id from images i where i.digest = $1 and exists (select 1 from platforms p where p.image_id = i.id) limit 1)
		order by position`, func(rows *sql.Rows) error {
		one := inventory.Hold{Because: inventory.HeldAsPlatform, Of: h.Digest, Since: h.Since}
		err := rows.Scan(&one.Digest, &one.Platform)
		list = append(list, one)
		return err
	}, h.Digest)
	if err != nil {
		return nil, err
	}
	return list, database.Each(ctx, q, `
		select i.digest, min(p.platform)
		from platforms p
		join images i on i.id = p.image_id
		where p.digest = $1
		group by i.digest
		order by i.digest`, func(rows *sql.Rows) error {
		one := inventory.Hold{Because: inventory.HeldForPlatform, Of: h.Digest, Since: h.Since}
		err := rows.Scan(&one.Digest, &one.Platform)
		list = append(list, one)
		return err
	}, h.Digest)
}

// closure is everything that is held when some digests are, these first.
func closure(ctx context.Context, q database.Querier, holds []inventory.Hold) ([]inventory.Hold, error) {
	all := map[inventory.Digest]inventory.Hold{}
	order := []inventory.Digest{}
	for len(holds) > 0 {
		h := holds[0]
		holds = holds[1:]
		known, ok := all[h.Digest]
		if ok && known.Because.Weight() <= h.Because.Weight() {
			continue
		}
		if !ok {
			order = append(order, h.Digest)
		}
		all[h.Digest] = h
		more, err := following(ctx, q, h, nil)
		if err != nil {
			return nil, err
		}
		holds = append(holds, more...)
	}
	list := make([]inventory.Hold, 0, len(order))
	for _, digest := range order {
		list = append(list, all[digest])
	}
	return list, nil
}

// missing are those of the holds that aren't written down yet, or only for a
// weightier cause.
func missing(ctx context.Context, tx database.Querier, wanted []hold) ([]hold, error) {
	type key struct {
		quarantine string
		digest     inventory.Digest
	}
	var digests []inventory.Digest
	for _, h := range wanted {
		digests = append(digests, h.Digest)
	}
	slices.Sort(digests)
	known := map[key]inventory.HoldCause{}
	err := database.EachIn(ctx, tx, "select quarantine_id, digest, because from quarantine_digests where digest in %s", slices.Compact(digests), func(rows *sql.Rows) error {
		var k key
		var because inventory.HoldCause
		err := rows.Scan(&k.quarantine, &k.digest, &because)
		known[k] = because
		return err
	})
	var list []hold
	for _, h := range wanted {
		k := key{h.quarantine, h.Digest}
		if because, ok := known[k]; !ok || h.Because.Weight() < because.Weight() {
			known[k] = h.Because
			list = append(list, h)
		}
	}
	return list, err
}

// hold writes down that quarantines hold digests, and all that follows from it.
// An image that is stored at the same time and belongs to that has either been
// stored, or waits: the revision of the decisions is locked. Marks are the
// caller's.
func (d *DB) hold(ctx context.Context, tx database.Querier, wanted []hold, fresh indexes) (written bool, err error) {
	if wanted, err = missing(ctx, tx, wanted); err != nil || len(wanted) == 0 {
		return false, err
	}
	if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
		return false, err
	}
	for len(wanted) > 0 {
		if wanted, err = missing(ctx, tx, wanted); err != nil {
			return written, err
		}
		var rows [][]any
		var next []hold
		for _, h := range wanted {
			written = true
			rows = append(rows, []any{h.quarantine, h.Digest, h.Because, h.Of, h.Platform, ms(h.Since)})
			more, err := following(ctx, tx, h.Hold, fresh)
			if err != nil {
				return written, err
			}
			for _, one := range more {
				next = append(next, hold{h.quarantine, one})
			}
		}
		// One at a time: the same digest may be there twice, for a lighter cause.
		for _, row := range rows {
			err := database.Insert(ctx, tx, "insert into quarantine_digests (quarantine_id, digest, because, of_digest, platform, since)", [][]any{row}, `
				on conflict (quarantine_id, digest) do update set because = excluded.because, of_digest = excluded.of_digest, platform = excluded.platform`)
			if err != nil {
				return written, err
			}
		}
		wanted = next
	}
	return written, nil
}

// gain holds what comes to be held by what a look found: digests that a
// quarantined tag points at now, platforms of a held index, and an index with a
// held platform. pointed are the tags that moved, listed the platforms of indexes.
// It is called before images are marked.
func (c *changeSet) gain(ctx context.Context, repository string, pointed map[string]inventory.Digest, listed indexes) error {
	names := make([]string, 0, len(pointed))
	for name := range pointed {
		names = append(names, name)
	}
	slices.Sort(names)
	var wanted []hold
	err := database.EachIn(ctx, c.tx, "select h.id, h.tag from quarantines h where "+unended+" and h.repository = $1 and h.tag in %s", names, func(rows *sql.Rows) error {
		var id, tag string
		err := rows.Scan(&id, &tag)
		wanted = append(wanted, hold{id, inventory.Hold{Digest: pointed[tag], Because: inventory.HeldByTag, Since: c.now}})
		return err
	}, database.Clean(repository))
	if err != nil {
		return err
	}
	var digests []inventory.Digest
	for index, platforms := range listed {
		digests = append(digests, index)
		for _, p := range platforms {
			digests = append(digests, p.Digest)
		}
	}
	held, err := holding(ctx, c.tx, digests)
	if err != nil {
		return err
	}
	for index, platforms := range listed {
		for _, p := range platforms {
			for _, q := range held[p.Digest] {
				if q.Hold.Because != inventory.HeldForPlatform {
					wanted = append(wanted, hold{q.ID, inventory.Hold{Digest: index, Because: inventory.HeldForPlatform, Of: p.Digest, Platform: p.Platform, Since: c.now}})
				}
			}
			for _, q := range held[index] {
				if q.Hold.Because != inventory.HeldForPlatform {
					wanted = append(wanted, hold{q.ID, inventory.Hold{Digest: p.Digest, Because: inventory.HeldAsPlatform, Of: index, Platform: p.Platform, Since: c.now}})
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	written, err := c.d.hold(ctx, c.tx, wanted, listed)
	if err != nil || !written {
		return err
	}
	var quarantines []string
	for _, h := range wanted {
		quarantines = append(quarantines, h.quarantine)
	}
	slices.Sort(quarantines)
	for _, id := range slices.Compact(quarantines) {
		if _, err := c.settle(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Holding is the quarantine that holds an image at now, nil when none does: of
// several that which lasts longest. It holds the digest, or a platform that the
// image lists, or it is of the tag that the image is asked for by. digest or tag
// may be empty; repository is "registry/repository".
func (d *DB) Holding(ctx context.Context, repository string, digest inventory.Digest, tag string, platforms []inventory.Platform, now time.Time) (*inventory.Quarantine, error) {
	var held *inventory.Quarantine
	err := d.sql.Read(ctx, func(q database.Querier) error {
		list, err := holds(ctx, q, repository, digest, []string{tag}, platforms, now)
		held = longest(list, now)
		return err
	})
	return held, err
}

// holds are the quarantines that hold an image at now, each once.
func holds(ctx context.Context, q database.Querier, repository string, digest inventory.Digest, tags []string, platforms []inventory.Platform, now time.Time) ([]inventory.Quarantine, error) {
	var list []inventory.Quarantine
	add := func(one inventory.Quarantine) {
		if one.StandsAt(now) && !slices.ContainsFunc(list, func(q inventory.Quarantine) bool { return q.ID == one.ID }) {
			list = append(list, one)
		}
	}
	digests := make([]inventory.Digest, 0, 1+len(platforms))
	if digest != "" { // those of a tag have none
		digests = append(digests, digest)
	}
	for _, p := range platforms {
		digests = append(digests, p.Digest)
	}
	held, err := holding(ctx, q, digests)
	if err != nil {
		return nil, err
	}
	for _, one := range held[digest] {
		add(one)
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag == "" })
	tagged, err := quarantines(ctx, q, "released_at is null and not lapsed and repository = $1 and tag in %s", tags, database.Clean(repository))
	if err != nil {
		return nil, err
	}
	for _, one := range tagged {
		one.Hold = &inventory.Hold{Digest: digest, Because: inventory.HeldByTag, Since: one.At}
		add(one)
	}
	for _, p := range platforms {
		for _, one := range held[p.Digest] {
			if one.Hold.Because != inventory.HeldForPlatform {
				one.Hold = &inventory.Hold{Digest: digest, Because: inventory.HeldForPlatform, Of: p.Digest, Platform: p.Platform, Since: one.Hold.Since}
				add(one)
			}
		}
	}
	return list, nil
}
