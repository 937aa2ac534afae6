package store

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// The bounds of what is looked at to say what is unusual about one signer.
const (
	namedRepositories = 3   // that a list names
	oddPlaces         = 8   // repositories in which others may have signed before: those with the most of its images
	oddFamilies       = 9   // families of signers in a repository; one with more has no regular signer
	oddNamed          = 3   // of the places, those whose former signer is named and counted
	oddCounted        = 200 // signers of a family, such as the releases of a workflow, whose images are counted
)

// surround fills in where signers sign, and what is unusual about those that
// nobody has decided about. It costs what the list holds, whatever the inventory
// does.
func (d *DB) surround(ctx context.Context, q database.Querier, list []*inventory.Signer, now time.Time) error {
	type place struct{ repository, formats, since, notBefore int64 }
	places := map[inventory.SignerID][]place{}
	var repositories []int64
	for _, s := range list {
		var found []place
		err := database.Each(ctx, q, `
			select repository_id, formats, since, not_before
			from signer_repositories
			where signer_id = $1 and images > 0
			order by images desc, repository_id
			limit $2`, database.ScanInto(&found, func(p *place) []any { return []any{&p.repository, &p.formats, &p.since, &p.notBefore} }),
			database.Clean(s.ID), inventory.MaxCounted+1)
		if err != nil {
			return err
		}
		places[s.ID] = found
		for _, p := range found {
			repositories = append(repositories, p.repository)
		}
	}
	slices.Sort(repositories)
	repositories = slices.Compact(repositories)
	names, err := repositoryNamesOf(ctx, q, repositories)
	if err != nil {
		return err
	}
	teams := map[int64][]string{}
	err = database.EachIn(ctx, q, "select repository_id, team from team_repositories where repository_id in %s", repositories, func(rows *sql.Rows) error {
		var id int64
		var team string
		err := rows.Scan(&id, &team)
		teams[id] = append(teams[id], team)
		return err
	})
	if err != nil {
		return err
	}
	around := map[inventory.SignerID]*inventory.Surroundings{}
	var odd []int64 // repositories of which it matters who else signs there
	for _, s := range list {
		var formats int64
		for i, p := range places[s.ID] {
			formats |= p.formats
			if i < namedRepositories {
				s.Repositories = append(s.Repositories, names[p.repository])
			}
			for _, t := range teams[p.repository] {
				if t != inventory.NoTeam {
					s.Teams = append(s.Teams, t)
				}
			}
		}
		s.RepositoryCount, s.Formats = len(places[s.ID]), formatsOf(formats)
		slices.Sort(s.Teams)
		s.Teams = slices.Compact(s.Teams)
		if s.Standing != inventory.Pending {
			continue
		}
		around[s.ID] = &inventory.Surroundings{}
		places[s.ID] = slices.DeleteFunc(places[s.ID], func(p place) bool { return p.notBefore == 0 })
		places[s.ID] = places[s.ID][:min(len(places[s.ID]), oddPlaces)]
		for _, p := range places[s.ID] {
			odd = append(odd, p.repository)
		}
	}
	if len(around) == 0 {
		return nil
	}
	slices.Sort(odd)
	families, err := familiesOf(ctx, q, slices.Compact(odd))
	if err != nil {
		return err
	}
	familiar, err := d.familiar(ctx, q, now)
	if err != nil {
		return err
	}
	vouched := vouchers{q: q, authorities: map[string]seenSince{}, kinds: map[inventory.SignerKind]seenSince{}}
	for _, s := range list {
		a := around[s.ID]
		if a == nil {
			continue
		}
		a.Familiar = familiar
		named := 0
		for _, p := range places[s.ID] {
			in := inventory.SignedIn{Repository: names[p.repository], Since: timeOf(p.since), NotBefore: timeOf(p.notBefore)}
			in.Families = slices.Clone(families[p.repository])
			if in.Crowded = len(in.Families) > oddFamilies; in.Crowded {
				in.Families = nil
			}
			if before, ok := in.Before(s.ID); ok && named < oddNamed {
				named++
				at := slices.IndexFunc(in.Families, func(f inventory.FamilySince) bool { return f.Family == before.Family })
				if err := nameFamily(ctx, q, p.repository, &in.Families[at]); err != nil {
					return err
				}
			}
			a.Places = append(a.Places, in)
		}
		if err := vouched.fill(ctx, s.ID, a); err != nil {
			return err
		}
		s.Oddities = inventory.Oddities(*s, *a)
	}
	return nil
}

