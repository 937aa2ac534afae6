package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// lending finds the approvals of other signers whose patterns match some
// signers, for each the newest first: active ones, and those that ran out or were
// revoked. Patterns are few, a handful for each organisation: they are read
// together, once for all of the signers.
func lending(ctx context.Context, q database.Querier, signers []inventory.SignerID) (map[inventory.SignerID][]inventory.Decision, error) {
	if !slices.ContainsFunc(signers, func(id inventory.SignerID) bool { return id.Kind() == inventory.KeylessSigner }) {
		return nil, nil
	}
	patterns, err := patterns(ctx, q)
	if err != nil || len(patterns) == 0 {
		return nil, err
	}
	lent := map[inventory.SignerID][]inventory.Decision{}
	for _, id := range signers {
		if _, met := lent[id]; !met {
			lent[id] = lentTo(id, patterns)
		}
	}
	return lent, nil
}

// lentTo are those of the patterns that count for a signer.
func lentTo(id inventory.SignerID, patterns []inventory.Decision) []inventory.Decision {
	var list []inventory.Decision
	for _, d := range patterns {
		if d.Lends(id) && d.Matches(id) {
			list = append(list, d)
		}
	}
	return list
}

// patterns are all approvals with a pattern that count or counted, newest first.
func patterns(ctx context.Context, q database.Querier) ([]inventory.Decision, error) {
	var list []inventory.Decision
	err := database.Each(ctx, q, "select "+decisionColumns+" from decisions where identities <> '' and verb = 'approve' and state in ('active', 'revoked', 'expired')",
		func(rows *sql.Rows) error {
			d, err := scanDecision(rows)
			list = append(list, d)
			return err
		})
	slices.SortFunc(list, func(a, b inventory.Decision) int {
		return cmp.Or(b.DecidedAt().Compare(a.DecidedAt()), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// endingPatterns are those of the decisions about a signer, by their ids, that
// count for others.
func endingPatterns(ctx context.Context, q database.Querier, of inventory.SignerID, ids []string) ([]inventory.Decision, error) {
	var list []inventory.Decision
	return list, database.EachIn(ctx, q, "select "+decisionColumns+" from decisions where signer_id = $1 and identities <> '' and id in %s", ids,
		func(rows *sql.Rows) error {
			d, err := scanDecision(rows)
			list = append(list, d)
			return err
		}, of)
}

// coveredBy are the known signers for whom one of the decisions counts, or
// counted, by its pattern.
func coveredBy(ctx context.Context, q database.Querier, decisions ...inventory.Decision) ([]inventory.SignerID, error) {
	found := map[inventory.SignerID]bool{}
	for _, d := range decisions {
		if d.Identities == "" || d.State == inventory.StateProposed {
			continue
		}
		ids, err := matching(ctx, q, d)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			found[id] = found[id] || d.Lends(id)
		}
	}
	maps.DeleteFunc(found, func(_ inventory.SignerID, covered bool) bool { return !covered })
	return slices.Sorted(maps.Keys(found)), nil
}

// matching are the known signers that a decision's pattern matches. Only ids are
// read, and only from an index.
func matching(ctx context.Context, q database.Querier, d inventory.Decision) ([]inventory.SignerID, error) {
	issuer, _, ok := d.Signer.Identity()
	if !ok {
		return nil, nil
	}
	literal, _, _ := strings.Cut(string(d.Identities), "*")
	prefix := string(inventory.KeylessID(issuer, literal))
	var list []inventory.SignerID
	err := database.Each(ctx, q, "select id from signers where kind = $1 and substr(id, 1, cast($2 as integer)) = $3", func(rows *sql.Rows) error {
		var id inventory.SignerID
		err := rows.Scan(&id)
		if d.Matches(id) {
			list = append(list, id)
		}
		return err
	}, inventory.KeylessSigner, utf8.RuneCountInString(prefix), prefix)
	slices.Sort(list)
	return list, err
}

// Matching are the known signers that a pattern of a signer's issuer matches,
// sorted by their ids: all of the ids, and who the first of them are, as lists
// show them.
func (d *DB) Matching(ctx context.Context, of inventory.SignerID, p inventory.IdentityPattern, first int, now time.Time) ([]inventory.SignerID, []inventory.Signer, error) {
	var ids []inventory.SignerID
	var list []inventory.Signer
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		if ids, err = matching(ctx, q, inventory.Decision{Signer: of, Identities: p}); err != nil {
			return err
		}
		err = database.EachIn(ctx, q, "select "+signerColumns+" from signers where id in %s", ids[:min(first, len(ids))], func(rows *sql.Rows) error {
			s, err := scanSigner(rows)
			list = append(list, s)
			return err
		})
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b inventory.Signer) int { return cmp.Compare(a.ID, b.ID) })
		return standIn(ctx, q, list, now)
	})
	return ids, list, err
}

// rootsOfSigner are the roots of trust that verified signatures of a keyless
// signer came through, sorted. Of one that was last read before they were kept
// the newest images tell.
func rootsOfSigner(ctx context.Context, q database.Querier, id inventory.SignerID) ([]string, error) {
	if id.Kind() != inventory.KeylessSigner {
		return nil, nil
	}
	roots, err := database.Column[string](ctx, q, "select root from signer_roots where signer_id = $1", id)
	if err == nil && len(roots) == 0 {
		roots, err = rootsInEvidence(ctx, q, id)
	}
	slices.Sort(roots)
	return roots, err
}

func rootsInEvidence(ctx context.Context, q database.Querier, id inventory.SignerID) ([]string, error) {
	const newest = 50
	images, err := database.Column[int64](ctx, q, `
		select image_id
		from image_facets
		where kind = $3 and value = $1
		order by image_id desc
		limit $2`, id, newest, countSigner)
	if err == nil && len(images) == 0 { // none of its images is in use
		images, err = database.Column[int64](ctx, q, "select image_id from image_signers where signer_id = $1 limit $2", id, newest)
	}
	if err != nil {
		return nil, err
	}
	var roots []string
	return roots, eachSignature(ctx, q, images, func(_ int64, s inventory.Signature) {
		if s.Outcome == inventory.OutcomeVerified && s.Signer != nil && s.Signer.ID == id && s.Domain != "" && !slices.Contains(roots, s.Domain) {
			roots = append(roots, s.Domain)
		}
	})
}

// vouching gathers what is kept beside an image about a signer of its: when the
// last of its signatures stops to hold, a mark of that one, and which root of
// trust vouches for the signer.
type vouching struct {
	until int64
	named string
	root  string
	mixed bool // several roots: then the evidence has to be asked
}

func (s *vouching) add(sig inventory.Signature, first bool) {
	// A verdict names the signature that holds for longest.
	if holds := holdsUntil(s.until, sig); holds > s.until {
		s.until, s.named = holds, jsonOf(markOf(sig))
	}
	if sig.Signer.ID.Kind() != inventory.KeylessSigner {
		return // its id says whose word it goes by
	}
	if first {
		s.root = sig.Domain
	}
	s.mixed = s.mixed || s.root != sig.Domain
}

// kept are the columns holds_until and root.
func (s vouching) kept() (int64, string) {
	if s.mixed {
		return 0, ""
	}
	return s.until, s.root
}
