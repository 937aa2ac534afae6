package inventory

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// AuditEntry records one thing that somebody did or was refused. Entries are
// only ever added, each in the transaction of what it records.
type AuditEntry struct {
	Index   int64     `json:"index"` // from 0, without gaps
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Action  string    `json:"action"` // one of AuditActions
	Object  string    `json:"object"`
	Reason  string    `json:"reason"`
	Before  string    `json:"before"` // JSON, or empty
	After   string    `json:"after"`  // JSON, or empty
	Address string    `json:"address"`
}

// AuditActions are all actions that entries are written with, each FAMILY.VERB.
// What one of them means is in docs/audit.md, and in the views' words.
var AuditActions = []string{
	"signer.propose", "signer.approve", "signer.reject", "signer.revoke", "signer.rotate", "signer.decline", "signer.withdraw", "key.register",
	"image.quarantine", "image.quarantine_end", "image.release",
	"access.refused",
	"session.start", "session.end", "session.revoke",
	"token.create", "token.revoke",
	"registry.sync", "registry.cancel", "registry.fail", "registry.recover", "registry.add", "registry.change", "registry.remove",
	"signature.vanish",
	"team.add", "team.change", "team.remove",
	"trust.add", "trust.change", "trust.remove", "trust.update",
	"config.change",
	"clock.rewind",
}

// AuditFamily is what an action is filed under: what stands before its dot.
func AuditFamily(action string) string {
	family, _, _ := strings.Cut(action, ".")
	return family
}

// AuditFamilies are the families of all actions, in their order.
func AuditFamilies() []string {
	var list []string
	for _, action := range AuditActions {
		if family := AuditFamily(action); !slices.Contains(list, family) {
			list = append(list, family)
		}
	}
	return list
}

// Who is what an actor's entries are filed under: the name in small letters, or
// the kind of those who have none.
func (a Actor) Who() string {
	if a.Name == "" {
		return string(a.Kind) + "?"
	}
	return strings.ToLower(a.Name)
}

// AuditFilter narrows the audit log; the zero value is all of it.
type AuditFilter struct {
	Who    string // a name, whether large or small letters
	Action string // one of AuditActions, or of AuditFamilies
	Object string
	From   *time.Time // not before
	To     *time.Time // before
}

// Empty reports whether the filter is that of everything.
func (f AuditFilter) Empty() bool { return f == AuditFilter{} }

// Holds reports whether an entry passes the filter.
func (f AuditFilter) Holds(e AuditEntry) bool {
	return (f.Who == "" || e.Actor.Who() == strings.ToLower(f.Who)) &&
		(f.Action == "" || f.Action == e.Action || f.Action == AuditFamily(e.Action)) &&
		(f.Object == "" || f.Object == e.Object) &&
		(f.From == nil || !e.At.Before(*f.From)) && (f.To == nil || e.At.Before(*f.To))
}

// AuditFilterNames are the names that ParseAuditFilter reads.
var AuditFilterNames = []string{"who", "action", "object", "from", "to"}

// maxAuditWord is more than a name or an id has, in bytes.
const maxAuditWord = 4000

// ParseAuditFilter reads the filter of the audit log from a query, as
// ParseImageFilter does. from and to are days in UTC, of which to is the last
// one, or moments (RFC 3339), of which to is not one any more.
func ParseAuditFilter(query url.Values) (AuditFilter, error) {
	f := AuditFilter{Who: strings.TrimSpace(query.Get("who")), Action: query.Get("action"), Object: strings.TrimSpace(query.Get("object"))}
	if len(f.Who) > maxAuditWord || len(f.Object) > maxAuditWord {
		return f, Errorf(Invalid, "Nothing in the audit log has a name that long.")
	}
	if f.Action != "" && !slices.Contains(AuditActions, f.Action) && !slices.Contains(AuditFamilies(), f.Action) {
		return f, Errorf(Invalid, "%q is not an action of the audit log: use one as signer.approve, or all of a kind as signer.", Visible(clip(f.Action, 80)))
	}
	var err error
	if f.From, err = auditMoment(query.Get("from"), 0); err != nil {
		return f, err
	}
	if f.To, err = auditMoment(query.Get("to"), 1); err != nil {
		return f, err
	}
	if f.From != nil && f.To != nil && !f.From.Before(*f.To) {
		return f, Errorf(Invalid, "The first day comes after the last one.")
	}
	return f, nil
}

// auditMoment reads a day or a moment; days are added to a day.
func auditMoment(text string, days int) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
	if err == nil {
		t = t.AddDate(0, 0, days)
	} else if t, err = time.Parse(time.RFC3339, text); err != nil {
		return nil, Errorf(Invalid, "%q is not a day: write it as 2026-12-31.", Visible(clip(text, 80)))
	}
	t = t.UTC()
	return &t, nil
}

// AuditList is a page of the audit log.
type AuditList struct {
	Entries []AuditEntry // newest first
	Next    string       // cursor of the next page, empty on the last
	// Reached is how far back was looked, when a page ends before it is full: many
	// entries had to be passed over. Nil when that isn't so.
	Reached *time.Time
}

// AuditCheck is what the last check of the whole log came to.
type AuditCheck struct {
	At      time.Time // when it ended
	Took    time.Duration
	Size    int64  // entries that were found whole
	Bad     *int64 // the first entry that isn't what was written; nil: there is none
	Message string // what is wrong with it, or why the log could not be checked; empty: it is whole
}

// Whole reports whether the log was whole.
func (c AuditCheck) Whole() bool { return c.Bad == nil && c.Message == "" }

// AuditPublication is how one of the places where checkpoints are published
// stands.
type AuditPublication struct {
	Where   string // for a person: a file's name, an address without secrets
	Size    int64  // of the checkpoint that is there
	At      *time.Time
	Problem string     // why the latest isn't there; empty: it is
	Since   *time.Time // since when there is a problem
}

// AuditState is what a server knows of its audit log without reading it.
type AuditState struct {
	Key       string      // the public key that signs it
	Check     *AuditCheck // nil: the first check hasn't ended yet
	Published []AuditPublication
}
