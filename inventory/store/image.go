package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// shown turns rows into images as lists show them, in the same order.
func (d *DB) shown(ctx context.Context, q database.Querier, rows []*imageRow, now time.Time) ([]inventory.Image, error) {
	type repository struct {
		registry, name string
		readAt         int64
		interval       int64
		teams          []string
	}
	ids := make([]int64, 0, len(rows))
	repositories := map[int64]*repository{}
	var repositoryIDs []int64
	digests := make([]inventory.Digest, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
		if repositories[r.RepositoryID] == nil {
			repositories[r.RepositoryID] = &repository{}
			repositoryIDs = append(repositoryIDs, r.RepositoryID)
		}
		digests = append(digests, r.Digest)
	}
	err := database.EachIn(ctx, q, `
		select r.id, g.name, r.name, r.read_at, g.interval_ms
		from repositories r
		join registries g on g.id = r.registry_id
		where r.id in %s`, repositoryIDs, func(rows *sql.Rows) error {
		var id int64
		var r repository
		err := rows.Scan(&id, &r.registry, &r.name, &r.readAt, &r.interval)
		repositories[id] = &r
		return err
	})
	if err != nil {
		return nil, err
	}
	err = database.EachIn(ctx, q, "select repository_id, team from team_repositories where repository_id in %s order by repository_id, team", repositoryIDs, func(rows *sql.Rows) error {
		var id int64
		var team string
		err := rows.Scan(&id, &team)
		if team != inventory.NoTeam {
			repositories[id].teams = append(repositories[id].teams, team)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	signed, err := signersOf(ctx, q, ids, now)
	if err != nil {
		return nil, err
	}
	held, err := holding(ctx, q, digests)
	if err != nil {
		return nil, err
	}
	verdicts, err := d.overtaken(ctx, q, ids, now)
	if err != nil {
		return nil, err
	}
	images := make([]inventory.Image, 0, len(rows))
	for _, r := range rows {
		of := repositories[r.RepositoryID]
		i := inventory.Image{
			ID: r.ID, Registry: of.registry, Repository: of.name, Digest: r.Digest, Kind: r.Kind, MediaType: r.MediaType, Size: r.Size,
			Tags: tags[r.ID], FirstSeen: timeOf(r.FirstSeen), LastSeen: timeOf(r.LastSeen),
			Status: r.Status, Reason: r.Reason, Message: r.Message, CheckedAt: timeOrNil(r.CheckedAt), ChangedAt: timeOrNil(r.ChangedAt),
			Teams: of.teams, Signers: signed[r.ID],
		}
		if r.LastGoodStatus != "" && r.LastGoodAt.Valid {
			i.LastGood = &inventory.LastGood{Status: r.LastGoodStatus, CheckedAt: timeOf(r.LastGoodAt.Int64)}
		}
		if v, ok := verdicts[r.ID]; ok {
			live(&i, v)
		}
		i.Stale = i.LastGood != nil || of.readAt < ms(now)-overdue*of.interval
		i.Quarantine = longest(held[r.Digest], now)
		images = append(images, i)
	}
	return images, nil
}

func tagsOf(ctx context.Context, q database.Querier, ids []int64) (map[int64][]string, error) {
	tags := map[int64][]string{}
	return tags, database.EachIn(ctx, q, "select image_id, name from tags where image_id in %s order by image_id, name", ids, func(rows *sql.Rows) error {
		var id int64
		var tag string
		err := rows.Scan(&id, &tag)
		tags[id] = append(tags[id], tag)
		return err
	})
}

// signersOf says who verifiably signed each image: id, name and standing.
func signersOf(ctx context.Context, q database.Querier, ids []int64, now time.Time) (map[int64][]inventory.Signer, error) {
	type pair struct {
		image  int64
		signer inventory.SignerID
	}
	var pairs []pair
	err := database.EachIn(ctx, q, "select image_id, signer_id from image_signers where image_id in %s order by image_id, signer_id", ids,
		database.ScanInto(&pairs, func(p *pair) []any { return []any{&p.image, &p.signer} }))
	if err != nil {
		return nil, err
	}
	signers := make([]inventory.SignerID, 0, len(pairs))
	for _, p := range pairs {
		signers = append(signers, p.signer)
	}
	known, err := standings(ctx, q, signers, now)
	signed := map[int64][]inventory.Signer{}
	for _, p := range pairs {
		signed[p.image] = append(signed[p.image], known[p.signer])
	}
	return signed, err
}

// imageRows reads rows without what they are counted by.
func imageRows[K any](ctx context.Context, q database.Querier, condition string, keys []K, args ...any) ([]*imageRow, error) {
	var list []*imageRow
	return list, database.EachIn(ctx, q, "select "+imageColumns+" from images where "+condition, keys, func(rows *sql.Rows) error {
		r := &imageRow{}
		list = append(list, r)
		return rows.Scan(r.targets()...)
	}, args...)
}

// FindImages returns the same digest in whatever repositories of the configured
// registries it was seen, those in use first, without evidence; at most 200.
func (d *DB) FindImages(ctx context.Context, digest inventory.Digest) ([]inventory.Image, error) {
	var list []inventory.Image
	err := d.sql.Read(ctx, func(q database.Querier) error {
		rows, err := imageRows(ctx, q, configured+"digest in %s order by id desc limit 1000", []inventory.Digest{digest})
		if err != nil {
			return err
		}
		slices.SortStableFunc(rows, func(a, b *imageRow) int {
			switch {
			case a.Listed == b.Listed:
				return 0
			case a.Listed:
				return -1
			}
			return 1
		})
		list, err = d.shown(ctx, q, rows[:min(len(rows), inventory.MaxPage)], d.clock())
		return err
	})
	return list, err
}

const configured = "registry_id in (select id from registries where not removed) and "

// Image returns one image with all its evidence, or NotFound. An image that no
// tag points at any more, or that is only a platform of an index, is found too.
func (d *DB) Image(ctx context.Context, registry, repository string, digest inventory.Digest, now time.Time) (inventory.Image, error) {
	var image inventory.Image
	err := d.sql.Read(ctx, func(q database.Querier) error {
		absent := inventory.Errorf(inventory.NotFound, "There is no image %s in %s/%s, as far as Signboard has seen.", digest.Short(), registry, repository)
		id, err := database.Value[int64](ctx, q, `
			select r.id
			from repositories r
			join registries g on g.id = r.registry_id
			where g.name = $1 and r.name = $2 and not g.removed`, database.Clean(registry), database.Clean(repository))
		if errors.Is(err, sql.ErrNoRows) {
			return absent
		}
		if err != nil {
			return err
		}
		rows, err := imageRows(ctx, q, "repository_id = $1 and digest in %s", []inventory.Digest{digest}, id)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return absent
		}
		list, err := d.shown(ctx, q, rows, now)
		if err != nil {
			return err
		}
		image = list[0]
		return d.fill(ctx, q, rows[0], &image, now)
	})
	return image, err
}

// fill adds what only an image's own page shows.
func (d *DB) fill(ctx context.Context, q database.Querier, r *imageRow, i *inventory.Image, now time.Time) error {
	ids := []int64{r.ID}
	err := eachSignature(ctx, q, ids, func(_ int64, s inventory.Signature) { i.Signatures = append(i.Signatures, s) })
	if err != nil {
		return err
	}
	err = eachAttestation(ctx, q, ids, func(_ int64, a inventory.Attestation) { i.Attestations = append(i.Attestations, a) })
	if err != nil {
		return err
	}
	if err := fromJSON(r.Notes, &i.Notes); err != nil {
		return err
	}
	if err := standEvidence(ctx, q, i, now); err != nil {
		return err
	}
	if err := historyOf(ctx, q, r, i); err != nil {
		return err
	}
	platforms, err := platformsOf(ctx, q, r)
	if err != nil {
		return err
	}
	parents, err := parentsOf(ctx, q, r)
	if err != nil {
		return err
	}
	elsewhere, err := placesOf(ctx, q, r)
	if err != nil {
		return err
	}
	var all []beside
	for n := range platforms {
		all = append(all, beside{platforms[n].id, &platforms[n].Status})
	}
	for n := range parents {
		all = append(all, beside{parents[n].id, &parents[n].Status})
	}
	for n := range elsewhere {
		all = append(all, beside{elsewhere[n].id, &elsewhere[n].Status})
	}
	if err := d.renew(ctx, q, all, now); err != nil {
		return err
	}
	for _, p := range platforms {
		i.Platforms = append(i.Platforms, p.Under(i.Status))
	}
	for _, p := range parents {
		i.Parents = append(i.Parents, p.Parent)
	}
	for _, p := range elsewhere {
		i.Elsewhere = append(i.Elsewhere, p.Place)
	}
	return nil
}

type place struct {
	id int64
	inventory.Place
}

// placesOf lists where else the digest is in use.
func placesOf(ctx context.Context, q database.Querier, r *imageRow) ([]place, error) {
	var list []place
	return list, database.Each(ctx, q, `
		select i.id, g.name, r.name, i.status
		from images i
		join repositories r on r.id = i.repository_id
		join registries g on g.id = i.registry_id
		where i.digest = $1 and i.listed and i.id <> $2
		order by i.id
		limit 50`, database.ScanInto(&list, func(p *place) []any { return []any{&p.id, &p.Registry, &p.Repository, &p.Status} }), r.Digest, r.ID)
}

// standEvidence gives the signers of the evidence the standing, and the name,
// that they have now.
func standEvidence(ctx context.Context, q database.Querier, i *inventory.Image, now time.Time) error {
	var named []*inventory.Signer
	for n := range i.Signatures {
		named = append(named, i.Signatures[n].Signer)
	}
	for n := range i.Attestations {
		named = append(named, i.Attestations[n].Signer)
	}
	named = slices.DeleteFunc(named, func(s *inventory.Signer) bool { return s == nil })
	ids := make([]inventory.SignerID, 0, len(named))
	for _, s := range named {
		ids = append(ids, s.ID)
	}
	known, err := standings(ctx, q, ids, now)
	for _, s := range named {
		s.Standing = inventory.Pending
		if k, ok := known[s.ID]; ok {
			s.Standing, s.Name = k.Standing, k.Name
		}
	}
	return err
}

type platform struct {
	id int64 // 0: nobody has looked at it
	inventory.Platform
}

// platformsOf lists the images of an index, each with its own status.
func platformsOf(ctx context.Context, q database.Querier, index *imageRow) ([]platform, error) {
	var list []platform
	err := database.Each(ctx, q, `
		select coalesce(i.id, 0), p.platform, p.digest, p.media_type, p.size, coalesce(i.status, 'unknown')
		from platforms p
		left join images i on i.repository_id = p.repository_id and i.digest = p.digest
		where p.image_id = $1
		order by p.position`,
		database.ScanInto(&list, func(p *platform) []any {
			return []any{&p.id, &p.Platform.Platform, &p.Digest, &p.MediaType, &p.Size, &p.Status}
		}), index.ID)
	return list, err
}

type parent struct {
	id int64
	inventory.Parent
}

// parentsOf lists the indexes that an image is reached through, those with
// tags.
func parentsOf(ctx context.Context, q database.Querier, r *imageRow) ([]parent, error) {
	var parents []parent
	err := database.Each(ctx, q, `
		select i.id, i.digest, i.status
		from platforms p
		join images i on i.id = p.image_id
		where p.repository_id = $1 and p.digest = $2 and i.listed
		order by p.image_id desc
		limit 20`, database.ScanInto(&parents, func(p *parent) []any { return []any{&p.id, &p.Digest, &p.Status} }), r.RepositoryID, r.Digest)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(parents))
	for _, p := range parents {
		ids = append(ids, p.id)
	}
	tags, err := tagsOf(ctx, q, ids)
	for i, p := range parents {
		parents[i].Tags = tags[p.id]
	}
	return parents, err
}
