package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	pruneEvery = 6 * time.Hour
	pruneLease = time.Minute
	// One transaction removes at most so much, so that nobody waits for it
	// noticeably: rows of history, images, and platforms of these.
	pruneRows      = database.MaxParams
	pruneImages    = 25
	prunePlatforms = 100
)

// Prune removes what has been kept for as long as a Retention says, in short
// transactions. One process at a time does so, a few times a day: in all others
// and in between it is nothing. What is cut short goes on at the next call.
func (d *DB) Prune(ctx context.Context, r inventory.Retention, now time.Time) (inventory.Pruned, error) {
	p := pruning{DB: d, owner: fmt.Sprintf("%016x", rand.Uint64()), now: now}
	mine, err := p.claim(ctx)
	if err == nil && mine {
		err = p.run(ctx, r)
		if last := p.release(context.WithoutCancel(ctx), err == nil); err == nil {
			err = last
		}
	}
	if err != nil {
		return p.pruned, fmt.Errorf("removing what is kept no longer: %w", err)
	}
	return p.pruned, nil
}

// pruning is one pass of Prune.
type pruning struct {
	*DB
	owner  string
	now    time.Time
	pruned inventory.Pruned
}

func (p *pruning) claim(ctx context.Context) (bool, error) {
	n := 0
	err := p.sql.Write(ctx, func(tx database.Querier) (err error) {
		n, err = database.Changed(tx.ExecContext(ctx, `
			update chores
			set lease_owner = $1, lease_until = $2
			where name = 'retention' and next_due_at <= $3 and lease_until <= $3`, p.owner, ms(p.now.Add(pruneLease)), ms(p.now)))
		return err
	})
	return n > 0, err
}

// release gives the lease back; a pass that came to its end is over for a while.
func (p *pruning) release(ctx context.Context, done bool) error {
	return p.sql.Write(ctx, func(tx database.Querier) error {
		next := int64(0)
		if done {
			next = ms(p.now.Add(pruneEvery))
		}
		_, err := tx.ExecContext(ctx, `
			update chores
			set next_due_at = $1, lease_owner = '', lease_until = 0
			where name = 'retention' and lease_owner = $2`, next, p.owner)
		return err
	})
}

