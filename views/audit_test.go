package views

import (
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// auditSamples are the pages of the audit log.
func auditSamples() []sample {
	approved := key(1, "release key", inventory.Approved)
	full := AuditPage{Frame: frame("Audit", "/audit"), Size: 12345, SignedAt: *ago(27 * time.Minute), Cursor: "b"}
	full.Checkpoint = "signboard.example\n12345\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— signboard.example sEsMlY0dIcSgzJmPNYxA1J8g4gR0t9qbZBDoT6NwuEoyoZ6wVgqg\n"
	full.State = inventory.AuditState{Key: "signboard.example+b04b0c95+AQSPcSCfnPWbtjUPdTCdy2xzK7EzkxRHBOtgzbVVHbi6", Check: &inventory.AuditCheck{At: *ago(2 * time.Minute), Size: 12345},
		Published: []inventory.AuditPublication{{Where: "checkpoint.txt", Size: 12345, At: ago(2 * time.Minute)}, {Where: "https://witness.example/checkpoints"}}}
	full.List.Next = "c"
	for i, action := range append(slices.Clone(inventory.AuditActions), "made.up_thing") {
		e := inventory.AuditEntry{Index: int64(12344 - i), At: *ago(time.Duration(i) * time.Hour), Actor: reviewer, Action: action, Object: string(approved.ID), Reason: "Compared by telephone.", Address: "127.0.0.1"}
		switch i % 3 {
		case 1:
			e.Object, e.Actor = string(digest(1)), inventory.Actor{Kind: inventory.SystemActor, Name: "signboard"}
		case 2:
			e.Object, e.Reason, e.Actor = markup+bidi, huge, inventory.Actor{Kind: inventory.UserActor, Name: markup}
		}
		full.List.Entries = append(full.List.Entries, e)
	}
	nothing := AuditPage{Frame: frame("Audit", "/audit?who=x"), Size: 12345, Filter: inventory.AuditFilter{Who: markup, Action: "signer", Object: bidi, From: ago(30 * 24 * time.Hour)}, State: full.State}
	far := nothing
	far.List = inventory.AuditList{Next: "c", Reached: ago(90 * 24 * time.Hour)}
	edited := full
	bad := int64(12340)
	edited.State = inventory.AuditState{Key: full.State.Key, Check: &inventory.AuditCheck{At: *ago(time.Minute), Size: 12340, Bad: &bad, Message: "Entry 12340 was changed: it isn't what was written."},
		Published: []inventory.AuditPublication{{Where: "https://witness.example/checkpoints", Problem: "It answers with status 503.", Since: ago(3 * time.Hour)}}}
	unread := full
	unread.State.Check = &inventory.AuditCheck{At: *ago(time.Minute), Message: "The log could not be read: the database doesn't answer."}

	entry := AuditEntryPage{Frame: frame("Audit entry 42", "/audit/42"), Size: 12345, Path: 14, Before: new(int64(40)), After: new(int64(44)), Entry: full.List.Entries[1]}
	entry.Entry.Object, entry.Entry.Actor = string(approved.ID), reviewer
	entry.Entry.Before = `{"standing":"pending","revision":3,"repositories":["local/team-a/**"],"expires_at":null}`
	entry.Entry.After = `{"standing":"approved","revision":4,"repositories":["local/team-a/**","local/team-b/**"],"expires_at":"2027-01-01T00:00:00Z","decided_by":[{"name":"Sam","at":"2026-03-18T14:00:00Z"}]}`
	nasty := AuditEntryPage{Frame: frame("Audit entry 1", "/audit/1"), Size: 1, Unproved: "Entry 1 can't be proved: the audit log isn't what Signboard wrote.",
		Entry: inventory.AuditEntry{Index: 1, At: now, Action: "made.up_thing", Object: markup + bidi + huge, Reason: huge, Before: markup, After: `{"a":` + `"` + bidi + `"}`, Address: markup}}
	made := entry
	made.Before, made.After, made.Entry.Before = nil, nil, ""
	return []sample{{"audit", full}, {"audit-none", AuditPage{Frame: frame("Audit", "/audit")}}, {"audit-nothing", nothing}, {"audit-far", far}, {"audit-edited", edited}, {"audit-unread", unread},
		{"audit-entry", entry}, {"audit-entry-nasty", nasty}, {"audit-entry-made", made}}
}

func TestActions_haveWordsForPeople(t *testing.T) {
	for _, action := range inventory.AuditActions {
		if actionWords[action] == "" {
			t.Errorf("there are no words for %s", action)
		}
		if familyWords[inventory.AuditFamily(action)] == "" {
			t.Errorf("there are no words for the family of %s", action)
		}
	}
	for action := range actionWords {
		if !slices.Contains(inventory.AuditActions, action) {
			t.Errorf("%s has words, and is no action", action)
		}
	}
}

func TestAuditRows_showWhatChanged(t *testing.T) {
	rows, ok := auditRows(`{"state":"active","repositories":["a","b"],"gone":1}`, `{"state":"revoked","repositories":["a","b"],"decided_by":[{"name":"Sam","at":"2026-03-18T14:00:00Z"}],"expires_at":null,"empty":[]}`)
	if !ok {
		t.Fatal("not understood")
	}
	var got []string
	for _, r := range rows {
		line := r.Name + ": " + strings.Join(r.Before, "/") + " > " + strings.Join(r.After, "/")
		if r.Changed {
			line += " !"
		}
		got = append(got, line)
	}
	want := []string{"State: active > revoked !", "Repositories: a/b > a/b", "Decided by:  > At: 2026-03-18 14:00:00 UTC · Name: Sam", "Expires at:  > nothing", "Empty:  > none", "Gone: 1 > "}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, odd := range []string{"nonsense", "[1]", `{"a":1`, `{"a":1,"a":2}`, `{"a":1} {}`, "null"} {
		if _, ok := auditRows(odd, ""); ok {
			t.Errorf("%s passes for an object", odd)
		}
	}
}

func TestAuditURL_isReadBack(t *testing.T) {
	from, to := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)
	if got := AuditURL(inventory.AuditFilter{Who: "Dana & Co", Action: "signer", Object: "a/b:c", From: &from, To: &to}, "5.6"); got != "/audit?action=signer&cursor=5.6&from=2026-03-01&object=a%2Fb%3Ac&to=2026-03-18T14%3A30%3A00Z&who=Dana+%26+Co" {
		t.Errorf("got %s", got)
	}
	if got := AuditURL(inventory.AuditFilter{To: &from}, ""); got != "/audit?to=2026-02-28" {
		t.Errorf("got %s", got)
	}
}
