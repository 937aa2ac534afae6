package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/policy"
	"signboard/inventory/store/database"
)

// What must be true of an inventory, worked out from the beginning.

// always is what must be true at every moment.
func (t *tale) always() error {
	p := t.processes[0]
	drift, err := p.db.Recount(t.ctx, t.clock())
	if err != nil {
		return err
	}
	if len(drift) > 0 {
		return fmt.Errorf("a recount finds:\n%s", strings.Join(drift, "\n"))
	}
	if err := t.remember(p); err != nil {
		return err
	}
	return t.audited(p)
}

// audited holds that the log has exactly one entry for each thing that was done.
func (t *tale) audited(p *hand) error {
	entries := map[string]int{}
	err := database.Each(t.ctx, p.db.sql.Reader, "select action, object from audit_entries", func(rows *sql.Rows) error {
		var action, object string
		err := rows.Scan(&action, &object)
		switch family, _, _ := strings.Cut(action, "."); family {
		case "signer", "image", "key", "access":
			entries[action+" "+object]++
		}
		return err
	})
	if err == nil && !maps.Equal(entries, t.accepted) {
		err = fmt.Errorf("the audit log tells of %v, and what was done is %v", entries, t.accepted)
	}
	return err
}

// images are all images that the inventory has, as lists show them.
func (t *tale) images(p *hand) ([]inventory.Image, error) {
	ids, err := database.Column[int64](t.ctx, p.db.sql.Reader, "select id from images order by id")
	if err != nil {
		return nil, err
	}
	return p.db.ImagesByID(t.ctx, ids, t.clock())
}

func (t *tale) quarantines(p *hand) (list []inventory.Quarantine, err error) {
	err = p.db.sql.Read(t.ctx, func(q database.Querier) error {
		return database.Each(t.ctx, q, "select "+quarantineColumns+" from quarantines", func(rows *sql.Rows) error {
			one, err := scanQuarantine(rows)
			list = append(list, one)
			return err
		})
	})
	return list, err
}

// settled judges again what is due, and holds everything that is derived against
// what it is derived from.
func (t *tale) settled(p *hand) error {
	if _, err := p.syncer.Rejudge(t.ctx); err != nil {
		return err
	}
	if ids, err := p.db.StaleVerdicts(t.ctx, t.clock(), 10); err != nil || len(ids) > 0 {
		return fmt.Errorf("all is judged, and %v is not (%v)", ids, err)
	}
	images, err := t.images(p)
	if err != nil {
		return err
	}
	return errors.Join(t.judged(p, images), t.overlaid(p, images), t.counted(p), t.stood(p), t.booked(p), t.whole(p))
}

// counting are the decisions that count for each signer: those about it, and then
// the patterns of others that match it, the newest first each.
func (t *tale) counting() map[inventory.SignerID][]inventory.Decision {
	var patterns []inventory.Decision
	for _, id := range slices.Sorted(maps.Keys(t.ledger)) {
		for _, d := range t.ledger[id] {
			if d.Identities != "" && d.Verb == inventory.Approve && d.State != inventory.StateProposed && d.State != inventory.StateRejected {
				patterns = append(patterns, d)
			}
		}
	}
	slices.SortStableFunc(patterns, func(a, b inventory.Decision) int {
		return cmp.Or(b.DecidedAt().Compare(a.DecidedAt()), cmp.Compare(a.ID, b.ID))
	})
	all := map[inventory.SignerID][]inventory.Decision{}
	for n := range crew {
		id := crewID(n)
		all[id] = slices.Clone(t.ledger[id])
		for _, d := range patterns {
			if d.Signer != id && d.Matches(id) {
				all[id] = append(all[id], d)
			}
		}
	}
	return all
}

// judged holds that each verdict is what the evidence and the decisions say.
func (t *tale) judged(p *hand, images []inventory.Image) error {
	var ids []int64
	for _, i := range images {
		ids = append(ids, i.ID)
	}
	evidence, err := p.db.Evidence(t.ctx, ids)
	if err != nil {
		return err
	}
	counting := t.counting()
	for n, e := range evidence {
		is := images[n]
		if e.ImageID != is.ID {
			return fmt.Errorf("the evidence of image %d is that of %d", is.ID, e.ImageID)
		}
		v := policy.Judge(policy.FactsOf(e, counting), t.clock())
		if is.Status != v.Status || is.Reason != v.Reason || is.Message != v.Message {
			return fmt.Errorf("%s@%s is %s, %s (%s); judged from the beginning it is %s, %s (%s)",
				is.FullRepository(), is.Digest.Short(), is.Status, is.Reason, is.Message, v.Status, v.Reason, v.Message)
		}
	}
	return nil
}

