package registry

import (
	"context"
	"sync"
	"time"
)

const (
	capabilityAge = 30 * time.Minute // an answer counts that long by itself
	absentAge     = 6 * time.Hour    // an answer "no such API" counts that long with others that agree
	agreeing      = 3                // repositories
	maxCapability = 100_000          // repositories remembered
)

// capability remembers which repositories have the referrers API, so that a
// registry of 20,000 repositories without it isn't asked 20,000 times at each
// sync.
//
// Every repository is asked itself: nothing is concluded from one about another,
// since fronts for several registries have repositories of both kinds. What
// others say only decides how long an answer counts: "no such API" for half an
// hour alone, and for six hours as long as three repositories of the registry
// said the same within the last half hour, whichever they are. A repository that
// gained the API ends the memory of all answers before, since that is how a
// registry looks that was upgraded.
//
// So an image whose only signature is shown by an API that came into being since
// can be read as unsigned for half an hour and one sync longer than it is, when
// the whole registry was upgraded; and behind a front, for six hours at most.
// Signatures under tags are never hidden by it.
type capability struct {
	now func() time.Time

	mu       sync.Mutex
	known    map[string]remembered
	agreed   [agreeing]agreement // the latest, of different repositories
	upgraded time.Time           // answers before don't count
	asking   map[string]chan struct{}
}

type remembered struct {
	support support
	at      time.Time // of the answer
}

type agreement struct {
	repository string
	at         time.Time
}

func (c *capability) of(repository string) support {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.known[repository]
	if !ok || r.at.Before(c.upgraded) {
		return unknown
	}
	age := c.now().Sub(r.at)
	if age < capabilityAge || r.support == unsupported && age < absentAge && c.confirmed() {
		return r.support
	}
	return unknown
}

// confirmed reports whether enough repositories said lately that there is no
// such API.
func (c *capability) confirmed() bool {
	for _, a := range c.agreed {
		if a.repository == "" || c.now().Sub(a.at) >= capabilityAge {
			return false
		}
	}
	return true
}

func (c *capability) set(repository string, s support) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	switch {
	case s == unsupported:
		c.agree(agreement{repository, now})
	case s == native && c.known[repository].support == unsupported:
		c.upgraded, c.agreed = now, [agreeing]agreement{}
	}
	c.put(repository, remembered{s, now})
}

// agree puts an answer in the place of the same repository's, else of the oldest.
func (c *capability) agree(a agreement) {
	oldest := 0
	for i, other := range c.agreed {
		if other.repository == a.repository {
			oldest = i
			break
		}
		if other.at.Before(c.agreed[oldest].at) {
			oldest = i
		}
	}
	c.agreed[oldest] = a
}

func (c *capability) put(repository string, r remembered) {
	if c.known == nil || len(c.known) >= maxCapability {
		c.known = map[string]remembered{}
	}
	c.known[repository] = r
}

// first lets one question about a repository of which nothing is known go first.
// The others return when it is answered; all call what it returns.
func (c *capability) first(ctx context.Context, repository string) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.asking[repository]; before != nil {
		c.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
		}
		c.mu.Lock()
		return func() {}
	}
	if c.asking == nil {
		c.asking = map[string]chan struct{}{}
	}
	mine := make(chan struct{})
	c.asking[repository] = mine
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asking, repository)
		close(mine)
	}
}

// ReferrersAbsent is when the registry last said that it has no referrers API
// for a repository, nil when it didn't. It outlives this Client when it is given
// to RecallReferrersAbsent of the next.
func (c *Client) ReferrersAbsent(repository string) *time.Time {
	c.referral.mu.Lock()
	defer c.referral.mu.Unlock()
	r, ok := c.referral.known[repository]
	if !ok || r.support != unsupported || r.at.Before(c.referral.upgraded) {
		return nil
	}
	return &r.at
}

// RecallReferrersAbsent reminds the client of what ReferrersAbsent said before.
// What it was told itself counts for more.
func (c *Client) RecallReferrersAbsent(repository string, at time.Time) {
	c.referral.mu.Lock()
	defer c.referral.mu.Unlock()
	if _, ok := c.referral.known[repository]; !ok && !at.After(c.referral.now()) {
		c.referral.put(repository, remembered{unsupported, at})
	}
}
