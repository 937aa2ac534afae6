package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// repositoryNames are the names of all repositories that aren't gone, kept in
// memory because patterns and parts of words are looked for in all of them:
// tens of thousands of short strings. Whatever changes the set moves the revision
// on in its transaction, so the names that a transaction finds here are those it
// would read.
type repositoryNames struct {
	mu       sync.Mutex
	revision int64
	list     []repositoryName // by full name; never changed, only replaced

	// matched are the selections asked for lately, of the same revision, the latest
	// last: lists are asked for page by page.
	matched []matchedNames
}

// matchedNames is which repositories a pattern and some words select. It is never
// changed.
type matchedNames struct {
	pattern inventory.Glob
	words   string
	found   map[int64]bool
}

// maxMatched is how many selections are kept; each holds an id for every
// repository that it selects.
const maxMatched = 16

type repositoryName struct {
	id                int64
	full, name, lower string // registry/repository, repository, and the first in lower case
}

// countRepositories notes that a registry has n repositories more or fewer. It
// comes before all other counters in a transaction.
func (d *DB) countRepositories(ctx context.Context, tx database.Querier, registry int64, n int, now time.Time) error {
	if n == 0 {
		return nil
	}
	if _, err := bump(ctx, tx, "repositories"); err != nil {
		return err
	}
	return deltas{{countRepositories, strconv.FormatInt(registry, 10), ""}: int64(n)}.apply(ctx, d, tx, now)
}

// repositoryNames reads the names, from memory unless they changed.
func (d *DB) repositoryNames(ctx context.Context, q database.Querier) ([]repositoryName, error) {
	revision, err := database.Value[int64](ctx, q, "select value from revisions where name = 'repositories'")
	if err != nil {
		return nil, err
	}
	d.names.mu.Lock()
	is, list := d.names.revision, d.names.list
	d.names.mu.Unlock()
	if is == revision {
		return list, nil
	}
	list = nil
	err = database.Each(ctx, q, "select id, full_name, name from repositories where not gone", func(rows *sql.Rows) error {
		var r repositoryName
		err := rows.Scan(&r.id, &r.full, &r.name)
		r.lower = strings.ToLower(r.full)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b repositoryName) int { return cmp.Compare(a.full, b.full) })
	d.names.mu.Lock()
	defer d.names.mu.Unlock()
	if revision > d.names.revision {
		d.names.revision, d.names.list, d.names.matched = revision, list, nil
	}
	return list, nil
}

// matchRepositories finds the repositories that a pattern and all of the words
// (in lower case) match, and says how many there are in all. The answer isn't to
// be changed.
func (d *DB) matchRepositories(ctx context.Context, q database.Querier, pattern inventory.Glob, words []string) (found map[int64]bool, known int, err error) {
	names, err := d.repositoryNames(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	key := matchedNames{pattern: pattern, words: strings.Join(words, " ")}
	d.names.mu.Lock()
	current := len(names) > 0 && len(d.names.list) > 0 && &names[0] == &d.names.list[0]
	if i := slices.IndexFunc(d.names.matched, key.same); current && i >= 0 {
		found = d.names.matched[i].found
	}
	d.names.mu.Unlock()
	if found != nil {
		return found, len(names), nil
	}
	found = map[int64]bool{}
	must := literals(pattern)
	for _, r := range names {
		if hasAll(r.full, must) && hasAll(r.lower, words) && (pattern == "" || pattern.Match(r.full) || pattern.Match(r.name)) {
			found[r.id] = true
		}
	}
	d.names.mu.Lock()
	defer d.names.mu.Unlock()
	if current && &names[0] == &d.names.list[0] {
		key.found = found
		d.names.matched = append(slices.DeleteFunc(d.names.matched, key.same), key)
		d.names.matched = d.names.matched[max(0, len(d.names.matched)-maxMatched):]
	}
	return found, len(names), nil
}

func (m matchedNames) same(n matchedNames) bool { return m.pattern == n.pattern && m.words == n.words }

// literals are the segments of a pattern that stand for themselves. A name that
// doesn't have each can't match, and that is quick to see.
func literals(pattern inventory.Glob) []string {
	var list []string
	for segment := range strings.SplitSeq(string(pattern), "/") {
		if !strings.ContainsAny(segment, `*?[\`) {
			list = append(list, segment)
		}
	}
	return list
}

func hasAll(name string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(name, part) {
			return false
		}
	}
	return true
}
