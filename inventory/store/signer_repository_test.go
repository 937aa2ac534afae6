package store

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const gitIssuer = "https://token.example"

func workflowID(repository, ref string) inventory.SignerID {
	return inventory.KeylessID(gitIssuer, "https://git.example/"+repository+"/.github/workflows/release.yml@refs/"+ref)
}

// by is a finding of an image signed by somebody at a time, which a log vouches
// for unless it is nil.
func by(n int, id inventory.SignerID, at *time.Time, tags ...string) inventory.ImageFinding {
	f := signed(n, inventory.Unapproved, []int{0}, tags...)
	s := &f.Evidence.Signatures[0]
	s.Signer = &inventory.Signer{ID: id, Kind: id.Kind(), Name: string(id)}
	s.Format, s.SignedAt = inventory.FormatBundle, at
	if at != nil {
		s.SignedAtSource = inventory.SignedAtTlog
	}
	return f
}

type signedRow struct {
	family           string
	images, formats  int64
	since, notBefore int64
}

func (w *world) signedIn(registry, repository string, id inventory.SignerID) (r signedRow) {
	w.Helper()
	err := database.Row(w.Context(), w.db.sql.Reader, `
		select s.family, s.images, s.formats, s.since, s.not_before
		from signer_repositories s
		join repositories r on r.id = s.repository_id
		where r.full_name = $1 and s.signer_id = $2`, []any{registry + "/" + repository, id}, &r.family, &r.images, &r.formats, &r.since, &r.notBefore)
	if err != sql.ErrNoRows {
		w.must(err)
	}
	return r
}

func TestRecordImages_rememberSinceWhenSomebodySignsWhere(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		begin := w.now
		march := begin.Add(-300 * day)
		first, logged, later := keyID(1), workflowID("org/api", "tags/v1"), keyID(2)
		w.look("local", "pay/api", by(1, first, nil, "v1"), by(2, logged, &march, "v2"))
		check := func(when string, id inventory.SignerID, want signedRow) {
			t.Helper()
			if want.family == "" {
				want.family = id.Family()
			}
			if is := w.signedIn("local", "pay/api", id); is != want {
				t.Errorf("%s: %s has %+v, want %+v", when, id, is, want)
			}
		}
		const bundle = 2
		// What the first look finds may have been there all along, unless a log says when.
		check("first look", first, signedRow{"", 1, bundle, ms(begin), 0})
		check("first look", logged, signedRow{inventory.KeylessID(gitIssuer, "https://git.example/org/api/.github/workflows/release.yml").Family(), 1, bundle, ms(march), ms(march)})

		w.after(day)
		appeared := w.now
		w.look("local", "pay/api", by(1, first, nil, "v1"), by(2, logged, &march, "v2"), by(3, later, nil, "v3"), by(4, later, nil, "v4"))
		check("second look", first, signedRow{"", 1, bundle, ms(begin), 0})
		check("second look", later, signedRow{"", 2, bundle, ms(appeared), ms(appeared)})

		// An older signature with the log's word moves it back; a look that finds it
		// again moves nothing.
		w.after(day)
		april := march.Add(30 * day)
		w.look("local", "pay/api", by(1, first, nil, "v1"), by(2, logged, &april, "v2"), by(3, later, nil, "v3"), by(5, later, &april, "v5"))
		check("third look", later, signedRow{"", 2, bundle, ms(april), ms(april)})
		check("third look", logged, signedRow{logged.Family(), 1, bundle, ms(march), ms(march)})

		// The signer who has left is still known to have been there; and with the
		// repository goes what is known of it.
		w.after(day)
		w.look("local", "pay/api", by(3, later, nil, "v3"))
		check("fourth look", first, signedRow{"", 0, bundle, ms(begin), 0})
		w.noDrift()
		w.list("local")
		w.after(100 * day)
		w.prune(inventory.Retention{Gone: day})
		if n := w.rows("signer_repositories"); n != 0 {
			t.Errorf("%d rows are left of a repository that is gone", n)
		}
		w.noDrift()
	})
}

// What a claimed time says moves nothing: the signer alone says it.
func TestRecordImages_believeNoClaimOfSigningEarlier(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", unsigned(1, "v1"))
		w.after(day)
		long := w.now.Add(-1000 * day)
		f := by(2, keyID(3), &long, "v2")
		f.Evidence.Signatures[0].SignedAtSource = inventory.SignedAtClaimed
		w.look("local", "pay/api", unsigned(1, "v1"), f)
		if is := w.signedIn("local", "pay/api", keyID(3)); is.since != ms(w.now) || is.notBefore != ms(w.now) {
			t.Errorf("it signs since %+v", is)
		}
	})
}

