// Package check answers whether images may be used: CI asks before it deploys,
// and later the cluster. An image may when it is trusted and nothing holds it;
// what can't be judged is never allowed, and said to be undecided.
//
// It looks where a tag points now, and takes the inventory's word only where that
// can't have been overtaken: for what is trusted and was looked at lately. A "no"
// is looked at again, since a signature may have been added meanwhile, and so is
// what the inventory doesn't know. It stores nothing, and knows neither HTTP nor
// SQL.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"signboard/inventory"
	"signboard/inventory/policy"
)

// MaxImages is how many images a request to a server may ask about.
const MaxImages = 50

// An answer of the inventory counts for twice the interval of its registry's
// syncs, as on the pages, but no longer than this: a revoked certificate or a
// removed signature is known only from a look.
const maxAge = time.Hour

// Store is the inventory, which is only read.
type Store interface {
	// Sighting says when an image was looked at, or fails with NotFound.
	// repository is "registry/repository".
	Sighting(ctx context.Context, repository string, digest inventory.Digest) (inventory.Sighting, error)
	// Holding is the quarantine that holds an image, nil when none does: the digest,
	// a platform that the image lists, or the tag. digest or tag may be empty.
	Holding(ctx context.Context, repository string, digest inventory.Digest, tag string, platforms []inventory.Platform, now time.Time) (*inventory.Quarantine, error)
	// Evidence is the stored evidence of images.
	Evidence(ctx context.Context, imageIDs []int64) ([]inventory.StoredEvidence, error)
	Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error)
}

// Registries are looked at. An error that is a LookError is the registry's.
type Registries interface {
	Resolve(ctx context.Context, registry, repository, tag string) (inventory.Digest, error)
	// Alone looks at one digest, says what it lists but doesn't look at that, and
	// judges it.
	Alone(ctx context.Context, registry, repository string, digest inventory.Digest) (inventory.ImageFinding, error)
	// TrustRevision is that of the keys and roots of now.
	TrustRevision(ctx context.Context, registry string) (int64, error)
}

// Place is where an image is.
type Place struct {
	Registry   string // its name
	Repository string // without the registry
	At         string // a tag or a digest
	Interval   time.Duration
}

func (p Place) full() string { return p.Registry + "/" + p.Repository }

// digest is the digest that the place names, if it names one.
func (p Place) digest() inventory.Digest {
	if strings.Contains(p.At, ":") { // tags have none
		return inventory.Digest(p.At)
	}
	return ""
}

// Options tune a Gate; zero values mean the defaults.
type Options struct {
	Abreast  int           // images looked at at once, whoever asks; default 8
	Patience time.Duration // for one image's registry; default 20 seconds
	Turn     time.Duration // how long a look may wait for those before it; default 10 seconds
	Total    time.Duration // for all looks of one question; default 25 seconds
	Clock    func() time.Time
}

// Gate answers.
type Gate struct {
	store      Store
	registries Registries
	locate     func(typed string) (Place, error)
	Options
	Limit
	slots chan struct{}
	looks singleflight.Group
}

