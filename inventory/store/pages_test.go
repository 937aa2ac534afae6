package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
	"signboard/inventory/store/database/databasetest"
)

// pageReading is what a page reads.
type pageReading struct {
	name string
	read func(ctx context.Context, w *world) error
}

// readings are all that pages and lists of the API ask the store for, each as a
// page asks.
func readings() []pageReading {
	list := func(name string, f func(w *world) inventory.ImageFilter) pageReading {
		return pageReading{"images " + name, func(ctx context.Context, w *world) error {
			l, err := w.db.Images(ctx, f(w), inventory.Page{}, w.now)
			if err == nil && len(l.Images) == 0 {
				err = fmt.Errorf("there are none")
			}
			return err
		}}
	}
	by := func(f inventory.ImageFilter) func(*world) inventory.ImageFilter {
		return func(*world) inventory.ImageFilter { return f }
	}
	all := []pageReading{
		list("all", by(inventory.ImageFilter{})),
		list("by status", by(inventory.ImageFilter{Status: inventory.Trusted})),
		list("quarantined", by(inventory.ImageFilter{Status: inventory.Quarantined})),
		list("by registry", by(inventory.ImageFilter{Registry: "local"})),
		list("by registry and status", by(inventory.ImageFilter{Registry: "local", Status: inventory.Unsigned})),
		list("by team", by(inventory.ImageFilter{Team: "payments"})),
		list("by team and status", by(inventory.ImageFilter{Team: "payments", Status: inventory.Trusted})),
		list("by signer", by(inventory.ImageFilter{Signer: keyID(1)})),
		list("by format", by(inventory.ImageFilter{Format: inventory.Formats[0]})),
		list("by reason", by(inventory.ImageFilter{Reason: inventory.ReasonOK})),
		list("by tag", by(inventory.ImageFilter{Tag: "latest"})),
		list("by tag and team", by(inventory.ImageFilter{Tag: "latest", Team: "payments"})),
		list("of one repository", by(inventory.ImageFilter{Repository: "local/pay/r0"})),
		list("by words", by(inventory.ImageFilter{Q: "pay"})),
		list("by a digest", by(inventory.ImageFilter{Q: string(digest(7))[:16]})),
		{"a team", func(ctx context.Context, w *world) error {
			for _, team := range []string{"payments", inventory.NoTeam} {
				for _, status := range inventory.Statuses {
					_, next, err := w.db.OldestImages(ctx, team, status, inventory.Page{Limit: 10}, w.now)
					if err == nil {
						_, _, err = w.db.OldestImages(ctx, team, status, inventory.Page{Limit: 10, Cursor: next}, w.now)
					}
					if err != nil {
						return err
					}
				}
				if _, err := w.db.Images(ctx, inventory.ImageFilter{Team: team, Status: inventory.Quarantined}, inventory.Page{Limit: 5}, w.now); err != nil {
					return err
				}
			}
			_, err := w.db.RepositoriesOf(ctx, inventory.NoTeam, 200)
			return err
		}},
		{"overview", func(ctx context.Context, w *world) error {
			for _, s := range []inventory.Scope{{}, {Team: "payments"}, {Registry: "local"}} {
				if _, err := w.db.Counts(ctx, s); err != nil {
					return err
				}
				if _, err := w.db.Coverage(ctx, s, 90, w.now); err != nil {
					return err
				}
			}
			_, err := w.db.TeamCounts(ctx)
			return err
		}},
		{"overview while a registry is down", func(ctx context.Context, w *world) error {
			later := w.now.Add(5 * time.Hour)
			clock := w.db.clock
			w.db.clock = func() time.Time { return later }
			defer func() { w.db.clock = clock }()
			for _, s := range []inventory.Scope{{}, {Team: "payments"}, {Registry: "local"}} {
				c, err := w.db.Counts(ctx, s)
				if err == nil && (c.Stale == 0 || s.Registry == "" && s.Team == "" && c.Stale == c.Images) {
					err = fmt.Errorf("of %d images of %+v %d are stale", c.Images, s, c.Stale)
				}
				if err != nil {
					return err
				}
			}
			_, err := w.db.Facets(ctx, later)
			return err
		}},
		{"tags that moved, signatures that were lost", func(ctx context.Context, w *world) error {
			if _, err := w.db.MovedTags(ctx, w.now.AddDate(0, 0, -14), 200); err != nil {
				return err
			}
			_, err := w.db.LostSignatures(ctx, w.now.AddDate(0, 0, -14), 200)
			return err
		}},
		{"facets", func(ctx context.Context, w *world) error { _, err := w.db.Facets(ctx, w.now); return err }},
		{"registries", func(ctx context.Context, w *world) error {
			if _, err := w.db.Registries(ctx); err != nil {
				return err
			}
			_, err := w.db.FailingRepositories(ctx, 5)
			return err
		}},
		{"signers", func(ctx context.Context, w *world) error {
			for _, standing := range []inventory.Standing{"", inventory.Pending} {
				for _, kind := range []inventory.SignerKind{"", inventory.KeySigner} {
					_, next, err := w.db.Signers(ctx, inventory.SignerFilter{Standing: standing, Kind: kind}, inventory.Page{Limit: 10}, w.now)
					if err == nil {
						_, _, err = w.db.Signers(ctx, inventory.SignerFilter{Standing: standing, Kind: kind}, inventory.Page{Limit: 10, Cursor: next}, w.now)
					}
					if err != nil {
						return err
					}
				}
			}
			_, err := w.db.Standings(ctx, w.now)
			return err
		}},
		{"a signer", func(ctx context.Context, w *world) error {
			if _, err := w.db.Signer(ctx, keyID(1), w.now); err != nil {
				return err
			}
			_, err := w.db.SignerTeams(ctx, keyID(1))
			return err
		}},
		{"quarantines", func(ctx context.Context, w *world) error {
			for _, standing := range []bool{true, false} {
				if _, _, err := w.db.Quarantines(ctx, standing, inventory.Page{}, w.now); err != nil {
					return err
				}
			}
			return nil
		}},
		{"an image", func(ctx context.Context, w *world) error {
			_, err := w.db.Image(ctx, "local", "pay/r0", digest(7), w.now)
			if err == nil {
				_, err = w.db.FindImages(ctx, digest(7))
			}
			return err
		}},
		{"search", func(ctx context.Context, w *world) error {
			if _, err := w.db.SearchRepositories(ctx, "pay r1", 8); err != nil {
				return err
			}
			if _, err := w.db.SearchImages(ctx, digest(7).Hex()[:12], 8); err != nil {
				return err
			}
			_, err := w.db.SearchSigners(ctx, "key 1", 8)
			return err
		}},
		{"audit", func(ctx context.Context, w *world) error {
			_, _, err := w.db.AuditEntries(ctx, inventory.Page{})
			return err
		}},
	}
	return all
}

