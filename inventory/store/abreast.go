package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"signboard/inventory/store/database"
)

// sieveChunk is how many images are read at once, and sieveWalk how many in all,
// before repositories are asked one by one.
const (
	sieveChunk = 300
	sieveWalk  = 4 * sieveChunk
)

// repositorySource is the source of the selected repositories. Of many only the
// first are counted, until it is clear that there are more images than a total
// says.
func (s *selection) repositorySource(ctx context.Context, q database.Querier) (source, error) {
	var ids []int64
	for id := range s.repositories {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	c := source{kind: sourceRepository, status: s.status, several: ids}
	if len(ids) == 1 {
		c = s.index(sourceRepository, dimension{}, "images", "id", "listed and repository_id = $3", ids[0])
	}
	values := make([]string, 0, len(ids))
	for _, id := range ids {
		values = append(values, strconv.FormatInt(id, 10))
	}
	for part := range slices.Chunk(values, 60) {
		if c.size > countWalk {
			c.capped = true
			break
		}
		n, err := database.Value[int](ctx, q, `
			select coalesce(sum(n), 0)
			from counters
			where kind = $1 and (status = $2 or $2 = '' and status not in ('quarantined', 'stale')) and value in `+database.Params(2, len(part)),
			database.Args([]any{countRepository, s.status}, part)...)
		if err != nil {
			return c, err
		}
		c.size += n
	}
	// With fewer, such a walk would end with less than a page.
	if c.capped && len(ids)*sieveWalk > 50*s.known {
		c.sieve = s.repositories
	}
	if c.capped {
		c.size = countWalk
	}
	return c, nil
}

// abreast returns up to n images of several repositories below an id, newest
// first.
func (c source) abreast(ctx context.Context, q database.Querier, before int64, n int) ([]int64, error) {
	status, args := "", []any{before}
	if c.status != "" {
		status, args = " and i.status = $2", append(args, c.status)
	}
	var ids []int64
	if c.sieve != nil {
		for range sieveWalk / sieveChunk {
			args[0] = before
			read := 0
			err := database.Each(ctx, q, fmt.Sprintf(`
				select i.id, i.repository_id
				from images i
				where i.listed and i.id < $1%s
				order by i.id desc
				limit %d`, status, sieveChunk), func(rows *sql.Rows) error {
				var repository int64
				err := rows.Scan(&before, &repository)
				if read++; c.sieve[repository] && len(ids) < n {
					ids = append(ids, before)
				}
				return err
			}, args...)
			if err != nil || len(ids) == n || read < sieveChunk {
				return ids, err
			}
		}
		args[0] = before
	}

	// The newest n are in the n repositories whose newest are newest: each of
	// those has one that everything in the other repositories is older than.
	type top struct{ repository, newest int64 }
	var tops []top
	for part := range slices.Chunk(c.several, database.MaxParams) {
		err := database.Each(ctx, q, fmt.Sprintf(`
			select id, newest
			from (select r.id, (select i.id
			        from images i
			        where i.listed and i.repository_id = r.id and i.id < $1%s
			        order by i.id desc
			        limit 1) as newest
			      from repositories r
			      where r.id in %s) as r
			where newest is not null`, status, database.Params(len(args), len(part))),
			database.ScanInto(&tops, func(t *top) []any { return []any{&t.repository, &t.newest} }), database.Args(args, part)...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(tops, func(a, b top) int { return cmp.Compare(b.newest, a.newest) })
	n -= len(ids)
	tops = tops[:min(len(tops), n)]
	var rest []int64
	for part := range slices.Chunk(tops, 100) {
		var b strings.Builder
		args := append(slices.Clone(args), n)
		limit := len(args)
		for k, t := range part {
			if k > 0 {
				b.WriteString(" union all ")
			}
			args = append(args, t.repository)
			fmt.Fprintf(&b, "select id from (select i.id from images i where i.listed and i.repository_id = $%d and i.id < $1%s order by i.id desc limit $%d) as r%d",
				len(args), status, limit, k)
		}
		more, err := database.Column[int64](ctx, q, b.String(), args...)
		if err != nil {
			return nil, err
		}
		rest = append(rest, more...)
	}
	newestFirst(rest)
	return append(ids, rest[:min(len(rest), n)]...), nil
}
