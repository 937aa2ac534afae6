package decision

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"signboard/inventory"
)

// maxReason bounds what a person may write as a reason, in bytes.
const maxReason = 2000

// Door is where decisions are made. Approvers is how many different reviewers
// an approval needs before it counts: 1 or 2.
type Door struct {
	Signers     Store
	Quarantines QuarantineStore
	Registries  RegistryStore
	Tokens      TokenStore
	Impact      ImpactStore
	// Try asks a registry what its credentials let us do, within a bounded time.
	Try       func(ctx context.Context, registry string) ([]inventory.Step, error)
	Approvers int
	Clock     func() time.Time // nil: time.Now
	// Decided is called after each decision that verdicts may follow from; nil
	// is fine. It must not block.
	Decided func()
}

func (d Door) now() time.Time {
	if d.Clock != nil {
		return d.Clock().UTC().Truncate(time.Millisecond)
	}
	return time.Now().UTC().Truncate(time.Millisecond)
}

func (d Door) decided() {
	if d.Decided != nil {
		d.Decided()
	}
}

// entry is the audit entry of something an actor does now.
func entry(actor inventory.Actor, now time.Time, action, object, reason string, before, after any) inventory.AuditEntry {
	return inventory.AuditEntry{
		At: now, Actor: actor, Action: action, Object: object, Reason: reason,
		Before: text(before), After: text(after), Address: actor.Address,
	}
}

func text(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("decision: a record can't be written as JSON: " + err.Error())
	}
	return string(b)
}

// require is actor.Require, with the refusal written to the audit log. The
// refusal stands even when it can't be written down.
func require(ctx context.Context, record func(context.Context, inventory.AuditEntry) error, actor inventory.Actor, p inventory.Permission, now time.Time, object string) error {
	refusal := actor.Require(p)
	if refusal == nil {
		return nil
	}
	if err := record(ctx, entry(actor, now, "access.refused", object, string(p), nil, nil)); err != nil {
		return err
	}
	return refusal
}

// reason checks what a person wrote as a reason.
func reason(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", inventory.Errorf(inventory.Invalid, "Say why: a decision without a reason can't be understood a year later.")
	case len(s) > maxReason:
		return "", inventory.Errorf(inventory.Invalid, "The reason is longer than %d characters.", maxReason)
	}
	return s, nil
}

// expiry checks an optional end.
func expiry(t *time.Time, now time.Time) (*time.Time, error) {
	if t == nil {
		return nil, nil
	}
	if !t.After(now) {
		return nil, inventory.Errorf(inventory.Invalid, "The expiry has to lie in the future.")
	}
	if t.Year() > 9999 { // RFC 3339 ends there, and so does JSON
		return nil, inventory.Errorf(inventory.Invalid, "The expiry lies too far in the future; leave it out for no end.")
	}
	utc := t.UTC().Truncate(time.Millisecond)
	return &utc, nil
}

func newID() string { return strings.ToLower(rand.Text()) }
