package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

func TestSignedImages_sayWhatAVerdictDependsOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "pay/api", "old")
		soon, later := w.now.Add(time.Hour), w.now.Add(2*time.Hour)
		ends := func(f inventory.ImageFinding, at ...time.Time) inventory.ImageFinding {
			for i, t := range at {
				if !t.IsZero() {
					f.Evidence.Signatures[i].Expires = &inventory.Expiry{At: t, Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}
				}
			}
			return f
		}
		w.look("local", "app",
			signed(1, inventory.Unapproved, []int{7}, "v1"),
			ends(signed(2, inventory.Unapproved, []int{7, 8}, "v2"), soon),
			ends(signed(3, inventory.Unapproved, []int{7, 7}, "v3"), later, soon), // the last of them counts
			ends(signed(4, inventory.Unapproved, []int{7, 7}, "v4"), soon),        // the other holds for good
			signed(5, inventory.Unapproved, []int{8}, "v5"),
		)
		w.look("local", "pay/api", signed(6, inventory.Unapproved, []int{7}, "v1"))
		w.look("local", "old", signed(9, inventory.Unapproved, []int{7}, "gone"))
		w.look("local", "old", unsigned(10, "gone")) // no tag points at the signed one any more
		work := w.claim("local", "pay/api")
		w.must(w.db.RecordImages(t.Context(), work, w.judged(failed(6, "v1")), w.now))
		w.must(w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "q1", Digest: digest(1), Reason: "r", By: "Dana", At: w.now}, w.entry("image.quarantine")))
		w.must(w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "q2", Digest: digest(2), Reason: "r", By: "Dana", At: w.now, ExpiresAt: &soon}, w.entry("image.quarantine")))

		describe := func(list []inventory.SignedImage) (lines []string) {
			for _, i := range list {
				line := i.Repository
				if i.Held {
					line += " held"
				}
				if i.Failure != nil {
					line += " " + string(i.Failure.Reason)
				}
				if i.Partial {
					line += " partial"
				}
				for _, s := range i.Signatures {
					who := map[inventory.SignerID]string{keyID(7): "7", keyID(8): "8"}[s.Signer.ID]
					if s.Outcome != inventory.OutcomeVerified || !i.Checked {
						t.Errorf("%+v", i)
					}
					if s.Expires != nil {
						who += s.Expires.At.Format(" until 15:04")
					}
					line += ", " + who
				}
				lines = append(lines, line)
			}
			return lines
		}
		expect := func(at time.Time, want ...string) {
			t.Helper()
			var all []inventory.SignedImage
			for before := int64(0); ; {
				list, err := w.db.SignedImages(t.Context(), keyID(7), before, 2, at)
				w.must(err)
				if len(list) == 0 {
					break
				}
				if len(list) > 2 {
					t.Fatalf("%d at once", len(list))
				}
				before = list[len(list)-1].ImageID
				all = append(all, list...)
			}
			got := describe(all)
			// Two signers of one image come in the order of their ids.
			for i := range got {
				got[i] = sortedParts(got[i])
			}
			if !slices.Equal(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		}
		expect(w.now, "local/pay/api registry_unreachable", "local/app, 7", "local/app, 7 until 14:00", "local/app held, 7 until 13:00, 8", "local/app held, 7")
		// A quarantine that ran out holds nothing, whatever mark is left.
		expect(soon, "local/pay/api registry_unreachable", "local/app, 7", "local/app, 7 until 14:00", "local/app, 7 until 13:00, 8", "local/app held, 7")

		// Rows from before the ends were kept ask for the evidence.
		w.exec("update image_signers set holds_until = 0 where signer_id = $1", keyID(8))
		expect(w.now, "local/pay/api registry_unreachable", "local/app, 7", "local/app, 7 until 14:00", "local/app held partial", "local/app held, 7")

		if list, err := w.db.SignedImages(t.Context(), keyID(99), 0, 10, w.now); err != nil || len(list) != 0 {
			t.Errorf("nobody signed %v, %v", list, err)
		}
	})
}

// Who signed what in a database from before the ends were kept is still known.
func TestSignedImages_ofAnOlderDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		signature := jsonOf(signed(1, inventory.Unapproved, []int{7}).Evidence.Signatures[0])
		at(t, dsn, 8,
			"insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at) values (1, 'local', 'http://local.test', 1, '[]', '[]', 0)",
			"insert into repositories (id, registry_id, name, full_name, first_seen, last_seen, read_at, next_due_at) values (1, 1, 'app', 'local/app', 1000, 2000, 2000, 0)",
			"insert into images (id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed, status, reason, message, checked_at) values (5, 1, 1, '"+string(digest(1))+"', 'image', 'm', 1, 1000, 2000, true, 'unapproved', 'signer_not_approved', 'It is.', 2000)",
			"insert into tags (repository_id, name, image_id, digest, since) values (1, 'v1', 5, '"+string(digest(1))+"', 1000)",
			"insert into signers (id, kind, name, standing) values ('"+string(keyID(7))+"', 'key', 'key 7', 'pending')",
			"insert into image_signers (image_id, signer_id, judged) values (5, '"+string(keyID(7))+"', 3)",
			"insert into image_facets (image_id, kind, value, status) values (5, 'signer', '"+string(keyID(7))+"', 'unapproved')",
			"insert into signatures (image_id, position, format, body) values (5, 0, 'cosign-bundle', '"+signature+"')")
		db := open(t, dsn)
		list, err := db.SignedImages(t.Context(), keyID(7), 0, 10, noon)
		if err != nil || len(list) != 1 || !list[0].Partial || list[0].ImageID != 5 || list[0].Repository != "local/app" {
			t.Fatalf("%+v, %v", list, err)
		}
		evidence, err := db.Evidence(t.Context(), []int64{5})
		if err != nil || len(evidence) != 1 || len(evidence[0].Signatures) != 1 || evidence[0].Signatures[0].Signer.ID != keyID(7) {
			t.Errorf("%+v, %v", evidence, err)
		}
	})
}

func TestTeamsOf_areThoseOfTheRepositories(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "pay/api", "base")
		of := func(names ...string) []string {
			var ids []int64
			for _, n := range names {
				id, err := database.Value[int64](t.Context(), w.db.sql.Reader, "select id from repositories where name = $1", n)
				w.must(err)
				ids = append(ids, id)
			}
			teams, err := w.db.TeamsOf(t.Context(), ids)
			w.must(err)
			return teams
		}
		for want, got := range map[string][]string{"[]": of(), "[-]": of("app"), "[payments]": of("pay/api"), "[- payments platform]": of("app", "base", "pay/api")} {
			if fmt.Sprint(got) != want {
				t.Errorf("got %v, want %s", got, want)
			}
		}
	})
}

// sortedParts puts what stands after the first comma of a line in order.
func sortedParts(line string) string {
	head, rest, ok := strings.Cut(line, ", ")
	if !ok {
		return line
	}
	parts := strings.Split(rest, ", ")
	slices.Sort(parts)
	return head + ", " + strings.Join(parts, ", ")
}

func (w *world) exec(statement string, args ...any) {
	w.Helper()
	w.must(w.db.sql.Write(w.Context(), func(tx database.Querier) error {
		_, err := tx.ExecContext(w.Context(), statement, args...)
		return err
	}))
}
