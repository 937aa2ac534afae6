package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// imageRow is a row of images with what it is counted by.
type imageRow struct {
	storedImage

	teams   []string
	signers []inventory.SignerID // verified
	formats []inventory.Format

	replaced bool // its evidence, in this transaction
}

// storedImage is a row of images.
type storedImage struct {
	ID           int64
	RegistryID   int64
	RepositoryID int64
	Digest       inventory.Digest
	Kind         inventory.ImageKind
	MediaType    string
	Size         int64
	FirstSeen    int64
	LastSeen     int64
	Listed       bool

	Status         inventory.Status
	Reason         inventory.Reason
	Message        string
	CheckedAt      sql.NullInt64
	ChangedAt      sql.NullInt64
	ReviewAt       sql.NullInt64
	Fingerprint    inventory.Digest
	TrustRevision  int64
	FailureReason  inventory.Reason
	FailureMessage string
	FailureWhole   bool
	RecheckFailed  bool // checking the stored material again failed: until it succeeds, stored evidence doesn't count
	LastGoodStatus inventory.Status
	LastGoodAt     sql.NullInt64
	Quarantine     sql.NullString
	Notes          string
	Missed         string
	GoneAt         sql.NullInt64
	Basis          int64 // see basisKey
}

const imageColumns = `id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed,
	status, reason, message, checked_at, changed_at, review_at, fingerprint, trust_revision,
	failure_reason, failure_message, failure_whole, recheck_failed, last_good_status, last_good_at, quarantine_id, notes, missed, gone_at, basis`

func (r *storedImage) targets() []any {
	return []any{&r.ID, &r.RegistryID, &r.RepositoryID, &r.Digest, &r.Kind, &r.MediaType, &r.Size, &r.FirstSeen, &r.LastSeen, &r.Listed,
		&r.Status, &r.Reason, &r.Message, &r.CheckedAt, &r.ChangedAt, &r.ReviewAt, &r.Fingerprint, &r.TrustRevision,
		&r.FailureReason, &r.FailureMessage, &r.FailureWhole, &r.RecheckFailed, &r.LastGoodStatus, &r.LastGoodAt, &r.Quarantine, &r.Notes,
		&r.Missed, &r.GoneAt, &r.Basis}
}

func (r *storedImage) values() []any {
	return []any{r.ID, r.RegistryID, r.RepositoryID, r.Digest, r.Kind, r.MediaType, r.Size, r.FirstSeen, r.LastSeen, r.Listed,
		r.Status, r.Reason, r.Message, r.CheckedAt, r.ChangedAt, r.ReviewAt, r.Fingerprint, r.TrustRevision,
		r.FailureReason, r.FailureMessage, r.FailureWhole, r.RecheckFailed, r.LastGoodStatus, r.LastGoodAt, r.Quarantine, r.Notes,
		r.Missed, r.GoneAt, r.Basis}
}

// imageUpdate overwrites what a change can change.
var imageUpdate = func() string {
	var sets []string
	for c := range strings.SplitSeq(imageColumns, ",") {
		switch c = strings.TrimSpace(c); c {
		case "id", "registry_id", "repository_id", "digest", "first_seen":
		default:
			sets = append(sets, c+" = excluded."+c)
		}
	}
	return "on conflict (id) do update set " + strings.Join(sets, ", ")
}()

// changeSet is the images that a transaction changes. Whatever changes an image
// loads it here, changes the row, and saves: that is how counters, facets and
// history can't be forgotten.
type changeSet struct {
	d        *DB
	tx       database.Querier
	now      time.Time
	rows     map[int64]*imageRow
	before   map[int64]imageRow // as they are in the database; without the new ones
	order    []int64            // of rows: newest last
	history  []*verdictChange
	events   [][]any
	revision int64 // of all decisions; set by save

	look      *inventory.Repository       // whose look this is; nil: what is stored was checked or judged again
	sightings map[signedIn]*sighting      // of signers in repositories
	fresh     map[inventory.Standing]int  // signers seen for the first time
	pointed   map[string]inventory.Digest // tags that moved, with what they point at now
}

func (d *DB) changes(tx database.Querier, now time.Time) *changeSet {
	return &changeSet{d: d, tx: tx, now: now, rows: map[int64]*imageRow{}, before: map[int64]imageRow{}, fresh: map[inventory.Standing]int{}}
}

