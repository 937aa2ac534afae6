package database

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

func TestPrepared_aStatementRunsWhileItsOwnRowsAreRead(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "signboard.db"))
	const query = "select name from revisions where name >= $1 order by name"
	all, err := Column[string](t.Context(), db.Reader, query, "")
	if err != nil || len(all) < 3 {
		t.Fatalf("the revisions are %v, %v", all, err)
	}
	err = db.Read(t.Context(), func(q Querier) error {
		n := 0
		err := Each(t.Context(), q, query, func(rows *sql.Rows) error {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			rest, err := Column[string](t.Context(), q, query, name)
			if len(rest) != len(all)-n || name != all[n] {
				t.Errorf("after %d names comes %s, and from there are %v", n, name, rest)
			}
			n++
			return err
		}, "")
		if n != len(all) {
			t.Errorf("%d of %d were read", n, len(all))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPrepared_keepsAsManyAsAreUseful(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "signboard.db"))
	conn, err := db.Reader.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A statement whose rows are being read outlives being forgotten.
	rows, err := conn.QueryContext(t.Context(), "select name from revisions order by name")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 * maxPrepared {
		var is int
		if err := conn.QueryRowContext(t.Context(), fmt.Sprintf("select %d + $1", n), 1).Scan(&is); err != nil || is != n+1 {
			t.Fatalf("it is %d, %v", is, err)
		}
	}
	read := 0
	for rows.Next() {
		read++
	}
	if err := rows.Err(); err != nil || read < 3 {
		t.Errorf("%d names were read, %v", read, err)
	}
	rows.Close()
	err = conn.Raw(func(driver any) error {
		c := driver.(*preparedConn)
		if len(c.byText) != maxPrepared || c.recent.Len() != len(c.byText) {
			t.Errorf("%d statements are kept, %d in order", len(c.byText), c.recent.Len())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPrepared_outlivesAChangeOfTheSchemaAndAnError(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "signboard.db"))
	ctx := t.Context()
	insert := func(ctx context.Context, name any) error {
		return db.Write(ctx, func(tx Querier) error {
			_, err := tx.ExecContext(ctx, "insert into settings (name, value) values ($1, $2)", name, "x")
			return err
		})
	}
	if err := insert(ctx, nil); err == nil {
		t.Error("a setting without a name was stored")
	}
	if err := insert(ctx, "a"); err != nil {
		t.Error(err)
	}
	if _, err := db.bulk.ExecContext(ctx, "alter table settings add column more text"); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := insert(ended, "b"); err == nil {
		t.Error("it was stored although nobody waits for it")
	}
	if err := insert(ctx, "c"); err != nil {
		t.Error(err)
	}
	if names, err := Column[string](ctx, db.Reader, "select name from settings where value = 'x' order by name"); err != nil || fmt.Sprint(names) != "[a c]" {
		t.Errorf("stored are %v, %v", names, err)
	}
}

func TestAnonymous_onlyWhereTheOrderSaysTheSame(t *testing.T) {
	for query, want := range map[string]string{
		"select 1":                         "select 1",
		"select $1, $2":                    "select ?, ?",
		"a = $1 and b = $1":                "a = $1 and b = $1",
		"a = $2 and b = $1":                "a = $2 and b = $1",
		"values ($1, $2), ($3, $4)":        "values (?, ?), (?, ?)",
		"a = '$5' and b = $1 and c = 'it'": "a = '$5' and b = ? and c = 'it'",
		"a = $1 and b = $3":                "a = $1 and b = $3",
		"$1 $2 $3 $4 $5 $6 $7 $8 $9 $10":   "? ? ? ? ? ? ? ? ? ?",
	} {
		if is := anonymous(query); is != want {
			t.Errorf("%s becomes %s, not %s", query, is, want)
		}
	}
}
