package database

import (
	"net/url"
	"testing"
	"time"

	"signboard/inventory/store/database/databasetest"
)

// A process may freeze in the middle of a transaction, with rows locked that
// everybody writes to. The server ends it; others go on at once, and when the
// process wakes up the transaction runs again.
func TestWrite_survivesAFreezeInATransaction(t *testing.T) {
	dsn := databasetest.PostgresSchema(t)
	open(t, dsn) // makes the schema, with the limit that people have
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(idleLimit, "20")
	u.RawQuery = q.Encode()
	db := open(t, u.String())
	tries := 0
	err = db.Write(t.Context(), func(tx Querier) error {
		tries++
		if _, err := Value[int64](t.Context(), tx, "update revisions set value = value + 1 where name = 'trust' returning value"); err != nil {
			return err
		}
		pid, err := Value[int](t.Context(), tx, "select pg_backend_pid()")
		if err != nil || tries > 1 {
			return err
		}
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			n, err := Value[int](t.Context(), db.Reader, "select count(*) from pg_stat_activity where pid = $1", pid)
			if err != nil {
				return err
			}
			if n == 0 {
				_, err := Value[int64](t.Context(), tx, "update revisions set value = value + 1 where name = 'trust' returning value")
				return err
			}
		}
	})
	if err != nil || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if n, err := Value[int64](t.Context(), db.Reader, "select value from revisions where name = 'trust'"); err != nil || n != 1 {
		t.Errorf("it was counted %d times, %v", n, err)
	}
	for setting, d := range map[string]*DB{"3s": open(t, dsn), "20ms": db} {
		if is, err := Value[string](t.Context(), d.Reader, "show "+idleLimit); err != nil || is != setting {
			t.Errorf("the limit is %s, want %s: %v", is, setting, err)
		}
	}
}
