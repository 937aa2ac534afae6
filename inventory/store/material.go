package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	// minRecheck is how soon a check is repeated at the earliest, whatever the
	// evidence asks for; and how long it waits after it failed for the first
	// time. Each further failure doubles that, up to maxRetry.
	minRecheck = time.Minute
	maxRetry   = time.Hour
	// maxMaterialRead is how many bytes StaleMaterial answers with, one image's
	// material more at the most.
	maxMaterialRead = 16 << 20
)

// StaleMaterial returns up to limit images of a registry whose kept material was
// checked with other trust material than revision names, or has to be checked
// again by now. Where there is none it costs next to nothing.
func (d *DB) StaleMaterial(ctx context.Context, registry string, revision int64, now time.Time, limit int) ([]inventory.StoredMaterial, error) {
	var list []inventory.StoredMaterial
	err := d.sql.Read(ctx, func(q database.Querier) error {
		id, err := database.Value[int64](ctx, q, "select id from registries where name = $1 and not removed", database.Clean(registry))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var ids []int64
		for _, r := range staleMaterial(id, revision, now) {
			if len(ids) >= limit {
				break
			}
			more, err := database.Column[int64](ctx, q, r.query, append(r.args, limit-len(ids))...)
			if err != nil {
				return err
			}
			ids = append(ids, more...)
		}
		slices.Sort(ids)
		list, err = materials(ctx, q, slices.Compact(ids))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing what to check again: %w", err)
	}
	return list, nil
}

type indexRange struct {
	query string
	args  []any
}

// staleMaterial are the ranges of the indexes that hold what is stale: on either
// side of the present revision, and what is due.
func staleMaterial(registry, revision int64, now time.Time) []indexRange {
	const before, after = `
		select image_id
		from materials
		where registry_id = $1 and trust_revision < $2
		order by trust_revision, image_id
		limit $3`, `
		select image_id
		from materials
		where registry_id = $1 and trust_revision > $2
		order by trust_revision, image_id
		limit $3`
	const due = `
		select image_id
		from materials
		where registry_id = $1 and recheck_at <= $2
		order by recheck_at, image_id
		limit $3`
	return []indexRange{{before, []any{registry, revision}}, {after, []any{registry, revision}}, {due, []any{registry, ms(now)}}}
}

// materials reads what was kept of images, as many as maxMaterialRead allows.
func materials(ctx context.Context, q database.Querier, ids []int64) ([]inventory.StoredMaterial, error) {
	var list []inventory.StoredMaterial
	size := 0
	err := database.EachIn(ctx, q, `
		select m.image_id, r.full_name, r.name, i.media_type, i.digest, i.size, i.fingerprint, i.trust_revision, m.body
		from materials m
		join images i on i.id = m.image_id
		join repositories r on r.id = i.repository_id
		where m.image_id in %s
		order by m.image_id`, ids, func(rows *sql.Rows) error {
		if size > maxMaterialRead {
			return errEnough
		}
		var m inventory.StoredMaterial
		var full string
		s := &m.Subject
		err := rows.Scan(&m.ImageID, &full, &s.Repository, &s.Manifest.MediaType, &s.Manifest.Digest, &s.Manifest.Size,
			&m.Fingerprint, &m.TrustRevision, &m.Body)
		s.Registry = strings.TrimSuffix(full, "/"+s.Repository)
		size += len(m.Body)
		list = append(list, m)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

// Material is what was kept of an image; nil when there is nothing.
func (d *DB) Material(ctx context.Context, imageID int64) ([]byte, error) {
	body, err := database.Value[[]byte](ctx, d.sql.Reader, "select body from materials where image_id = $1", imageID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, d.sql.Explain(err)
}

// RecordReverified stores the results of repeated checks with their verdicts and
// counters in one transaction, or fails with ErrRejudge when a decision was made
// since the verdicts were judged. An image that was looked at meanwhile stays as
// that look left it.
//
// A check that could not be finished takes nothing away: where it says less than
// what is known, the image is unknown, its evidence stays, and the check is due
// again later, and later each time. An image whose latest look failed stays
// unknown whatever the check says; the evidence counts once a look succeeds.
func (d *DB) RecordReverified(ctx context.Context, list []inventory.Reverified, now time.Time) error {
	byID, was := make(map[int64]*inventory.Reverified, len(list)), make([]inventory.StoredMaterial, 0, len(list))
	for i := range list {
		byID[list[i].Was.ImageID] = &list[i]
		was = append(was, list[i].Was)
	}
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		revision, err := d.decisionsRevision(ctx, tx)
		if err != nil {
			return err
		}
		for _, v := range list {
			if v.JudgedAt != revision {
				return inventory.ErrRejudge
			}
		}
		c := d.changes(tx, now)
		if err := c.loadUntouched(ctx, was); err != nil {
			return err
		}
		found, retry := map[int64]*inventory.ImageFinding{}, []int64(nil)
		done := map[sql.NullInt64][]int64{}
		for _, id := range c.order {
			r, v := c.rows[id], byID[id]
			incomplete := v.Evidence.Incomplete
			r.TrustRevision = v.TrustRevision
			if incomplete != nil && r.loses(v.Verdict) {
				c.failRecheck(r, incomplete, v.Unproven)
				retry = append(retry, id)
				continue
			}
			r.RecheckFailed = false
			if !r.FailureWhole {
				c.judge(r, v.Verdict, inventory.Cause{Kind: inventory.CauseRecheck})
				r.FailureReason, r.FailureMessage = "", ""
				if incomplete != nil {
					r.FailureReason, r.FailureMessage = incomplete.Reason, incomplete.Message
				}
			}
			found[id] = &inventory.ImageFinding{Evidence: v.Evidence, JudgedAt: v.JudgedAt}
			if v.Evidence.Fingerprint == "" { // it will say more another time
				retry = append(retry, id)
				continue
			}
			at := recheckAt(v.Evidence, now)
			done[at] = append(done[at], id)
		}
		judged := func(id int64) inventory.Verdict { return byID[id].Verdict }
		if err := c.regrounded(ctx, found, judged, inventory.Cause{Kind: inventory.CauseRecheck}); err != nil {
			return err
		}
		if err := c.replaceEvidence(ctx, found); err != nil {
			return err
		}
		if err := c.explainRechecks(ctx, found); err != nil {
			return err
		}
		for at, ids := range done {
			err := database.ExecIn(ctx, tx, "update materials set trust_revision = $1, recheck_at = $2, failures = 0 where image_id in %s", ids,
				byID[ids[0]].TrustRevision, at)
			if err != nil {
				return err
			}
		}
		if err := c.retryMaterial(ctx, retry); err != nil {
			return err
		}
		return c.save(ctx)
	})
	if err != nil {
		return fmt.Errorf("storing repeated checks: %w", err)
	}
	return nil
}

// DiscardMaterial forgets material that nothing can be checked again from, and
// makes the repositories of its images due, so that the next look reads them. An
// image that was looked at meanwhile keeps what that look kept.
func (d *DB) DiscardMaterial(ctx context.Context, list []inventory.StoredMaterial, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		c := d.changes(tx, now)
		if err := c.loadUntouched(ctx, list); err != nil {
			return err
		}
		var repositories []int64
		for _, r := range c.rows {
			r.Fingerprint = "" // the next look compares with nothing
			repositories = append(repositories, r.RepositoryID)
		}
		if err := database.ExecIn(ctx, tx, "delete from materials where image_id in %s", c.order); err != nil {
			return err
		}
		if err := c.save(ctx); err != nil {
			return err
		}
		slices.Sort(repositories)
		repositories = slices.Compact(repositories)
		// Two processes that disagree about what can be checked again don't keep
		// the registry busy: a repository is read once a minute at the most.
		pause := minRecheck.Milliseconds()
		err := database.ExecIn(ctx, tx, `
			update repositories
			set next_due_at = $1
			where next_due_at > $1 and not gone and coalesce(synced_at, 0) <= $2 and id in %s`, repositories, ms(now), ms(now)-pause)
		if err != nil {
			return err
		}
		return database.ExecIn(ctx, tx, `
			update repositories
			set next_due_at = synced_at + $1
			where next_due_at > synced_at + $1 and not gone and synced_at > $2 and id in %s`, repositories, pause, ms(now)-pause)
	})
	if err != nil {
		return fmt.Errorf("discarding signature material: %w", err)
	}
	return nil
}

// loadUntouched loads the images whose evidence is still that of the material,
// in the order of their ids.
func (c *changeSet) loadUntouched(ctx context.Context, was []inventory.StoredMaterial) error {
	ids, byID := make([]int64, 0, len(was)), make(map[int64]inventory.StoredMaterial, len(was))
	for _, m := range was {
		ids = append(ids, m.ImageID)
		byID[m.ImageID] = m
	}
	slices.Sort(ids)
	if err := load(ctx, c, "id in %s", ids); err != nil {
		return err
	}
	c.order = slices.DeleteFunc(c.order, func(id int64) bool {
		r, m := c.rows[id], byID[id]
		touched := r.Fingerprint != m.Fingerprint || r.TrustRevision != m.TrustRevision
		if touched {
			delete(c.rows, id)
			delete(c.before, id)
		}
		return touched
	})
	return nil
}

// loses reports whether a verdict that rests on an unfinished check says less
// than what is known.
func (r *imageRow) loses(v inventory.Verdict) bool {
	return v.Status == inventory.Unknown || v.Status == "" || r.known().Stronger(v.Status)
}

// failRecheck notes that stored material could not be checked again: the image
// is unknown until it can be. Where the latest look failed, too, that is what
// is said of it.
func (c *changeSet) failRecheck(r *imageRow, failure *inventory.LookError, v inventory.Verdict) {
	r.RecheckFailed = true
	if !r.FailureWhole {
		c.judge(r, v, inventory.Cause{Kind: inventory.CauseFailure, Reason: failure.Reason})
		r.FailureReason, r.FailureMessage = failure.Reason, failure.Message
	}
}

// recheckAt is when evidence has to be checked again, and not at once.
func recheckAt(e inventory.Evidence, now time.Time) sql.NullInt64 {
	if e.RecheckAt == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: max(ms(*e.RecheckAt), ms(now.Add(minRecheck))), Valid: true}
}