// sized makes an inventory of n images, twenty in each repository, of which five
// in a hundred are held.
func sized(w *world, n int) {
	w.Helper()
	const each = 20
	at := w.now.AddDate(0, 0, -30)
	w.now, at = at, w.now
	var names []string
	for r := range n / each {
		names = append(names, fmt.Sprintf("%s/r%d", []string{"pay", "web"}[r%2], r))
	}
	w.list("local", names...)
	signers := n / 50
	for r := range names {
		var findings []inventory.ImageFinding
		for i := range each {
			id := r*each + i
			tags := []string{fmt.Sprint("v", i)}
			if i == each-1 {
				tags = append(tags, "latest")
			}
			switch i % 3 {
			case 0:
				findings = append(findings, unsigned(id, tags...))
			case 1:
				findings = append(findings, signed(id, inventory.Trusted, []int{1, 10 + id%signers}, tags...))
			default:
				findings = append(findings, signed(id, inventory.Unapproved, []int{10 + (id/3)%signers}, tags...))
			}
		}
		work, err := w.db.ClaimRepository(w.Context(), "test", inventory.SyncScope{}, w.now, time.Minute)
		w.must(err)
		w.must(w.db.RecordImages(w.Context(), work, w.judged(findings...), w.now))
		var tags []string
		for _, f := range findings {
			tags = append(tags, f.Tags...)
		}
		w.must(w.db.FinishRepository(w.Context(), work, tags, at.Add(time.Hour), at))
	}
	w.now = at
	w.list("other", "web")
	w.after(4 * time.Hour)
	w.look("other", "web", unsigned(n, "v1"))
	w.now = at
	w.decide(1, inventory.Approve, nil)
	for i := range 40 {
		w.quarantine(fmt.Sprint("q", i), inventory.Quarantine{Digest: digest(i*(n/40) + 7)})
	}
	w.noDrift()
}

// growing are the tables that grow with an inventory.
var growing = []string{
	"images", "image_facets", "image_signers", "image_events", "tags", "tag_moves", "platforms", "signatures", "attestations", "materials",
	"verdict_history", "signers", "repositories", "team_repositories", "counters", "daily_counters", "decisions", "quarantines", "audit_entries",
}

