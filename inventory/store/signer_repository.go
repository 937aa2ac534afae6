package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// signedIn is a signer in a repository.
type signedIn struct {
	signer     inventory.SignerID
	repository int64
}

// sighting is what a transaction adds to what is known of a signer in a
// repository.
type sighting struct {
	images           int64 // more in use
	formats          int64 // bits
	since, notBefore int64
}

// strange is how long after a repository was first listed a signature that
// appears in it is one that somebody would have seen before. Until then it may
// have been there all along, and only not been read yet.
const strange = 24 * time.Hour

func formatBit(f inventory.Format) int64 {
	if i := slices.Index(inventory.Formats, f); i >= 0 {
		return 1 << i
	}
	return 0
}

func formatsOf(bits int64) []inventory.Format {
	var list []inventory.Format
	for _, f := range inventory.Formats {
		if bits&formatBit(f) != 0 {
			list = append(list, f)
		}
	}
	return list
}

func (c *changeSet) sighting(signer inventory.SignerID, repository int64) *sighting {
	if c.sightings == nil {
		c.sightings = map[signedIn]*sighting{}
	}
	at := signedIn{signer, repository}
	if c.sightings[at] == nil {
		c.sightings[at] = &sighting{since: never, notBefore: never}
	}
	return c.sightings[at]
}

// see notes a verified signature on an image. appeared is the moment before
// which it can't have been there, 0 when nobody looked before.
func (c *changeSet) see(r *imageRow, s inventory.Signature, appeared int64) {
	seen := c.sighting(s.Signer.ID, r.RepositoryID)
	seen.formats |= formatBit(s.Format)
	since := ms(c.now)
	if s.SignedAt != nil && (s.SignedAtSource == inventory.SignedAtTlog || s.SignedAtSource == inventory.SignedAtAuthority) {
		since = min(since, ms(*s.SignedAt)) // others vouch for it: better than when we came by
		appeared = since
	}
	seen.since, seen.notBefore = min(seen.since, since), min(seen.notBefore, appeared)
}

// countSigned notes that an image with what signed it came into use (sign 1) or
// went out of it (-1).
func (c *changeSet) countSigned(r *imageRow, sign int64) {
	if !r.Listed {
		return
	}
	for _, signer := range r.signers {
		c.sighting(signer, r.RepositoryID).images += sign
	}
}

// appeared says for images with new evidence since when a signature on them can
// be there whose time nobody vouches for.
func (c *changeSet) appeared(ctx context.Context, found map[int64]*inventory.ImageFinding) (map[int64]int64, error) {
	at := map[int64]int64{}
	if c.look != nil {
		since := int64(0)
		if c.look.SyncedAt != nil || c.now.Sub(c.look.FirstSeen) > strange {
			since = ms(c.now)
		}
		for id := range found {
			at[id] = since
		}
		return at, nil
	}
	// What was checked again with other keys had been there before: since the image
	// was, at the earliest.
	listed := map[int64]int64{}
	for id := range found {
		listed[c.rows[id].RepositoryID] = 0
	}
	ids := make([]int64, 0, len(listed))
	for id := range listed {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	err := database.EachIn(ctx, c.tx, "select id, first_seen from repositories where id in %s", ids, func(rows *sql.Rows) error {
		var id, first int64
		err := rows.Scan(&id, &first)
		listed[id] = first
		return err
	})
	for id := range found {
		if r := c.rows[id]; r.FirstSeen > listed[r.RepositoryID]+strange.Milliseconds() {
			at[id] = r.FirstSeen
		}
	}
	return at, err
}

// saveSightings writes what changed of who signed where, in one order
// everywhere so that two transactions can't wait for each other.
func (c *changeSet) saveSightings(ctx context.Context) error {
	places := make([]signedIn, 0, len(c.sightings))
	for at, seen := range c.sightings {
		if seen.images != 0 || seen.since != never {
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b signedIn) int {
		return cmp.Or(cmp.Compare(a.signer, b.signer), cmp.Compare(a.repository, b.repository))
	})
	rows := make([][]any, 0, len(places))
	for _, at := range places {
		seen := c.sightings[at]
		rows = append(rows, []any{at.signer, at.repository, at.signer.Family(), seen.images, seen.formats, seen.since, seen.notBefore})
	}
	return database.Insert(ctx, c.tx, "insert into signer_repositories (signer_id, repository_id, family, images, formats, since, not_before)", rows, `
		on conflict (signer_id, repository_id) do update set
		  images = signer_repositories.images + excluded.images,
		  formats = signer_repositories.formats | excluded.formats,
		  since = case when excluded.since < signer_repositories.since then excluded.since else signer_repositories.since end,
		  not_before = case when excluded.not_before < signer_repositories.not_before then excluded.not_before else signer_repositories.not_before end`)
}

// driftOfSigned compares how many images each signer signed in each repository
// with the rows that say so.
func driftOfSigned(ctx context.Context, q database.Querier, report func(format string, args ...any)) error {
	want, err := signedImages(ctx, q)
	if err != nil {
		return err
	}
	err = database.Each(ctx, q, "select signer_id, repository_id, images, family from signer_repositories order by signer_id, repository_id", func(rows *sql.Rows) error {
		var at signedIn
		var images int64
		var family string
		if err := rows.Scan(&at.signer, &at.repository, &images, &family); err != nil {
			return err
		}
		is := want[at]
		if delete(want, at); images != is {
			report("signer %s in repository %d: %d images, and the rows say %d", at.signer, at.repository, images, is)
		}
		if family != at.signer.Family() {
			report("signer %s in repository %d is of the family %s", at.signer, at.repository, family)
		}
		return nil
	})
	for at, n := range want {
		report("signer %s in repository %d: nothing is known, and the rows say %d images", at.signer, at.repository, n)
	}
	return err
}

func signedImages(ctx context.Context, q database.Querier) (map[signedIn]int64, error) {
	found := map[signedIn]int64{}
	return found, database.Each(ctx, q, `
		select s.signer_id, i.repository_id, count(*)
		from image_signers s
		join images i on i.id = s.image_id
		where i.listed
		group by 1, 2`, func(rows *sql.Rows) error {
		var at signedIn
		var n int64
		err := rows.Scan(&at.signer, &at.repository, &n)
		found[at] = n
		return err
	})
}

// repairSigned puts right what driftOfSigned reports. Of a row that wasn't there
// nobody knows since when: it says nothing of the past.
func (d *DB) repairSigned(ctx context.Context, tx database.Querier, now time.Time) error {
	if _, err := tx.ExecContext(ctx, "update signer_repositories set images = 0"); err != nil {
		return err
	}
	want, err := signedImages(ctx, tx)
	if err != nil {
		return err
	}
	c := d.changes(tx, now)
	for at, n := range want {
		*c.sighting(at.signer, at.repository) = sighting{images: n, since: ms(now)}
	}
	return c.saveSightings(ctx)
}
