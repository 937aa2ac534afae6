package decision

import (
	"cmp"
	"context"
	"maps"
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
	if r, err = d.inherit(ctx, r, now); err != nil {
		return inventory.Impact{}, err
	}
	o, err := d.alone(ctx, actor, signer, r, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	impact, err := d.ahead(ctx, signer, o, r, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	impact.State = d.asked(signer, actor, o)
	return impact, nil
}

// alone is what a request comes to once it counts: as if the actor were enough to
// approve. Impacts are of that.
func (d Door) alone(ctx context.Context, actor inventory.Actor, signer inventory.Signer, r SignerRequest, now time.Time) (outcome, error) {
	r.Reason = cmp.Or(r.Reason, "preview")
	o, err := decide(signer, actor, r, 1, now)
	if err != nil {
		return outcome{}, err
	}
	return d.rotate(ctx, signer, o, r, now)
}

// asked is the state that a decision would have, were the actor to make it.
func (d Door) asked(signer inventory.Signer, actor inventory.Actor, o outcome) inventory.DecisionState {
	if o.decision.Verb == inventory.Approve && d.Approvers > 1 {
		proposal := proposed(signer, o.wanted(o.decision), d.now())
		if proposal == nil || slices.ContainsFunc(proposal.DecidedBy, func(by inventory.Decider) bool { return same(by, actor) }) {
			return inventory.StateProposed
		}
	}
	return inventory.StateActive
}

// ahead works out what an outcome would change, and notes what that rests on.
func (d Door) ahead(ctx context.Context, signer inventory.Signer, o outcome, r SignerRequest, now time.Time) (inventory.Impact, error) {
	p := preview{
		store: d.Impact, now: now, outcome: o, is: map[inventory.SignerID][]inventory.Decision{}, would: map[inventory.SignerID][]inventory.Decision{},
		changes: map[[2]inventory.Status]*change{}, repositories: map[int64]map[[2]inventory.Status]int{},
	}
	p.is[signer.ID], p.would[signer.ID] = signer.Counting(), append(following(signer, o), signer.Lent...)
	signers, err := d.covered(ctx, signer, o, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	// What moves on while the images are walked counts as moved on since.
	footing, err := d.Impact.Footing(ctx, signers, now)
	if err != nil {
		return inventory.Impact{}, err
	}
	impact, err := p.run(ctx, signers)
	if err != nil {
		return inventory.Impact{}, err
	}
	impact.Revision = signer.Revision
	footing.Until = earlier(footing.Until, p.until)
	impact.Basis = basis{Request: r.mark(), Footing: footing, At: now, Tally: impact.Tally}.String()
	return impact, nil
}

// following are the decisions about a signer after one more.
func following(s inventory.Signer, o outcome) []inventory.Decision {
	list := []inventory.Decision{o.decision}
	for _, d := range s.Decisions {
		list = append(list, o.after(d))
	}
	return list
}

// after is an older decision after the outcome.
func (o outcome) after(d inventory.Decision) inventory.Decision {
	switch {
	case !slices.Contains(o.ended, d.ID):
	case d.State == inventory.StateProposed && o.decision.Verb != inventory.Approve:
		d.State = inventory.StateRejected
	default:
		d.State = inventory.StateRevoked
	}
	return d
}

// preview is one count of what would change.
type preview struct {
	store        ImpactStore
	outcome      outcome
	now          time.Time
	is, would    map[inventory.SignerID][]inventory.Decision
	judged       int
	seen         map[int64]bool // images of several signers, to be counted once; nil where there is one signer
	until        *time.Time     // when a signature or an approval that was met stops to hold
	changes      map[[2]inventory.Status]*change
	repositories map[int64]map[[2]inventory.Status]int // how many images change in each
}

type change struct {
	inventory.Change
	examples []int64
	in       map[int64]bool // repositories that the examples are in
}

// run walks the signers' images, the newest first, in bounded batches.
func (p *preview) run(ctx context.Context, ids []inventory.SignerID) (inventory.Impact, error) {
	if len(ids) > 1 {
		p.seen = map[int64]bool{}
	}
	for _, id := range ids {
		for before := int64(0); ; {
			list, err := p.store.SignedImages(ctx, id, before, previewBatch, p.now)
			if err != nil {
				return inventory.Impact{}, err
			}
			if len(list) == 0 {
				break
			}
			before = list[len(list)-1].ImageID
			if p.seen != nil {
				list = slices.DeleteFunc(list, func(i inventory.SignedImage) bool { return p.seen[i.ImageID] })
			}
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
	}
	for _, of := range []map[inventory.SignerID][]inventory.Decision{p.is, p.would} {
		for _, decisions := range of {
			for _, d := range decisions {
				p.ends(d.ExpiresAt)
			}
		}
	}
	return p.impact(ctx)
}

// ends notes that something stops to hold by itself.
func (p *preview) ends(at *time.Time) {
	if at != nil && at.After(p.now) {
		p.until = earlier(p.until, at)
	}
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
		p.is[id], p.would[id] = decisions.BySigner[id], p.outcome.lent(id, decisions.BySigner[id])
	}
	return nil
}

func (p *preview) judge(i *inventory.SignedImage) {
	p.judged++
	if p.seen != nil {
		p.seen[i.ImageID] = true
	}
	for n := range i.Signatures {
		if e := i.Signatures[n].Expires; e != nil {
			p.ends(&e.At)
		}
	}
	from := policy.Judge(policy.FactsOf(i.StoredEvidence, p.is), p.now).Status
	to := policy.Judge(policy.FactsOf(i.StoredEvidence, p.would), p.now).Status
	if from == to {
		return
	}
	way := [2]inventory.Status{from, to}
	c := p.changes[way]
	if c == nil {
		c = &change{Change: inventory.Change{From: from, To: to}, in: map[int64]bool{}}
		p.changes[way] = c
	}
	c.Images++
	if i.Held {
		c.Held++
	}
	if p.repositories[i.RepositoryID] == nil {
		p.repositories[i.RepositoryID] = map[[2]inventory.Status]int{}
	}
	p.repositories[i.RepositoryID][way]++
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
	return impact, p.teams(ctx, &impact.Tally)
}

// teams says whose images change.
func (p *preview) teams(ctx context.Context, t *inventory.Tally) error {
	owners, err := p.store.TeamsOf(ctx, slices.Collect(maps.Keys(p.repositories)))
	if err != nil {
		return err
	}
	images := map[inventory.TeamChange]int{}
	for repository, ways := range p.repositories {
		for _, team := range owners[repository] {
			for way, n := range ways {
				images[inventory.TeamChange{Team: team, From: way[0], To: way[1]}] += n
			}
		}
	}
	for c, n := range images {
		c.Images = n
		t.ByTeam = append(t.ByTeam, c)
		t.Teams = append(t.Teams, c.Team)
	}
	slices.SortFunc(t.ByTeam, func(a, b inventory.TeamChange) int {
		return cmp.Or(b.Images-a.Images, cmp.Compare(a.Team, b.Team), cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
	slices.Sort(t.Teams)
	t.Teams = slices.Compact(t.Teams)
	return nil
}
