package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// holds fails with ErrLeaseLost unless the repository's lease is still the one
// that was claimed. It says whether the repository is there, and at which
// revision the decisions are. Until the transaction ends nobody claims the
// repository, decides, or quarantines.
func (d *DB) holds(ctx context.Context, tx database.Querier, w *inventory.RepositoryWork) (active bool, revision int64, err error) {
	var token int64
	var gone bool
	err = tx.QueryRowContext(ctx, `
		select lease_token, gone
		from repositories
		where id = $1`+d.sql.ForUpdate, w.Repository.ID).Scan(&token, &gone)
	if errors.Is(err, sql.ErrNoRows) || err == nil && token != w.Lease.Token {
		return false, 0, inventory.ErrLeaseLost
	}
	if err == nil {
		revision, err = d.decisionsRevision(ctx, tx)
	}
	return !gone, revision, err
}

// decisionsRevision is the revision of all decisions; it stays as it is until
// the transaction ends.
func (d *DB) decisionsRevision(ctx context.Context, tx database.Querier) (int64, error) {
	return database.Value[int64](ctx, tx, "select value from revisions where name = 'decisions'"+d.sql.ForShare)
}

// RecordImages stores findings with their verdicts, tags and counters in one
// transaction. It fails with ErrLeaseLost when somebody else holds the
// repository, and with ErrRejudge when a decision was made since the verdicts
// were judged. An Unchanged finding of an image that is unknown makes the
// stored evidence count again: the image turns up in StaleVerdicts.
func (d *DB) RecordImages(ctx context.Context, w *inventory.RepositoryWork, findings []inventory.ImageFinding, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		active, revision, err := d.holds(ctx, tx, w)
		if err != nil {
			return err
		}
		for _, f := range findings {
			if !f.Unchanged && f.Failure == nil && f.JudgedAt != revision {
				return inventory.ErrRejudge
			}
		}
		rest, err := d.recordUnchanged(ctx, tx, w.Repository.ID, findings, now)
		if err != nil || len(rest) == 0 {
			return err
		}
		return d.recordImages(ctx, tx, w.Repository, active, rest, now)
	})
	if err != nil {
		return fmt.Errorf("storing images of %s: %w", w.Repository.FullName(), err)
	}
	return nil
}

