package database

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxParams is how many parameters a statement for many rows has at the most on
// SQLite, a power of two. PostgreSQL is given arrays instead.
const MaxParams = 256

// Params writes ($1, $2, …) for n values, counting on from after.
func Params(after, n int) string {
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

// Insert runs "insert into … values" for many rows, a statement for as many as
// fit. into is the statement up to values, with its columns named; after is
// what follows, such as a conflict clause. The values of a column all have the
// same type.
func Insert(ctx context.Context, tx Querier, into string, rows [][]any, after string) error {
	_, err := Inserted(ctx, tx, into, rows, after)
	return err
}

// Inserted is Insert, and says how many rows it wrote.
func Inserted(ctx context.Context, tx Querier, into string, rows [][]any, after string) (written int, err error) {
	if tx.Postgres() {
		return insertArrays(ctx, tx, into, rows, after)
	}
	for len(rows) > 0 {
		// As many as a power of two: statements stay prepared, and this way they
		// are few.
		n := floor2(min(len(rows), max(1, MaxParams/len(rows[0]))))
		args := make([]any, 0, n*len(rows[0]))
		for _, row := range rows[:n] {
			for _, v := range row {
				args = append(args, Clean(v))
			}
		}
		wrote, err := Changed(tx.ExecContext(ctx, valuesText(into, len(rows[0]), n, after), args...))
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
		b.WriteString(Params(i*columns, columns))
	}
	b.WriteByte(' ')
	b.WriteString(after)
	return b.String()
}

// floor2 is the largest power of two that isn't above n, ceil2 the smallest that
// isn't below.
func floor2(n int) int { return 1 << (bits.Len(uint(n)) - 1) }
func ceil2(n int) int  { return 1 << bits.Len(uint(n-1)) }

// ExecIn runs a statement for many keys: query holds "in %s" where the keys go,
// which come after args.
func ExecIn[K any](ctx context.Context, tx Querier, query string, keys []K, args ...any) error {
	return inParts(tx, query, keys, args, func(query string, args []any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// EachIn runs a query for many keys, as ExecIn does, and scan for each row. In
// what order keys are asked for is only known within a part of them.
func EachIn[K any](ctx context.Context, q Querier, query string, keys []K, scan func(*sql.Rows) error, args ...any) error {
	return inParts(q, query, keys, args, func(query string, args []any) error { return Each(ctx, q, query, scan, args...) })
}

func inParts[K any](q Querier, query string, keys []K, args []any, run func(query string, args []any) error) error {
	if q.Postgres() {
		if len(keys) == 0 {
			return nil
		}
		return run(arrayText(query, len(args)+1), append(slices.Clone(args), arrayOf(keys)))
	}
	for len(keys) > 0 {
		n := min(len(keys), MaxParams)
		part := keys[:n]
		for size := ceil2(n); len(part) < size; { // statements stay prepared, and this way they are few
			part = append(slices.Clip(part), part[n-1])
		}
		if err := run(fmt.Sprintf(query, Params(len(args), len(part))), Args(args, part)); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// Args are the arguments of a query with keys, which go in where Params says.
func Args[K any](args []any, keys []K) []any {
	all := make([]any, 0, len(args)+len(keys))
	all = append(all, args...)
	for _, k := range keys {
		all = append(all, Clean(k))
	}
	return all
}

// Clean makes text storable: PostgreSQL refuses bytes that aren't UTF-8 and
// NUL, and neither may keep the rest of a repository from being stored.
func Clean(v any) any {
	if r := reflect.ValueOf(v); r.Kind() == reflect.String {
		if s := r.String(); !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return v
}

// Each runs a query and scan for each row.
func Each(ctx context.Context, q Querier, query string, scan func(*sql.Rows) error, args ...any) error {
	done, err := q.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
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

// Column runs a query of one column.
func Column[T any](ctx context.Context, q Querier, query string, args ...any) ([]T, error) {
	var list []T
	err := Each(ctx, q, query, func(rows *sql.Rows) error {
		var v T
		if err := rows.Scan(&v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	}, args...)
	return list, err
}

// Changed is how many rows a statement changed; it is written around ExecContext.
func Changed(r sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// Value runs a query of one row and column; no row is sql.ErrNoRows.
func Value[T any](ctx context.Context, q Querier, query string, args ...any) (T, error) {
	var v T
	err := Row(ctx, q, query, args, &v)
	return v, err
}

// Row runs a query of one row and reads its columns; no row is sql.ErrNoRows.
func Row(ctx context.Context, q Querier, query string, args []any, into ...any) error {
	done, err := q.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	return q.QueryRowContext(ctx, query, args...).Scan(into...)
}

// ScanInto makes a scan function that appends to a list; into names where the
// columns of a row go.
func ScanInto[T any](list *[]T, into func(*T) []any) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var v T
		if err := rows.Scan(into(&v)...); err != nil {
			return err
		}
		*list = append(*list, v)
		return nil
	}
}
