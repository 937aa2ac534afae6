package api

import (
	"cmp"
	"context"
	"strings"
	"time"

	"signboard/inventory"
)

// History is what an image was at a moment, and a page of the changes of its
// verdict.
type History struct {
	At         time.Time               `json:"at" doc:"The moment that was asked about, now when none was."`
	Known      inventory.PastKnowledge `json:"known" doc:"known; unseen: the image was first seen later; unchecked: nobody had looked at its signatures; forgotten: what it was isn't kept any more. In all but the first the status is unknown." enum:"known,unseen,unchecked,forgotten"`
	FirstSeen  time.Time               `json:"first_seen"`
	KeptFrom   *time.Time              `json:"kept_from" doc:"When it is forgotten: from when on it can be told."`
	Status     inventory.Status        `json:"status"`
	Reason     inventory.Reason        `json:"reason"`
	Message    string                  `json:"message" doc:"As it was said then."`
	Since      *time.Time              `json:"since" doc:"When the status became this one, null when that isn't kept."`
	Until      *time.Time              `json:"until" doc:"When it became another one, null when it hasn't."`
	LastGood   *LastGood               `json:"last_good" doc:"What was shown beside unknown then."`
	Signature  *PastSignature          `json:"signature" doc:"What the verdict rested on; null when no signature decided, or when that wasn't kept yet."`
	Signer     *PastSigner             `json:"signer"`
	Decision   *Decision               `json:"decision" doc:"The decision about the signer that counted, in the state it has now."`
	Scope      string                  `json:"scope" doc:"Which of the decision's patterns covers the repository; empty where none does."`
	AuditIndex *int64                  `json:"audit_index" doc:"The entry of the decision in the audit log."`
	Revision   *int64                  `json:"revision" doc:"The revision of all decisions that it was judged at; null when that wasn't kept yet."`
	Quarantine *Quarantine             `json:"quarantine" doc:"What held it then, the latest where several did."`
	Tags       []string                `json:"tags" doc:"Tags that pointed at it then."`
	Gap        *Gap                    `json:"gap" doc:"Set when nobody looked at the repository for longer than a sync should take, at that time: the verdict is from before."`
	GoneSince  *time.Time              `json:"gone_since" doc:"Set when no tag had pointed at the image since then, so that nobody looked at it."`
	Changes    []VerdictChange         `json:"changes" doc:"Of the verdict, the newest first, whatever the moment; never null."`
	NextCursor *string                 `json:"next_cursor" doc:"What the next page of the changes' cursor is, null on the last page."`
}

// PastSignature is what history keeps of a signature.
type PastSignature struct {
	Format   inventory.Format `json:"format"`
	Manifest inventory.Digest `json:"manifest"`
	Index    int              `json:"index" doc:"Its place in the manifest."`
	Mark     string           `json:"mark" doc:"The digest of the signature's own bytes, where it is known."`
	Root     string           `json:"root" doc:"The root of trust that vouched for the signer, by its configured name."`
}

// PastSigner is a signer as history names it.
type PastSigner struct {
	ID   inventory.SignerID `json:"id"`
	Name string             `json:"name"`
}

// Gap is a time in which nobody looked.
type Gap struct {
	From time.Time  `json:"from"`
	To   *time.Time `json:"to" doc:"Null when nobody has looked since."`
}

// VerdictChange is a change of an image's verdict: another status, or the same
// for another reason or on other grounds.
type VerdictChange struct {
	At        time.Time           `json:"at"`
	From      inventory.Status    `json:"from"`
	To        inventory.Status    `json:"to"`
	Reason    inventory.Reason    `json:"reason"`
	Message   string              `json:"message"`
	Cause     inventory.CauseKind `json:"cause" doc:"Why it changed; empty in what is from before that was kept."`
	Signature *PastSignature      `json:"signature"`
	Signer    *PastSigner         `json:"signer"`
	Decision  string              `json:"decision" doc:"The id of the decision that it rested on, empty for none."`
	Revision  *int64              `json:"revision" doc:"As in the history."`
}

