package store

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"signboard/inventory"
	"signboard/migrations"
)

// at makes a database with the schema of an earlier version, and what it held.
func at(t *testing.T, dsn string, version int64, statements ...string) {
	t.Helper()
	name, dialect := "pgx", goose.DialectPostgres
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		name, dialect, dsn = "sqlite", goose.DialectSQLite3, path
	}
	db, err := sql.Open(name, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(dialect, db, migrations.FS)
	if err == nil {
		_, err = provider.UpTo(t.Context(), version)
	}
	if err != nil {
		t.Fatalf("schema %d: %v", version, err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// What was known before history had causes stays, and what was gone is gone
// since the record says so.
func TestOpen_keepsTheHistoryOfEarlierVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const image = "insert into images (id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed, status, reason, message) values "
		row := func(id, repository, n int, listed bool) string {
			return fmt.Sprintf("%s(%d, 1, %d, '%s', 'image', 'm', 1, 1000, 2000, %v, 'unsigned', 'no_signature', 'It is.')", image, id, repository, digest(n), listed)
		}
		at(t, dsn, 3,
			"insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at) values (1, 'local', 'http://local.test', 1, '[]', '[]', 0)",
			"insert into repositories (id, registry_id, name, full_name, gone, first_seen, last_seen, read_at, next_due_at) values (1, 1, 'app', 'local/app', false, 1000, 2000, 2000, 0), (2, 1, 'old', 'local/old', true, 1000, 2500, 2000, 0)",
			row(1, 1, 1, true), row(2, 1, 2, false), row(3, 1, 3, false), row(4, 2, 4, false),
			"insert into tags (repository_id, name, image_id, digest, since) values (1, 'v1', 1, '"+string(digest(1))+"', 1000)",
			"insert into tag_moves (id, repository_id, tag, from_digest, to_digest, at) values "+
				"(1, 1, 'v1', '', '"+string(digest(2))+"', 1000), (2, 1, 'v1', '"+string(digest(2))+"', '"+string(digest(1))+"', 3000), (3, 2, 'v1', '"+string(digest(4))+"', '', 4000)",
			"insert into verdict_history (id, image_id, at, from_status, to_status, reason, message) values (1, 2, 1000, 'unknown', 'unsigned', 'no_signature', 'It is.')")
		db := open(t, dsn)
		for n, want := range map[int]struct{ image, repository int64 }{1: {}, 2: {image: 3000}, 3: {}, 4: {4000, 4000}} {
			repository := "app"
			if n == 4 {
				repository = "old"
			}
			i, err := db.Image(t.Context(), "local", repository, digest(n), time.UnixMilli(5000))
			if err != nil {
				t.Fatal(err)
			}
			if is := msOrNull(i.GoneAt).Int64; is != want.image {
				t.Errorf("image %d is gone since %d, want %d", n, is, want.image)
			}
			if is := msOrNull(i.RepositoryGoneAt).Int64; is != want.repository {
				t.Errorf("the repository of image %d is gone since %d, want %d", n, is, want.repository)
			}
			if n == 2 && (len(i.History) != 1 || i.History[0].To != inventory.Unsigned || i.History[0].Cause.Kind != "" || i.History[0].Flagged) {
				t.Errorf("history is %+v", i.History)
			}
		}
	})
}

// Of what was judged before that was kept, nobody knows what it rested on; of
// what is judged from then on it is known.
func TestOpen_doesNotKnowWhatEarlierVerdictsRestedOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		at(t, dsn, 8,
			"insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at) values (1, 'local', 'http://local.test', 1, '[]', '[]', 0)",
			"insert into repositories (id, registry_id, name, full_name, gone, first_seen, last_seen, read_at, next_due_at) values (1, 1, 'app', 'local/app', false, 1000, 2000, 2000, 0)",
			"insert into images (id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed, status, reason, message, checked_at) values (1, 1, 1, '"+string(digest(1))+"', 'image', 'm', 1, 1000, 2000, true, 'trusted', 'ok', 'It is.', 1000)",
			"insert into counters (kind, value, status, n) values ('all', '', 'trusted', 1)",
			"insert into tags (repository_id, name, image_id, digest, since) values (1, 'v1', 1, '"+string(digest(1))+"', 1000)",
			"insert into image_signers (image_id, signer_id, judged) values (1, '"+string(keyID(7))+"', 0)",
			"insert into signers (id, kind, name, standing) values ('"+string(keyID(7))+"', 'key', 'key 7', 'approved')",
			"insert into verdict_history (id, image_id, at, from_status, to_status, reason, message) values (1, 1, 1000, 'unknown', 'trusted', 'ok', 'It is.')")
		w := newWorld(t, dsn)
		if h := w.latest(1); h.To != inventory.Trusted || h.Ground != nil {
			t.Errorf("history begins with %+v", h)
		}
		w.list("local", "app")
		w.see("local", "app", bearing(1, "v1", madeBy(7, "s1")))
		if h := w.latest(1); h.To != inventory.Unapproved || h.Ground == nil || h.Ground.Signature.Mark != "s1" {
			t.Errorf("and goes on with %+v", h)
		}
	})
}