// step is a transaction of the pass: it fails with ErrLeaseLost when another
// process has taken over.
func (p *pruning) step(ctx context.Context, f func(tx database.Querier) error) error {
	return p.sql.Write(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update chores
			set lease_until = $1
			where name = 'retention' and lease_owner = $2`, ms(p.clock().Add(pruneLease)), p.owner))
		if err == nil && n == 0 {
			err = inventory.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return f(tx)
	})
}

func (p *pruning) run(ctx context.Context, r inventory.Retention) error {
	if r.Gone > 0 {
		before := p.now.Add(-r.Gone)
		for again := true; again; {
			var err error
			if again, err = p.images(ctx, before); err != nil {
				return err
			}
		}
		if err := p.repositories(ctx, before); err != nil {
			return err
		}
	}
	if r.History <= 0 {
		return nil
	}
	before := p.now.Add(-r.History)
	for _, h := range []struct {
		table, over string
		n           *int
	}{
		// A verdict holds until the next one: it is over when that is from before, too.
		{"verdict_history", overOfImage("verdict_history", "and n.id < $2"), &p.pruned.Verdicts},
		{"image_events", overOfImage("image_events", ""), &p.pruned.Events},
		{"tag_moves", overOfTag("from_digest") + " and " + overOfTag("to_digest"), &p.pruned.Moves},
	} {
		if err := p.history(ctx, h.table, h.over, before, h.n); err != nil {
			return err
		}
	}
	return nil
}

// overOfImage is true of rows h that aren't the latest of their image, of those
// that meet a condition.
func overOfImage(table, condition string) string {
	return "exists (select 1 from " + table + " n where n.image_id = h.image_id and n.id > h.id " + condition + ")"
}

// overOfTag is true of moves h that aren't the latest of the image at one of
// their ends.
func overOfTag(end string) string {
	return strings.ReplaceAll(`(h.END = ''
		or not exists (select 1 from images i where i.repository_id = h.repository_id and i.digest = h.END)
		or exists (select 1 from tag_moves n where n.repository_id = h.repository_id and n.from_digest = h.END and n.id > h.id)
		or exists (select 1 from tag_moves n where n.repository_id = h.repository_id and n.to_digest = h.END and n.id > h.id))`, "END", end)
}

// history removes the rows of a table from before a moment that are over. An id
// is never from before its row's time, so the ids tell.
func (p *pruning) history(ctx context.Context, table, over string, before time.Time, n *int) error {
	for after := int64(0); ; {
		ids, err := database.Column[int64](ctx, p.sql.Reader, `
			select h.id
			from `+table+` h
			where h.id > $1 and h.id < $2 and `+over+`
			order by h.id
			limit $3`, after, firstID(before), pruneRows)
		if err != nil {
			return p.sql.Explain(err)
		}
		if len(ids) == 0 {
			return nil
		}
		after = ids[len(ids)-1]
		err = p.step(ctx, func(tx database.Querier) error {
			return database.ExecIn(ctx, tx, "delete from "+table+" where id in %s", ids)
		})
		if err != nil {
			return err
		}
		*n += len(ids)
	}
}

// goneImages are those that nothing leads to: no tag since a moment, and no
// index of their repository.
const goneImages = `not i.listed and i.gone_at <= $1
	and not exists (select 1 from platforms p where p.repository_id = i.repository_id and p.digest = i.digest)`

// images removes images that are gone since before a moment. It reports whether
// there may be more: platforms that only an index led to which is gone now.
func (p *pruning) images(ctx context.Context, before time.Time) (again bool, err error) {
	type candidate struct{ id, repository, goneAt, platforms int64 }
	at, after := int64(-1), int64(0)
	for {
		var page []candidate
		err := database.Each(ctx, p.sql.Reader, `
			select i.id, i.repository_id, i.gone_at, (select count(*) from platforms p where p.image_id = i.id)
			from images i
			where `+goneImages+` and (i.gone_at, i.id) > ($2, $3)
			  and i.registry_id in (select id from registries where not removed)
			order by i.gone_at, i.id
			limit $4`, database.ScanInto(&page, func(c *candidate) []any { return []any{&c.id, &c.repository, &c.goneAt, &c.platforms} }),
			ms(before), at, after, pruneImages)
		if err != nil {
			return false, p.sql.Explain(err)
		}
		if len(page) == 0 {
			return again, nil
		}
		var ids, repositories []int64
		platforms := int64(0)
		for _, c := range page {
			if platforms += c.platforms; platforms > prunePlatforms && len(ids) > 0 {
				break
			}
			ids, repositories = append(ids, c.id), append(repositories, c.repository)
			at, after = c.goneAt, c.id
		}
		slices.Sort(repositories)
		n, orphans := 0, false
		err = p.step(ctx, func(tx database.Querier) (err error) {
			n, orphans, err = p.removeImages(ctx, tx, ids, slices.Compact(repositories), before)
			return err
		})
		if err != nil {
			return false, err
		}
		p.pruned.Images += n
		again = again || orphans
	}
}

// removeImages removes images with all that is known of them, unless their
// repository is being read: the next pass finds them again. It says how many
// there were, and whether that left platforms that nothing leads to.
func (p *pruning) removeImages(ctx context.Context, tx database.Querier, ids, repositories []int64, before time.Time) (n int, orphans bool, err error) {
	// Who holds a lease knows the images. One that ran out can't be used any more:
	// what it would find of them has nothing to rest on.
	var free []int64
	err = database.EachIn(ctx, tx, "select id from repositories where lease_until <= $1 and id in %s order by id"+p.sql.ForUpdate, repositories,
		func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			free = append(free, id)
			return err
		}, ms(p.clock()))
	if err != nil || len(free) == 0 {
		return 0, false, err
	}
	if err := database.ExecIn(ctx, tx, "update repositories set lease_token = lease_token + 1 where id in %s", free); err != nil {
		return 0, false, err
	}
	type image struct{ id, repository, goneAt int64 }
	var found []image
	err = database.EachIn(ctx, tx, "select i.id, i.repository_id, i.gone_at from images i where "+goneImages+" and i.id in %s order by i.id"+p.sql.ForUpdate, ids,
		database.ScanInto(&found, func(i *image) []any { return []any{&i.id, &i.repository, &i.goneAt} }), ms(before))
	if err != nil {
		return 0, false, err
	}
	found = slices.DeleteFunc(found, func(i image) bool { return !slices.Contains(free, i.repository) })
	gone := make([]int64, 0, len(found))
	since := map[int64]int64{}
	for _, i := range found {
		gone = append(gone, i.id)
		since[i.id] = i.goneAt
	}
	type member struct {
		index, repository int64
		digest            inventory.Digest
	}
	var members []member
	err = database.EachIn(ctx, tx, "select image_id, repository_id, digest from platforms where image_id in %s", gone,
		database.ScanInto(&members, func(m *member) []any { return []any{&m.index, &m.repository, &m.digest} }))
	if err != nil {
		return 0, false, err
	}
	for _, table := range []string{"image_events", "verdict_history", "materials", "platforms", "signatures", "attestations", "image_signers", "image_facets"} {
		if err := database.ExecIn(ctx, tx, "delete from "+table+" where image_id in %s", gone); err != nil {
			return 0, false, err
		}
	}
	if err := database.ExecIn(ctx, tx, "delete from images where id in %s", gone); err != nil {
		return 0, false, err
	}
	for _, m := range members {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update images
			set gone_at = $1
			where repository_id = $2 and digest = $3 and not listed and gone_at is null
			  and not exists (select 1 from platforms p where p.repository_id = $2 and p.digest = $3)`, since[m.index], m.repository, m.digest))
		if err != nil {
			return 0, false, err
		}
		orphans = orphans || n > 0
	}
	return len(gone), orphans, nil
}

