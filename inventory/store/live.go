package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Judge passes judgement on what is stored of an image, by the decisions that
// count for its signers, at a moment.
type Judge func(e inventory.StoredEvidence, decisions map[inventory.SignerID][]inventory.Decision, now time.Time) inventory.Verdict

// JudgeWith has images that are read be judged anew where a decision or the time
// has overtaken the verdict that is stored: a decision counts for every question
// from the moment it is made, while stored verdicts, and the counts and lists
// that go by them, follow in batches. Without a judge, what is stored is shown. It
// is called before anything is read.
func (d *DB) JudgeWith(j Judge) { d.judge = j }

// overtaken judges those of the images anew whose stored verdict a decision or
// the time has overtaken. Where nothing has, that is one question of two indexes.
func (d *DB) overtaken(ctx context.Context, q database.Querier, ids []int64, now time.Time) (map[int64]inventory.Verdict, error) {
	if d.judge == nil || len(ids) == 0 {
		return nil, nil
	}
	some, err := anyOvertaken(ctx, q, now)
	if err != nil || !some {
		return nil, err
	}
	var late []int64
	add := func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		late = append(late, id)
		return err
	}
	err = database.EachIn(ctx, q, "select id from images where review_at <= $1 and id in %s", ids, add, ms(now))
	if err != nil {
		return nil, err
	}
	err = database.EachIn(ctx, q, `
		select i.image_id
		from image_signers i
		join signers s on s.id = i.signer_id
		where i.judged < s.decided_revision and i.image_id in %s`, ids, add)
	if err != nil || len(late) == 0 {
		return nil, err
	}
	slices.Sort(late)
	evidence, err := evidenceOf(ctx, q, slices.Compact(late))
	if err != nil {
		return nil, err
	}
	var signers []inventory.SignerID
	for _, e := range evidence {
		for _, s := range e.Signatures {
			if s.Signer != nil {
				signers = append(signers, s.Signer.ID)
			}
		}
	}
	slices.Sort(signers)
	decisions, err := counting(ctx, q, slices.Compact(signers))
	if err != nil {
		return nil, err
	}
	verdicts := make(map[int64]inventory.Verdict, len(evidence))
	for _, e := range evidence {
		verdicts[e.ImageID] = d.judge(e, decisions, now)
	}
	return verdicts, nil
}

func anyOvertaken(ctx context.Context, q database.Querier, now time.Time) (bool, error) {
	return database.Value[bool](ctx, q, `
		select exists (select 1 from signers where rejudge) or exists (select 1 from images where review_at <= $1)`, ms(now))
}

// beside is the status of an image that a page names beside another one, to be
// judged anew where it has to be.
type beside struct {
	id     int64
	status *inventory.Status
}

// renew has statuses of images that stand beside another one be those of now.
func (d *DB) renew(ctx context.Context, q database.Querier, list []beside, now time.Time) error {
	ids := make([]int64, 0, len(list))
	for _, one := range list {
		ids = append(ids, one.id)
	}
	verdicts, err := d.overtaken(ctx, q, ids, now)
	for _, one := range list {
		if v, ok := verdicts[one.id]; ok {
			*one.status = v.Status
		}
	}
	return err
}

// live gives an image the verdict of now. When it was known before and isn't any
// more, what it was stays as its last good status.
func live(i *inventory.Image, v inventory.Verdict) {
	if v.Status == "" {
		v.Status = inventory.Unknown
	}
	switch {
	case v.Status != inventory.Unknown:
		i.LastGood = nil
	case i.Status != inventory.Unknown && i.CheckedAt != nil:
		i.LastGood = &inventory.LastGood{Status: i.Status, CheckedAt: *i.CheckedAt}
	}
	i.Overtaken = i.Status != v.Status
	i.Status, i.Reason, i.Message = v.Status, v.Reason, v.Message
}