func (d *DB) recordImages(ctx context.Context, tx database.Querier, repository inventory.Repository, active bool, findings []inventory.ImageFinding, now time.Time) error {
	c := d.changes(tx, now)
	c.look = &repository
	digests := make([]inventory.Digest, 0, len(findings))
	for _, f := range findings {
		digests = append(digests, f.Digest)
	}
	if err := load(ctx, c, "repository_id = $1 and digest in %s", digests, repository.ID); err != nil {
		return err
	}
	teams, err := database.Column[string](ctx, tx, "select team from team_repositories where repository_id = $1 order by team", repository.ID)
	if err != nil {
		return err
	}
	byDigest := map[inventory.Digest]*imageRow{}
	for _, r := range c.rows {
		byDigest[r.Digest] = r
	}
	var (
		found     = map[int64]*inventory.ImageFinding{} // with evidence to store
		platforms = map[int64][]inventory.Platform{}
		fresh     []int64
		retry     []int64
	)
	for i := range findings {
		f := &findings[i]
		r := byDigest[f.Digest]
		if r == nil {
			r = &imageRow{storedImage: storedImage{
				RegistryID: repository.RegistryID, RepositoryID: repository.ID, Digest: f.Digest, FirstSeen: ms(now),
				Status: inventory.Unknown, Reason: inventory.ReasonNotChecked,
			}, teams: teams}
			c.add(r)
			byDigest[f.Digest] = r
			fresh = append(fresh, r.ID)
		}
		r.LastSeen = ms(now)
		if f.MediaType != "" && !f.Unchanged { // a failed look may know nothing of the manifest
			r.Kind, r.MediaType, r.Size = f.Kind, f.MediaType, f.Size
			if len(f.Platforms) > 0 {
				platforms[r.ID] = f.Platforms
			}
		}
		if r.Kind == "" {
			r.Kind = inventory.SingleImage
		}
		// A look that left a place unread and found less than there was takes
		// nothing away: the rest may be where it wasn't read.
		partial := f.Evidence.Incomplete
		if f.Failure == nil && partial != nil && len(f.Evidence.Material) == 0 && len(r.formats) > 0 && r.known().Stronger(f.Verdict.Status) {
			f = &inventory.ImageFinding{Failure: partial, Verdict: f.Unproven, Tags: f.Tags, Digest: f.Digest}
		}
		switch {
		case f.Unchanged:
			if r.Status == inventory.Unknown && !r.RecheckFailed {
				r.ReviewAt = sql.NullInt64{Int64: 0, Valid: true}
				r.FailureReason, r.FailureMessage = "", ""
			}
			if r.Status == inventory.Unknown {
				r.FailureWhole = false
			}
			r.CheckedAt = sql.NullInt64{Int64: ms(now), Valid: true}
		case f.Failure != nil:
			c.fail(r, f.Failure, f.Verdict)
		case partial != nil && len(f.Evidence.Material) > 0 && r.loses(f.Verdict):
			r.FailureWhole = false // the look itself was complete
			c.failRecheck(r, partial, f.Unproven)
			r.CheckedAt = sql.NullInt64{Int64: ms(now), Valid: true}
			r.TrustRevision = f.TrustRevision
			retry = append(retry, r.ID)
		default:
			c.judge(r, f.Verdict, inventory.Cause{Kind: inventory.CauseLook})
			r.CheckedAt = sql.NullInt64{Int64: ms(now), Valid: true}
			r.Fingerprint, r.TrustRevision = f.Evidence.Fingerprint, f.TrustRevision
			r.FailureReason, r.FailureMessage, r.FailureWhole, r.RecheckFailed = "", "", false, false
			if partial != nil {
				r.FailureReason, r.FailureMessage = partial.Reason, partial.Message
			}
			found[r.ID] = f
		}
	}
	differ, err := c.compare(ctx, found)
	if err != nil {
		return err
	}
	judged := func(id int64) inventory.Verdict { return found[id].Verdict }
	if err := c.regrounded(ctx, found, judged, inventory.Cause{Kind: inventory.CauseLook}); err != nil {
		return err
	}
	if err := c.replaceEvidence(ctx, found); err != nil {
		return err
	}
	if err := c.keepMaterial(ctx, found); err != nil {
		return err
	}
	if err := c.retryMaterial(ctx, retry); err != nil {
		return err
	}
	if err := c.replacePlatforms(ctx, repository.ID, platforms); err != nil {
		return err
	}
	moved, err := c.pointTags(ctx, repository, findings, byDigest)
	if err != nil {
		return err
	}
	if err := c.explainLooks(ctx, found, differ, moved); err != nil {
		return err
	}
	listed := indexes{}
	for id, list := range platforms {
		listed[c.rows[id].Digest] = list
	}
	if err := c.gain(ctx, repository.FullName(), c.pointed, listed); err != nil {
		return err
	}
	touched := append(fresh, moved...)
	if err := c.relist(ctx, touched, active); err != nil {
		return err
	}
	if err := c.mark(ctx, touched); err != nil {
		return err
	}
	return c.save(ctx)
}

func (c *changeSet) replacePlatforms(ctx context.Context, repositoryID int64, of map[int64][]inventory.Platform) error {
	var ids []int64
	var rows [][]any
	for id, platforms := range of {
		ids = append(ids, id)
		for i, p := range platforms {
			rows = append(rows, []any{id, i, repositoryID, p.Platform, p.Digest, p.MediaType, p.Size})
		}
	}
	if err := database.ExecIn(ctx, c.tx, "delete from platforms where image_id in %s", ids); err != nil {
		return err
	}
	return database.Insert(ctx, c.tx, "insert into platforms (image_id, position, repository_id, platform, digest, media_type, size)", rows, "")
}