func (s *surface) showHistory(ctx context.Context, in *struct {
	Digest     string `path:"digest" maxLength:"200" doc:"The digest of its manifest." example:"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`
	Repository string `query:"repository" maxLength:"1000" doc:"The repository it is in, as registry/repository. It can be left out where only one has the image." example:"local/team-a/api"`
	At         string `query:"at" maxLength:"40" doc:"A date, which means the end of that day (UTC), or a moment as RFC 3339 has it; not in the future. Now when it is left out." example:"2026-10-01"`
	Paging
}) (*answer[History], error) {
	digest, err := inventory.ParseDigest(in.Digest)
	if err != nil {
		return nil, err
	}
	now := s.Clock().UTC()
	at := now
	if in.At != "" {
		if at, err = inventory.ParsePast(in.At, now); err != nil {
			return nil, err
		}
	}
	full := in.Repository
	if full == "" {
		if full, err = s.onlyOne(ctx, digest); err != nil {
			return nil, err
		}
	}
	registry, repository, ok := strings.Cut(full, "/")
	if !ok {
		return nil, inventory.Errorf(inventory.Invalid, "%q is not a repository: write registry/repository.", inventory.Visible(clip(full)))
	}
	page, err := in.page("history")
	if err != nil {
		return nil, err
	}
	past, err := s.Images.Past(ctx, registry, repository, digest, at, now)
	if err != nil {
		return nil, err
	}
	changes, next, err := s.Images.VerdictChanges(ctx, registry, repository, digest, page)
	if err != nil {
		return nil, err
	}
	h := newHistory(past, now)
	paged := listed("history", changes, next, newVerdictChange)
	h.Changes, h.NextCursor = paged.Body.Items, paged.Body.NextCursor
	return &answer[History]{h}, nil
}

func newHistory(p inventory.Past, now time.Time) History {
	h := History{
		At: p.At.UTC(), Known: p.Known, FirstSeen: p.FirstSeen.UTC(), KeptFrom: utc(p.KeptFrom), Status: p.Status,
		Reason: inventory.ReasonNotChecked, Since: utc(p.Since), Until: utc(p.Until), Tags: list(p.Tags, same), GoneSince: utc(p.GoneSince),
	}
	if p.LastGood != nil {
		h.LastGood = &LastGood{Status: p.LastGood.Status, CheckedAt: p.LastGood.CheckedAt.UTC()}
	}
	if v := p.Verdict; v != nil {
		c := newVerdictChange(*v)
		h.Reason, h.Message, h.Signature, h.Signer, h.Revision = c.Reason, c.Message, c.Signature, c.Signer, c.Revision
	}
	if p.Approval != nil {
		d := NewDecision(p.Approval.Decision, now)
		h.Decision, h.Scope, h.AuditIndex = &d, string(p.Approval.Scope), p.Approval.AuditIndex
	}
	if len(p.Quarantines) > 0 {
		q := NewQuarantine(p.Quarantines[0])
		h.Quarantine = &q
	}
	if p.Gap != nil {
		h.Gap = &Gap{From: p.Gap.From.UTC(), To: utc(p.Gap.To)}
	}
	return h
}

func newVerdictChange(c inventory.VerdictChange) VerdictChange {
	made := VerdictChange{At: c.At.UTC(), From: cmp.Or(c.From, inventory.Unknown), To: c.To, Reason: c.Reason, Message: c.Message, Cause: c.Cause.Kind}
	g := c.Ground
	if g == nil {
		return made
	}
	made.Decision, made.Revision = g.Decision, &g.Decisions
	if t := g.Signature; t != nil {
		if t.Format != "" {
			made.Signature = &PastSignature{Format: t.Format, Manifest: t.Manifest, Index: t.Index, Mark: t.Mark, Root: g.Root}
		}
		if t.Signer != nil {
			made.Signer = &PastSigner{ID: t.Signer.ID, Name: t.Signer.Name}
		}
	}
	return made
}