// keepMaterial stores what complete looks read in place of what was there.
func (c *changeSet) keepMaterial(ctx context.Context, found map[int64]*inventory.ImageFinding) error {
	var known, retry []int64
	var rows [][]any
	for _, id := range c.order {
		f := found[id]
		if f == nil {
			continue
		}
		if _, ok := c.before[id]; ok {
			known = append(known, id)
		}
		if len(f.Evidence.Material) == 0 {
			continue
		}
		r := c.rows[id]
		rows = append(rows, []any{id, r.RegistryID, r.TrustRevision, recheckAt(f.Evidence, c.now), f.Evidence.Material})
		if f.Evidence.Fingerprint == "" {
			retry = append(retry, id)
		}
	}
	if err := database.ExecIn(ctx, c.tx, "delete from materials where image_id in %s", known); err != nil {
		return err
	}
	if err := database.Insert(ctx, c.tx, "insert into materials (image_id, registry_id, trust_revision, recheck_at, body)", rows, ""); err != nil {
		return err
	}
	return c.retryMaterial(ctx, retry)
}

// retryMaterial notes that checking material again failed, and when to try it
// once more.
func (c *changeSet) retryMaterial(ctx context.Context, ids []int64) error {
	failures := map[int64][]int64{}
	err := database.EachIn(ctx, c.tx, "select image_id, failures from materials where image_id in %s", ids, func(rows *sql.Rows) error {
		var id, n int64
		err := rows.Scan(&id, &n)
		failures[n] = append(failures[n], id)
		return err
	})
	if err != nil {
		return err
	}
	for n, ids := range failures {
		wait := min(maxRetry, minRecheck<<min(n, 10))
		for _, id := range ids {
			_, err := c.tx.ExecContext(ctx, "update materials set trust_revision = $1, recheck_at = $2, failures = $3 where image_id = $4",
				c.rows[id].TrustRevision, ms(c.now.Add(wait)), n+1, id)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
