package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
)

// selection is an ImageFilter with its names looked up.
type selection struct {
	nothing      bool // it can't select anything
	status       inventory.Status
	held         bool
	now          time.Time
	registry     int64
	reason       inventory.Reason
	facets       []dimension
	tag          string
	repositories map[int64]bool // nil: any
	digest       string         // the beginning of one
}

func (d *DB) selectImages(ctx context.Context, q querier, f inventory.ImageFilter, now time.Time) (*selection, error) {
	s := &selection{now: now, status: f.Status, reason: f.Reason, tag: f.Tag}
	if f.Status == inventory.Quarantined {
		s.status, s.held = "", true
	}
	for _, facet := range []dimension{{countTeam, f.Team}, {countSigner, string(f.Signer)}, {countFormat, string(f.Format)}} {
		if facet.value != "" {
			s.facets = append(s.facets, facet)
		}
	}
	if f.Registry != "" {
		id, err := value[int64](ctx, q, "select id from registries where name = $1 and not removed", clean(f.Registry))
		if errors.Is(err, sql.ErrNoRows) {
			s.nothing = true
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		s.registry = id
	}
	words := strings.Fields(strings.ToLower(f.Q))
	if len(words) == 1 {
		if s.digest = digestPrefix(words[0]); s.digest != "" {
			words = nil
		}
	}
	if f.Repository == "" && len(words) == 0 {
		return s, nil
	}
	ids, err := d.matchRepositories(ctx, q, f.Repository, words)
	s.repositories, s.nothing = ids, len(ids) == 0
	return s, err
}

// digestPrefix is the beginning of a digest that a word looks like, or empty: a
// name of an algorithm and at least four digits, or at least twelve digits.
func digestPrefix(word string) string {
	algorithm, hexed, ok := strings.Cut(word, ":")
	switch {
	case ok && (algorithm == "sha256" || algorithm == "sha512") && len(hexed) >= 4:
	case !ok && len(word) >= 12:
		algorithm, hexed = "sha256", word
	default:
		return ""
	}
	if strings.Trim(hexed, "0123456789abcdef") != "" {
		return ""
	}
	return algorithm + ":" + hexed
}

// fewRepositories is up to how many repositories are read side by side, each
// from its own place in the index; more are a filter on another walk.
const fewRepositories = 5000

// source is an index that ends in the id: it answers candidates, newest first.
type source struct {
	kind         string // the filter that it takes care of, with the status
	facet        dimension
	uncounted    bool // no counter says how many there are
	size         int
	query        string
	args         []any
	repositories []int64
	status       inventory.Status
}

const (
	sourceAll        = "all"
	sourceHeld       = "held"
	sourceTag        = "tag"
	sourceRepository = "repository"
	sourceRegistry   = "registry"
	sourceReason     = "reason"
	sourceFacet      = "facet"
)

// sources are the indexes that can answer candidates, one for each filter, the
// one with the fewest first.
func (s *selection) sources(ctx context.Context, q querier) ([]source, error) {
	var (
		list []source
		errs []error
	)
	offer := func(c source, kind string, values ...string) {
		status := s.status
		if c.kind == sourceHeld {
			status = inventory.Quarantined
		}
		err := eachIn(ctx, q, "select status, n from counters where kind = $1 and value in %s", values, func(rows *sql.Rows) error {
			var is inventory.Status
			var n int
			err := rows.Scan(&is, &n)
			if is == status || status == "" && string(is) != overlayHeld && string(is) != overlayStale {
				c.size += n
			}
			return err
		}, kind)
		list, errs = append(list, c), append(errs, err)
	}
	if few := len(s.repositories); s.repositories != nil && few <= fewRepositories {
		c := source{kind: sourceRepository, status: s.status}
		var values []string
		for id := range s.repositories {
			c.repositories = append(c.repositories, id)
			values = append(values, strconv.FormatInt(id, 10))
		}
		slices.Sort(c.repositories)
		offer(c, countRepository, values...)
	}
	for _, f := range s.facets {
		offer(s.index(sourceFacet, f, "image_facets", "image_id", "kind = $3 and value = $4", f.kind, clean(f.value)), f.kind, f.value)
	}
	if s.registry != 0 {
		offer(s.index(sourceRegistry, dimension{}, "images", "id", "listed and registry_id = $3", s.registry), countRegistry, strconv.FormatInt(s.registry, 10))
	}
	if s.reason != "" {
		offer(s.index(sourceReason, dimension{}, "images", "id", "listed and reason = $3", clean(s.reason)), countReason, string(s.reason))
	}
	plain := *s // of these indexes there is none with a status
	plain.status = ""
	if s.held {
		offer(plain.index(sourceHeld, dimension{}, "images", "id", "listed and quarantine_id is not null"), countAll, "")
	}
	if s.tag != "" {
		c := plain.index(sourceTag, dimension{}, "tags", "image_id", "name = $3", clean(s.tag))
		c.uncounted = true
		n, err := value[int](ctx, q, "select count(*) from (select 1 from tags where name = $1 limit 1000) as few", clean(s.tag))
		c.size = n
		list, errs = append(list, c), append(errs, err)
	}
	if len(list) == 0 {
		offer(s.index(sourceAll, dimension{}, "images", "id", "listed"), countAll, "")
	}
	slices.SortStableFunc(list, func(a, b source) int { return cmp.Compare(a.size, b.size) })
	return list, errors.Join(errs...)
}

// index is a source over one table. Its query takes the id to go down from and
// the limit first.
func (s *selection) index(kind string, facet dimension, table, id, condition string, args ...any) source {
	c := source{kind: kind, facet: facet, args: args}
	if s.status != "" {
		c.status = s.status
		c.args = append(c.args, s.status)
		condition += fmt.Sprintf(" and status = $%d", len(c.args)+2)
	}
	c.query = fmt.Sprintf("select %s from %s where %s and %s < $1 order by %s desc limit $2", id, table, condition, id, id)
	return c
}

// next returns up to n candidates below an id, newest first.
func (c source) next(ctx context.Context, q querier, before int64, n int) ([]int64, error) {
	if c.kind != sourceRepository {
		return column[int64](ctx, q, c.query, with([]any{before, n}, c.args)...)
	}
	status, args := "", []any{before}
	if c.status != "" {
		status, args = " and status = $2", append(args, c.status)
	}
	// The newest n are in the n repositories whose newest are newest: each of
	// those has one that everything in the other repositories is older than.
	type top struct{ repository, newest int64 }
	var tops []top
	for part := range slices.Chunk(c.repositories, maxParams) {
		err := each(ctx, q, fmt.Sprintf(`
			select id, newest
			from (select r.id, (select i.id
			        from images i
			        where i.listed and i.repository_id = r.id and i.id < $1%s
			        order by i.id desc
			        limit 1) as newest
			      from repositories r
			      where r.id in %s) as r
			where newest is not null`, status, params(len(args), len(part))),
			scanInto(&tops, func(t *top) []any { return []any{&t.repository, &t.newest} }), with(args, part)...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(tops, func(a, b top) int { return cmp.Compare(b.newest, a.newest) })
	if len(tops) > n {
		tops = tops[:n]
	}
	var ids []int64
	for part := range slices.Chunk(tops, 100) {
		var b strings.Builder
		args := append(slices.Clone(args), n)
		limit := len(args)
		for i, t := range part {
			if i > 0 {
				b.WriteString(" union all ")
			}
			args = append(args, t.repository)
			fmt.Fprintf(&b, "select id from (select id from images where listed and repository_id = $%d and id < $1%s order by id desc limit $%d) as r%d",
				len(args), status, limit, i)
		}
		more, err := column[int64](ctx, q, b.String(), args...)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids[:min(len(ids), n)], nil
}

// chunk is how many candidates are asked for at once: of many repositories
// fewer, since each is asked.
func (c source) chunk() int {
	if c.kind == sourceRepository && len(c.repositories) > 10 {
		return 100
	}
	return countWalk
}

// leap finds where below an id the next image can be that all sources hold, by
// asking each in turn for its newest below what the others left. It ends after a
// few rounds: it is for what lies apart, such as two teams' images of different
// years, and where sources interleave a walk is quicker. 0 means that one of
// them has nothing more.
func leap(ctx context.Context, q querier, sources []source, before int64) (int64, error) {
	if len(sources) == 1 {
		return before, nil
	}
	for range 8 {
		at := before
		for _, c := range sources {
			top, err := c.next(ctx, q, at, 1)
			if err != nil || len(top) == 0 {
				return 0, err
			}
			at = top[0] + 1
		}
		if at == before {
			break
		}
		before = at
	}
	return before, nil
}

// rest reports whether filters are left that the source doesn't take care of.
func (s *selection) rest(c source) bool {
	return s.status != "" && c.status == "" ||
		s.held || // what ran out is still marked
		s.registry != 0 && c.kind != sourceRegistry ||
		s.reason != "" && c.kind != sourceReason ||
		s.tag != "" || // tags of registries that aren't configured stay
		s.repositories != nil && c.kind != sourceRepository ||
		len(s.facets) > 1 || len(s.facets) == 1 && c.facet != s.facets[0]
}

// filter keeps the candidates that every filter holds, newest first.
func (s *selection) filter(ctx context.Context, q querier, c source, candidates []int64) ([]int64, error) {
	var kept []int64
	condition, args := "listed", []any{}
	and := func(format string, v any) {
		args = append(args, clean(v))
		condition += fmt.Sprintf(format, len(args))
	}
	if s.status != "" {
		and(" and status = $%d", s.status)
	}
	if s.registry != 0 {
		and(" and registry_id = $%d", s.registry)
	}
	if s.reason != "" {
		and(" and reason = $%d", s.reason)
	}
	for _, f := range s.facets {
		if f != c.facet {
			and(" and exists (select 1 from image_facets f where f.image_id = images.id and f.kind = $%d", f.kind)
			and(" and f.value = $%d)", f.value)
		}
	}
	if s.tag != "" && c.kind != sourceTag {
		and(" and exists (select 1 from tags t where t.image_id = images.id and t.name = $%d)", s.tag)
	}
	if s.held {
		and(" and exists (select 1 from quarantines h where h.id = images.quarantine_id and h.released_at is null and (h.expires_at is null or h.expires_at > $%d))", ms(s.now))
	}
	err := eachIn(ctx, q, "select id, repository_id from images where "+condition+" and id in %s", candidates, func(rows *sql.Rows) error {
		var id, repository int64
		if err := rows.Scan(&id, &repository); err != nil {
			return err
		}
		if s.repositories == nil || s.repositories[repository] {
			kept = append(kept, id)
		}
		return nil
	}, args...)
	slices.Sort(kept)
	slices.Reverse(kept)
	return kept, err
}
