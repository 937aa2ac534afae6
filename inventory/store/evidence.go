package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// replaceEvidence writes what complete looks found in place of what was there,
// and gives the rows what they are counted by. judged is the revision of all
// decisions that the verdicts rest on.
func (c *changeSet) replaceEvidence(ctx context.Context, found map[int64]*inventory.ImageFinding) error {
	var (
		known                              []int64
		signatures, attestations, verified [][]any
		signers                            = map[inventory.SignerID]*inventory.Signer{}
	)
	appeared, err := c.appeared(ctx, found)
	if err != nil {
		return err
	}
	for _, id := range c.order {
		f := found[id]
		if f == nil {
			continue
		}
		if _, ok := c.before[id]; ok {
			known = append(known, id)
		}
		r := c.rows[id]
		r.signers, r.formats, r.Notes, r.replaced = nil, nil, "", true
		until, named := map[inventory.SignerID]int64{}, map[inventory.SignerID]string{}
		if len(f.Evidence.Notes) > 0 {
			r.Notes = jsonOf(f.Evidence.Notes)
		}
		for i, s := range f.Evidence.Signatures {
			signatures = append(signatures, []any{id, i, s.Format, jsonOf(s)})
			if !slices.Contains(r.formats, s.Format) {
				r.formats = append(r.formats, s.Format)
			}
			if s.Outcome == inventory.OutcomeVerified && s.Signer != nil {
				if !slices.Contains(r.signers, s.Signer.ID) {
					r.signers = append(r.signers, s.Signer.ID)
					signers[s.Signer.ID] = s.Signer
				}
				// A verdict names the signature that holds for longest.
				if holds := holdsUntil(until[s.Signer.ID], s); holds > until[s.Signer.ID] {
					until[s.Signer.ID], named[s.Signer.ID] = holds, jsonOf(markOf(s))
				}
				c.see(r, s, appeared[id])
			}
		}
		for _, signer := range r.signers {
			verified = append(verified, []any{id, signer, f.JudgedAt, until[signer], named[signer]})
		}
		slices.Sort(r.signers)
		for i, a := range f.Evidence.Attestations {
			attestations = append(attestations, []any{id, i, jsonOf(a)})
			if a.Outcome == inventory.OutcomeVerified && a.Signer != nil && signers[a.Signer.ID] == nil {
				signers[a.Signer.ID] = a.Signer
			}
		}
	}
	for _, table := range []string{"signatures", "attestations", "image_signers"} {
		if err := database.ExecIn(ctx, c.tx, "delete from "+table+" where image_id in %s", known); err != nil {
			return err
		}
	}
	if err := database.Insert(ctx, c.tx, "insert into signatures (image_id, position, format, body)", signatures, ""); err != nil {
		return err
	}
	if err := database.Insert(ctx, c.tx, "insert into attestations (image_id, position, body)", attestations, ""); err != nil {
		return err
	}
	fresh, err := seeSigners(ctx, c.tx, signers, c.now)
	if err != nil {
		return err
	}
	c.pending += fresh
	return database.Insert(ctx, c.tx, "insert into image_signers (image_id, signer_id, judged, holds_until, trace)", verified, "")
}

// judgedSignature is what a verdict takes of a signature, and history its trace: a tenth
// of what is stored, of which the most is for people to read.
type judgedSignature struct {
	inventory.Signature
	Checks skipped      `json:"checks"`
	Chain  []judgedLink `json:"chain"`
}

type judgedLink struct {
	Role        inventory.LinkRole `json:"role"`
	Fingerprint string             `json:"fingerprint"`
}

// skipped takes nothing of what is there.
type skipped struct{}

func (skipped) UnmarshalJSON([]byte) error { return nil }

func (j judgedSignature) signature() inventory.Signature {
	for _, l := range j.Chain {
		if l.Role == inventory.RoleSignature {
			j.Signature.Chain = append(j.Signature.Chain, inventory.Link{Role: l.Role, Fingerprint: l.Fingerprint})
		}
	}
	return j.Signature
}

