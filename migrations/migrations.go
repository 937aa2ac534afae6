// Package migrations holds the steps that bring a database to the schema this
// program works with, as embedded SQL files. They are written in the words that
// SQLite and PostgreSQL share. The package runs nothing itself: inventory/store
// does that when it opens a database. A file that was released is never changed
// again; what it got wrong is put right by the next one.
package migrations

import "embed"

// FS holds the files, in the form pressly/goose reads: NNNNN_name.sql.
//
//go:embed *.sql
var FS embed.FS