// relist finds out again which images are in use: a present tag points at
// them, and their repository is there. It notes when one no longer is.
func (c *changeSet) relist(ctx context.Context, ids []int64, active bool) error {
	tagged := map[int64]bool{}
	if active {
		err := database.EachIn(ctx, c.tx, "select distinct image_id from tags where image_id in %s", ids, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			tagged[id] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, id := range ids {
		r := c.rows[id]
		switch {
		case tagged[id]:
			r.GoneAt = sql.NullInt64{}
		case r.Listed:
			r.GoneAt = sql.NullInt64{Int64: ms(c.now), Valid: true}
		}
		r.Listed = tagged[id]
	}
	return nil
}

// FinishRepository ends a complete look at a repository: tags that weren't
// listed are gone, its failure is over, and it is due again at next. It fails
// with ErrLeaseLost, and gives the lease back.
func (d *DB) FinishRepository(ctx context.Context, w *inventory.RepositoryWork, tags []string, next time.Time, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		active, _, err := d.holds(ctx, tx, w)
		if err != nil {
			return err
		}
		listed := make(map[string]bool, len(tags))
		for _, t := range tags {
			listed[t] = true
		}
		if err := d.dropTags(ctx, tx, w.Repository.ID, func(tag string) bool { return !listed[tag] }, active, now); err != nil {
			return err
		}
		if err := d.noteGap(ctx, tx, w.Repository.ID, now); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			update repositories
			set synced_at = $1, read_at = $1, last_seen = $1, `+afterLook("$1", "$2", true)+`, tag_count = $4, referrers_absent_at = $5,
			    failing_reason = '', failing_message = '', failing_since = null, failing_at = null,
			    lease_owner = '', lease_until = 0
			where id = $3`, ms(now), ms(next), w.Repository.ID, len(listed), msOrNull(w.Repository.ReferrersAbsent))
		return err
	})
	if err != nil {
		return fmt.Errorf("finishing %s: %w", w.Repository.FullName(), err)
	}
	return nil
}

// known is the last status that wasn't for want of an answer.
func (r *imageRow) known() inventory.Status {
	if r.Status == inventory.Unknown && r.LastGoodStatus != "" {
		return r.LastGoodStatus
	}
	return r.Status
}

// failBatch is how many images one transaction gives a failure to: few enough
// that nobody waits for it noticeably.
const failBatch = 500

// failImages gives images a verdict in bounded transactions: those that a
// column (repository_id or registry_id) selects and that don't have it yet.
// check holds the lease in each transaction.
func (d *DB) failImages(ctx context.Context, owner string, id int64, failure *inventory.LookError, v inventory.Verdict, now time.Time, check func(tx database.Querier) error) error {
	after := int64(0)
	for {
		var last int64
		err := d.sql.Write(ctx, func(tx database.Querier) error {
			if err := check(tx); err != nil {
				return err
			}
			ids, err := database.Column[int64](ctx, tx, `
				select id
				from images
				where `+owner+` = $1 and id > $2
				order by id
				limit $3`, id, after, failBatch)
			if err != nil || len(ids) == 0 {
				last = 0
				return err
			}
			last = ids[len(ids)-1]
			c := d.changes(tx, now)
			err = load(ctx, c, "not (status = $1 and reason = $2 and message = $3 and failure_whole) and id in %s", ids,
				inventory.Unknown, v.Reason, v.Message)
			if err != nil {
				return err
			}
			for _, r := range c.rows {
				c.fail(r, failure, v)
			}
			slices.Sort(c.order)
			return c.save(ctx)
		})
		if err != nil || last == 0 {
			return err
		}
		after = last
	}
}

// FailRepository records that a repository can't be read. What was known stays;
// unless the verdict has no status its images are given it, in bounded batches.
// The repository is due again at next, and the lease is given back.
func (d *DB) FailRepository(ctx context.Context, w *inventory.RepositoryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error {
	holds := func(tx database.Querier) error { _, _, err := d.holds(ctx, tx, w); return err }
	err, whole, soon := error(nil), v.Status != "", now
	if whole {
		soon = now.Add(min(next.Sub(now), hintedRetry))
		err = d.failImages(ctx, "repository_id", w.Repository.ID, failure, v, now, holds)
	}
	if err == nil {
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			if err := holds(tx); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `
				update repositories
				set failing_reason = $1, failing_message = $2, failing_since = coalesce(failing_since, $3), failing_at = $3,
				    `+afterLook("$5", "$4", !whole)+`, lease_owner = '', lease_until = 0
				where id = $6`, failure.Reason, failure.Message, ms(now), ms(next), ms(soon), w.Repository.ID)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("storing the failure of %s: %w", w.Repository.FullName(), err)
	}
	return nil
}