// No page walks through a table that grows: what the pages asked SQLite for is
// taken from the statements that it keeps, and explained.
func TestPages_noPlanWalksThroughWhatGrows(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signboard.db")
	sized(w, 400)
	w.db.sql.Reader.SetMaxOpenConns(1)
	alias := regexp.MustCompile(`(?i)\b(?:from|join)\s+(\w+)(?:\s+as)?\s+(\w)\b`)
	kept := func() (texts []string) {
		conn, err := w.db.sql.Reader.Conn(t.Context())
		w.must(err)
		defer conn.Close()
		w.must(conn.Raw(func(driver any) error {
			texts = driver.(interface{ Prepared() []string }).Prepared()
			return nil
		}))
		return texts
	}
	done := map[string]bool{}
	for _, text := range kept() { // what made the inventory, and recounted it
		done[text] = true
	}
	before := len(done)
	for _, r := range readings() {
		w.must(r.read(t.Context(), w))
		for _, text := range kept() {
			if done[text] || strings.HasPrefix(text, "explain") {
				continue
			}
			done[text] = true
			names := map[string]string{}
			for _, m := range alias.FindAllStringSubmatch(text, -1) {
				names[m[2]] = m[1]
			}
			var args []any
			for n := 1; strings.Contains(text, fmt.Sprintf("$%d", n)); n++ {
				args = append(args, 7)
			}
			var plans []string
			explained{w.db.sql.Reader, t, &plans}.explain(t.Context(), text, args)
			for _, plan := range plans {
				step, _, _ := strings.Cut(plan, "\t")
				what, rest, _ := strings.Cut(step, " ")
				table, how, _ := strings.Cut(rest, " ")
				if full := names[table]; full != "" {
					table = full
				}
				if what != "SCAN" || !slices.Contains(growing, table) || walksToAnEnd(text, how) {
					continue
				}
				t.Errorf("%s: %s\n%s", r.name, step, text)
			}
		}
	}
	if n := len(done) - before; n < 50 {
		t.Errorf("only %d statements were explained", n)
	}
}

// walksToAnEnd reports whether a walk through an index ends after a page, or goes
// through one that holds only what is rare or what a process reads once.
func walksToAnEnd(text, how string) bool {
	inOrder := strings.Contains(how, "USING") && strings.Contains(text, "limit") && strings.Contains(text, "order by")
	once := strings.Contains(text, "select id, full_name, name from repositories where not gone") // kept in memory
	return inOrder || once || strings.Contains(how, "repositories_failing")
}

// What PostgreSQL reads for a page is the same in an inventory eight times the
// size. Where several filters are combined, or a list is made of many
// repositories, a bounded number of candidates is looked through.
func TestPages_rowsReadDoNotGrow(t *testing.T) {
	const bounded = 5 * countWalk
	looksThrough := map[string]bool{"images by tag": true, "images by tag and team": true, "images by words": true, "a signer": true, "signers": true, // and the repositories of each
		"overview while a registry is down": true}
	sizes := [2]int{500, 4000}
	var counts [2]map[string]map[string]int64
	for i, n := range sizes {
		counts[i] = rowsRead(t, n)
	}
	for _, r := range readings() {
		small, large := int64(0), int64(0)
		for _, n := range counts[0][r.name] {
			small += n
		}
		most, which := int64(0), ""
		for table, n := range counts[1][r.name] {
			if large += n; n > most {
				most, which = n, table
			}
		}
		limit := small*3/2 + 100
		if looksThrough[r.name] {
			limit = bounded
		}
		if small <= 0 || large > limit {
			t.Errorf("%s: %d rows are read among %d images, and %d among %d (most of them, %d, from %s: then %d)",
				r.name, small, sizes[0], large, sizes[1], most, which, counts[0][r.name][which])
		}
	}
}

// rowsRead is how many rows of each table the server reads for each reading among
// n images, when it isn't the first: what is kept in memory was read before.
func rowsRead(t *testing.T, n int) map[string]map[string]int64 {
	ctx, dsn := t.Context(), databasetest.PostgresSchema(t)
	w := newWorld(t, dsn)
	sized(w, n)
	w.must(w.db.Close()) // idle connections account for what they did when it suits them
	u, err := url.Parse(dsn)
	w.must(err)
	q := u.Query()
	schema := q.Get("search_path")
	q.Set("enable_seqscan", "off") // small tables are walked through for being small: that isn't asked here
	u.RawQuery = q.Encode()
	db := open(t, u.String())
	db.clock = w.db.clock
	db.sql.Reader.SetMaxOpenConns(1)
	_, err = db.sql.Reader.ExecContext(ctx, "vacuum analyze")
	w.must(err)
	state := func() map[string]int64 {
		_, err := db.sql.Reader.ExecContext(ctx, "select pg_stat_force_next_flush()")
		w.must(err)
		rows := map[string]int64{}
		w.must(database.Each(ctx, db.sql.Reader, `
			select t.relname, t.seq_tup_read
			       + coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid), 0)::bigint
			from pg_stat_user_tables t
			where t.schemaname = $1`, func(found *sql.Rows) error {
			var table string
			var n int64
			err := found.Scan(&table, &n)
			rows[table] = n
			return err
		}, schema))
		return rows
	}
	read := map[string]map[string]int64{}
	at := &world{T: t, db: db, now: w.now}
	for _, r := range readings() {
		w.must(r.read(ctx, at))
		before := state()
		w.must(r.read(ctx, at))
		after := state()
		for table := range after {
			after[table] -= before[table]
		}
		read[r.name] = after
	}
	return read
}
