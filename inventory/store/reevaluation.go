package store

import (
	"context"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	// reevaluated is the most images whose time has come that are counted.
	reevaluated = 100_000
	// manyLeft is from how many images on their number is asked for only once in
	// manyLeftFor: counting them takes longer than the rest of a page.
	manyLeft    = 5_000
	manyLeftFor = time.Second
)

// leftToJudge is the last answer of Reevaluation that was large.
type leftToJudge struct {
	inventory.Reevaluation
	at time.Time
}

// Reevaluation says how many images are left to be judged again. Where none are,
// which is nearly always, that is one question of two indexes; a large number may
// be a second old.
func (d *DB) Reevaluation(ctx context.Context, now time.Time) (inventory.Reevaluation, error) {
	if kept := d.left.Load(); kept != nil && time.Since(kept.at) < manyLeftFor {
		return kept.Reevaluation, nil
	}
	var left inventory.Reevaluation
	err := d.sql.Read(ctx, func(q database.Querier) error {
		left = inventory.Reevaluation{}
		some, err := anyOvertaken(ctx, q, now)
		if err != nil || !some {
			return err
		}
		decided, err := database.Value[int](ctx, q, `
			select count(*)
			from signers s
			join image_signers i on i.signer_id = s.id and i.judged < s.decided_revision
			where s.rejudge`)
		if err != nil {
			return err
		}
		ended, err := database.Value[int](ctx, q, "select count(*) from (select 1 from images where review_at <= $1 limit $2) as i", ms(now), reevaluated)
		if left.Images = decided + ended; err != nil || decided == 0 {
			return err
		}
		// A pattern covers many signers, and the decision is about one of them.
		var signers []inventory.NamedSigner
		err = database.Each(ctx, q, "select id, name from signers where rejudge order by decided_revision desc, id limit 50",
			database.ScanInto(&signers, func(s *inventory.NamedSigner) []any { return []any{&s.ID, &s.Name} }))
		if err != nil {
			return err
		}
		ids := make([]inventory.SignerID, 0, len(signers))
		for _, s := range signers {
			ids = append(ids, s.ID)
		}
		of, err := decisions(ctx, q, ids)
		var latest inventory.Decision
		for i, s := range signers {
			if made := of[s.ID]; len(made) > 0 && made[0].DecidedAt().After(latest.DecidedAt()) {
				latest, left.Signer = made[0], &signers[i]
			}
		}
		if left.Signer != nil {
			left.Verb, left.By = latest.Verb, latest.DecidedBy[len(latest.DecidedBy)-1].Name
		}
		return err
	})
	if err == nil && left.Images > manyLeft {
		d.left.Store(&leftToJudge{left, time.Now()})
	}
	return left, err
}