// Evidence is the stored evidence of images, for judging them again: of their
// signatures what a verdict rests on, without the checks, and of the chains the
// links of the signatures alone. Ids that aren't there are left out.
func (d *DB) Evidence(ctx context.Context, imageIDs []int64) ([]inventory.StoredEvidence, error) {
	var list []inventory.StoredEvidence
	err := d.sql.Read(ctx, func(q database.Querier) error {
		byID := map[int64]*inventory.StoredEvidence{}
		var ids []int64 // whose signatures count
		err := database.EachIn(ctx, q, `
			select i.id, r.full_name, i.checked_at, i.failure_reason, i.failure_message, i.failure_whole or i.recheck_failed
			from images i
			join repositories r on r.id = i.repository_id
			where i.id in %s`, imageIDs, func(rows *sql.Rows) error {
			var (
				e       inventory.StoredEvidence
				checked sql.NullInt64
				failure inventory.LookError
				whole   bool
			)
			if err := rows.Scan(&e.ImageID, &e.Repository, &checked, &failure.Reason, &failure.Message, &whole); err != nil {
				return err
			}
			e.Checked = checked.Valid
			switch {
			case whole:
				e.Failure = &failure
			case failure.Reason == "":
				ids = append(ids, e.ImageID)
			default:
				e.Incomplete = &failure
				ids = append(ids, e.ImageID)
			}
			byID[e.ImageID] = &e
			return nil
		})
		if err != nil {
			return err
		}
		err = eachBody(ctx, q, signaturesOf, ids, func(id int64, s judgedSignature) {
			byID[id].Signatures = append(byID[id].Signatures, s.signature())
		})
		for _, id := range imageIDs {
			if e := byID[id]; e != nil {
				list = append(list, *e)
			}
		}
		return err
	})
	return list, err
}

const signaturesOf = "select image_id, body from signatures where image_id in %s order by image_id, position"

func eachSignature(ctx context.Context, q database.Querier, ids []int64, f func(id int64, s inventory.Signature)) error {
	return eachBody(ctx, q, signaturesOf, ids, f)
}

func eachAttestation(ctx context.Context, q database.Querier, ids []int64, f func(id int64, a inventory.Attestation)) error {
	return eachBody(ctx, q, "select image_id, body from attestations where image_id in %s order by image_id, position", ids, f)
}

func eachBody[T any](ctx context.Context, q database.Querier, query string, ids []int64, f func(id int64, v T)) error {
	return database.EachIn(ctx, q, query, ids, func(rows *sql.Rows) error {
		var (
			id   int64
			body string
			v    T
		)
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		if err := fromJSON(body, &v); err != nil {
			return err
		}
		f(id, v)
		return nil
	})
}

// seeSigners notes that signatures of some signers were seen, and says how many
// of the signers are new. A registered signer keeps the name it was registered
// under.
func seeSigners(ctx context.Context, tx database.Querier, signers map[inventory.SignerID]*inventory.Signer, now time.Time) (fresh int, err error) {
	ids := make([]inventory.SignerID, 0, len(signers))
	for id := range signers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	rows := make([][]any, 0, len(ids))
	for _, id := range ids {
		s := signers[id]
		name := s.Name
		if name == "" {
			name = string(id)
		}
		rows = append(rows, []any{id, id.Kind(), name, jsonOf(s.Facts), ms(now), ms(now), inventory.Pending, id.Authority()})
	}
	const into = "insert into signers (id, kind, name, facts, first_seen, last_seen, standing, authority)"
	fresh, err = database.Inserted(ctx, tx, into, rows, "on conflict (id) do nothing")
	if err != nil || fresh == len(rows) {
		return fresh, err
	}
	return fresh, database.Insert(ctx, tx, into, rows, `
		on conflict (id) do update set
		  first_seen = coalesce(signers.first_seen, excluded.first_seen),
		  last_seen = excluded.last_seen,
		  name = case when signers.registered_at is null then excluded.name else signers.name end,
		  facts = case when signers.registered_at is null then excluded.facts else signers.facts end`)
}
