package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
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
		roots                              = signerRoots{}
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
		vouched := map[inventory.SignerID]*vouching{}
		if len(f.Evidence.Notes) > 0 {
			r.Notes = jsonOf(f.Evidence.Notes)
		}
		for i, s := range f.Evidence.Signatures {
			signatures = append(signatures, []any{id, i, s.Format, jsonOf(s)})
			if !slices.Contains(r.formats, s.Format) {
				r.formats = append(r.formats, s.Format)
			}
			if s.Outcome == inventory.OutcomeVerified && s.Signer != nil {
				first := vouched[s.Signer.ID] == nil
				if first {
					r.signers = append(r.signers, s.Signer.ID)
					signers[s.Signer.ID] = s.Signer
					vouched[s.Signer.ID] = &vouching{}
				}
				vouched[s.Signer.ID].add(s, first)
				roots.add(s.Signer.ID, s.Domain)
				c.see(r, s, appeared[id])
			}
		}
		for _, signer := range r.signers {
			until, root := vouched[signer].kept()
			verified = append(verified, []any{id, signer, f.JudgedAt, until, root, vouched[signer].named})
		}
		slices.Sort(r.signers)
		for i, a := range f.Evidence.Attestations {
			attestations = append(attestations, []any{id, i, jsonOf(a)})
			if a.Outcome == inventory.OutcomeVerified && a.Signer != nil {
				if signers[a.Signer.ID] == nil {
					signers[a.Signer.ID] = a.Signer
				}
				roots.add(a.Signer.ID, a.Domain)
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
	for standing, n := range fresh {
		c.fresh[standing] += n
	}
	if err := roots.see(ctx, c.tx, c.now); err != nil {
		return err
	}
	return database.Insert(ctx, c.tx, "insert into image_signers (image_id, signer_id, judged, holds_until, root, trace)", verified, "")
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
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		list, err = evidenceOf(ctx, q, imageIDs)
		return err
	})
	return list, err
}

func evidenceOf(ctx context.Context, q database.Querier, imageIDs []int64) ([]inventory.StoredEvidence, error) {
	var list []inventory.StoredEvidence
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
		return nil, err
	}
	err = eachBody(ctx, q, signaturesOf, ids, func(id int64, s judgedSignature) {
		byID[id].Signatures = append(byID[id].Signatures, s.signature())
	})
	for _, id := range imageIDs {
		if e := byID[id]; e != nil {
			list = append(list, *e)
		}
	}
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
// of them are new, by their standing: one that a pattern holds has it from the
// beginning. A registered signer keeps the name it was registered under.
func seeSigners(ctx context.Context, tx database.Querier, signers map[inventory.SignerID]*inventory.Signer, now time.Time) (map[inventory.Standing]int, error) {
	ids := slices.Sorted(maps.Keys(signers))
	lent, err := lending(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	byStanding := map[period][][]any{}
	for _, id := range ids {
		s := signers[id]
		name := s.Name
		if name == "" {
			name = string(id)
		}
		p := periodAt(lent[id], now)
		byStanding[p] = append(byStanding[p], []any{id, id.Kind(), name, jsonOf(s.Facts), ms(now), ms(now), p.standing, p.from, p.until, id.Authority()})
	}
	const into = "insert into signers (id, kind, name, facts, first_seen, last_seen, standing, standing_from, standing_until, authority)"
	periods := slices.SortedFunc(maps.Keys(byStanding), func(a, b period) int {
		return cmp.Or(cmp.Compare(a.standing, b.standing), cmp.Compare(a.from, b.from), cmp.Compare(a.until, b.until))
	})
	fresh := map[inventory.Standing]int{}
	for _, p := range periods {
		rows := byStanding[p]
		n, err := database.Inserted(ctx, tx, into, rows, "on conflict (id) do nothing")
		if err != nil {
			return nil, err
		}
		fresh[p.standing] += n
		if n == len(rows) {
			continue
		}
		err = database.Insert(ctx, tx, into, rows, `
			on conflict (id) do update set
			  first_seen = coalesce(signers.first_seen, excluded.first_seen),
			  last_seen = excluded.last_seen,
			  name = case when signers.registered_at is null then excluded.name else signers.name end,
			  facts = case when signers.registered_at is null then excluded.facts else signers.facts end`)
		if err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// signerRoots are the roots of trust that signatures of keyless signers came
// through.
type signerRoots map[[2]string]bool

func (r signerRoots) add(id inventory.SignerID, root string) {
	if root != "" && id.Kind() == inventory.KeylessSigner {
		r[[2]string{string(id), root}] = true
	}
}

func (r signerRoots) see(ctx context.Context, tx database.Querier, now time.Time) error {
	pairs := slices.SortedFunc(maps.Keys(r), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	rows := make([][]any, 0, len(pairs))
	for _, p := range pairs {
		rows = append(rows, []any{p[0], p[1], ms(now)})
	}
	return database.Insert(ctx, tx, "insert into signer_roots (signer_id, root, first_seen)", rows, "on conflict (signer_id, root) do nothing")
}
