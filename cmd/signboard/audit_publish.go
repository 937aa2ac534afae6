package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
)

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