// New makes a Gate. locate finds what somebody typed in the configuration; its
// errors are inventory.Errors.
func New(store Store, registries Registries, locate func(typed string) (Place, error), o Options) *Gate {
	if o.Abreast == 0 {
		o.Abreast = 8
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	if o.Turn == 0 {
		o.Turn = 10 * time.Second
	}
	if o.Total == 0 {
		o.Total = 25 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Gate{store: store, registries: registries, locate: locate, Options: o, slots: make(chan struct{}, o.Abreast)}
}

// Check answers about images, in the order they were asked for. What can't be
// found out about one is its own entry; the error is the database's, or
// Unavailable when too many others are being looked at.
func (g *Gate) Check(ctx context.Context, references []string) (inventory.Answer, error) {
	images := make([]inventory.ImageAnswer, len(references))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(g.Abreast)
	// What isn't looked at by then is undecided, and the rest still answered.
	looking, cancel := context.WithTimeoutCause(ctx, g.Total, errLate)
	defer cancel()
	for i, typed := range references {
		group.Go(func() (err error) {
			images[i], err = g.answer(ctx, looking, typed)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return inventory.Answer{}, err
	}
	return inventory.NewAnswer(images), nil
}

// errLate is why a look is given up.
var errLate = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "There was no time left to ask the registry. Ask about fewer images at once, or again."}

// answer is about one image. looking is for what the registries are asked.
func (g *Gate) answer(ctx, looking context.Context, typed string) (inventory.ImageAnswer, error) {
	a := inventory.ImageAnswer{Reference: typed, Status: inventory.Unknown, Reason: inventory.ReasonNotChecked}
	place, err := g.locate(typed)
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		a.Message = e.Message
		return a, nil
	}
	if err != nil {
		return a, err
	}
	now := g.Clock()
	a.Digest = place.digest()
	tag := ""
	if a.Digest == "" {
		tag = place.At
		a.Digest, err = g.resolve(looking, place)
	}
	unread, err := failure(err)
	if err != nil {
		return a, err
	}
	held, err := g.store.Holding(ctx, place.full(), a.Digest, tag, nil, now)
	if err != nil {
		return a, fmt.Errorf("asking for quarantines: %w", err)
	}
	var known verdict
	if a.Digest != "" {
		if known, err = g.known(ctx, place, a.Digest, now); err != nil {
			return a, err
		}
	}
	switch {
	case held != nil:
		a.Status, a.CheckedAt = known.status(), known.at
		a.Decided, a.Reason, a.Message = true, inventory.ReasonQuarantined, heldBy(*held)
		return a, nil
	case unread != nil:
		a.Reason, a.Message = unread.Reason, "It could not be found out which image this is: "+unread.Message
		return a, nil
	case known.fresh && known.Status == inventory.Trusted:
		return decided(a, known), nil
	}

	seen, err := g.look(looking, place, a.Digest)
	if unread, err = failure(err); err != nil {
		return a, err
	}
	// The look may have taken seconds, and says what an index lists that the
	// inventory doesn't know.
	if held, err = g.store.Holding(ctx, place.full(), a.Digest, tag, seen.platforms, g.Clock()); err != nil {
		return a, fmt.Errorf("asking for quarantines: %w", err)
	}
	switch {
	case held != nil:
		a.Status, a.CheckedAt = seen.status(), seen.at
		a.Decided, a.Reason, a.Message = true, inventory.ReasonQuarantined, heldBy(*held)
		return a, nil
	case unread == nil && seen.Status != inventory.Unknown:
		return decided(a, seen), nil
	case known.fresh && known.Status != inventory.Unknown:
		a = decided(a, known)
		a.Message += fmt.Sprintf(" This is as of %s: the registry could not be read just now.", known.at.UTC().Format(time.RFC3339))
		return a, nil
	case unread != nil:
		a.Reason, a.Message = unread.Reason, "This could not be checked: "+unread.Message
	default:
		a.Reason, a.Message = seen.Reason, seen.Message
	}
	if known.at != nil && known.Status != inventory.Unknown {
		a.Message += fmt.Sprintf(" It was %s on %s, which is too long ago to go by.", known.Status, known.at.UTC().Format(time.RFC3339))
	}
	return a, nil
}

// verdict is a verdict, and what it rests on.
type verdict struct {
	inventory.Verdict
	at    *time.Time // the look it rests on
	fresh bool
	// platforms are those of an index that was looked at now.
	platforms []inventory.Platform
}

func (v verdict) status() inventory.Status {
	if v.Status == "" {
		return inventory.Unknown
	}
	return v.Status
}

func decided(a inventory.ImageAnswer, v verdict) inventory.ImageAnswer {
	a.Status, a.Reason, a.Message, a.CheckedAt = v.Status, v.Reason, v.Message, v.at
	a.Decided, a.Allowed = true, v.Status == inventory.Trusted
	return a
}

func heldBy(q inventory.Quarantine) string {
	message := fmt.Sprintf("Quarantined by %s: %s", inventory.Visible(q.By), inventory.Visible(q.Reason))
	if q.ExpiresAt != nil {
		message += fmt.Sprintf(" (until %s)", q.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if q.Hold != nil && q.Hold.Why() != "" {
		message += "; " + q.Hold.Why()
	}
	return message
}

// known is the verdict on what the inventory keeps of an image, by the decisions
// of this moment. The zero value stands for an image it doesn't know.
func (g *Gate) known(ctx context.Context, p Place, digest inventory.Digest, now time.Time) (verdict, error) {
	s, err := g.store.Sighting(ctx, p.full(), digest)
	if inventory.KindOf(err) == inventory.NotFound {
		return verdict{}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("asking for an image: %w", err)
	}
	list, err := g.store.Evidence(ctx, []int64{s.ImageID})
	if err != nil || len(list) == 0 {
		return verdict{}, err
	}
	var signers []inventory.SignerID
	for _, sig := range list[0].Signatures {
		if sig.Signer != nil {
			signers = append(signers, sig.Signer.ID)
		}
	}
	decisions, err := g.store.Decisions(ctx, signers)
	if err != nil {
		return verdict{}, fmt.Errorf("reading decisions: %w", err)
	}
	v := verdict{Verdict: policy.Judge(policy.FactsOf(list[0], decisions.BySigner), now), at: s.CheckedAt}
	revision, err := g.registries.TrustRevision(ctx, p.Registry)
	if err != nil {
		return verdict{}, err
	}
	if v.at != nil && revision == s.TrustRevision {
		age := now.Sub(*v.at)
		v.fresh = age > -time.Minute && age <= min(2*p.Interval, maxAge)
	}
	return v, nil
}

// resolve asks what a tag points at now.
func (g *Gate) resolve(ctx context.Context, p Place) (inventory.Digest, error) {
	v, err := g.shared(ctx, "tag "+p.full()+":"+p.At, func(ctx context.Context) (any, error) {
		return g.registries.Resolve(ctx, p.Registry, p.Repository, p.At)
	})
	if err != nil {
		return "", err
	}
	return v.(inventory.Digest), nil
}

// look looks at an image now.
func (g *Gate) look(ctx context.Context, p Place, digest inventory.Digest) (verdict, error) {
	v, err := g.shared(ctx, "image "+p.full()+"@"+string(digest), func(ctx context.Context) (any, error) {
		f, err := g.registries.Alone(ctx, p.Registry, p.Repository, digest)
		at := g.Clock().UTC()
		return verdict{Verdict: f.Verdict, at: &at, platforms: f.Platforms}, err
	})
	if err != nil {
		return verdict{}, err
	}
	return v.(verdict), nil
}

// errBusy says that everybody who may look at registries is doing so.
var errBusy = inventory.Errorf(inventory.Unavailable, "Too many images are being checked at this moment. Ask again in a few seconds.")

// shared asks a registry once for all who want to know the same at the same
// time, when it is its turn, and not for ever. Nobody's question ends because
// somebody else stopped waiting for the same answer.
func (g *Gate) shared(ctx context.Context, what string, ask func(context.Context) (any, error)) (any, error) {
	done := g.looks.DoChan(what, func() (any, error) {
		ctx := context.WithoutCancel(ctx)
		turn := time.NewTimer(g.Turn)
		defer turn.Stop()
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		case <-turn.C:
			return nil, errBusy
		}
		ctx, cancel := context.WithTimeout(ctx, g.Patience)
		defer cancel()
		v, err := ask(ctx)
		if err != nil && ctx.Err() != nil {
			err = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable,
				Message: fmt.Sprintf("The registry took longer than %s to answer.", g.Patience), Err: err}
		}
		return v, err
	})
	select {
	case result := <-done:
		return result.Val, result.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failure parts what a registry is to blame for from the rest.
func failure(err error) (*inventory.LookError, error) {
	if unread, ok := errors.AsType[*inventory.LookError](err); ok {
		return unread, nil
	}
	return nil, err
}