// repositories removes those that are gone since before a moment, and all of
// whose images are.
func (p *pruning) repositories(ctx context.Context, before time.Time) error {
	for after := int64(0); ; {
		ids, err := database.Column[int64](ctx, p.sql.Reader, `
			select r.id
			from repositories r
			where r.gone and r.gone_at <= $1 and r.id > $2
			  and not exists (select 1 from images i where i.repository_id = r.id)
			order by r.id
			limit 1`, ms(before), after)
		if err != nil {
			return p.sql.Explain(err)
		}
		if len(ids) == 0 {
			return nil
		}
		after = ids[0]
		for {
			moves, gone := 0, false
			err := p.step(ctx, func(tx database.Querier) (err error) {
				moves, gone, err = p.removeRepository(ctx, tx, ids[0])
				return err
			})
			if err != nil {
				return err
			}
			p.pruned.Moves += moves
			if gone {
				p.pruned.Repositories++
			}
			if moves == 0 {
				break
			}
		}
	}
}

// removeRepository removes a repository or, while it has any, as many of its
// tag moves as one transaction should.
func (p *pruning) removeRepository(ctx context.Context, tx database.Querier, id int64) (moved int, gone bool, err error) {
	_, err = database.Value[int64](ctx, tx, `
		select id
		from repositories
		where id = $1 and gone and lease_until <= $2
		  and not exists (select 1 from images where repository_id = $1)`+p.sql.ForUpdate, id, ms(p.clock()))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	moves, err := database.Column[int64](ctx, tx, "select id from tag_moves where repository_id = $1 limit $2", id, pruneRows)
	if err != nil {
		return 0, false, err
	}
	if len(moves) > 0 {
		return len(moves), false, database.ExecIn(ctx, tx, "delete from tag_moves where id in %s", moves)
	}
	if _, err := tx.ExecContext(ctx, "delete from counters where kind = $1 and value = $2", countRepository, strconv.FormatInt(id, 10)); err != nil {
		return 0, false, err
	}
	for _, statement := range []string{
		"delete from tags where repository_id = $1",
		"delete from team_repositories where repository_id = $1",
		"delete from look_gaps where repository_id = $1",
		"delete from signer_repositories where repository_id = $1",
		"delete from repositories where id = $1",
	} {
		if _, err := tx.ExecContext(ctx, statement, id); err != nil {
			return 0, false, err
		}
	}
	return 0, true, nil
}
