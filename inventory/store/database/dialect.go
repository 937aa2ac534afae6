package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"signboard/inventory"
)

// Dialect is everything in which the two databases differ.
type Dialect struct {
	goose goose.Dialect
	where string // how a message calls the database: its file, or its host

	// PostgreSQL lets transactions write side by side, so rows that one has
	// read and goes by are locked; SQLite has one writer and needs no words. Each
	// is put at the end of a query, with the space before it.
	ForUpdate, ForUpdateSkip, ForShare string
}

// Postgres reports whether it is PostgreSQL, and not SQLite.
func (d Dialect) Postgres() bool { return d.goose == goose.DialectPostgres }

// connect opens the pools without looking at the schema.
func connect(ctx context.Context, dsn string) (*DB, error) {
	scheme, rest, _ := strings.Cut(dsn, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, dsn)
	}
	return nil, inventory.Errorf(inventory.Invalid, "database: must be sqlite:PATH or postgres://…, and begins with neither.")
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	const (
		// Other processes (a backup, signboard key add) may hold SQLite's lock.
		all = "_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=temp_store(memory)"
		wal = all + "&_pragma=journal_mode(wal)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(8000)&_txlock=immediate"
	)
	kind := Dialect{goose: goose.DialectSQLite3, where: path}
	open := func(options string, conns int) Pool {
		return Pool{sqlitePool(path, options, conns), kind, make(chan struct{}, conns)}
	}
	// Two writing connections, one turn: synchronous can't change inside a
	// transaction, and a setting that is switched to and fro on one connection
	// is one that an error can leave wrong. A commit on the durable connection
	// syncs the whole write-ahead log, so it never outlives what it rests on.
	d := &DB{
		Dialect: kind,
		turn:    make(chan struct{}, 1),
		bulk:    open(wal+"&_pragma=synchronous(normal)&_pragma=cache_size(-65536)", 1),
		durable: open(wal+"&_pragma=synchronous(full)", 1),
		Reader:  open(all+"&_pragma=cache_size(-16384)&_query_only=1", max(4, runtime.NumCPU())),
	}
	for _, db := range []Pool{d.bulk, d.durable, d.Reader} {
		if err := db.PingContext(ctx); err != nil {
			d.Close()
			return nil, d.Explain(fmt.Errorf("opening %s: %w", path, err))
		}
	}
	return d, nil
}

func sqlitePool(path, options string, conns int) *sql.DB {
	connector, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options)
	if err != nil {
		panic("database: the options of SQLite can't be read: " + err.Error())
	}
	db := sql.OpenDB(preparing{connector})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// copyInto writes a compact copy of a SQLite database, as it is at one moment,
// into an empty file. It reads; nobody waits for it.
func (d *DB) copyInto(ctx context.Context, file string) error {
	db := sqlitePool(d.where, "_pragma=busy_timeout(10000)", 1)
	defer db.Close()
	_, err := db.ExecContext(ctx, "vacuum into $1", file)
	return err
}

// checkFile finds out by trying what SQLite would only call "unable to open
// database file".
func checkFile(path string) error {
	refuse := func(format string, args ...any) error { return inventory.Errorf(inventory.Invalid, format, args...) }
	if path == "" {
		return refuse("database: sqlite: needs the path of a file, as in sqlite:signboard.db.")
	}
	folder := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return refuse("The database %s is a folder. Name a file in it, as in sqlite:%s.", path, filepath.Join(path, "signboard.db"))
	}
	if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return refuse("The database can't be created: the folder %s doesn't exist. Create it, or correct database: in the configuration.", folder)
	} else if err == nil && !info.IsDir() {
		return refuse("The database can't be created: %s is not a folder. Correct database: in the configuration.", folder)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return refuse("The database %s can't be opened for writing: %v. Let this user write to it and to its folder, or name another place with database: in the configuration.", path, cause(err))
	}
	file.Close()
	// The write-ahead log is made beside the file.
	probe, err := os.CreateTemp(folder, ".signboard-*")
	if err != nil {
		return refuse("The database %s can't be used: its folder %s can't be written to: %v. Let this user write there, or name another place with database: in the configuration.", path, folder, cause(err))
	}
	probe.Close()
	os.Remove(probe.Name())
	return nil
}

func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// connections is how many a process has to PostgreSQL at the most.
const connections = 16

// writers is how many transactions of a process write to PostgreSQL at once. A
// process that freezes keeps the others from the counters of everything for
// idleLimit with each of them, one after the other: all of that has to be over
// before the others lose their leases.
const writers = 4

