package store

import (
	"context"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
)

// The bounds that keep a page from costing what the inventory holds. A list
// with one filter never meets them. With several, one index is walked and the
// other filters are asked of each candidate; a page that is full of misses ends
// early and has a next one all the same.
const (
	countWalk = 1000  // candidates that are looked at for the total
	pageWalk  = 20000 // candidates that are looked at for a page
)

// Images lists one page of the images in use that the filter selects, newest
// first. With one filter, or a status and one more, Total is exact; with more
// it is what the newest thousand candidates hold, and Capped says that there
// may be others. A page can be shorter than asked for and still have a next.
func (d *DB) Images(ctx context.Context, f inventory.ImageFilter, p inventory.Page, now time.Time) (inventory.ImageList, error) {
	before, err := parseCursor(p.Cursor)
	if err != nil {
		return inventory.ImageList{}, err
	}
	var list inventory.ImageList
	err = d.read(ctx, func(q querier) error {
		s, err := selectImages(ctx, q, f, now)
		if err != nil || s.nothing {
			return err
		}
		source, size, err := s.source(ctx, q)
		if err != nil {
			return err
		}
		var ids []int64
		switch {
		case s.digest != "":
			ids, list.Next, err = s.byDigest(ctx, q, &list, before, p.Size())
		case !s.rest(source):
			list.Total = size
			if ids, err = source.next(ctx, q, before, p.Size()+1); len(ids) > p.Size() {
				ids = ids[:p.Size()]
				list.Next = strconv.FormatInt(ids[len(ids)-1], 10)
			}
			if source.uncounted {
				list.Total, list.Capped, err = s.count(ctx, q, source)
			}
		default:
			if list.Total, list.Capped, err = s.count(ctx, q, source); err == nil {
				ids, list.Next, err = s.walk(ctx, q, source, before, p.Size())
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

// walk gathers a page of ids from candidates that every filter holds.
func (s *selection) walk(ctx context.Context, q querier, source source, before int64, size int) (ids []int64, next string, err error) {
	for seen := 0; seen < pageWalk; {
		candidates, err := source.next(ctx, q, before, countWalk)
		if err != nil {
			return nil, "", err
		}
		held, err := s.filter(ctx, q, source, candidates)
		if err != nil {
			return nil, "", err
		}
		if room := size - len(ids); len(held) > room {
			ids = append(ids, held[:room]...)
			return ids, strconv.FormatInt(ids[len(ids)-1], 10), nil
		}
		ids = append(ids, held...)
		if len(candidates) < countWalk {
			return ids, "", nil
		}
		seen += len(candidates)
		before = candidates[len(candidates)-1]
	}
	return ids, strconv.FormatInt(before, 10), nil
}

// count counts among the newest candidates; capped says that there are more.
func (s *selection) count(ctx context.Context, q querier, source source) (n int, capped bool, err error) {
	candidates, err := source.next(ctx, q, 1<<63-1, countWalk+1)
	if err != nil {
		return 0, false, err
	}
	if capped = len(candidates) > countWalk; capped {
		candidates = candidates[:countWalk]
	}
	held, err := s.filter(ctx, q, source, candidates)
	return len(held), capped, err
}

// byDigest lists what a part of a digest selects: at most a thousand images.
func (s *selection) byDigest(ctx context.Context, q querier, list *inventory.ImageList, before int64, size int) (ids []int64, next string, err error) {
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
func digestRange(ctx context.Context, q querier, prefix string, most int) ([]int64, error) {
	return column[int64](ctx, q, `
		select id
		from images
		where digest >= $1 and digest < $2 and listed
		order by digest, id
		limit $3`, prefix, prefix+"g", most)
}
