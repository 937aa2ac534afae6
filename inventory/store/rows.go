package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxParams is how many parameters a statement for many rows has at the most.
// SQLite finds a parameter by going through the names of all, so that the time
// of a statement grows with the square of their number: thousands of them cost
// more than several statements.
const maxParams = 250

// ms is how a time is stored.
func ms(t time.Time) int64 { return t.UnixMilli() }

func msOrNull(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

func timeOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func timeOrNil(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := timeOf(ms.Int64)
	return &t
}

// jsonOf writes one of our own types, which can't fail.
func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: a value can't be written as JSON: " + err.Error())
	}
	return string(b)
}

func fromJSON(text string, v any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), v)
}

// params writes ($1, $2, …) for n values, counting on from after.
func params(after, n int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(after + i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// insert runs "insert into … values" for many rows, a statement for as many as
// fit. into is the statement up to values, with its columns named; after is
// what follows, such as a conflict clause.
func insert(ctx context.Context, tx querier, into string, rows [][]any, after string) error {
	for len(rows) > 0 {
		n := min(len(rows), max(1, maxParams/len(rows[0])))
		var b strings.Builder
		b.WriteString(into)
		b.WriteString(" values ")
		args := make([]any, 0, n*len(rows[0]))
		for i, row := range rows[:n] {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(params(len(args), len(row)))
			for _, v := range row {
				args = append(args, clean(v))
			}
		}
		b.WriteByte(' ')
		b.WriteString(after)
		if _, err := tx.ExecContext(ctx, b.String(), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// execIn runs a statement for many keys: query holds (%s) where the list of
// parameters goes, which come after args.
func execIn[K any](ctx context.Context, tx querier, query string, keys []K, args ...any) error {
	for len(keys) > 0 {
		n := min(len(keys), maxParams)
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(query, params(len(args), n)), with(args, keys[:n])...); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// eachIn runs a query for many keys, as execIn does, and scan for each row.
func eachIn[K any](ctx context.Context, q querier, query string, keys []K, scan func(*sql.Rows) error, args ...any) error {
	for len(keys) > 0 {
		n := min(len(keys), maxParams)
		if err := each(ctx, q, fmt.Sprintf(query, params(len(args), n)), scan, with(args, keys[:n])...); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func with[K any](args []any, keys []K) []any {
	all := make([]any, 0, len(args)+len(keys))
	all = append(all, args...)
	for _, k := range keys {
		all = append(all, clean(k))
	}
	return all
}

// clean makes text storable: PostgreSQL refuses bytes that aren't UTF-8 and
// NUL, and neither may keep the rest of a repository from being stored.
func clean(v any) any {
	if r := reflect.ValueOf(v); r.Kind() == reflect.String {
		if s := r.String(); !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return v
}

// each runs a query and scan for each row.
func each(ctx context.Context, q querier, query string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column runs a query of one column.
func column[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	var list []T
	err := each(ctx, q, query, func(rows *sql.Rows) error {
		var v T
		if err := rows.Scan(&v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	}, args...)
	return list, err
}

// changed is how many rows a statement changed.
func changed(r sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// value runs a query of one row and column.
func value[T any](ctx context.Context, q querier, query string, args ...any) (T, error) {
	var v T
	err := q.QueryRowContext(ctx, query, args...).Scan(&v)
	return v, err
}

// scanInto makes a scan function that appends to a list; into names where the
// columns of a row go.
func scanInto[T any](list *[]T, into func(*T) []any) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var v T
		if err := rows.Scan(into(&v)...); err != nil {
			return err
		}
		*list = append(*list, v)
		return nil
	}
}
