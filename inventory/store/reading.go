package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"signboard/inventory"
	"signboard/migrations"
)

// OpenReading opens a database for reading alone: it creates nothing, leaves
// the schema as it is, and whatever would write fails. Others may read and write
// meanwhile. A database that isn't there, or that nothing was ever stored in, is
// NotFound; one whose schema is another version's is refused.
func OpenReading(ctx context.Context, dsn string) (*DB, error) {
	d, err := connectReading(ctx, dsn)
	if err != nil {
		return nil, err
	}
	d.clock = time.Now
	if err := d.current(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func connectReading(ctx context.Context, dsn string) (*DB, error) {
	refused := pool{DB: sql.OpenDB(refusal{})}
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		d, err := connect(ctx, dsn)
		if err == nil {
			d.bulk, d.durable = refused, refused
		}
		return d, err
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nothing(path)
	} else if err == nil && info.IsDir() {
		return nil, checkFile(path)
	}
	kind := dialect{goose: goose.DialectSQLite3, where: path}
	return &DB{
		dialect: kind, overdueKept: map[overdueKey]overdueCount{},
		reader: pool{sqlitePool(path, "mode=rw&_pragma=busy_timeout(10000)&_pragma=temp_store(memory)&_query_only=1", 4), kind},
		bulk:   refused, durable: refused,
	}, nil
}

func nothing(where string) error {
	return inventory.Errorf(inventory.NotFound, "There is no inventory at %s yet: nothing was synced into it.", where)
}

// current holds that the schema is the one this program knows.
func (d *DB) current(ctx context.Context) error {
	var found int64
	err := d.reader.QueryRowContext(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&found)
	if err != nil {
		if err := d.explain(err); inventory.KindOf(err) != inventory.Internal {
			return err
		}
		return nothing(d.dialect.where) // there is no such table
	}
	provider, err := goose.NewProvider(d.dialect.goose, d.reader.DB, migrations.FS, d.dialect.goMigrations())
	if err != nil {
		return fmt.Errorf("reading the embedded migrations: %w", err)
	}
	sources := provider.ListSources()
	switch known := sources[len(sources)-1].Version; {
	case found > known:
		return inventory.Errorf(inventory.Invalid,
			"The database %s was made by a newer Signboard (schema %d, this program knows %d). Use that version.", d.dialect.where, found, known)
	case found < known:
		return inventory.Errorf(inventory.Invalid,
			"The database %s was made by an older Signboard (schema %d, this program knows %d). Start this version's serve or sync once, which brings it up to date.",
			d.dialect.where, found, known)
	}
	return nil
}

// refusal stands in for the connections of a database that isn't written to.
type refusal struct{}

func (refusal) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("the database was opened for reading alone")
}

func (refusal) Driver() driver.Driver { return nil }

// Known fills in what is known here of an image that was just looked at and
// isn't stored: the tags that point at it, the standing and the names of its
// signers, and the quarantine that holds it. An image that is unknown gets its
// last good verdict, and, when only its tag is known, the digest that the tag
// had when it was last read.
func (d *DB) Known(ctx context.Context, i *inventory.Image, now time.Time) error {
	return d.read(ctx, func(q querier) error {
		if err := recall(ctx, q, i); err != nil {
			return err
		}
		if err := standEvidence(ctx, q, i, now); err != nil {
			return err
		}
		var held []inventory.Quarantine
		if i.Digest != "" { // those of a tag have none
			var err error
			if held, err = quarantines(ctx, q, "released_at is null and digest in %s", []inventory.Digest{i.Digest}); err != nil {
				return err
			}
		}
		tagged, err := quarantines(ctx, q, "released_at is null and repository = $1 and tag in %s", i.Tags, clean(i.FullRepository()))
		if err != nil {
			return err
		}
		for _, one := range append(held, tagged...) {
			if one.StandsAt(now) {
				i.Quarantine = longer(i.Quarantine, &one, now)
			}
		}
		return nil
	})
}

// recall fills in what an earlier sync stored of an image.
func recall(ctx context.Context, q querier, i *inventory.Image) error {
	repository, err := value[int64](ctx, q, `
		select r.id
		from repositories r
		join registries g on g.id = r.registry_id
		where g.name = $1 and r.name = $2 and not g.removed`, clean(i.Registry), clean(i.Repository))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if i.Digest == "" && len(i.Tags) > 0 {
		i.Digest, err = value[inventory.Digest](ctx, q, `
			select i.digest
			from tags t
			join images i on i.id = t.image_id
			where t.repository_id = $1 and t.name = $2`, repository, clean(i.Tags[0]))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	rows, err := imageRows(ctx, q, "repository_id = $1 and digest in %s", []inventory.Digest{i.Digest}, repository)
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	tags, err := tagsOf(ctx, q, []int64{r.ID})
	if err != nil {
		return err
	}
	i.Tags = append(i.Tags, tags[r.ID]...)
	slices.Sort(i.Tags)
	i.Tags = slices.Compact(i.Tags)
	if i.MediaType == "" {
		i.Kind, i.MediaType, i.Size = r.Kind, r.MediaType, r.Size
	}
	if i.Status != inventory.Unknown {
		return nil
	}
	switch {
	case r.Status != inventory.Unknown && r.CheckedAt.Valid:
		i.LastGood = &inventory.LastGood{Status: r.Status, CheckedAt: timeOf(r.CheckedAt.Int64)}
	case r.LastGoodStatus != "" && r.LastGoodAt.Valid:
		i.LastGood = &inventory.LastGood{Status: r.LastGoodStatus, CheckedAt: timeOf(r.LastGoodAt.Int64)}
	}
	i.Stale = i.LastGood != nil
	return nil
}
