package database

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
)

func TestPool_servesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pool{line: make(chan struct{}, 1)}
		done, err := p.wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var served []int
		for n := range 100 {
			go func() {
				done, err := p.wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, n)
				done()
			}()
			synctest.Wait() // it stands in line
		}
		done()
		synctest.Wait()
		if len(served) != 100 || !slices.IsSorted(served) {
			t.Errorf("served were %v", served)
		}
	})
}

// Every way to read waits in line while all connections are taken, and ends with
// its context.
func TestRead_waitsForItsTurn(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "signboard.db"))
	const query = "select value from revisions where name = 'decisions'"
	ways := map[string]func(ctx context.Context) error{
		"Read": func(ctx context.Context) error {
			return db.Read(ctx, func(q Querier) error { _, err := Value[int](ctx, q, query); return err })
		},
		"Each": func(ctx context.Context) error {
			return Each(ctx, db.Reader, query, func(*sql.Rows) error { return nil })
		},
		"Value": func(ctx context.Context) error { _, err := Value[int](ctx, db.Reader, query); return err },
	}
	for range cap(db.Reader.line) {
		db.Reader.line <- struct{}{}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, way := range ways {
		if err := way(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("%s didn't wait: %v", name, err)
		}
		answer := make(chan error)
		go func() { answer <- way(t.Context()) }()
		select {
		case err := <-answer:
			t.Fatalf("%s overtook those in line: %v", name, err)
		case <-db.Reader.line: // one is through
		}
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if db.Reader.line <- struct{}{}; len(db.Reader.line) != cap(db.Reader.line) {
			t.Errorf("%s left %d in line of %d", name, len(db.Reader.line), cap(db.Reader.line))
		}
	}
	for range cap(db.Reader.line) {
		<-db.Reader.line
	}
}
