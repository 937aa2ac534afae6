package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	// maxEvents is how many signatures and attestations one look notes of an image
	// as appeared, and as vanished; the rest is a number.
	maxEvents = 20
	// maxNamed is how many of them, or of signers, the cause of a verdict names.
	maxNamed = 3
	// maxMissed is how many of them an incomplete look remembers that it missed.
	maxMissed = 200
)

const (
	eventAppeared = "appeared"
	eventVanished = "vanished"
)

// verdictChange is a row of verdict_history before it is written: why it came
// about may turn out after the verdict itself.
type verdictChange struct {
	image   *imageRow
	from    inventory.Status
	known   inventory.Status // from, or the last good status behind it
	verdict inventory.Verdict
	cause   inventory.Cause
	flagged bool
}

// saveHistory writes what happened, in as many statements as its rows need and
// none when nothing did.
func (c *changeSet) saveHistory(ctx context.Context) error {
	grounds, err := c.grounds(ctx)
	if err != nil {
		return err
	}
	rows := make([][]any, 0, len(c.history))
	for i, h := range c.history {
		kind, detail := h.cause.Kind, jsonOf(h.cause)
		if detail == "{}" {
			detail = ""
		}
		rows = append(rows, []any{
			c.d.ids.next(c.now), h.image.ID, ms(c.now), h.from, h.verdict.Status, h.verdict.Reason, h.verdict.Message, kind, detail, h.flagged, jsonOf(grounds[i])})
	}
	err = database.Insert(ctx, c.tx, "insert into verdict_history (id, image_id, at, from_status, to_status, reason, message, cause, detail, flagged, basis)", rows, "")
	if err != nil {
		return err
	}
	if err := database.Insert(ctx, c.tx, "insert into image_events (id, image_id, at, kind, n, body)", c.events, ""); err != nil {
		return err
	}
	vanished := map[int64][]inventory.Digest{}
	for _, h := range c.history {
		if h.flagged {
			vanished[h.image.RepositoryID] = append(vanished[h.image.RepositoryID], h.image.Digest)
		}
	}
	return c.d.signaturesVanished(ctx, c.tx, vanished, c.now)
}

// difference is what a look found on an image that wasn't there, and the other
// way round.
type difference struct{ appeared, vanished []inventory.Trace }

// compare finds what appeared and what vanished between the stored evidence and
// what looks found, and notes it. A first look has nothing to compare with, and
// where what is attached is the same, nothing is read. What a look that left a
// place unread didn't find again hasn't vanished: it is remembered as missed.
// It comes before the stored evidence is replaced.
func (c *changeSet) compare(ctx context.Context, found map[int64]*inventory.ImageFinding) (map[int64]difference, error) {
	var ids []int64
	was, unread := map[int64][]inventory.Trace{}, map[int64]bool{}
	for _, id := range c.order {
		f := found[id]
		before, ok := c.before[id]
		if f == nil || !ok || !before.lookedAt() {
			continue
		}
		same := f.Evidence.Fingerprint != "" && f.Evidence.Fingerprint == before.Fingerprint
		if same && before.Missed == "" {
			continue
		}
		ids = append(ids, id)
		unread[id] = f.Evidence.Incomplete != nil
		var missed []inventory.Trace
		if err := fromJSON(before.Missed, &missed); err != nil {
			return nil, err
		}
		was[id] = missed
	}
	if len(ids) == 0 {
		return nil, nil
	}
	err := eachSignature(ctx, c.tx, ids, func(id int64, s inventory.Signature) { was[id] = append(was[id], inventory.TraceOf(s)) })
	if err != nil {
		return nil, err
	}
	err = eachAttestation(ctx, c.tx, ids, func(id int64, a inventory.Attestation) {
		was[id] = append(was[id], inventory.TraceOfAttestation(a))
	})
	if err != nil {
		return nil, err
	}
	differ := map[int64]difference{}
	for _, id := range ids {
		r, f := c.rows[id], found[id]
		var d difference
		d.appeared, d.vanished = inventory.Compare(was[id], traces(f.Evidence))
		var missed []inventory.Trace
		d.vanished = slices.DeleteFunc(d.vanished, func(t inventory.Trace) bool {
			out := unread[id] || unreadable(f.Evidence.Signatures, t)
			if out {
				missed = append(missed, t)
			}
			return out
		})
		r.Missed = ""
		if len(missed) > 0 {
			r.Missed = jsonOf(missed[:min(len(missed), maxMissed)])
		}
		if len(d.appeared)+len(d.vanished) == 0 {
			continue
		}
		differ[id] = d
		c.note(id, eventAppeared, d.appeared)
		c.note(id, eventVanished, d.vanished)
	}
	return differ, nil
}

// lookedAt reports whether a look at the image ever succeeded.
func (r *imageRow) lookedAt() bool {
	return r.known() != inventory.Unknown || r.Fingerprint != "" || len(r.formats) > 0
}

// unreadable reports whether a signature may be in a manifest, or a place, that
// could not be read.
func unreadable(found []inventory.Signature, t inventory.Trace) bool {
	return slices.ContainsFunc(found, func(s inventory.Signature) bool {
		return s.Outcome == inventory.OutcomeError && (s.Manifest == "" || s.Manifest == t.Manifest)
	})
}

