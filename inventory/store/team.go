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

// teamsOf are the names of the teams that own "registry/repository", NoTeam
// when there are none.
func teamsOf(teams []inventory.Team, fullName string) []string {
	var names []string
	for _, t := range teams {
		if t.Owns(fullName) {
			names = append(names, t.Name)
		}
	}
	if names == nil {
		return []string{inventory.NoTeam}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func storedTeams(ctx context.Context, q database.Querier) ([]inventory.Team, error) {
	var teams []inventory.Team
	err := database.Each(ctx, q, "select name, group_names, repositories from teams order by position", func(rows *sql.Rows) error {
		var t inventory.Team
		var groups, globs string
		if err := rows.Scan(&t.Name, &groups, &globs); err != nil {
			return err
		}
		if err := fromJSON(groups, &t.Groups); err != nil {
			return err
		}
		err := fromJSON(globs, &t.Repositories)
		teams = append(teams, t)
		return err
	})
	return teams, err
}

// beginTeams stores the teams and answers with what is left to do, nil when that is
// nothing: giving each repository to those that own it. What was done to the end
// is noted, so that a start that was cut short is made up for at the next, and one
// without a change costs nothing.
func (d *DB) beginTeams(ctx context.Context, teams []inventory.Team, now time.Time) (give func(context.Context) error, err error) {
	mark := string(inventory.DigestOf([]byte(jsonOf(teams))))
	applied, err := database.Value[string](ctx, d.sql.Reader, "select value from settings where name = 'teams'")
	if err != nil && !errors.Is(err, sql.ErrNoRows) || applied == mark {
		return nil, d.sql.Explain(err)
	}
	err = d.sql.Write(ctx, func(tx database.Querier) error {
		if _, err := tx.ExecContext(ctx, "delete from settings where name = 'teams'"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "delete from teams"); err != nil {
			return err
		}
		var rows [][]any
		for i, t := range teams {
			rows = append(rows, []any{t.Name, i, jsonOf(t.Groups), jsonOf(t.Repositories)})
		}
		return database.Insert(ctx, tx, "insert into teams (name, position, group_names, repositories)", rows, "")
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := d.giveAll(ctx, teams, now); err != nil {
			return err
		}
		return d.sql.Write(ctx, func(tx database.Querier) error {
			return database.Insert(ctx, tx, "insert into settings (name, value)", [][]any{{"teams", mark}}, "on conflict (name) do update set value = excluded.value")
		})
	}, nil
}

// giveAll gives each repository to the teams that own it, those that go to others
// than before in a transaction each.
func (d *DB) giveAll(ctx context.Context, teams []inventory.Team, now time.Time) error {
	type repository struct {
		id   int64
		name string
	}
	for after := int64(0); ; {
		var page []repository
		err := database.Each(ctx, d.sql.Reader, `
			select id, full_name
			from repositories
			where id > $1
			order by id
			limit 500`, database.ScanInto(&page, func(r *repository) []any { return []any{&r.id, &r.name} }), after)
		if err != nil {
			return d.sql.Explain(err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].id
		var ids []int64
		for _, r := range page {
			ids = append(ids, r.id)
		}
		was := map[int64][]string{}
		err = database.EachIn(ctx, d.sql.Reader, "select repository_id, team from team_repositories where repository_id in %s order by repository_id, team", ids, func(rows *sql.Rows) error {
			var id int64
			var team string
			err := rows.Scan(&id, &team)
			was[id] = append(was[id], team)
			return err
		})
		if err != nil {
			return d.sql.Explain(err)
		}
		for _, r := range page {
			owners := teamsOf(teams, r.name)
			slices.Sort(was[r.id]) // which the database may do otherwise
			if slices.Equal(was[r.id], owners) {
				continue
			}
			if err := d.giveTo(ctx, r.id, owners, now); err != nil {
				return err
			}
		}
	}
}

// giveTo gives a repository and its images to teams.
func (d *DB) giveTo(ctx context.Context, repositoryID int64, teams []string, now time.Time) error {
	return d.sql.Write(ctx, func(tx database.Querier) error {
		// Nobody stores images of the repository meanwhile.
		if _, err := database.Value[int64](ctx, tx, "select id from repositories where id = $1"+d.sql.ForUpdate, repositoryID); err != nil {
			return err
		}
		c := d.changes(tx, now)
		if err := load(ctx, c, "listed and repository_id in %s", []int64{repositoryID}); err != nil {
			return err
		}
		for _, r := range c.rows {
			r.teams = teams
		}
		if _, err := tx.ExecContext(ctx, "delete from team_repositories where repository_id = $1", repositoryID); err != nil {
			return err
		}
		var rows [][]any
		for _, t := range teams {
			rows = append(rows, []any{repositoryID, t})
		}
		if err := database.Insert(ctx, tx, "insert into team_repositories (repository_id, team)", rows, ""); err != nil {
			return err
		}
		return c.save(ctx)
	})
}