// overlaid holds that exactly those images are held that a quarantine covers.
func (t *tale) overlaid(p *hand, images []inventory.Image) error {
	list, err := t.quarantines(p)
	if err != nil {
		return err
	}
	if len(list) != len(t.held) {
		return fmt.Errorf("%d quarantines are stored, and %d were made", len(list), len(t.held))
	}
	now := t.clock()
	if err := t.remember(p); err != nil {
		return err
	}
	must, may := map[inventory.Digest][]string{}, map[inventory.Digest][]string{}
	for id, q := range t.held {
		if q.StandsAt(now) {
			for digest, sure := range t.covered[id] {
				may[digest] = append(may[digest], id)
				if sure {
					must[digest] = append(must[digest], id)
				}
			}
		}
	}
	for _, i := range images {
		must, may := must[i.Digest], may[i.Digest]
		fits := func(held *inventory.Quarantine) bool {
			return held == nil && len(must) == 0 || held != nil && slices.Contains(may, held.ID)
		}
		if !fits(i.Quarantine) {
			return fmt.Errorf("%s@%s with the tags %v is held by %+v, and what covers it is %v", i.FullRepository(), i.Digest.Short(), i.Tags, i.Quarantine, may)
		}
		one, err := p.db.Image(t.ctx, i.Registry, i.Repository, i.Digest, now)
		if err != nil || (one.Quarantine != nil) != (i.Quarantine != nil) || one.Status != i.Status || one.Reason != i.Reason {
			return fmt.Errorf("the page of %s@%s says %s, %s, held %v, and the list %s, %s, %v (%v)",
				i.FullRepository(), i.Digest.Short(), one.Status, one.Reason, one.Quarantine, i.Status, i.Reason, i.Quarantine, err)
		}
		held, err := p.db.Holding(t.ctx, i.FullRepository(), i.Digest, "", nil, now)
		if err != nil || (held != nil) != (i.Quarantine != nil) {
			return fmt.Errorf("asked about %s@%s, what holds it is %+v (%v), and should be %+v", i.FullRepository(), i.Digest.Short(), held, err, may)
		}
	}
	return nil
}

// remember notes what quarantines have come to hold, before it is forgotten what
// they rest on.
func (t *tale) remember(p *hand) error {
	for id, q := range t.held {
		if !q.StandsAt(t.clock()) {
			continue
		}
		if t.covered[id] == nil {
			t.covered[id] = map[inventory.Digest]bool{}
		}
		if err := t.covers(p, q, t.covered[id]); err != nil {
			return err
		}
	}
	return nil
}

// covers adds the digests that a quarantine holds: its own, or all that its tag is
// recorded to have pointed at since it was made; the platforms of those that are
// indexes, and every index that lists one of them all. What a tag was moved away
// from in the very millisecond may be held (false); all else must (true).
func (t *tale) covers(p *hand, q inventory.Quarantine, into map[inventory.Digest]bool) error {
	platforms, indexes := map[inventory.Digest][]inventory.Digest{}, map[inventory.Digest][]inventory.Digest{}
	sure, maybe := map[inventory.Digest]bool{}, map[inventory.Digest]bool{}
	err := p.db.sql.Read(t.ctx, func(tx database.Querier) error {
		err := database.Each(t.ctx, tx, "select i.digest, p.digest from platforms p join images i on i.id = p.image_id", func(rows *sql.Rows) error {
			var index, platform inventory.Digest
			err := rows.Scan(&index, &platform)
			platforms[index], indexes[platform] = append(platforms[index], platform), append(indexes[platform], index)
			return err
		})
		if err != nil || q.Digest != "" {
			sure[q.Digest], maybe[q.Digest] = true, true
			return err
		}
		err = database.Each(t.ctx, tx, "select m.from_digest, m.at from tag_moves m join repositories r on r.id = m.repository_id where r.full_name = $1 and m.tag = $2 and m.from_digest <> ''", func(rows *sql.Rows) error {
			var left inventory.Digest
			var at int64
			err := rows.Scan(&left, &at)
			maybe[left] = maybe[left] || at >= ms(q.At)
			sure[left] = sure[left] || at > ms(q.At)
			return err
		}, q.Repository, q.Tag)
		if err != nil {
			return err
		}
		return database.Each(t.ctx, tx, "select t.digest from tags t join repositories r on r.id = t.repository_id where r.full_name = $1 and t.name = $2", func(rows *sql.Rows) error {
			var is inventory.Digest
			err := rows.Scan(&is)
			maybe[is], sure[is] = true, true
			return err
		}, q.Repository, q.Tag)
	})
	for _, side := range []struct {
		named map[inventory.Digest]bool
		must  bool
	}{{sure, true}, {maybe, false}} {
		all := map[inventory.Digest]bool{}
		for named, is := range side.named {
			if !is {
				continue
			}
			for _, bytes := range append(platforms[named], named) {
				all[bytes] = true
				for _, index := range indexes[bytes] {
					all[index] = true
				}
			}
		}
		for digest := range all {
			into[digest] = into[digest] || side.must
		}
	}
	return err
}