// load adds the images that a condition selects, locked and in the order of
// their ids: condition holds %s for the list of keys, which come after args.
func load[K any](ctx context.Context, c *changeSet, condition string, keys []K, args ...any) error {
	var fresh []int64
	err := database.EachIn(ctx, c.tx, "select "+imageColumns+" from images where "+condition+" order by id"+c.d.sql.ForUpdate, keys,
		func(rows *sql.Rows) error {
			r := &imageRow{}
			if err := rows.Scan(r.targets()...); err != nil {
				return err
			}
			if c.rows[r.ID] == nil {
				c.rows[r.ID] = r
				c.order = append(c.order, r.ID)
				fresh = append(fresh, r.ID)
			}
			return nil
		}, args...)
	if err != nil {
		return err
	}
	if err := c.loadFacets(ctx, fresh); err != nil {
		return err
	}
	for _, id := range fresh {
		before := *c.rows[id]
		before.signers, before.formats = slices.Clone(before.signers), slices.Clone(before.formats)
		c.before[id] = before
	}
	return nil
}

func (c *changeSet) loadFacets(ctx context.Context, ids []int64) error {
	err := database.EachIn(ctx, c.tx, "select image_id, signer_id from image_signers where image_id in %s order by image_id, signer_id", ids,
		func(rows *sql.Rows) error {
			var id int64
			var signer inventory.SignerID
			if err := rows.Scan(&id, &signer); err != nil {
				return err
			}
			c.rows[id].signers = append(c.rows[id].signers, signer)
			return nil
		})
	if err != nil {
		return err
	}
	err = database.EachIn(ctx, c.tx, "select image_id, format from signatures where image_id in %s order by image_id, position", ids,
		func(rows *sql.Rows) error {
			var id int64
			var format inventory.Format
			if err := rows.Scan(&id, &format); err != nil {
				return err
			}
			if r := c.rows[id]; !slices.Contains(r.formats, format) {
				r.formats = append(r.formats, format)
			}
			return nil
		})
	if err != nil {
		return err
	}
	repositories := map[int64][]string{}
	for _, id := range ids {
		repositories[c.rows[id].RepositoryID] = nil
	}
	for id := range repositories {
		if repositories[id], err = database.Column[string](ctx, c.tx, "select team from team_repositories where repository_id = $1 order by team", id); err != nil {
			return err
		}
	}
	for _, id := range ids {
		c.rows[id].teams = repositories[c.rows[id].RepositoryID]
	}
	return nil
}

// add makes a new image. What it is counted by is the caller's to fill in.
func (c *changeSet) add(r *imageRow) {
	r.ID = c.d.ids.next(c.now)
	c.rows[r.ID] = r
	c.order = append(c.order, r.ID)
}

// judge gives an image a verdict. When it becomes unknown, the verdict before
// stays as its last good one, with the time of the look it rests on; so this
// comes before that time is overwritten.
func (c *changeSet) judge(r *imageRow, v inventory.Verdict, cause inventory.Cause) {
	was, known := r.Status, r.known()
	if v.Status == "" {
		v.Status = inventory.Unknown
	}
	if v.Status != inventory.Unknown {
		r.LastGoodStatus, r.LastGoodAt = "", sql.NullInt64{}
	} else if was != inventory.Unknown {
		r.LastGoodStatus, r.LastGoodAt = was, r.CheckedAt
	}
	unlooked := v.Status == inventory.Unknown && r.Reason == inventory.ReasonNotChecked && v.Reason != r.Reason
	key := basisKey(v)
	rebased := key != 0 && key != r.Basis
	r.Status, r.Reason, r.Message, r.ReviewAt, r.Basis = v.Status, v.Reason, v.Message, msOrNull(v.ReviewAt), key
	if v.Status != was {
		r.ChangedAt = sql.NullInt64{Int64: ms(c.now), Valid: true}
	}
	if v.Status != was || rebased || unlooked {
		c.history = append(c.history, &verdictChange{image: r, from: was, known: known, verdict: v, cause: cause})
	}
}

// fail gives an image the verdict of a look that failed as a whole.
func (c *changeSet) fail(r *imageRow, failure *inventory.LookError, v inventory.Verdict) {
	c.judge(r, v, inventory.Cause{Kind: inventory.CauseFailure, Reason: failure.Reason})
	r.FailureReason, r.FailureMessage, r.FailureWhole = failure.Reason, failure.Message, true
	r.CheckedAt = sql.NullInt64{Int64: ms(c.now), Valid: true}
}