func traces(e inventory.Evidence) []inventory.Trace {
	list := make([]inventory.Trace, 0, len(e.Signatures)+len(e.Attestations))
	for _, s := range e.Signatures {
		list = append(list, inventory.TraceOf(s))
	}
	for _, a := range e.Attestations {
		list = append(list, inventory.TraceOfAttestation(a))
	}
	return list
}

// note writes events down, the first of them one by one.
func (c *changeSet) note(id int64, kind string, list []inventory.Trace) {
	for _, t := range list[:min(len(list), maxEvents)] {
		c.events = append(c.events, []any{c.d.ids.next(c.now), id, ms(c.now), kind, 1, jsonOf(t)})
	}
	if rest := len(list) - maxEvents; rest > 0 {
		c.events = append(c.events, []any{c.d.ids.next(c.now), id, ms(c.now), kind, rest, ""})
	}
}

// explainLooks says why looks changed verdicts; retagged are the images whose
// tags changed with them.
func (c *changeSet) explainLooks(ctx context.Context, found map[int64]*inventory.ImageFinding, differ map[int64]difference, retagged []int64) error {
	for _, h := range c.history {
		id := h.image.ID
		f := found[id]
		if f == nil {
			continue
		}
		before, stored := c.before[id]
		d, differs := differ[id]
		switch {
		case !stored || !before.lookedAt():
			h.cause = inventory.Cause{Kind: inventory.CauseFirstLook, Signatures: len(f.Evidence.Signatures), Attestations: len(f.Evidence.Attestations)}
		case differs:
			h.cause = d.cause(slices.Contains(retagged, id))
			weaker := h.verdict.Status != inventory.Trusted && h.verdict.Status != inventory.Unknown
			h.flagged = h.cause.Kind == inventory.CauseSignatures && h.known == inventory.Trusted && weaker && slices.ContainsFunc(d.vanished, func(t inventory.Trace) bool { return !t.Attestation() })
		default:
			h.cause = c.sameEvidence(h, before, f)
		}
	}
	return c.nameLost(ctx)
}

// cause is a difference as the cause of a verdict.
func (d difference) cause(retagged bool) inventory.Cause {
	cause := inventory.Cause{
		Kind:     inventory.CauseSignatures,
		Appeared: d.appeared[:min(len(d.appeared), maxNamed)], NAppeared: len(d.appeared),
		Vanished: d.vanished[:min(len(d.vanished), maxNamed)], NVanished: len(d.vanished),
	}
	elsewhere := func(t inventory.Trace) bool { return t.Format != inventory.FormatDCT }
	if retagged && !slices.ContainsFunc(d.appeared, elsewhere) && !slices.ContainsFunc(d.vanished, elsewhere) {
		cause.Kind = inventory.CauseTags
	}
	return cause
}

// sameEvidence is why a verdict changed though the same is attached as before.
func (c *changeSet) sameEvidence(h *verdictChange, before imageRow, f *inventory.ImageFinding) inventory.Cause {
	switch {
	case h.from == inventory.Unknown:
		return inventory.Cause{Kind: inventory.CauseRecovery}
	case ranOut(h.verdict.Reason):
		return inventory.Cause{Kind: inventory.CauseTime}
	case before.TrustRevision != h.image.TrustRevision:
		return trustCause(before, h.image, f.Evidence.Signatures)
	}
	return h.cause
}

// ranOut reports whether a reason is one that time alone brings about.
func ranOut(r inventory.Reason) bool {
	return r == inventory.ReasonApprovalExpired || r == inventory.ReasonSignatureExpired || r == inventory.ReasonCertificateExpired
}

// trustCause says whose signatures other keys and roots let be checked, or no
// longer do. nameLost gives the latter their names.
func trustCause(before imageRow, r *imageRow, signatures []inventory.Signature) inventory.Cause {
	cause := inventory.Cause{Kind: inventory.CauseTrust}
	for _, id := range r.signers {
		if slices.Contains(before.signers, id) || len(cause.Gained) == maxNamed {
			continue
		}
		name := string(id)
		for _, s := range signatures {
			if s.Signer != nil && s.Signer.ID == id {
				name = cmp.Or(s.Signer.Name, name)
			}
		}
		cause.Gained = append(cause.Gained, inventory.NamedSigner{ID: id, Name: name})
	}
	for _, id := range before.signers {
		if !slices.Contains(r.signers, id) && len(cause.Lost) < maxNamed {
			cause.Lost = append(cause.Lost, inventory.NamedSigner{ID: id, Name: string(id)})
		}
	}
	return cause
}