// counted counts the list of images by itself and compares what is kept.
func (t *tale) counted(p *hand) error {
	byStatus := map[inventory.Scope]map[inventory.Status]int{}
	add := func(s inventory.Scope, i inventory.Image) {
		if byStatus[s] == nil {
			byStatus[s] = map[inventory.Status]int{}
		}
		byStatus[s][i.Status]++
		if i.Quarantine != nil {
			byStatus[s][inventory.Quarantined]++
		}
	}
	waiting, signed := map[inventory.SignerID]int{}, map[inventory.SignerID]int{}
	cursor := ""
	for {
		list, err := p.db.Images(t.ctx, inventory.ImageFilter{}, inventory.Page{Limit: 7, Cursor: cursor}, t.clock())
		if err != nil {
			return err
		}
		for _, i := range list.Images {
			add(inventory.Scope{}, i)
			add(inventory.Scope{Registry: i.Registry}, i)
			for _, team := range i.Teams {
				add(inventory.Scope{Team: team}, i)
			}
			if len(i.Teams) == 0 {
				add(inventory.Scope{Team: inventory.NoTeam}, i)
			}
			for _, s := range i.Signers {
				signed[s.ID]++
				if i.Status == inventory.Unapproved {
					waiting[s.ID]++
				}
			}
		}
		if cursor = list.Next; cursor == "" {
			break
		}
	}
	scopes := []inventory.Scope{{}, {Team: inventory.NoTeam}}
	for _, h := range t.harbours {
		scopes = append(scopes, inventory.Scope{Registry: h.name})
	}
	for _, team := range t.teams {
		scopes = append(scopes, inventory.Scope{Team: team.Name})
	}
	for _, s := range scopes {
		c, err := p.db.Counts(t.ctx, s)
		if err != nil {
			return err
		}
		for _, status := range inventory.Statuses {
			if c.ByStatus[status] != byStatus[s][status] {
				return fmt.Errorf("%d images of %+v are said to be %s, and the list has %d", c.ByStatus[status], s, status, byStatus[s][status])
			}
		}
		if c.Quarantined != byStatus[s][inventory.Quarantined] {
			return fmt.Errorf("%d images of %+v are said to be held, and the list has %d", c.Quarantined, s, byStatus[s][inventory.Quarantined])
		}
	}
	for n := range crew {
		s, err := p.db.Signer(t.ctx, crewID(n), t.clock())
		if inventory.KindOf(err) == inventory.NotFound {
			continue
		}
		if err != nil || s.Images != signed[s.ID] || s.Waiting != waiting[s.ID] {
			return fmt.Errorf("%s is said to have signed %d images with %d waiting, and the list has %d with %d (%v)", s.ID, s.Images, s.Waiting, signed[s.ID], waiting[s.ID], err)
		}
	}
	return nil
}

