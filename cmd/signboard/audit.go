package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/store"
)

// AuditConfig says who signs the audit log, and where that is published.
type AuditConfig struct {
	CheckpointFile string `koanf:"checkpoint_file"`
	// KeyFile holds the key that signs it, and is made at first start: beside a
	// SQLite database unless it is written otherwise. Several machines on one
	// PostgreSQL share it.
	KeyFile      string   `koanf:"key_file"`
	PreviousKeys []string `koanf:"previous_keys"` // public ones, which signed it before

	Webhook  *AuditWebhookConfig  `koanf:"webhook"`
	Registry *AuditRegistryConfig `koanf:"registry"`
}

// keyFile is where the key is for a database.
func (a AuditConfig) keyFile(database string) string {
	if a.KeyFile != "" {
		return a.KeyFile
	}
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		return strings.TrimSuffix(path, filepath.Ext(path)) + ".audit-key"
	}
	return "signboard.audit-key"
}

// openStore opens the database that a configuration names, with an audit log that
// is signed. A log that isn't what was signed, or is behind what was published,
// is refused.
func openStore(ctx context.Context, c *Config, log *slog.Logger) (*store.DB, note.Verifiers, error) {
	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return nil, nil, err
	}
	keys, err := sealAudit(ctx, c, db, log)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, keys, nil
}

// sealAudit has the database sign its audit log from now on, and returns the keys
// that may have signed it.
func sealAudit(ctx context.Context, c *Config, db *store.DB, log *slog.Logger) (note.Verifiers, error) {
	name := "signboard"
	if u, err := url.Parse(c.BaseURL); err == nil && u.Host != "" {
		name = u.Host
	}
	file := c.Audit.keyFile(c.Database)
	key, made, err := audit.OpenKey(file, name)
	if err != nil {
		return nil, err
	}
	keys, err := audit.Keys(append([]string{key.Public()}, c.Audit.PreviousKeys...)...)
	if err != nil {
		return nil, err
	}
	if err := db.Seal(ctx, key, keys, made); err != nil {
		if made { // for a log that has another
			err = errors.Join(err, os.Remove(file))
		}
		return nil, err
	}
	if made {
		log.Info("the key that signs the audit log was made: keep a copy of it", "file", file, "public", key.Public())
	}
	published, err := c.Audit.published()
	if err != nil || published == nil {
		return keys, err
	}
	checkpoint, err := audit.OpenCheckpoint(published, keys)
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "audit.checkpoint_file: %s holds no checkpoint that this log's key signed. Put the file back, or name another one.", c.Audit.CheckpointFile)
	}
	return keys, db.Continues(ctx, checkpoint)
}
