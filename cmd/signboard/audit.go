package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// published is the checkpoint in the file, nil when nothing was published yet.
func (c AuditConfig) published() ([]byte, error) {
	if c.CheckpointFile == "" {
		return nil, nil
	}
	signed, err := os.ReadFile(c.CheckpointFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "audit.checkpoint_file: the file can't be read: %v", err)
	}
	return signed, nil
}

// publishing is how often a new checkpoint is looked for.
const publishing = 2 * time.Second

// publish keeps the file of the latest checkpoint up to date until ctx ends.
func (a *app) publish(ctx context.Context) {
	if a.config.Audit.CheckpointFile == "" {
		return
	}
	ticks := time.NewTicker(publishing)
	defer ticks.Stop()
	failed := false
	for {
		err := a.publishOnce(context.WithoutCancel(ctx))
		if err != nil && !failed {
			a.log.Warn("the audit log's checkpoint could not be published, will try again", "file", a.config.Audit.CheckpointFile, "error", err)
		}
		failed = err != nil
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}

// publishOnce writes the latest checkpoint into its file, unless that holds a
// later one, which another process wrote.
func (a *app) publishOnce(ctx context.Context) error {
	signed, err := a.store.Checkpoint(ctx)
	if err != nil {
		return err
	}
	file := a.config.Audit.CheckpointFile
	there, err := a.config.Audit.published()
	if err != nil || bytes.Equal(there, signed) {
		return err
	}
	if there != nil {
		ours, err := audit.OpenCheckpoint(signed, a.auditKeys)
		if err != nil {
			return err
		}
		theirs, err := audit.OpenCheckpoint(there, a.auditKeys)
		if err != nil || theirs.Size > ours.Size {
			return err
		}
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".checkpoint-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(signed)
	if err := errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Check the whole audit log, offline. Exit status 1 names the first entry that isn't what was written, 3 says that it could not be read."`
}

type auditVerifyCommand struct {
	Config     string   `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Key        []string `help:"The public key that the log has to be signed with, as the audit page shows it; once for each. Default: that of audit.key_file, and audit.previous_keys." placeholder:"NAME+HASH+KEY"`
	Checkpoint []string `help:"A checkpoint that was kept elsewhere: the log has to be a continuation of it. Besides that of audit.checkpoint_file." placeholder:"FILE"`
}

// Run checks the log. It writes nothing, and others may go on writing.
func (c auditVerifyCommand) Run(e environment) error {
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	public := c.Key
	if len(public) == 0 {
		file := config.Audit.keyFile(config.Database)
		key, err := audit.ReadKey(file)
		if errors.Is(err, fs.ErrNotExist) {
			return inventory.Errorf(inventory.Invalid, "There is no key at %s. Say with --key which one has to have signed the log.", file)
		}
		if err != nil {
			return err
		}
		public = append([]string{key.Public()}, config.Audit.PreviousKeys...)
	}
	keys, err := audit.Keys(public...)
	if err != nil {
		return err
	}
	var published [][]byte
	if signed, err := config.Audit.published(); err != nil {
		return err
	} else if signed != nil {
		published = append(published, signed)
	}
	for _, file := range c.Checkpoint {
		signed, err := os.ReadFile(file)
		if err != nil {
			return inventory.Errorf(inventory.Invalid, "--checkpoint: %v", err)
		}
		published = append(published, signed)
	}
	db, err := store.OpenReading(e.ctx, config.Database)
	if err != nil {
		return unread(err)
	}
	defer db.Close()
	var size int64
	err = db.AuditLog(e.ctx, func(log audit.Stored) (err error) {
		size, err = audit.Check(log, published, keys)
		return err
	})
	if fault, ok := errors.AsType[*audit.Fault](err); ok {
		return exit{exitFailed, fault.Message}
	}
	if errors.Is(err, audit.ErrCheckpoint) {
		return exit{exitFailed, "A checkpoint that was published isn't one of this log's key."}
	}
	if err != nil {
		return unread(err)
	}
	entries := fmt.Sprint(size, " entries")
	if size == 1 {
		entries = "1 entry"
	}
	fmt.Fprintf(e.stdout, "The audit log is whole: %s, each as it was signed.\n", entries)
	return nil
}

// unread is the error about a log that could not be read: that is undecided, and
// no log that was edited.
func unread(err error) error {
	if inventory.KindOf(err) == inventory.Invalid {
		return err
	}
	message := err.Error()
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		message = e.Message
	}
	return exit{exitUndecided, "The audit log could not be read: " + message}
}