// stood holds that signers are listed under what was decided about them.
func (t *tale) stood(p *hand) error {
	counts, err := p.db.Standings(t.ctx, t.clock())
	if err != nil {
		return err
	}
	seen, counting := 0, t.counting()
	for _, standing := range inventory.Standings {
		list, _, err := p.db.Signers(t.ctx, inventory.SignerFilter{Standing: standing}, inventory.Page{Limit: 100}, t.clock())
		if err != nil {
			return err
		}
		if len(list) != counts[standing] {
			return fmt.Errorf("%d signers are said to be %s, and %d are listed", counts[standing], standing, len(list))
		}
		for _, s := range list {
			seen++
			if is := inventory.StandingAt(counting[s.ID], t.clock()); is != standing || s.Standing != standing {
				return fmt.Errorf("%s is listed under %s and called %s, and is %s", s.ID, standing, s.Standing, is)
			}
		}
	}
	all, _, err := p.db.Signers(t.ctx, inventory.SignerFilter{}, inventory.Page{Limit: 100}, t.clock())
	if err == nil && len(all) != seen {
		err = fmt.Errorf("%d signers are listed by their standing, and there are %d", seen, len(all))
	}
	return err
}

// booked holds that the decisions that are stored are those that were made.
func (t *tale) booked(p *hand) error {
	for id, want := range t.ledger {
		s, err := p.db.Signer(t.ctx, id, t.clock())
		if err != nil {
			return err
		}
		if s.Revision < int64(len(want)) || len(s.Decisions) != len(want) { // the patterns of others move it on, too
			return fmt.Errorf("%s has revision %d and %d decisions; %d were made", id, s.Revision, len(s.Decisions), len(want))
		}
		for n, is := range s.Decisions {
			if d := want[n]; is.ID != d.ID || is.Verb != d.Verb || is.State != d.State || !slices.Equal(is.Repositories, d.Repositories) || !sameTime(is.ExpiresAt, d.ExpiresAt) {
				return fmt.Errorf("decision %d of %s is %+v, and was %+v", n, id, is, d)
			}
		}
	}
	return nil
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// whole holds that the audit log is one that nobody edited.
func (t *tale) whole(p *hand) error {
	return p.db.AuditLog(t.ctx, func(log audit.Stored) error {
		_, err := audit.Check(log, nil, t.auditKeys)
		return err
	})
}

// complete reads the whole world in good weather, and holds that the inventory
// is what the world is.
func (t *tale) complete(p *hand) error {
	t.mu.Lock()
	t.calm()
	t.mu.Unlock()
	t.ms.Add(time.Hour.Milliseconds())
	for _, h := range t.harbours {
		s, err := p.syncer.Sync(t.ctx, inventory.SyncScope{Registry: h.name}, nil)
		if err != nil || !s.Complete() {
			return fmt.Errorf("a sync in good weather: %v, %+v", err, s.Failures)
		}
	}
	if err := t.settled(p); err != nil {
		return err
	}
	images, err := t.images(p)
	if err != nil {
		return err
	}
	want := map[string]string{} // of what tags point at, and of what is in it
	for _, h := range t.harbours {
		for name, b := range h.berths {
			for tag, d := range b.tags {
				key := h.name + "/" + name + "@" + string(d)
				want[key] = strings.TrimSpace(want[key] + " " + tag)
				for _, inside := range insideOf(d) {
					key := h.name + "/" + name + "@" + string(inside)
					want[key] += ""
				}
			}
		}
	}
	now := t.clock()
	for _, i := range images {
		tags, there := want[i.FullRepository()+"@"+string(i.Digest)]
		delete(want, i.FullRepository()+"@"+string(i.Digest))
		is := slices.Sorted(slices.Values(i.Tags))
		if should := slices.Sorted(slices.Values(strings.Fields(tags))); !slices.Equal(is, should) {
			return fmt.Errorf("%s@%s has the tags %v, and in the world %v", i.FullRepository(), i.Digest.Short(), is, should)
		}
		if !there {
			continue
		}
		b := t.harbours[slices.IndexFunc(t.harbours, func(h *harbour) bool { return h.name == i.Registry })].berths[i.Repository]
		v := policy.Judge(policy.Facts{Repository: i.FullRepository(), Checked: true, Decisions: t.counting(),
			Signatures: signatures(b.marks[i.Digest], i.Digest, t.known, now)}, now)
		if i.Status != v.Status || i.Reason != v.Reason || i.LastGood != nil {
			return fmt.Errorf("%s@%s is %s, %s (%s), last good %+v; in the world it is %s, %s (%s)",
				i.FullRepository(), i.Digest.Short(), i.Status, i.Reason, i.Message, i.LastGood, v.Status, v.Reason, v.Message)
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("the inventory doesn't know %v", want)
	}
	return nil
}
