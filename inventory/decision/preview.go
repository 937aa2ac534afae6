package decision

import (
	"cmp"
	"context"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

const (
	previewBatch    = 2000 // images asked for at once
	previewExamples = 5    // of each change
)

// Preview says what would change if a decision were made and counted: every
// image in use that the signer verifiably signed is judged again, by the
// decisions there are and by those there would be. It changes nothing, so it
// takes no more than seeing. Reason and Revision of the request aren't asked
// for. It fails with Invalid, NotFound, or Conflict as Decide does.
func (d Door) Preview(ctx context.Context, actor inventory.Actor, r SignerRequest) (inventory.Impact, error) {
	now := d.now()
	if err := require(ctx, d.Signers.RecordRefusal, actor, inventory.See, now, string(r.Signer)); err != nil {
		return inventory.Impact{}, err
	}
	signer, err := d.Signers.Signer(ctx, r.Signer, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	r.Reason = cmp.Or(r.Reason, "preview")
	// As one who may decide alone: what it comes to once it counts.
	o, err := decide(signer, actor, r, 1, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	p := preview{
		store: d.Impact, now: now, is: map[inventory.SignerID][]inventory.Decision{}, would: map[inventory.SignerID][]inventory.Decision{},
		changes: map[[2]inventory.Status]*change{}, repositories: map[int64]bool{},
	}
	p.is[signer.ID], p.would[signer.ID] = signer.Decisions, following(signer, o)
	impact, err := p.run(ctx, signer.ID)
	if err != nil {
		return inventory.Impact{}, err
	}
	impact.Revision, impact.State = signer.Revision, o.decision.State
	if r.Verb == inventory.Approve && d.Approvers > 1 {
		proposal := proposed(signer, o.decision, now)
		if proposal == nil || slices.ContainsFunc(proposal.DecidedBy, func(by inventory.Decider) bool { return same(by, actor) }) {
			impact.State = inventory.StateProposed
		}
	}
	return impact, nil
}

// following are the decisions about a signer after one more.
func following(s inventory.Signer, o outcome) []inventory.Decision {
	list := []inventory.Decision{o.decision}
	for _, d := range s.Decisions {
		if slices.Contains(o.ended, d.ID) {
			d.State = inventory.StateRevoked
		}
		list = append(list, d)
	}
	return list
}

// preview is one count of what would change.
type preview struct {
	store        ImpactStore
	now          time.Time
	is, would    map[inventory.SignerID][]inventory.Decision
	judged       int
	changes      map[[2]inventory.Status]*change
	repositories map[int64]bool // that images change in
}

type change struct {
	inventory.Change
	examples []int64
	in       map[int64]bool // repositories that the examples are in
}

// run walks the signer's images, the newest first, in bounded batches.
func (p *preview) run(ctx context.Context, id inventory.SignerID) (inventory.Impact, error) {
	for before := int64(0); ; {
		list, err := p.store.SignedImages(ctx, id, before, previewBatch, p.now)
		if err != nil {
			return inventory.Impact{}, err
		}
		if len(list) == 0 {
			break
		}
		before = list[len(list)-1].ImageID
		if err := p.complete(ctx, list); err != nil {
			return inventory.Impact{}, err
		}
		if err := p.learn(ctx, list); err != nil {
			return inventory.Impact{}, err
		}
		for i := range list {
			p.judge(&list[i])
		}
	}
	return p.impact(ctx)
}

// complete fills in the evidence of those whose signatures' ends weren't kept.
func (p *preview) complete(ctx context.Context, list []inventory.SignedImage) error {
	var ids []int64
	at := map[int64]int{}
	for i := range list {
		if list[i].Partial {
			ids = append(ids, list[i].ImageID)
			at[list[i].ImageID] = i
		}
	}
	const few = 200 // evidence is large
	for part := range slices.Chunk(ids, few) {
		evidence, err := p.store.Evidence(ctx, part)
		if err != nil {
			return err
		}
		for _, e := range evidence {
			list[at[e.ImageID]].StoredEvidence = e
		}
	}
	return nil
}

// learn asks for the decisions about signers that weren't met before.
func (p *preview) learn(ctx context.Context, list []inventory.SignedImage) error {
	var strange []inventory.SignerID
	for i := range list {
		for _, s := range list[i].Signatures {
			if s.Signer == nil {
				continue
			}
			if _, met := p.is[s.Signer.ID]; !met {
				p.is[s.Signer.ID] = nil
				strange = append(strange, s.Signer.ID)
			}
		}
	}
	if len(strange) == 0 {
		return nil
	}
	decisions, err := p.store.Decisions(ctx, strange)
	if err != nil {
		return err
	}
	for _, id := range strange {
		p.is[id], p.would[id] = decisions.BySigner[id], decisions.BySigner[id]
	}
	return nil
}

func (p *preview) judge(i *inventory.SignedImage) {
	p.judged++
	from := policy.Judge(policy.FactsOf(i.StoredEvidence, p.is), p.now).Status
	to := policy.Judge(policy.FactsOf(i.StoredEvidence, p.would), p.now).Status
	if from == to {
		return
	}
	c := p.changes[[2]inventory.Status{from, to}]
	if c == nil {
		c = &change{Change: inventory.Change{From: from, To: to}, in: map[int64]bool{}}
		p.changes[[2]inventory.Status{from, to}] = c
	}
	c.Images++
	if i.Held {
		c.Held++
	}
	p.repositories[i.RepositoryID] = true
	if len(c.examples) < previewExamples && !c.in[i.RepositoryID] { // one of each repository says more
		c.in[i.RepositoryID] = true
		c.examples = append(c.examples, i.ImageID)
	}
}

func (p *preview) impact(ctx context.Context) (inventory.Impact, error) {
	impact := inventory.Impact{Images: p.judged}
	list := make([]*change, 0, len(p.changes))
	for _, c := range p.changes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *change) int {
		return cmp.Or(b.Images-a.Images, cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
	for _, c := range list {
		impact.Changes = append(impact.Changes, c.Change)
		images, err := p.store.ImagesByID(ctx, c.examples, p.now)
		if err != nil {
			return inventory.Impact{}, err
		}
		for _, i := range images {
			impact.Examples = append(impact.Examples, inventory.ChangedImage{Image: i, From: c.From, To: c.To})
		}
	}
	var repositories []int64
	for id := range p.repositories {
		repositories = append(repositories, id)
	}
	var err error
	impact.Teams, err = p.store.TeamsOf(ctx, repositories)
	return impact, err
}
