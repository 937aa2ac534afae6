package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const changeColumns = "id, at, from_status, to_status, reason, message, cause, detail, flagged, basis"

// changes reads rows of verdict_history. after is the condition and what comes
// after it.
func changesOf(ctx context.Context, q database.Querier, after string, args ...any) (list []inventory.VerdictChange, last int64, err error) {
	err = database.Each(ctx, q, "select "+changeColumns+" from verdict_history where "+after, func(rows *sql.Rows) error {
		var c inventory.VerdictChange
		var detail, basis string
		var at int64
		err := rows.Scan(&last, &at, &c.From, &c.To, &c.Reason, &c.Message, &c.Cause.Kind, &detail, &c.Flagged, &basis)
		if err != nil {
			return err
		}
		c.At = timeOf(at)
		if c.Ground, err = readGround(basis); err != nil {
			return err
		}
		err = fromJSON(detail, &c.Cause)
		list = append(list, c)
		return err
	}, args...)
	if err == nil {
		err = nameGrounds(ctx, q, list)
	}
	return list, last, err
}

// imageRowOf finds the row of an image, or NotFound.
func imageRowOf(ctx context.Context, q database.Querier, registry, repository string, digest inventory.Digest) (*imageRow, error) {
	absent := inventory.Errorf(inventory.NotFound, "There is no image %s in %s/%s, as far as Signboard has seen.", digest.Short(), registry, repository)
	id, err := database.Value[int64](ctx, q, `
		select r.id
		from repositories r
		join registries g on g.id = r.registry_id
		where g.name = $1 and r.name = $2 and not g.removed`, database.Clean(registry), database.Clean(repository))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, absent
	}
	if err != nil {
		return nil, err
	}
	rows, err := imageRows(ctx, q, "repository_id = $1 and digest in %s", []inventory.Digest{digest}, id)
	if err == nil && len(rows) == 0 {
		err = absent
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// VerdictChanges lists the changes of an image's verdict that are kept, newest
// first, or fails with NotFound.
func (d *DB) VerdictChanges(ctx context.Context, registry, repository string, digest inventory.Digest, p inventory.Page) ([]inventory.VerdictChange, string, error) {
	before, err := parseCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	var list []inventory.VerdictChange
	next := ""
	err = d.sql.Read(ctx, func(q database.Querier) error {
		r, err := imageRowOf(ctx, q, registry, repository, digest)
		if err != nil {
			return err
		}
		var last int64
		list, last, err = changesOf(ctx, q, "image_id = $1 and id < $2 order by id desc limit $3", r.ID, before, p.Size())
		if err != nil || len(list) < p.Size() {
			return err
		}
		more, err := database.Value[bool](ctx, q, "select exists (select 1 from verdict_history where image_id = $1 and id < $2)", r.ID, last)
		if more {
			next = strconv.FormatInt(last, 10)
		}
		return err
	})
	return list, next, err
}

// Past says what was known of an image at a moment, which isn't after now, or
// fails with NotFound. It rests on what was written down then, not on what would
// be said today.
func (d *DB) Past(ctx context.Context, registry, repository string, digest inventory.Digest, at, now time.Time) (inventory.Past, error) {
	p := inventory.Past{At: at, Asked: now, Status: inventory.Unknown}
	err := d.sql.Read(ctx, func(q database.Querier) error {
		r, err := imageRowOf(ctx, q, registry, repository, digest)
		if err != nil {
			return err
		}
		p.FirstSeen = timeOf(r.FirstSeen)
		if p.Quarantines, err = heldAt(ctx, q, digest, at); err != nil {
			return err
		}
		if ms(at) < r.FirstSeen {
			p.Known = inventory.PastUnseen
			return nil
		}
		if p.Tags, err = tagsAt(ctx, q, r, at); err != nil {
			return err
		}
		if err := gapAt(ctx, q, r, &p, now); err != nil {
			return err
		}
		return verdictAt(ctx, q, r, &p, registry+"/"+repository)
	})
	if err != nil {
		return p, fmt.Errorf("reading what was known of an image: %w", err)
	}
	return p, nil
}

// verdictAt fills in which verdict was in force.
func verdictAt(ctx context.Context, q database.Querier, r *imageRow, p *inventory.Past, full string) error {
	at := ms(p.At)
	was, id, err := changesOf(ctx, q, "image_id = $1 and at <= $2 order by id desc limit 1", r.ID, at)
	if err != nil {
		return err
	}
	if len(was) == 0 {
		return beginning(ctx, q, r, p)
	}
	p.Known, p.Verdict, p.Status = inventory.PastKnown, &was[0], was[0].To
	// The status holds through changes of what it rests on.
	since, err := moment(ctx, q, "select at from verdict_history where image_id = $1 and id <= $2 and from_status <> to_status order by id desc limit 1", r.ID, id)
	if err != nil {
		return err
	}
	if p.Since = since; since == nil && p.Status == inventory.Unknown {
		p.Since = &was[0].At
	}
	p.Until, err = moment(ctx, q, "select at from verdict_history where image_id = $1 and id > $2 and from_status <> to_status order by id limit 1", r.ID, id)
	if err != nil {
		return err
	}
	if p.Status == inventory.Unknown && p.Verdict.From != inventory.Unknown {
		p.LastGood = &inventory.LastGood{Status: p.Verdict.From}
		if g := p.Verdict.Ground; g != nil && g.CheckedAt != nil {
			p.LastGood.CheckedAt = *g.CheckedAt
		}
	}
	if g := p.Verdict.Ground; g != nil && g.Decision != "" {
		p.Approval, err = pastDecision(ctx, q, g.Decision, full)
	}
	return err
}

// beginning says why no verdict from before a moment is there: there was none,
// or it isn't kept.
func beginning(ctx context.Context, q database.Querier, r *imageRow, p *inventory.Past) error {
	first, _, err := changesOf(ctx, q, "image_id = $1 order by id limit 1", r.ID)
	if err != nil {
		return err
	}
	if len(first) == 0 {
		p.Known = inventory.PastUnchecked
		return nil
	}
	oldest := first[0]
	p.Until = &oldest.At
	unchecked := oldest.From == inventory.Unknown && (oldest.Cause.Kind == inventory.CauseFirstLook || oldest.To == inventory.Unknown || ms(oldest.At) == r.FirstSeen)
	if p.Known = inventory.PastForgotten; unchecked {
		p.Known = inventory.PastUnchecked
		return nil
	}
	p.KeptFrom = &oldest.At
	return nil
}

// moment is a time that a query answers; nil when it answers none.
func moment(ctx context.Context, q database.Querier, query string, args ...any) (*time.Time, error) {
	at, err := database.Value[int64](ctx, q, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	t := timeOf(at)
	return &t, err
}

func pastDecision(ctx context.Context, q database.Querier, id, full string) (*inventory.PastDecision, error) {
	made, err := scanDecision(q.QueryRowContext(ctx, "select "+decisionColumns+" from decisions where id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &inventory.PastDecision{Decision: made}
	for _, g := range made.Repositories {
		if g.Match(full) {
			p.Scope = g
			break
		}
	}
	index, err := database.Value[int64](ctx, q, "select idx from audit_entries where made = $1 and made <> '' order by idx limit 1", id)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	p.AuditIndex = &index
	return p, err
}

// tagsAt are the tags that pointed at an image at a moment: those that do now,
// with the moves since then taken back.
func tagsAt(ctx context.Context, q database.Querier, r *imageRow, at time.Time) ([]string, error) {
	now, err := tagsOf(ctx, q, []int64{r.ID})
	if err != nil {
		return nil, err
	}
	pointed := map[string]bool{}
	for _, tag := range now[r.ID] {
		pointed[tag] = true
	}
	// An id is never from before its row's time.
	err = database.Each(ctx, q, `
		select tag, to_digest
		from (select id, tag, to_digest from tag_moves
		      where repository_id = $1 and from_digest = $2 and id >= $3 and at > $4
		      union
		      select id, tag, to_digest from tag_moves
		      where repository_id = $1 and to_digest = $2 and id >= $3 and at > $4) as m
		order by id desc`, func(rows *sql.Rows) error {
		var tag string
		var to inventory.Digest
		err := rows.Scan(&tag, &to)
		pointed[tag] = to != r.Digest
		return err
	}, r.RepositoryID, r.Digest, firstID(at), ms(at))
	var tags []string
	for tag, did := range pointed {
		if did {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags, err
}

// holdsOf are all quarantines that ever held a digest, the latest first, at most
// most, each with why and since when.
func holdsOf(ctx context.Context, q database.Querier, digest inventory.Digest, most int) ([]inventory.Quarantine, error) {
	var list []inventory.Quarantine
	err := database.Each(ctx, q, `
		select h.id, h.digest, h.repository, h.tag, h.reason, h.by_name, h.at, h.expires_at, h.released_at, h.released_by, h.released_reason,
		       d.because, d.of_digest, d.platform, d.since
		from quarantine_digests d
		join quarantines h on h.id = d.quarantine_id
		where d.digest = $1 and (h.expires_at is null or d.since < h.expires_at) and (h.released_at is null or d.since < h.released_at)
		order by d.since desc, h.id desc
		limit $2`, func(rows *sql.Rows) error {
		hold := inventory.Hold{Digest: digest}
		var since int64
		one, err := scanQuarantine(rows, &hold.Because, &hold.Of, &hold.Platform, &since)
		hold.Since = timeOf(since)
		one.Hold = &hold
		list = append(list, one)
		return err
	}, digest, most)
	return list, err
}

// heldAt are the quarantines that held a digest at a moment.
func heldAt(ctx context.Context, q database.Querier, digest inventory.Digest, at time.Time) ([]inventory.Quarantine, error) {
	list, err := holdsOf(ctx, q, digest, inventory.MaxPage)
	return slices.DeleteFunc(list, func(one inventory.Quarantine) bool { return !one.Hold.HeldAt(one, at) }), err
}

// gapAt fills in whether anybody looked at that time.
func gapAt(ctx context.Context, q database.Querier, r *imageRow, p *inventory.Past, now time.Time) error {
	if r.GoneAt.Valid && r.GoneAt.Int64 <= ms(p.At) {
		p.GoneSince = timeOrNil(r.GoneAt)
		return nil
	}
	var from, to int64
	err := q.QueryRowContext(ctx, "select began_at, ended_at from look_gaps where repository_id = $1 and began_at < $2 and ended_at > $2 order by id desc limit 1",
		r.RepositoryID, ms(p.At)).Scan(&from, &to)
	if err == nil {
		ended := timeOf(to)
		p.Gap = &inventory.Gap{From: timeOf(from), To: &ended}
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var read, interval int64
	err = q.QueryRowContext(ctx, "select r.read_at, g.interval_ms from repositories r join registries g on g.id = r.registry_id where r.id = $1", r.RepositoryID).Scan(&read, &interval)
	if err == nil && read < ms(p.At) && read < ms(now)-overdue*interval {
		p.Gap = &inventory.Gap{From: timeOf(read)}
	}
	return err
}

// noteGap writes down that nobody looked at a repository for longer than a sync
// should take, when somebody has. It comes before read_at is overwritten.
func (d *DB) noteGap(ctx context.Context, tx database.Querier, repositoryID int64, now time.Time) error {
	var read, interval int64
	err := tx.QueryRowContext(ctx, "select r.read_at, g.interval_ms from repositories r join registries g on g.id = r.registry_id where r.id = $1", repositoryID).Scan(&read, &interval)
	if err != nil || read >= ms(now)-overdue*interval {
		return err
	}
	return database.Insert(ctx, tx, "insert into look_gaps (id, repository_id, began_at, ended_at)", [][]any{{d.ids.next(now), repositoryID, read, ms(now)}}, "")
}
