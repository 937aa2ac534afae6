package store

import (
	"context"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// The bounds that keep a page from costing what the inventory holds. A list
// with one filter never meets them. With several, one index is walked and the
// other filters are asked of each candidate; a page that is full of misses ends
// early and has a next one all the same.
const (
	countWalk = 1000 // candidates that are looked at for the total, and at once
	pageWalk  = 5000 // candidates that are looked at for a page

	newest = 1<<63 - 1 // an id above all others
)

// Images lists one page of the images in use that the filter selects, newest
// first. With one filter, or a status and one more, Total is exact, except that of
// many repositories it is a thousand at the most; with more filters it is what the
// newest candidates hold, at most a thousand. Capped says that there may be others. A page can be shorter than asked for and still have a next.
func (d *DB) Images(ctx context.Context, f inventory.ImageFilter, p inventory.Page, now time.Time) (inventory.ImageList, error) {
	before, err := parseCursor(p.Cursor)
	if err != nil {
		return inventory.ImageList{}, err
	}
	var list inventory.ImageList
	err = d.sql.Read(ctx, func(q database.Querier) error {
		s, err := d.selectImages(ctx, q, f, now)
		if err != nil || s.nothing {
			return err
		}
		sources, err := s.sources(ctx, q)
		if err != nil {
			return err
		}
		best := sources[0]
		var ids []int64
		switch {
		case s.digest != "":
			ids, list.Next, err = s.byDigest(ctx, q, &list, before, p.Size())
		case s.rest(best):
			ids, err = s.walk(ctx, q, sources, before, p.Size(), &list)
		default:
			list.Total, list.Capped = best.size, best.capped
			if ids, err = best.next(ctx, q, before, p.Size()+1); len(ids) > p.Size() {
				ids = ids[:p.Size()]
				list.Next = strconv.FormatInt(ids[len(ids)-1], 10)
			}
		}
		if err != nil {
			return err
		}
		list.Total = max(list.Total, len(ids))
		rows, err := imageRows(ctx, q, "id in %s", ids)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *imageRow) int { return int(max(-1, min(1, b.ID-a.ID))) })
		list.Images, err = d.shown(ctx, q, rows, now)
		return err
	})
	return list, err
}

// walk gathers a page of ids from the candidates of the first source that every
// filter holds, and fills in the list's totals and next page.
func (s *selection) walk(ctx context.Context, q database.Querier, sources []source, before int64, size int, list *inventory.ImageList) ([]int64, error) {
	from, top := sources[0], int64(newest)
	seen, total, err := s.count(ctx, q, from, top, from.most())
	if err == nil && total == 0 && seen == from.most() {
		if top, err = leap(ctx, q, sources, top); err == nil && top != 0 {
			seen, total, err = s.count(ctx, q, from, top, from.most())
		}
	}
	if err != nil || top == 0 {
		return nil, err
	}
	list.Total, list.Capped = total, seen == from.most()
	before = min(before, top)
	var ids []int64
	for walked, n := 0, min(4*size, from.most()); ; n = min(2*n, from.most()) {
		candidates, held, err := s.look(ctx, q, from, before, n)
		if err != nil {
			return nil, err
		}
		for _, id := range held {
			if len(ids) == size {
				list.Next = strconv.FormatInt(ids[len(ids)-1], 10)
				return ids, nil
			}
			ids = append(ids, id)
		}
		if len(candidates) < n {
			return ids, nil
		}
		before = candidates[len(candidates)-1]
		if walked += len(candidates); walked >= pageWalk {
			list.Next = strconv.FormatInt(before, 10)
			return ids, nil
		}
		if len(held) == 0 {
			if before, err = leap(ctx, q, sources, before); err != nil || before == 0 {
				return ids, err
			}
		}
	}
}

// most is how many candidates are looked at in one statement: of several
// repositories fewer, since each is asked.
func (c source) most() int {
	if len(c.several) > 10 {
		return 100
	}
	return countWalk
}

// byDigest lists what a part of a digest selects: at most a thousand images.
func (s *selection) byDigest(ctx context.Context, q database.Querier, list *inventory.ImageList, before int64, size int) (ids []int64, next string, err error) {
	candidates, err := digestRange(ctx, q, s.digest, countWalk+1)
	if err != nil {
		return nil, "", err
	}
	if len(candidates) > countWalk {
		list.Capped = true
		candidates = candidates[:countWalk]
	}
	held, err := s.filter(ctx, q, source{}, candidates)
	if err != nil {
		return nil, "", err
	}
	list.Total = len(held)
	for _, id := range held {
		if id >= before {
			continue
		}
		if len(ids) == size {
			return ids, strconv.FormatInt(ids[len(ids)-1], 10), nil
		}
		ids = append(ids, id)
	}
	return ids, "", nil
}

// digestRange returns the images in use whose digest begins with a prefix. The
// upper end is the prefix and a letter beyond the hexadecimal ones, which every
// collation sorts last.
func digestRange(ctx context.Context, q database.Querier, prefix string, most int) ([]int64, error) {
	return database.Column[int64](ctx, q, `
		select id
		from images
		where digest >= $1 and digest < $2 and listed
		order by digest, id
		limit $3`, prefix, prefix+"g", most)
}