// A signature that a key makes verifiable which was registered later was there
// before: since its image was, at the earliest.
func TestRecordReverified_knowsThatSignaturesWereThereBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		unknown := func(n int, tag string) inventory.ImageFinding {
			f := by(n, keyID(3), nil, tag)
			f.Verdict, f.Evidence.Signatures[0].Outcome = verdict(inventory.Unverifiable), inventory.OutcomeUnverifiable
			return f
		}
		w.look("local", "pay/api", unknown(1, "v1"))
		w.after(3 * day)
		came := w.now
		w.look("local", "pay/api", unknown(1, "v1"), unknown(2, "v2"))
		w.after(3 * day)
		recheck := func(n int) {
			stale, err := w.db.StaleMaterial(t.Context(), "local", 2, w.now, 10)
			w.must(err)
			for _, m := range stale {
				if i := w.image("local", "pay/api", digest(n)); i.ID == m.ImageID {
					f := by(n, keyID(3), nil)
					w.reverified(inventory.Reverified{Was: m, Evidence: f.Evidence, Verdict: f.Verdict, TrustRevision: 2})
				}
			}
		}
		recheck(2)
		if is := w.signedIn("local", "pay/api", keyID(3)); is.images != 1 || is.since != ms(w.now) || is.notBefore != ms(came) {
			t.Errorf("of an image that came later it is %+v", is)
		}
		recheck(1)
		if is := w.signedIn("local", "pay/api", keyID(3)); is.images != 2 || is.since != ms(w.now) || is.notBefore != 0 {
			t.Errorf("of an image that was there from the beginning it is %+v", is)
		}
	})
}

func TestOpen_findsOutWhoSignedWhere(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const image = "insert into images (id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed, status, reason, message) values "
		row := func(id int, firstSeen int64, listed bool) string {
			return fmt.Sprintf("%s(%d, 1, 1, '%s', 'image', 'm', 1, %d, 2000, %v, 'unapproved', 'signer_not_approved', 'It is.')", image, id, digest(id), firstSeen, listed)
		}
		tag, second, key, subject := workflowID("org/api", "tags/v1"), workflowID("org/api", "tags/@org/x@v2"), keyID(1), inventory.X509ID(digest(9), "CN=a|b")
		late := 1000 + 3*day.Milliseconds()
		statements := []string{
			"insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at) values (1, 'local', 'http://local.test', 1, '[]', '[]', 0)",
			"insert into repositories (id, registry_id, name, full_name, gone, first_seen, last_seen, read_at, next_due_at) values (1, 1, 'app', 'local/app', false, 1000, 2000, 2000, 0)",
			row(1, 1000, true), row(2, 2000, false), row(3, late, true), row(4, late, true),
		}
		for _, s := range []inventory.SignerID{tag, second, key, subject} {
			statements = append(statements, fmt.Sprintf("insert into signers (id, kind, name, standing) values ('%s', '%s', 'x', 'pending')", s, s.Kind()))
		}
		for _, s := range []struct {
			image int
			by    inventory.SignerID
		}{{1, tag}, {2, tag}, {2, second}, {3, key}, {4, key}, {3, subject}} {
			statements = append(statements, fmt.Sprintf("insert into image_signers (image_id, signer_id, judged) values (%d, '%s', 0)", s.image, s.by))
		}
		for _, s := range []struct {
			image, position int
			format          inventory.Format
		}{{1, 0, inventory.FormatBundle}, {2, 0, inventory.FormatSimpleSigning}, {3, 0, inventory.FormatSimpleSigning}, {3, 1, inventory.FormatNotationJWS}, {4, 0, inventory.FormatDCT}} {
			statements = append(statements, fmt.Sprintf("insert into signatures (image_id, position, format, body) values (%d, %d, '%s', '{}')", s.image, s.position, s.format))
		}
		at(t, dsn, 8, statements...)
		w := &world{T: t, db: open(t, dsn), now: time.UnixMilli(late)}
		for id, want := range map[inventory.SignerID]signedRow{
			tag:     {tag.Family(), 1, 3, 1000, 0},
			second:  {tag.Family(), 0, 1, 2000, 0},
			key:     {string(key), 2, 16, late, late},
			subject: {string(subject), 1, 0, late, late}, // which of the image's two formats is its isn't known
		} {
			if is := w.signedIn("local", "app", id); is != want {
				t.Errorf("%s has %+v, want %+v", id, is, want)
			}
			authority, err := database.Value[string](t.Context(), w.db.sql.Reader, "select authority from signers where id = $1", id)
			if err != nil || authority != id.Authority() {
				t.Errorf("%s is vouched for by %q (%v)", id, authority, err)
			}
		}
	})
}
