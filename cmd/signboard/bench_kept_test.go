//go:build bench

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/migrations"
)

// keptFrom is from how many images on a made inventory is kept for the next run
// of the same day: making a million takes minutes.
const keptFrom = 300_000

// keptInventory is what a kept inventory needs beside its database: its landmarks.
type keptInventory struct {
	Approved, Pending inventory.SignerID
	Image             inventory.Digest
	Repository        string
	Listed, Gone      int
	Took              time.Duration
}

// inventoryOf makes an inventory of n images in an empty database, or copies one
// that was made today with the same schema by the same generator. It is kept in
// the user's cache, on SQLite alone.
func inventoryOf(ctx context.Context, database string, n int) (_ landmarks, kept bool, err error) {
	path, sqlite := strings.CutPrefix(database, "sqlite:")
	var file string
	if sqlite && n >= keptFrom {
		if file, err = keptFile(n); err != nil {
			return landmarks{}, false, err
		}
		var k keptInventory
		if raw, err := os.ReadFile(file + ".json"); err == nil && json.Unmarshal(raw, &k) == nil && copyFile(file, path) == nil {
			return landmarks{k.Approved, k.Pending, k.Image, k.Repository, k.Listed, k.Gone}, true, nil
		}
	}
	config := benchConfig(database)
	if err := config.check(); err != nil {
		return landmarks{}, false, err
	}
	a, err := open(ctx, config, quiet)
	if err != nil {
		return landmarks{}, false, err
	}
	start := time.Now()
	marks, err := fill(ctx, a, n)
	a.close()
	if err != nil || file == "" {
		return marks, false, err
	}
	if err := copyFile(path, file); err != nil {
		return marks, false, err
	}
	raw, err := json.Marshal(keptInventory{marks.approved, marks.pending, marks.image, marks.repository, marks.listed, marks.gone, time.Since(start)})
	if err == nil {
		err = os.WriteFile(file+".json", raw, 0o600)
	}
	return marks, false, err
}

// keptFile is where an inventory of n images is kept; others are removed.
func keptFile(n int) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, n, time.Now().UTC().Format(time.DateOnly))
	add := func(system fs.FS, pattern string) error {
		names, err := fs.Glob(system, pattern)
		if err == nil && len(names) == 0 {
			err = fmt.Errorf("there is no %s to tell old inventories by", pattern)
		}
		for _, name := range names {
			raw, e := fs.ReadFile(system, name)
			if err == nil {
				err = e
			}
			hash.Write(raw)
		}
		return err
	}
	for _, of := range []struct {
		system  fs.FS
		pattern string
	}{{migrations.FS, "*.sql"}, {os.DirFS("."), "bench_inventory_test.go"}, {os.DirFS("."), "bench_evidence_test.go"}, {os.DirFS("../../inventory/store/database"), "compact.go"}} {
		if err := add(of.system, of.pattern); err != nil {
			return "", err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "signboard-bench")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, fmt.Sprintf("%d-%s.db", n, hex.EncodeToString(hash.Sum(nil))[:16]))
	old, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%d-*", n)))
	for _, o := range old {
		if o != file && o != file+".json" {
			os.Remove(o)
		}
	}
	return file, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
