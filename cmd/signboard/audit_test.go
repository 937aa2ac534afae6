package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// office is a folder with a configuration and what comes of it.
type office struct {
	*testing.T
	dir string
}

func newOffice(t *testing.T) office {
	o := office{t, t.TempDir()}
	o.write("signboard.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nbase_url: http://localhost:8080\ndatabase: sqlite:%s\naudit: {checkpoint_file: %s}\n", o.path("board.db"), o.path("checkpoint.txt")))
	return o
}

func (o office) path(name string) string { return filepath.Join(o.dir, name) }

func (o office) write(name, text string) {
	o.Helper()
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

func (o office) read(name string) string {
	o.Helper()
	b, err := os.ReadFile(o.path(name))
	if err != nil {
		o.Fatal(err)
	}
	return string(b)
}

// run runs a command as typed and returns what it printed.
func (o office) run(args ...string) (out string, code int) {
	o.Helper()
	var b bytes.Buffer
	code = run(o.Context(), append(args, "--config", o.path("signboard.yaml")), strings.NewReader(""), &b, &b)
	return b.String(), code
}

// expect runs a command that has to end with a code and say something.
func (o office) expect(code int, says string, args ...string) {
	o.Helper()
	if out, got := o.run(args...); got != code || !strings.Contains(out, says) {
		o.Fatalf("signboard %s ends with %d and says %q; want %d and %q", strings.Join(args, " "), got, out, code, says)
	}
}

func (o office) byHand(statement string) {
	o.Helper()
	db, err := sql.Open("sqlite", o.path("board.db"))
	if err != nil {
		o.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		o.Fatal(err)
	}
}

// publish writes the checkpoint, as a server does while it runs.
func (o office) publish() {
	o.Helper()
	c, err := loadConfig(o.path("signboard.yaml"), nil)
	if err != nil {
		o.Fatal(err)
	}
	a, err := open(o.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		o.Fatal(err)
	}
	defer a.close()
	ended, cancel := context.WithCancel(o.Context())
	cancel()
	a.publish(ended) // once
}

func (o office) token(name string) {
	o.Helper()
	o.expect(0, "sgb_", "token", "create", "--name", name, "--role", "viewer")
}

func TestAuditVerify_wholeUntilARowIsEdited(t *testing.T) {
	o := newOffice(t)
	for i := range 5 {
		o.token(fmt.Sprint("pipeline-", i))
	}
	if info, err := os.Stat(o.path("board.audit-key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key beside the database: %v, %v", info, err)
	}
	o.expect(0, "whole: 5 entries", "audit", "verify")
	o.byHand("update audit_entries set reason = 'as agreed' where idx = 3")
	o.expect(1, "Entry 3 was changed", "audit", "verify")
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(o.path("board.db" + end))
	}
	o.expect(3, "could not be read", "audit", "verify")
}

func TestAuditVerify_withThePublicKeyAlone(t *testing.T) {
	o := newOffice(t)
	o.token("pipeline")
	_, public, _ := strings.Cut(strings.TrimSpace(o.read("board.audit-key")), "\n")
	if err := os.Remove(o.path("board.audit-key")); err != nil {
		t.Fatal(err)
	}
	o.expect(2, "--key", "audit", "verify")
	o.expect(0, "whole: 1 entry", "audit", "verify", "--key", public)
	o.expect(2, "NAME+HASH+KEY", "audit", "verify", "--key", "nonsense")

	o.expect(1, "signed with another key", "token", "create", "--name", "x", "--role", "viewer")
	if _, err := os.Stat(o.path("board.audit-key")); !os.IsNotExist(err) {
		t.Errorf("a key was left behind for a log that has another: %v", err)
	}
	o.write("signboard.yaml", strings.Replace(o.read("signboard.yaml"), "audit: {", fmt.Sprintf("audit: {previous_keys: [%q], ", public), 1))
	o.token("with a new key")
	o.expect(0, "whole: 2 entries", "audit", "verify")
}