// save writes the rows that changed, their facets and history, and last the
// counters. From here on a Repair waits until the transaction ends.
func (c *changeSet) save(ctx context.Context) error {
	var err error
	if c.revision, err = c.d.decisionsRevision(ctx, c.tx); err != nil {
		return err
	}
	var (
		changed  [][]any
		judged   = map[judgement][]int64{}
		ds       = deltas{}
		refacet  []int64
		facets   [][]any
		restatus = map[inventory.Status][]int64{}
	)
	for standing, n := range c.fresh {
		ds[counterKey{countStanding, string(standing), ""}] += int64(n)
	}
	for _, id := range c.order {
		r := c.rows[id]
		before, known := c.before[id]
		if known && before.same(r) {
			continue
		}
		switch {
		case known && before.storedImage == r.storedImage:
		case known && before.judgedAs(r.judgement()) == r.storedImage:
			judged[r.judgement()] = append(judged[r.judgement()], id)
		default:
			changed = append(changed, r.values())
		}
		if known {
			ds.count(&before, -1)
			c.countSigned(&before, -1)
		}
		ds.count(r, 1)
		c.countSigned(r, 1)
		ds.unsettle(&before, r)
		was, is := before.listedFacets(), r.listedFacets()
		switch {
		case !slices.Equal(was, is):
			if len(was) > 0 {
				refacet = append(refacet, id)
			}
			for _, f := range is {
				facets = append(facets, []any{id, f.kind, f.value, r.Status})
			}
		case before.Status != r.Status && len(is) > 0:
			restatus[r.Status] = append(restatus[r.Status], id)
		}
	}
	if err := database.Insert(ctx, c.tx, "insert into images ("+imageColumns+")", changed, imageUpdate); err != nil {
		return err
	}
	for _, j := range sortedJudgements(judged) {
		if err := c.saveJudgement(ctx, j, judged[j]); err != nil {
			return err
		}
	}
	if err := database.ExecIn(ctx, c.tx, "delete from image_facets where image_id in %s", refacet); err != nil {
		return err
	}
	if err := database.Insert(ctx, c.tx, "insert into image_facets (image_id, kind, value, status)", facets, ""); err != nil {
		return err
	}
	for status, ids := range restatus {
		if err := database.ExecIn(ctx, c.tx, "update image_facets set status = $1 where image_id in %s", ids, status); err != nil {
			return err
		}
	}
	if err := c.saveHistory(ctx); err != nil {
		return err
	}
	if err := c.saveSightings(ctx); err != nil {
		return err
	}
	return ds.apply(ctx, c.d, c.tx, c.now)
}

func (r *imageRow) same(s *imageRow) bool {
	return r.storedImage == s.storedImage && slices.Equal(r.facets(), s.facets())
}

// judgement is what another verdict, and nothing else, changes in a row. Images
// that a decision is about mostly get the same one: they are written together,
// and only the indexes that a verdict stands in are.
type judgement struct {
	status              inventory.Status
	reason              inventory.Reason
	message             string
	changedAt, reviewAt sql.NullInt64
	basis               int64
}

func (r storedImage) judgement() judgement {
	return judgement{r.Status, r.Reason, r.Message, r.ChangedAt, r.ReviewAt, r.Basis}
}

// judgedAs is the row with another judgement.
func (r storedImage) judgedAs(j judgement) storedImage {
	r.Status, r.Reason, r.Message, r.ChangedAt, r.ReviewAt, r.Basis = j.status, j.reason, j.message, j.changedAt, j.reviewAt, j.basis
	return r
}

func (c *changeSet) saveJudgement(ctx context.Context, j judgement, ids []int64) error {
	set := "status = $1, reason = $2, message = $3, changed_at = $4, basis = $5"
	args := []any{j.status, j.reason, database.Clean(j.message), j.changedAt, j.basis}
	if slices.ContainsFunc(ids, func(id int64) bool { return c.before[id].ReviewAt != j.reviewAt }) {
		set, args = set+", review_at = $6", append(args, j.reviewAt)
	}
	return database.ExecIn(ctx, c.tx, "update images set "+set+" where id in %s", ids, args...)
}

// sortedJudgements are those of the images with the lowest ids first.
func sortedJudgements(of map[judgement][]int64) []judgement {
	return slices.SortedFunc(maps.Keys(of), func(a, b judgement) int { return cmp.Compare(of[a][0], of[b][0]) })
}

// listedFacets are the rows of image_facets that the image should have.
func (r *imageRow) listedFacets() []dimension {
	if !r.Listed {
		return nil
	}
	return r.facets()
}
