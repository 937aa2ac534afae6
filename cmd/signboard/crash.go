//go:build crash

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"signboard/inventory/store"
	"signboard/inventory/syncer"
)

// This is the program that e2e kills: it has shorter leases and a known name in
// them when SIGNBOARD_TEST_LEASE and SIGNBOARD_TEST_OWNER say so, it kills itself
// where SIGNBOARD_TEST_CRASH says (inventory/store), and with SIGNBOARD_TEST_RECOUNT it only counts the
// inventory of that database again and prints what isn't as it should be.
func init() {
	dsn := os.Getenv("SIGNBOARD_TEST_RECOUNT")
	if dsn == "" {
		return
	}
	db, err := store.OpenReading(context.Background(), dsn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "recounting:", err)
		os.Exit(exitFailed)
	}
	found, err := db.Recount(context.Background(), time.Now())
	for _, line := range found {
		fmt.Println(line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || len(found) > 0 {
		os.Exit(exitFailed)
	}
	fmt.Println("as it should be")
	os.Exit(0)
}

func tuned(o syncer.Options) syncer.Options {
	o.Owner = os.Getenv("SIGNBOARD_TEST_OWNER")
	if text := os.Getenv("SIGNBOARD_TEST_LEASE"); text != "" {
		lease, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		o.Lease = lease
	}
	return o
}