// TestCheckpointFile_refusesAnOlderCopy puts a database from before back: it is
// whole in itself, and what was published tells.
func TestCheckpointFile_refusesAnOlderCopy(t *testing.T) {
	o := newOffice(t)
	o.token("first")
	o.publish() // the first start writes down the configuration, too
	if !strings.HasPrefix(o.read("checkpoint.txt"), "localhost:8080\n2\n") {
		t.Errorf("published is %q", o.read("checkpoint.txt"))
	}
	o.expect(0, "copied", "backup", o.path("older.db"))
	o.token("second")
	o.publish()
	o.expect(0, "whole: 3 entries", "audit", "verify")
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(o.path("board.db" + end))
	}
	o.write("board.db", o.read("older.db"))
	o.expect(1, "older than the published checkpoint", "token", "create", "--name", "x", "--role", "viewer")
	o.expect(1, "older than the published checkpoint", "serve")
	o.expect(1, "Entry 2 is missing", "audit", "verify")

	kept := o.read("checkpoint.txt")
	o.write("checkpoint.txt", "nonsense")
	o.expect(2, "audit.checkpoint_file", "serve")
	o.expect(1, "isn't one of this log's key", "audit", "verify")
	o.write("kept.txt", kept)
	if err := os.Remove(o.path("checkpoint.txt")); err != nil {
		t.Fatal(err)
	}
	o.expect(0, "whole: 2 entries", "audit", "verify") // nobody published anything else
	o.expect(1, "Entry 2 is missing", "audit", "verify", "--checkpoint", o.path("kept.txt"))
}

// TestCheckpointFile_keepsALaterOne is what several machines share.
func TestCheckpointFile_keepsALaterOne(t *testing.T) {
	o := newOffice(t)
	o.token("first")
	o.publish()
	o.token("second")
	o.publish()
	later := o.read("checkpoint.txt")
	o.publish()
	if o.read("checkpoint.txt") != later || !strings.HasPrefix(later, "localhost:8080\n3\n") {
		t.Errorf("published is %q, and was %q", o.read("checkpoint.txt"), later)
	}
}

// proof downloads the proof of an entry, as its page offers it.
func (o office) proof(index int64, file string) {
	o.Helper()
	c, err := loadConfig(o.path("signboard.yaml"), nil)
	if err != nil {
		o.Fatal(err)
	}
	a, err := open(o.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		o.Fatal(err)
	}
	defer a.close()
	p, err := a.store.AuditProof(o.Context(), index)
	if err != nil {
		o.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		o.Fatal(err)
	}
	o.write(file, string(text))
}

// TestAuditVerify_aProofNeedsNeitherDatabaseNorConfiguration is what an auditor
// does a year later, on another machine.
func TestAuditVerify_aProofNeedsNeitherDatabaseNorConfiguration(t *testing.T) {
	o := newOffice(t)
	for i := range 5 {
		o.token(fmt.Sprint("pipeline-", i))
	}
	o.proof(3, "proof.json")
	_, public, _ := strings.Cut(strings.TrimSpace(o.read("board.audit-key")), "\n")
	o.write("key.txt", public+"\n")
	other := newOffice(t)
	other.token("x")
	_, foreign, _ := strings.Cut(strings.TrimSpace(other.read("board.audit-key")), "\n")

	run := func(code int, says string, args ...string) {
		t.Helper()
		var b bytes.Buffer
		got := run(t.Context(), append([]string{"audit", "verify"}, args...), strings.NewReader(""), &b, &b)
		if got != code || !strings.Contains(b.String(), says) {
			t.Errorf("signboard audit verify %s ends with %d and says %q; want %d and %q", strings.Join(args, " "), got, b.String(), code, says)
		}
	}
	t.Chdir(t.TempDir()) // where there is no configuration
	proof := o.path("proof.json")
	for _, key := range []string{public, o.path("key.txt"), o.path("board.audit-key")} {
		run(0, "Entry 3 is in the log of localhost:8080 as it was signed at 6 entries", "--proof", proof, "--key", key)
	}
	run(0, "token.create", "--proof", proof, "--key", public)
	run(0, "pipeline-3", "--proof", proof, "--key", public)
	run(1, "none of the keys signed", "--proof", proof, "--key", foreign)
	run(2, "NAME+HASH+KEY", "--proof", proof, "--key", o.path("nowhere.txt"))
	run(2, "signboard.yaml", "--proof", proof)
	run(2, "not a proof", "--proof", o.path("key.txt"), "--key", public)
	run(2, "--proof", "--proof", o.path("nowhere.txt"), "--key", public)
	run(2, "--checkpoint", "--proof", proof, "--key", public, "--checkpoint", proof)
	o.write("edited.json", strings.Replace(o.read("proof.json"), "pipeline-3", "pipeline-9", 1))
	run(1, "doesn't hold", "--proof", o.path("edited.json"), "--key", public)
	o.write("moved.json", strings.Replace(o.read("proof.json"), `"index":3`, `"index":2`, 1))
	run(1, "doesn't hold", "--proof", o.path("moved.json"), "--key", public)

	o.expect(0, "Entry 3 is in the log", "audit", "verify", "--proof", proof) // with the key of the configuration
}
