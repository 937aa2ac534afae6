package database

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"

	"github.com/pressly/goose/v3"
)

// goMigrations are the steps of the schema that SQL alone can't say for both
// databases.
func (d Dialect) goMigrations() goose.ProviderOption {
	run := func(ctx context.Context, tx *sql.Tx) error { return nil }
	if !d.Postgres() {
		run = compact
	}
	return goose.WithGoMigrations(goose.NewGoMigration(9, &goose.GoFunc{RunTx: run}, nil))
}

// SQLite keeps a table in one tree and its primary key in another, unless the key
// is exactly an "integer", which PostgreSQL takes for one of four bytes, or the
// table is "without rowid", which is for rows that are little more than their
// key. A tree less is a tenth to a third less to write for each row.
var (
	keyed   = []string{"images", "image_events", "materials", "tag_moves", "verdict_history"}
	keyOnly = []string{"counters", "daily_counters", "image_facets", "image_signers", "tags", "team_repositories"}

	bigintKey = regexp.MustCompile(`(?i)\bbigint(\s+not null primary key)`)
	tableName = regexp.MustCompile(`(?i)^create table "?(\w+)"?`)
)

// compact rebuilds the large tables of a SQLite database. It takes them as they
// are, whatever columns and indexes came with other steps.
func compact(ctx context.Context, tx *sql.Tx) error {
	for _, table := range slices.Concat(keyed, keyOnly) {
		var text string
		err := tx.QueryRowContext(ctx, "select sql from sqlite_master where type = 'table' and name = $1", table).Scan(&text)
		if err != nil {
			return fmt.Errorf("reading the form of %s: %w", table, err)
		}
		indexes, err := indexesOf(ctx, tx, table)
		if err != nil {
			return err
		}
		made := tableName.ReplaceAllString(text, "create table compacted")
		if slices.Contains(keyed, table) {
			made = bigintKey.ReplaceAllString(made, "integer$1")
		} else {
			made += " without rowid"
		}
		for _, statement := range append([]string{
			made,
			"insert into compacted select * from " + table,
			"drop table " + table,
			"alter table compacted rename to " + table,
		}, indexes...) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("rebuilding %s: %w", table, err)
			}
		}
	}
	return nil
}

// indexesOf are the indexes of a table, the oldest first: of two that serve as well
// SQLite takes the newer.
func indexesOf(ctx context.Context, tx *sql.Tx, table string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, "select sql from sqlite_master where type = 'index' and tbl_name = $1 and sql is not null order by rowid", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}
