package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
)

// claimed is a world in which each kind of thing was decided once, each with the
// entry that the door writes.
func claimed(t *testing.T, dsn string) sealed {
	s := newSealed(t, dsn)
	s.list("local", "app")
	s.look("local", "app", signed(1, inventory.Unapproved, []int{1}, "v1"), signed(2, inventory.Unapproved, []int{2}, "v2"))
	entry := func(action, object string, after any) inventory.AuditEntry {
		e := s.entry(action)
		e.Object, e.After = object, jsonOf(after)
		return e
	}
	decide := func(id string, key int, verb inventory.Verb, ended ...string) {
		t.Helper()
		signer, err := s.db.Signer(t.Context(), keyID(key), s.now)
		s.must(err)
		d := inventory.Decision{ID: id, Signer: signer.ID, Verb: verb, Repositories: []inventory.Glob{"local/**"}, Reason: "because\x00", State: inventory.StateActive,
			DecidedBy: []inventory.Decider{{Name: "Dana", Subject: "i|d", At: s.now}}, Revision: signer.Revision + 1}
		s.must(s.db.RecordDecision(t.Context(), d, signer.Revision, ended, entry("signer."+string(verb), string(signer.ID), d)))
		s.after(time.Minute)
	}
	decide("approve-1", 1, inventory.Approve)            // 0
	decide("approve-2", 2, inventory.Approve)            // 1
	decide("revoke-2", 2, inventory.Revoke, "approve-2") // 2
	until := s.now.Add(24 * time.Hour)
	q := inventory.Quarantine{ID: "held", Digest: digest(1), Reason: "bad", By: "Dana", At: s.now, ExpiresAt: &until}
	s.must(s.db.RecordQuarantine(t.Context(), q, entry("image.quarantine", string(q.Digest), q))) // 3
	token := inventory.Token{ID: "tok", Name: "pipeline", Role: inventory.Viewer, Subject: "token|tok", CreatedAt: s.now, CreatedBy: "Dana"}
	s.must(s.db.RecordToken(t.Context(), token, "hash", entry("token.create", token.Name, map[string]any{ // 4
		"id": token.ID, "role": "viewer", "created_by": "Dana", "created_at": token.CreatedAt, "expires_at": nil, "revoked_by": "", "revoked_at": nil, "secret": inventory.DigestOf([]byte("hash")),
	})))
	return s
}

// TestAuditClaims_whatIsInForceIsWhatTheLogSays edits what decides, and leaves the
// log alone: the entry that it contradicts is named.
func TestAuditClaims_whatIsInForceIsWhatTheLogSays(t *testing.T) {
	for name, test := range map[string]struct {
		statement string
		index     int64
		says      string
	}{
		"a wider scope":              {`update decisions set repositories = '["**"]' where id = 'approve-1'`, 0, "repositories"},
		"another reason":             {`update decisions set reason = 'as agreed' where id = 'approve-1'`, 0, "reason"},
		"another person":             {`update decisions set decided_by = '[]' where id = 'approve-1'`, 0, "decided_by"},
		"an end":                     {`update decisions set expires_at = 5 where id = 'approve-1'`, 0, "expires_at"},
		"another signer":             {`update decisions set signer_id = '` + string(keyID(2)) + `', revision = 9 where id = 'approve-1'`, 0, ""},
		"an identity":                {`update decisions set identities = '**' where id = 'approve-1'`, 0, "identities"},
		"a revocation undone":        {`update decisions set state = 'active' where id = 'approve-2'`, 1, "back into force"},
		"a revocation made approval": {`update decisions set verb = 'approve' where id = 'revoke-2'`, 2, "decision"},
		"an approval from nowhere":   {`insert into decisions (id, signer_id, verb, repositories, reason, state, decided_by, revision) select 'x', signer_id, verb, repositories, reason, state, decided_by, 7 from decisions where id = 'approve-1'`, 5, "no entry of the log made it"},
		"a decision deleted":         {`delete from decisions where id = 'revoke-2'`, 2, "isn't in the database any more"},
		"a quarantine released":      {`update quarantines set released_at = 5, released_by = 'x' where id = 'held'`, 3, "released"},
		"a quarantine cut short":     {`update quarantines set expires_at = 5 where id = 'held'`, 3, "expires_at"},
		"a quarantine moved":         {`update quarantines set digest = '` + string(digest(9)) + `' where id = 'held'`, 3, "digest"},
		"a quarantine deleted":       {`delete from quarantines`, 3, "isn't in the database any more"},
		"a token with a higher role": {`update tokens set role = 'admin'`, 4, "role"},
		"a token's other secret":     {`update tokens set hash = 'another'`, 4, "secret"},
		"a token from nowhere":       {`insert into tokens (id, hash, name, role, subject, created_at, created_by) values ('x', 'y', 'z', 'admin', 's', 1, 'Dana')`, 5, "no entry of the log made it"},
		"a key from nowhere":         {`update signers set registered_at = 5, public_key = 'k' where id = '` + string(keyID(1)) + `'`, 5, "no entry of the log made it"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			onBoth(t, func(t *testing.T, dsn string) {
				s := claimed(t, dsn)
				if err := s.db.AuditClaims(t.Context()); err != nil {
					t.Fatalf("before: %v", err)
				}
				s.byHand(test.statement)
				if _, err := s.check(); err != nil {
					t.Fatalf("the log itself: %v", err)
				}
				fault, ok := errors.AsType[*audit.Fault](s.db.AuditClaims(t.Context()))
				if !ok || fault.Index != test.index || !strings.Contains(fault.Message, test.says) {
					t.Errorf("got %+v, want entry %d and %q", fault, test.index, test.says)
				}
			})
		})
	}
}
