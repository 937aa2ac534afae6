package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxParams is how many parameters a statement for many rows has at the most on
// SQLite, a power of two. PostgreSQL is given arrays instead.
const maxParams = 256

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
// what follows, such as a conflict clause. The values of a column all have the
// same type.
func insert(ctx context.Context, tx querier, into string, rows [][]any, after string) error {
	_, err := inserted(ctx, tx, into, rows, after)
	return err
}

// inserted is insert, and says how many rows it wrote.
func inserted(ctx context.Context, tx querier, into string, rows [][]any, after string) (written int, err error) {
	if tx.postgres() {
		return insertArrays(ctx, tx, into, rows, after)
	}
	for len(rows) > 0 {
		// As many as a power of two: statements stay prepared, and this way they
		// are few.
		n := floor2(min(len(rows), max(1, maxParams/len(rows[0]))))
		args := make([]any, 0, n*len(rows[0]))
		for _, row := range rows[:n] {
			for _, v := range row {
				args = append(args, clean(v))
			}
		}
		wrote, err := changed(tx.ExecContext(ctx, valuesText(into, len(rows[0]), n, after), args...))
		if err != nil {
			return written, err
		}
		written += wrote
		rows = rows[n:]
	}
	return written, nil
}

func valuesText(into string, columns, rows int, after string) string {
	var b strings.Builder
	b.WriteString(into)
	b.WriteString(" values ")
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(params(i*columns, columns))
	}
	b.WriteByte(' ')
	b.WriteString(after)
	return b.String()
}

// floor2 is the largest power of two that isn't above n, ceil2 the smallest that
// isn't below.
func floor2(n int) int { return 1 << (bits.Len(uint(n)) - 1) }
func ceil2(n int) int  { return 1 << bits.Len(uint(n-1)) }

// execIn runs a statement for many keys: query holds "in %s" where the keys go,
// which come after args.
func execIn[K any](ctx context.Context, tx querier, query string, keys []K, args ...any) error {
	return inParts(tx, query, keys, args, func(query string, args []any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// eachIn runs a query for many keys, as execIn does, and scan for each row. In
// what order keys are asked for is only known within a part of them.
func eachIn[K any](ctx context.Context, q querier, query string, keys []K, scan func(*sql.Rows) error, args ...any) error {
	return inParts(q, query, keys, args, func(query string, args []any) error { return each(ctx, q, query, scan, args...) })
}

func inParts[K any](q querier, query string, keys []K, args []any, run func(query string, args []any) error) error {
	if q.postgres() {
		if len(keys) == 0 {
			return nil
		}
		return run(arrayText(query, len(args)+1), append(slices.Clone(args), arrayOf(keys)))
	}
	for len(keys) > 0 {
		n := min(len(keys), maxParams)
		part := keys[:n]
		for size := ceil2(n); len(part) < size; { // statements stay prepared, and this way they are few
			part = append(slices.Clip(part), part[n-1])
		}
		if err := run(fmt.Sprintf(query, params(len(args), len(part))), with(args, part)); err != nil {
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