func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil { // its message leaves the password out
		return nil, inventory.Errorf(inventory.Invalid, "database: can't be read as the address of a PostgreSQL database (postgres://user:password@host:5432/name): %v", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "signboard"
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(limitIdle(config.RuntimeParams[idleLimit])))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(8)
	where := net.JoinHostPort(config.Host, fmt.Sprint(config.Port)) + "/" + config.Database
	kind := Dialect{goose: goose.DialectPostgres, where: where, ForUpdate: " for update", ForUpdateSkip: " for update skip locked", ForShare: " for share"}
	all := Pool{db, kind, make(chan struct{}, connections-writers)}
	d := &DB{Dialect: kind, Reader: all, bulk: all, durable: all, turn: make(chan struct{}, writers)}
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, d.Explain(err)
	}
	return d, nil
}

// idleLimit is PostgreSQL's setting for how long a transaction may wait for its
// client. A process that froze in one, or whose machine is gone, would otherwise
// keep rows locked that everybody needs, the counters of everything among them.
const idleLimit = "idle_in_transaction_session_timeout"

// limitIdle sets it in each session, unless the address of the database says
// otherwise: to far less than a lease lasts, since a process that froze may have
// several transactions in line for the same rows. It isn't sent with the
// connection's start: poolers refuse settings there that they don't know.
func limitIdle(configured string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		if configured != "" {
			return nil
		}
		_, err := conn.Exec(ctx, "set "+idleLimit+" = '3s'")
		return err
	}
}

// snapshot is the kind of transaction that sees one state of the database.
// In SQLite each transaction does.
func (d Dialect) snapshot() *sql.TxOptions {
	if d.Postgres() {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return &sql.TxOptions{ReadOnly: true}
}

// migrationOptions keep replicas that start together from migrating together.
func (d Dialect) migrationOptions() ([]goose.ProviderOption, error) {
	if !d.Postgres() {
		return nil, nil
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, err
	}
	return []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

// again reports whether a transaction failed only because of others, and may
// succeed when run again.
func (d Dialect) again(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code := e.Code() & 0xff
		return code == codes.SQLITE_BUSY || code == codes.SQLITE_LOCKED || uniqueInSQLite(e)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "40001", "40P01", "23505": // serialization failure, deadlock, an id that another process made too
			return true
		}
	}
	return false
}

// lost reports whether a connection that was there broke off, as when
// PostgreSQL restarts, or ends a transaction in which this process froze.
func (d Dialect) lost(err error) bool {
	if err == nil || !d.Postgres() {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // there is none to be had
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "57P01" || e.Code == "57P02" || e.Code == "25P03" // shutdown, crash, idle in a transaction
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
}

func uniqueInSQLite(e *sqlite.Error) bool {
	return e.Code() == codes.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == codes.SQLITE_CONSTRAINT_UNIQUE
}

// Explain turns what an operator can do something about into an inventory.Error
// with a sentence for them. Other errors come back as they are, and so does none.
func (d *DB) Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*inventory.Error](err); ok {
		return err
	}
	say := func(format string, args ...any) error {
		return &inventory.Error{Kind: inventory.Unavailable, Message: fmt.Sprintf(format, args...), Err: err}
	}
	where := d.where
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case codes.SQLITE_FULL:
			return say("The disk that holds %s is full: nothing could be written, and nothing was lost. Make room; Signboard carries on by itself.", where)
		case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_CANTOPEN:
			return say("The database %s can't be written to. Let this user write to it and to its folder.", where)
		case codes.SQLITE_NOTADB:
			return say("%s is not a Signboard database, or it is damaged. Name another file with database: in the configuration, or put a backup in its place.", where)
		case codes.SQLITE_CORRUPT:
			return say("The database %s is damaged. Stop Signboard and put a backup in its place.", where)
		case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
			return say("The database %s is busy. Try again.", where)
		case codes.SQLITE_IOERR:
			return say("The disk that holds %s reported an error. Check the disk and its free space.", where)
		}
		return err
	}
	if d.lost(err) {
		return say("The connection to PostgreSQL at %s broke off. Look whether it is done, and try again if it isn't.", where)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "25006":
			return say("PostgreSQL at %s takes no writes at the moment: it is a standby, or was made read-only. Signboard carries on by itself once it takes them.", where)
		case strings.HasPrefix(e.Code, "28"):
			return say("PostgreSQL at %s refused the user or the password. Correct database: in the configuration.", where)
		case e.Code == "3D000":
			return say("PostgreSQL at %s has no such database. Create it (createdb), or correct database: in the configuration.", where)
		case e.Code == "53100":
			return say("PostgreSQL at %s has no room left on its disk: nothing was lost. Make room; Signboard carries on by itself.", where)
		case e.Code == "42501":
			return say("PostgreSQL at %s doesn't let this user do that: %s. Make the user the owner of the database.", where, e.Message)
		case strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "53"):
			return say("PostgreSQL at %s doesn't take work at the moment: %s.", where, e.Message)
		}
		return err
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		why := "it doesn't answer"
		switch {
		case errors.Is(e, syscall.ECONNREFUSED):
			why = "the connection was refused"
		case errors.Is(e, fs.ErrNotExist):
			why = "there is no such socket"
		case errors.Is(e, context.DeadlineExceeded):
			why = "it didn't answer in time"
		}
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			why = "the name " + dns.Name + " can't be resolved"
		}
		return say("PostgreSQL at %s can't be reached: %s. Start it, or correct database: in the configuration.", where, why)
	}
	return err
}

