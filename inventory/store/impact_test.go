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
		w.list("local", "app", "pay/api", "base", "pay/shared")
		of := func(names ...string) []string {
			var ids []int64
			for _, n := range names {
				id, err := database.Value[int64](t.Context(), w.db.sql.Reader, "select id from repositories where name = $1", n)
				w.must(err)
				ids = append(ids, id)
			}
			owners, err := w.db.TeamsOf(t.Context(), ids)
			w.must(err)
			var teams []string
			for _, id := range ids {
				teams = append(teams, strings.Join(owners[id], "+"))
			}
			return teams
		}
		for want, got := range map[string][]string{"[]": of(), "[-]": of("app"), "[payments]": of("pay/api"), "[- platform payments]": of("app", "base", "pay/api"), "[payments+platform]": of("pay/shared")} {
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

// Whatever changes what an image adds to an impact moves the footing of its
// signers on, and nothing else does: settling statuses after a decision, or
// looking again and finding the same.
func TestFooting_movesWithWhatAnImpactRestsOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "pay/api")
		both := []inventory.SignerID{keyID(7), keyID(8)}
		last := map[inventory.SignerID]inventory.Footing{}
		moved := func(what string, want ...inventory.SignerID) {
			t.Helper()
			for _, id := range both {
				is, err := w.db.Footing(t.Context(), []inventory.SignerID{id}, w.now)
				w.must(err)
				if got := is.Images != last[id].Images; got != slices.Contains(want, id) {
					t.Errorf("%s: of %s it moved %v", what, id, got)
				}
				last[id] = is
			}
			sum, err := w.db.Footing(t.Context(), both, w.now)
			if err != nil || sum.Images != last[both[0]].Images+last[both[1]].Images {
				t.Errorf("of both it is %+v, %v", sum, err)
			}
		}
		one := func(status inventory.Status, by ...int) inventory.ImageFinding {
			w.after(time.Minute)
			return signed(1, status, by, "v1")
		}
		w.look("local", "app", one(inventory.Unapproved, 7))
		moved("a new image", keyID(7))
		same := one(inventory.Unapproved, 7)
		same.Unchanged, same.Evidence = true, inventory.Evidence{}
		w.look("local", "app", same)
		moved("the same again")
		w.look("local", "app", one(inventory.Unapproved, 7, 8))
		moved("another signature", both...)
		w.look("local", "app", one(inventory.Unapproved, 7, 8), unsigned(2, "v2"))
		moved("a look that was made anew", both...)
		w.look("local", "app", same, unsigned(3, "v3"))
		moved("an unsigned image beside it")

		w.decide(7, inventory.Approve, nil)
		before := last[keyID(7)].Decisions
		moved("a decision")
		if last[keyID(7)].Decisions == before {
			t.Error("a decision doesn't move the revision of decisions")
		}
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		verdicts := map[int64]inventory.Verdict{}
		for _, id := range ids {
			verdicts[id] = verdict(inventory.Trusted)
		}
		w.must(w.db.RecordVerdicts(t.Context(), verdicts, last[keyID(7)].Decisions, w.now))
		if w.image("local", "app", digest(1)).Status != inventory.Trusted {
			t.Fatal("nothing was settled")
		}
		moved("settling statuses")

		soon := w.now.Add(time.Hour)
		q := inventory.Quarantine{ID: "q1", Digest: digest(1), Reason: "r", By: "Dana", At: w.now, ExpiresAt: &soon}
		w.must(w.db.RecordQuarantine(t.Context(), q, w.entry("image.quarantine")))
		moved("a quarantine", both...)
		if until := last[keyID(7)].Until; until == nil || !until.Equal(soon) {
			t.Errorf("it holds until %v", until)
		}
		q.ReleasedAt = &w.now
		w.must(w.db.RecordRelease(t.Context(), q, w.entry("image.release")))
		moved("a release", both...)
		if until := last[keyID(7)].Until; until != nil {
			t.Errorf("it holds until %v", until)
		}

		w.teams[0].Repositories = append(w.teams[0].Repositories, "local/app")
		w.configure()
		moved("another owner", both...)
		work := w.claim("local", "app")
		w.must(w.db.RecordImages(t.Context(), work, w.judged(failed(1, "v1")), w.now))
		moved("a failure", both...)
		w.must(w.db.RecordImages(t.Context(), work, w.judged(failed(1, "v1")), w.now))
		moved("the same failure")
		w.after(2 * time.Minute) // the claim is over
		w.look("local", "app", unsigned(4, "v1"))
		moved("no tag any more", both...)
		w.look("local", "pay/api", signed(5, inventory.Unapproved, []int{8}, "v1"))
		moved("an image elsewhere", keyID(8))
		w.noDrift()
	})
}

// A preview of before this was kept, by a program of before, isn't held against
// anybody: everything begins at nought.
func TestFooting_ofAnOlderDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		at(t, dsn, 8, "insert into signers (id, kind, name, standing) values ('"+string(keyID(7))+"', 'key', 'key 7', 'pending')")
		f, err := open(t, dsn).Footing(t.Context(), []inventory.SignerID{keyID(7), keyID(99)}, noon)
		if err != nil || f.Images != 0 || f.Until != nil {
			t.Errorf("%+v, %v", f, err)
		}
	})
}