func repositoryNamesOf(ctx context.Context, q database.Querier, ids []int64) (map[int64]string, error) {
	names := make(map[int64]string, len(ids))
	return names, database.EachIn(ctx, q, "select id, full_name from repositories where id in %s", ids, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
}

// familiesOf are the families that signed in repositories, each with the moment
// by which its first signer had: up to one more than matters. Each step asks the
// index for the family after the last one, so that the releases of a workflow,
// of which there can be thousands, cost as much as one.
func familiesOf(ctx context.Context, q database.Querier, repositories []int64) (map[int64][]inventory.FamilySince, error) {
	families := map[int64][]inventory.FamilySince{}
	return families, database.EachIn(ctx, q, `
		with recursive found (repository_id, family, n) as (
		  select r.id, (select min(s.family) from signer_repositories s where s.repository_id = r.id), 1
		  from repositories r
		  where r.id in %s
		  union all
		  select f.repository_id, (select min(s.family) from signer_repositories s where s.repository_id = f.repository_id and s.family > f.family), f.n + 1
		  from found f
		  where f.family is not null and f.n <= $1)
		select f.repository_id, f.family, (select min(s.since) from signer_repositories s where s.repository_id = f.repository_id and s.family = f.family)
		from found f
		where f.family is not null`, repositories, func(rows *sql.Rows) error {
		var id, since int64
		var f inventory.FamilySince
		err := rows.Scan(&id, &f.Family, &since)
		f.Since = timeOf(since)
		families[id] = append(families[id], f)
		return err
	}, oddFamilies)
}

// nameFamily finds out who was the first of a family in a repository, and how
// many images there carry a signature of one of them.
func nameFamily(ctx context.Context, q database.Querier, repository int64, f *inventory.FamilySince) error {
	f.Signer = &inventory.NamedSigner{}
	err := database.Row(ctx, q, `
		select s.id, s.name
		from signer_repositories p
		join signers s on s.id = p.signer_id
		where p.repository_id = $1 and p.family = $2
		order by p.since, p.signer_id
		limit 1`, []any{repository, f.Family}, &f.Signer.ID, &f.Signer.Name)
	if err != nil {
		return err
	}
	f.Images, err = database.Value[int](ctx, q, `
		select coalesce(sum(images), 0)
		from (select images from signer_repositories where repository_id = $1 and family = $2 order by since desc limit $3) as few`, repository, f.Family, oddCounted)
	return err
}

// seenSince says when the first of some signers was seen, and whether one of them
// was decided about.
type seenSince struct {
	at      sql.NullInt64
	decided bool
}

// vouchers asks about issuers, anchors and kinds, once for each.
type vouchers struct {
	q           database.Querier
	authorities map[string]seenSince
	kinds       map[inventory.SignerKind]seenSince
}

func (v vouchers) fill(ctx context.Context, id inventory.SignerID, a *inventory.Surroundings) (err error) {
	authority, kind := id.Authority(), id.Kind()
	if authority == "" {
		return nil
	}
	same, ok := v.authorities[authority]
	if !ok {
		err = database.Row(ctx, v.q, `
			select (select min(first_seen) from signers where authority = $1 and authority <> ''),
			  exists (select 1 from signers where authority = $1 and authority <> '' and standing <> 'pending')`, []any{database.Clean(authority)}, &same.at, &same.decided)
		if err != nil {
			return err
		}
		v.authorities[authority] = same
	}
	all, ok := v.kinds[kind]
	if !ok {
		err = database.Row(ctx, v.q, `
			select (select min(first_seen) from signers where kind = $1),
			  exists (select 1 from signers where kind = $1 and standing in ('approved', 'rejected', 'revoked', 'expired'))`, []any{kind}, &all.at, &all.decided)
		if err != nil {
			return err
		}
		v.kinds[kind] = all
	}
	a.VouchedSince, a.VouchedDecided = timeOrNil(same.at), same.decided
	a.KindSince, a.KindDecided = timeOrNil(all.at), all.decided
	return nil
}

// familiarSigners keeps the signers that others are compared with, until somebody
// decides or registers a key.
type familiarSigners struct {
	sync.Mutex
	known              *inventory.Familiar
	decisions, trusted int64
}

func (d *DB) familiar(ctx context.Context, q database.Querier, now time.Time) (*inventory.Familiar, error) {
	var decided, trusted int64
	err := database.Row(ctx, q, `
		select (select value from revisions where name = 'decisions'), (select value from revisions where name = 'trust')`, nil, &decided, &trusted)
	if err != nil {
		return nil, err
	}
	kept := &d.familiars
	kept.Lock()
	defer kept.Unlock()
	if kept.known != nil && kept.decisions == decided && kept.trusted == trusted {
		return kept.known, nil
	}
	// The approved ones first; an approval that ran out makes nobody a stranger, so
	// that it doesn't matter that time has gone on since this was read.
	var list []inventory.Signer
	seen := map[inventory.SignerID]bool{}
	for _, which := range []string{"standing = 'approved'", "standing = 'expired'", "registered_at is not null"} {
		err := database.Each(ctx, q, "select "+signerColumns+", standing from signers where "+which+" order by images desc, id limit $1", func(rows *sql.Rows) error {
			var standing inventory.Standing
			s, err := scanSigner(alsoInto{rows, &standing})
			if s.Standing = standing; !seen[s.ID] {
				seen[s.ID] = true
				list = append(list, s)
			}
			return err
		}, inventory.MaxFamiliar)
		if err != nil {
			return nil, err
		}
	}
	kept.known, kept.decisions, kept.trusted = inventory.NewFamiliar(list), decided, trusted
	return kept.known, nil
}
