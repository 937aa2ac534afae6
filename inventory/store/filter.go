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
	"signboard/inventory/store/database"
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
	known        int            // how many repositories there are, when some are selected
	digest       string         // the beginning of one
	removed      bool           // a registry isn't configured any more: its tags stay, and its images aren't listed
}

func (d *DB) selectImages(ctx context.Context, q database.Querier, f inventory.ImageFilter, now time.Time) (*selection, error) {
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
		id, err := database.Value[int64](ctx, q, "select id from registries where name = $1 and not removed", database.Clean(f.Registry))
		if errors.Is(err, sql.ErrNoRows) {
			s.nothing = true
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		s.registry = id
	}
	if s.tag != "" {
		var err error
		if s.removed, err = database.Value[bool](ctx, q, "select exists (select 1 from registries where removed)"); err != nil {
			return nil, err
		}
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
	var err error
	s.repositories, s.known, err = d.matchRepositories(ctx, q, f.Repository, words)
	s.nothing = len(s.repositories) == 0
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

// source is an index that ends in the id: it answers candidates, newest first.
type source struct {
	kind    string // the filter that it takes care of, with the status
	facet   dimension
	size    int
	capped  bool   // size is a floor
	query   string // empty for several repositories, which are read side by side
	args    []any
	status  inventory.Status
	several []int64 // repositories
	// sieve holds the several where they are so many of all that most pages are
	// full after a short walk through the images of all.
	sieve map[int64]bool
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
func (s *selection) sources(ctx context.Context, q database.Querier) ([]source, error) {
	var (
		list []source
		errs []error
	)
	offer := func(c source, kind string, values ...string) {
		status := s.status
		if c.kind == sourceHeld {
			status = inventory.Quarantined
		}
		err := database.EachIn(ctx, q, "select status, n from counters where kind = $1 and value in %s", values, func(rows *sql.Rows) error {
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
	for _, f := range s.facets {
		offer(s.index(sourceFacet, f, "image_facets", "image_id", "kind = $3 and value = $4", f.kind, database.Clean(f.value)), f.kind, f.value)
	}
	if s.registry != 0 {
		offer(s.index(sourceRegistry, dimension{}, "images", "id", "listed and registry_id = $3", s.registry), countRegistry, strconv.FormatInt(s.registry, 10))
	}
	if s.reason != "" {
		offer(s.index(sourceReason, dimension{}, "images", "id", "listed and reason = $3", database.Clean(s.reason)), countReason, string(s.reason))
	}
	plain := *s // of these indexes there is none with a status
	plain.status = ""
	if s.held {
		offer(plain.index(sourceHeld, dimension{}, "images", "id", "listed and quarantine_id is not null"), countAll, "")
	}
	if s.tag != "" {
		c := plain.index(sourceTag, dimension{}, "tags", "image_id", "name = $3", database.Clean(s.tag))
		n, err := database.Value[int](ctx, q, "select count(*) from (select 1 from tags where name = $1 limit $2) as few", database.Clean(s.tag), countWalk)
		c.size, c.capped = n, n == countWalk
		list, errs = append(list, c), append(errs, err)
	}
	if s.repositories != nil {
		c, err := s.repositorySource(ctx, q)
		if errs = append(errs, err); !c.capped || len(list) == 0 { // else the others are a better start
			list = append(list, c)
		}
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
	c.query = fmt.Sprintf("select %s as id from %s where %s and %s < $1 order by %s desc limit $2", id, table, condition, id, id)
	return c
}

// next returns up to n candidates below an id, newest first.
func (c source) next(ctx context.Context, q database.Querier, before int64, n int) ([]int64, error) {
	if c.query != "" {
		return database.Column[int64](ctx, q, c.query, database.Args([]any{before, n}, c.args)...)
	}
	return c.abreast(ctx, q, before, n)
}

// leap finds where below an id the next image can be that all sources hold, by
// asking each in turn for its newest below what the others left. It ends after a
// few rounds: it is for what lies apart, such as two teams' images of different
// years, and where sources interleave a walk is quicker. 0 means that one of
// them has nothing more.
func leap(ctx context.Context, q database.Querier, sources []source, before int64) (int64, error) {
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
		s.tag != "" && (c.kind != sourceTag || s.removed) ||
		s.repositories != nil && c.kind != sourceRepository ||
		len(s.facets) > 1 || len(s.facets) == 1 && c.facet != s.facets[0]
}

// others asks for the facets that the source doesn't take care of. They are
// counted rather than asked for with exists or a join, which PostgreSQL turns
// into a walk through everything that has the value.
func (s *selection) others(c source, image string, after int) (condition string, args []any) {
	for _, f := range s.facets {
		if f != c.facet {
			args = append(args, f.kind, database.Clean(f.value))
			condition += fmt.Sprintf(" and (select count(*) from image_facets f where f.image_id = %s and f.kind = $%d and f.value = $%d) = 1",
				image, after+len(args)-1, after+len(args))
		}
	}
	return condition, args
}

// condition is what every filter asks of an image i beyond what the source takes
// care of. Its parameters are numbered on from after.
func (s *selection) condition(c source, after int) (string, []any) {
	condition, args := "i.listed", []any{}
	and := func(format string, v any) {
		args = append(args, database.Clean(v))
		condition += fmt.Sprintf(format, after+len(args))
	}
	if s.status != "" {
		and(" and i.status = $%d", s.status)
	}
	if s.registry != 0 {
		and(" and i.registry_id = $%d", s.registry)
	}
	if s.reason != "" {
		and(" and i.reason = $%d", s.reason)
	}
	facets, values := s.others(c, "i.id", after+len(args))
	condition, args = condition+facets, append(args, values...)
	if s.tag != "" && c.kind != sourceTag {
		and(" and exists (select 1 from tags t where t.image_id = i.id and t.name = $%d)", s.tag)
	}
	if s.held {
		and(" and exists (select 1 from quarantines h where h.id = i.quarantine_id and h.released_at is null and (h.expires_at is null or h.expires_at > $%d))", ms(s.now))
	}
	return condition, args
}

// look takes up to n candidates of a source below an id, and keeps those that
// every filter holds; both newest first.
func (s *selection) look(ctx context.Context, q database.Querier, c source, before int64, n int) (candidates, held []int64, err error) {
	if c.query == "" {
		if candidates, err = c.next(ctx, q, before, n); err == nil {
			held, err = s.filter(ctx, q, c, candidates)
		}
		return candidates, held, err
	}
	condition, args := s.condition(c, len(c.args)+2)
	err = database.Each(ctx, q, `
		select c.id, i.repository_id
		from (`+c.query+`) as c
		left join images i on i.id = c.id and `+condition, func(rows *sql.Rows) error {
		var id int64
		var repository sql.NullInt64
		err := rows.Scan(&id, &repository)
		candidates = append(candidates, id)
		if repository.Valid && (s.repositories == nil || s.repositories[repository.Int64]) {
			held = append(held, id)
		}
		return err
	}, database.Args([]any{before, n}, append(slices.Clone(c.args), args...))...)
	newestFirst(candidates)
	newestFirst(held)
	return candidates, held, err
}

// count says of how many of the newest n candidates below an id every filter
// holds, and how many candidates there were.
func (s *selection) count(ctx context.Context, q database.Querier, c source, before int64, n int) (candidates, held int, err error) {
	if c.query == "" || s.repositories != nil {
		all, kept, err := s.look(ctx, q, c, before, n)
		return len(all), len(kept), err
	}
	all := database.Args([]any{before, n}, c.args)
	candidates, err = database.Value[int](ctx, q, "select count(*) from ("+c.query+") as c", all...)
	if err != nil {
		return 0, 0, err
	}
	from := "(" + c.query + ") as c"
	alone := *s
	if alone.facets = nil; len(s.facets) > 0 && !alone.rest(c) {
		// Facets are only of images in use: the images needn't be looked at.
		facets, args := s.others(c, "c.id", len(all))
		held, err = database.Value[int](ctx, q, "select count(*) from "+from+" where true"+facets, append(all, args...)...)
	} else {
		condition, args := s.condition(c, len(all))
		held, err = database.Value[int](ctx, q, "select count(*) from "+from+" join images i on i.id = c.id where "+condition, append(all, args...)...)
	}
	return candidates, held, err
}

// filter keeps the candidates that every filter holds, newest first.
func (s *selection) filter(ctx context.Context, q database.Querier, c source, candidates []int64) ([]int64, error) {
	var kept []int64
	condition, args := s.condition(c, 0)
	err := database.EachIn(ctx, q, "select i.id, i.repository_id from images i where "+condition+" and i.id in %s", candidates, func(rows *sql.Rows) error {
		var id, repository int64
		if err := rows.Scan(&id, &repository); err != nil {
			return err
		}
		if s.repositories == nil || s.repositories[repository] {
			kept = append(kept, id)
		}
		return nil
	}, args...)
	newestFirst(kept)
	return kept, err
}

func newestFirst(ids []int64) {
	slices.Sort(ids)
	slices.Reverse(ids)
}
