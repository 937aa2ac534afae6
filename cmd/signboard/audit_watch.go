package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
)

// The whole log is read again all the time, since an entry can be changed that was
// found whole before: a minute after the last check, or later where a check takes
// long, so that it takes no more than a twentieth of the time. What somebody
// changes is found within that and the time of a check.
const (
	watchPause = time.Minute
	watchShare = 20
)

// auditWatch checks the audit log in the background, and knows what came of it.
type auditWatch struct {
	mu    sync.Mutex
	check *inventory.AuditCheck
}

// watchAudit checks the log until ctx ends.
func (a *app) watchAudit(ctx context.Context) {
	for ctx.Err() == nil {
		before := a.auditState().Check
		check := a.checkAudit(ctx, time.Now)
		if ctx.Err() != nil {
			return
		}
		a.watch.mu.Lock()
		a.watch.check = &check
		a.watch.mu.Unlock()
		if !check.Whole() && (before == nil || before.Message != check.Message) {
			a.log.Error("the audit log isn't known to be whole", "message", check.Message)
		}
		timer := time.NewTimer(max(watchPause, watchShare*check.Took))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// checkAudit checks the whole log once, and what was decided against it.
func (a *app) checkAudit(ctx context.Context, clock func() time.Time) inventory.AuditCheck {
	began := clock()
	var check inventory.AuditCheck
	published, err := a.config.Audit.published()
	if err == nil {
		var kept [][]byte
		if published != nil {
			kept = append(kept, published)
		}
		check.Size, err = checkLog(ctx, a.store, kept, a.auditKeys)
	}
	check.At = clock()
	check.Took = check.At.Sub(began)
	fault, isFault := errors.AsType[*audit.Fault](err)
	known, isKnown := errors.AsType[*inventory.Error](err)
	switch {
	case isFault:
		check.Bad, check.Message = &fault.Index, fault.Message
	case errors.Is(err, audit.ErrCheckpoint):
		check.Message = "The checkpoint that was published isn't one of this log's key."
	case isKnown:
		check.Message = "The log could not be read: " + known.Message
	case err != nil:
		check.Message = "The log could not be read. The program's own log says why."
		a.log.Warn("the audit log could not be checked", "error", err)
	}
	return check
}

// auditState is what the page and the numbers say of the log.
func (a *app) auditState() inventory.AuditState {
	a.watch.mu.Lock()
	defer a.watch.mu.Unlock()
	s := inventory.AuditState{Key: a.auditKey, Check: a.watch.check}
	for _, p := range a.published {
		s.Published = append(s.Published, p.shown())
	}
	return s
}

// auditPlaces says for each place whether the latest checkpoint is published there.
func (a *app) auditPlaces() map[string]bool {
	places := map[string]bool{}
	for _, p := range a.published {
		places[p.kind] = p.shown().Problem == ""
	}
	return places
}