// arrayText puts the parameter that is an array of keys where a query holds
// "in %s".
func arrayText(query string, number int) string {
	return strings.ReplaceAll(query, "in %s", fmt.Sprintf("= any($%d)", number))
}

// arrayOf is a parameter that holds all keys.
func arrayOf[K any](keys []K) any {
	values := make([]any, 0, len(keys))
	for _, k := range keys {
		values = append(values, k)
	}
	array, _ := columnArray(values)
	return array
}

// insertArrays inserts any number of rows with one statement, whose text depends
// on the columns alone: PostgreSQL reads and plans it once for each connection.
func insertArrays(ctx context.Context, tx Querier, into string, rows [][]any, after string) (written int, err error) {
	const most = 1000 // rows; what they hold is in memory twice
	for part := range slices.Chunk(rows, most) {
		var b strings.Builder
		b.WriteString(into + " select * from unnest(")
		args := make([]any, 0, len(part[0]))
		values := make([]any, len(part))
		for c := range part[0] {
			for r, row := range part {
				values[r] = row[c]
			}
			array, kind := columnArray(values)
			args = append(args, array)
			if c > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "$%d::%s[]", c+1, kind)
		}
		b.WriteString(") " + after)
		wrote, err := Changed(tx.ExecContext(ctx, b.String(), args...))
		if err != nil {
			return written, err
		}
		written += wrote
	}
	return written, nil
}

// columnArray is values of one type as PostgreSQL's array, and the name of the
// type.
func columnArray(values []any) (array any, kind string) {
	switch values[0].(type) {
	case sql.NullInt64:
		return listOf(values, func(v any) *int64 {
			if n := v.(sql.NullInt64); n.Valid {
				return &n.Int64
			}
			return nil
		}), "bigint"
	case sql.NullString:
		return listOf(values, func(v any) *string {
			if s := v.(sql.NullString); s.Valid {
				text := Clean(s.String).(string)
				return &text
			}
			return nil
		}), "text"
	case bool:
		return listOf(values, func(v any) bool { return v.(bool) }), "boolean"
	case []byte:
		return listOf(values, func(v any) []byte { return v.([]byte) }), "bytea"
	}
	if reflect.TypeOf(values[0]).Kind() == reflect.String {
		return listOf(values, func(v any) string { return reflect.ValueOf(Clean(v)).String() }), "text"
	}
	return listOf(values, func(v any) int64 { return reflect.ValueOf(v).Int() }), "bigint"
}

func listOf[T any](values []any, of func(any) T) []T {
	list := make([]T, 0, len(values))
	for _, v := range values {
		list = append(list, of(v))
	}
	return list
}

// AddTo adds to columns of numbers in rows that are there: each row is its text
// key and a number (int64) for every column. Rows come in the order of their keys.
// PostgreSQL is asked once for all: each statement is a way there and back.
func AddTo(ctx context.Context, tx Querier, table, key string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	var set strings.Builder
	for i, column := range columns {
		if i > 0 {
			set.WriteString(", ")
		}
		if tx.Postgres() {
			fmt.Fprintf(&set, "%s = t.%[1]s + c.%[1]s", column)
		} else {
			fmt.Fprintf(&set, "%s = %[1]s + $%d", column, i+2)
		}
	}
	if !tx.Postgres() {
		for _, row := range rows {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("update %s set %s where %s = $1", table, &set, key), row...); err != nil {
				return err
			}
		}
		return nil
	}
	arrays, from := make([]any, 0, 1+len(columns)), "$1::text[]"
	for c := range 1 + len(columns) {
		values := make([]any, 0, len(rows))
		for _, row := range rows {
			values = append(values, row[c])
		}
		array, _ := columnArray(values)
		arrays = append(arrays, array)
		if c > 0 {
			from += fmt.Sprintf(", $%d::bigint[]", c+1)
		}
	}
	// An update with a join locks in any order.
	lock := fmt.Sprintf("select %[2]s from %[1]s where %[2]s = any($1) order by %[2]s for update", table, key)
	if _, err := tx.ExecContext(ctx, lock, arrays[0]); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("update %s t set %s from unnest(%s) as c (%s, %s) where t.%[4]s = c.%[4]s",
		table, &set, from, key, strings.Join(columns, ", ")), arrays...)
	return err
}
