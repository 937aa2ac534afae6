package web_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"signboard/inventory/audit"
)

// TestAPI_provesEntries takes proofs as an auditor would: with the log's public
// key and what the API answers, and nothing else.
func TestAPI_provesEntries(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	checkpoint := w.get(viewer, "/api/v1/audit/checkpoint")
	if kind := checkpoint.Header.Get("Content-Type"); checkpoint.StatusCode != http.StatusOK || kind != "text/plain; charset=utf-8" {
		t.Fatalf("%d %q: %s", checkpoint.StatusCode, kind, checkpoint.body)
	}
	c, err := audit.OpenCheckpoint([]byte(checkpoint.body), w.auditKeys)
	if err != nil || c.Size == 0 {
		t.Fatalf("the checkpoint %q: %v", checkpoint.body, err)
	}
	for i := range c.Size {
		var answered struct {
			Index      int64
			Leaf       string
			Hashes     []string
			Checkpoint string
		}
		a := w.get(viewer, fmt.Sprint("/api/v1/audit/proof/", i))
		if err := json.Unmarshal([]byte(a.body), &answered); err != nil {
			t.Fatalf("%d %s: %v", a.StatusCode, a.body, err)
		}
		p := audit.Proof{Leaf: []byte(answered.Leaf), Index: answered.Index, Checkpoint: []byte(answered.Checkpoint)}
		for _, text := range answered.Hashes {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil || len(raw) != tlog.HashSize {
				t.Fatalf("the hash %q", text)
			}
			p.Hashes = append(p.Hashes, tlog.Hash(raw))
		}
		proved, err := p.Check(w.auditKeys)
		if err != nil {
			t.Fatalf("the proof of entry %d: %v", i, err)
		}
		entry := w.get(viewer, fmt.Sprint("/api/v1/audit/", i)).object(t)
		if proved.Index != i || proved.Action != entry["action"] || proved.Object != entry["object"] {
			t.Errorf("entry %d is proved as %+v, and read as %v", i, proved, entry)
		}
	}
	for _, path := range []string{"/api/v1/audit/proof/", "/api/v1/audit/"} {
		if detail := w.get(viewer, fmt.Sprint(path, c.Size)).problem(t, http.StatusNotFound); !strings.Contains(detail, "no entry") {
			t.Errorf("an entry that there isn't: %q", detail)
		}
		w.get(viewer, path+"-1").problem(t, http.StatusUnprocessableEntity)
		w.get(viewer, path+"x").problem(t, http.StatusUnprocessableEntity)
	}
}