// nameLost gives signers that can't be checked any more the names they are
// known by.
func (c *changeSet) nameLost(ctx context.Context) error {
	var ids []inventory.SignerID
	for _, h := range c.history {
		for _, s := range h.cause.Lost {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	names := map[inventory.SignerID]string{}
	err := database.EachIn(ctx, c.tx, "select id, name from signers where id in %s", slices.Compact(ids), func(rows *sql.Rows) error {
		var id inventory.SignerID
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
	for _, h := range c.history {
		for i, s := range h.cause.Lost {
			h.cause.Lost[i].Name = cmp.Or(names[s.ID], s.Name)
		}
	}
	return err
}

// explainRechecks says why checking stored material again changed verdicts.
func (c *changeSet) explainRechecks(ctx context.Context, found map[int64]*inventory.ImageFinding) error {
	for _, h := range c.history {
		if f := found[h.image.ID]; f != nil && h.cause.Kind != inventory.CauseFailure {
			h.cause = c.sameEvidence(h, c.before[h.image.ID], f)
		}
	}
	return c.nameLost(ctx)
}

// decidedSigner is a signer about whom somebody decided since an image was
// judged.
type decidedSigner struct {
	inventory.NamedSigner
	revision int64 // of all decisions
}

// explainJudgements says why judging stored evidence again changed verdicts:
// decided are the signers of images about whom somebody decided.
func (c *changeSet) explainJudgements(ctx context.Context, decided map[int64]decidedSigner) error {
	var signers []inventory.SignerID
	for _, h := range c.history {
		switch s, ok := decided[h.image.ID]; {
		case h.from == inventory.Unknown:
			h.cause = inventory.Cause{Kind: inventory.CauseRecovery}
		case ok:
			h.cause = inventory.Cause{Kind: inventory.CauseDecision, Decision: &inventory.CauseDecided{Signer: s.NamedSigner}}
			if !slices.Contains(signers, s.ID) {
				signers = append(signers, s.ID)
			}
		}
	}
	of, err := decisions(ctx, c.tx, signers)
	if err != nil {
		return err
	}
	for _, h := range c.history {
		made := h.cause.Decision
		if made == nil || len(of[made.Signer.ID]) == 0 {
			continue
		}
		latest := of[made.Signer.ID][0]
		made.ID, made.Verb = latest.ID, latest.Verb
		for _, by := range latest.DecidedBy {
			made.By = append(made.By, by.Name)
		}
	}
	return nil
}

// how much of its history an image's page is given.
const (
	shownVerdicts = 100
	shownEvents   = 100
	shownMoves    = 50
	shownHolds    = 50
)

// historyOf fills in what happened to an image.
func historyOf(ctx context.Context, q database.Querier, r *imageRow, i *inventory.Image) error {
	gone, err := database.Value[sql.NullInt64](ctx, q, "select gone_at from repositories where id = $1", r.RepositoryID)
	if err != nil {
		return err
	}
	i.GoneAt, i.RepositoryGoneAt = timeOrNil(r.GoneAt), timeOrNil(gone)
	var at int64
	if i.History, _, err = changesOf(ctx, q, "image_id = $1 order by id desc limit $2", r.ID, shownVerdicts); err != nil {
		return err
	}
	err = database.Each(ctx, q, `
		select at, kind, n, body
		from image_events
		where image_id = $1
		order by id desc
		limit $2`, func(rows *sql.Rows) error {
		var e inventory.ImageEvent
		var kind, body string
		if err := rows.Scan(&at, &kind, &e.Count, &body); err != nil {
			return err
		}
		e.At, e.Vanished = timeOf(at), kind == eventVanished
		i.Events = append(i.Events, e)
		if body == "" {
			return nil
		}
		last := &i.Events[len(i.Events)-1]
		last.Trace = &inventory.Trace{}
		return fromJSON(body, last.Trace)
	}, r.ID, shownEvents)
	if err != nil {
		return err
	}
	// Each half reads its own index to its end or the limit.
	err = database.Each(ctx, q, `
		select tag, from_digest, to_digest, at
		from (select * from (select id, tag, from_digest, to_digest, at from tag_moves
		        where repository_id = $1 and from_digest = $2 order by id desc limit $3) as f
		      union
		      select * from (select id, tag, from_digest, to_digest, at from tag_moves
		        where repository_id = $1 and to_digest = $2 order by id desc limit $3) as t) as m
		order by id desc
		limit $3`, func(rows *sql.Rows) error {
		var m inventory.TagMove
		err := rows.Scan(&m.Tag, &m.From, &m.To, &at)
		m.At = timeOf(at)
		i.TagMoves = append(i.TagMoves, m)
		return err
	}, r.RepositoryID, r.Digest, shownMoves)
	if err != nil {
		return err
	}
	if i.Holds, err = holdsOf(ctx, q, r.Digest, shownHolds); err != nil {
		return err
	}
	// A list that ends at its limit says nothing of what was before its end.
	from := int64(0)
	if n := len(i.History); n == shownVerdicts {
		from = max(from, ms(i.History[n-1].At))
	}
	if n := len(i.Events); n == shownEvents {
		from = max(from, ms(i.Events[n-1].At))
	}
	if n := len(i.TagMoves); n == shownMoves {
		from = max(from, ms(i.TagMoves[n-1].At))
	}
	if n := len(i.Holds); n == shownHolds {
		from = max(from, ms(i.Holds[n-1].Hold.Since))
	}
	if from > 0 {
		at := timeOf(from)
		i.HistoryFrom = &at
	}
	return nil
}
