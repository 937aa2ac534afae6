package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/store"
)

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Check the whole audit log, offline. Exit status 1 names the first entry that isn't what was written, 3 says that it could not be read."`
}

type auditVerifyCommand struct {
	Config     string   `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Key        []string `help:"The public key that the log has to be signed with, as the audit page shows it, or a file that holds it; once for each. Default: that of audit.key_file, and audit.previous_keys." placeholder:"NAME+HASH+KEY"`
	Proof      string   `help:"Check one entry's proof, as its page offers it for download, instead of the log. With --key it takes neither the configuration nor the database." placeholder:"FILE"`
	Checkpoint []string `help:"A checkpoint that was kept elsewhere: the log has to be a continuation of it. Besides that of audit.checkpoint_file." placeholder:"FILE"`
}

// Run checks the log, or a proof. It writes nothing, and others may go on writing.
func (c auditVerifyCommand) Run(e environment) error {
	if c.Proof != "" {
		return c.prove(e)
	}
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	keys, err := c.keys(config)
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
	size, err := checkLog(e.ctx, db, published, keys)
	if fault, ok := errors.AsType[*audit.Fault](err); ok {
		return exit{exitFailed, fault.Message}
	}
	if errors.Is(err, audit.ErrCheckpoint) {
		return exit{exitFailed, "A checkpoint that was published isn't one of this log's key."}
	}
	if err != nil {
		return unread(err)
	}
	fmt.Fprintf(e.stdout, "The audit log is whole: %s, each as it was signed.\n", plural(int(size), "entry"))
	return nil
}

// checkLog checks the whole log of a database.
func checkLog(ctx context.Context, db *store.DB, published [][]byte, keys note.Verifiers) (size int64, err error) {
	err = db.AuditLog(ctx, func(log audit.Stored) (err error) {
		size, err = audit.Check(log, published, keys)
		return err
	})
	if err == nil {
		err = db.AuditClaims(ctx)
	}
	return size, err
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

// keys are those of which one has to have signed. config may be nil when they
// are given.
func (c auditVerifyCommand) keys(config *Config) (note.Verifiers, error) {
	var public []string
	for _, given := range c.Key {
		if raw, err := os.ReadFile(given); err == nil {
			given = string(raw)
		}
		// A file of keys may hold one in each line; of a key file that signs, the
		// second line is the public one.
		for line := range strings.Lines(given) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "PRIVATE+KEY+") {
				public = append(public, line)
			}
		}
	}
	if len(c.Key) == 0 {
		file := config.Audit.keyFile(config.Database)
		key, err := audit.ReadKey(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, inventory.Errorf(inventory.Invalid, "There is no key at %s. Say with --key which one has to have signed the log.", file)
		}
		if err != nil {
			return nil, err
		}
		public = append([]string{key.Public()}, config.Audit.PreviousKeys...)
	}
	return audit.Keys(public...)
}

// prove checks one entry's proof, and says what it proves.
func (c auditVerifyCommand) prove(e environment) error {
	if len(c.Checkpoint) > 0 {
		return inventory.Errorf(inventory.Invalid, "A proof brings its own checkpoint: that another one is of the same log shows when the log is checked. Leave out --checkpoint, or --proof.")
	}
	raw, err := os.ReadFile(c.Proof)
	if err != nil {
		return inventory.Errorf(inventory.Invalid, "--proof: %v", err)
	}
	p, err := audit.ReadProof(raw)
	if err != nil {
		return err
	}
	var config *Config
	if len(c.Key) == 0 {
		if config, err = loadConfig(c.Config, e.stdin); err != nil {
			return err
		}
	}
	keys, err := c.keys(config)
	if err != nil {
		return err
	}
	r, err := p.Check(keys)
	if errors.Is(err, audit.ErrCheckpoint) {
		return exit{exitFailed, "The proof doesn't hold: none of the keys signed its checkpoint."}
	}
	if err != nil {
		return exit{exitFailed, "The proof doesn't hold: " + inventory.Visible(err.Error()) + "."}
	}
	signed, err := audit.OpenCheckpoint(p.Checkpoint, keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "The proof holds. Entry %d is in the log of %s as it was signed at %s, word for word:\n\n", r.Index, inventory.Visible(signed.Origin), plural(int(signed.Size), "entry"))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(e.stdout, "  %-8s %s\n", name, inventory.Visible(value))
		}
	}
	line("when", time.UnixMilli(r.At).UTC().Format("2006-01-02 15:04:05.000 UTC"))
	line("who", r.Actor)
	line("what", r.Action)
	line("on", r.Object)
	line("why", r.Reason)
	line("before", r.Before)
	line("after", r.After)
	line("from", r.Address)
	fmt.Fprintf(e.stdout, "\nWhoever holds the log's key wrote that before the checkpoint was signed; since then nobody can have changed it, put it in or moved it.\n")
	return nil
}
