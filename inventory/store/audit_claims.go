package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/store/database"
)

// A claim is what the log says of a decision, a quarantine, a token or a key: what
// its last entry left it as.
type claim struct {
	index  int64 // of that entry
	fields map[string]any
	signer string // of a decision
	ended  bool   // a later entry took the signer's decisions back
}

// claims are all of a log, by the kind and the id of what they are about.
type claims map[string]*claim

// notClaimed are fields that follow from other tables, or from the time.
var notClaimed = []string{"state", "images", "digests"}

// AuditClaims holds every decision, quarantine, token and registered key against
// what the log says of it. It fails with the Fault of an entry that what is there
// contradicts, or, for what no entry made, of the one that should come next. That the
// log itself is whole is to be checked first.
func (d *DB) AuditClaims(ctx context.Context) error {
	return d.sql.Read(ctx, func(q database.Querier) error {
		all := claims{}
		size := int64(0)
		err := eachRecord(ctx, q, func(r audit.Record) error {
			size = r.Index + 1
			return all.add(r)
		})
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		row := func(kind, id, what string, fields any, live bool) error {
			seen[kind+" "+id] = true
			return all.hold(kind+" "+id, what, fields, live, size)
		}
		err = database.Each(ctx, q, "select "+decisionColumns+" from decisions", func(rows *sql.Rows) error {
			d, err := scanDecision(rows)
			if err != nil {
				return err
			}
			return row("signer", d.ID, "The decision about "+string(d.Signer), d, d.State == inventory.StateActive)
		})
		if err == nil {
			err = database.Each(ctx, q, "select "+quarantineColumns+" from quarantines", func(rows *sql.Rows) error {
				one, err := scanQuarantine(rows)
				if err != nil {
					return err
				}
				return row("image", one.ID, "The quarantine of "+string(one.Digest)+one.Repository, one, false)
			})
		}
		if err == nil {
			err = database.Each(ctx, q, "select id, name, hash, role, created_at, created_by, expires_at, revoked_at, revoked_by from tokens", func(rows *sql.Rows) error {
				var (
					id, name, hash, role, by, revoker string
					created                           int64
					expires, revoked                  sql.NullInt64
				)
				if err := rows.Scan(&id, &name, &hash, &role, &created, &by, &expires, &revoked, &revoker); err != nil {
					return err
				}
				return row("token", id, "The token "+name, map[string]any{
					"id": id, "role": role, "created_by": by, "created_at": timeOf(created), "expires_at": timeOrNil(expires),
					"revoked_by": revoker, "revoked_at": timeOrNil(revoked), "secret": inventory.DigestOf([]byte(hash)),
				}, false)
			})
		}
		if err == nil {
			err = database.Each(ctx, q, "select id, public_key from signers where registered_at is not null", func(rows *sql.Rows) error {
				var id, key string
				if err := rows.Scan(&id, &key); err != nil {
					return err
				}
				return row("key", id, "The key "+id, map[string]any{"public_key": key}, false)
			})
		}
		if err != nil {
			return err
		}
		gone := int64(-1)
		for name, c := range all {
			if !seen[name] && (gone < 0 || c.index < gone) {
				gone = c.index
			}
		}
		if gone >= 0 {
			return &audit.Fault{Index: gone, Message: fmt.Sprintf("What entry %d wrote down isn't in the database any more.", gone)}
		}
		return nil
	})
}

// add takes an entry in.
func (all claims) add(r audit.Record) error {
	family, id := inventory.AuditFamily(r.Action), filed(r).made
	fields := map[string]any{}
	switch family {
	case "key":
		id = r.Object
	case "signer", "image", "token":
	default:
		return nil
	}
	if err := json.Unmarshal([]byte(r.After), &fields); err != nil || id == "" {
		return nil // a log whose leaves hold has none
	}
	if r.Action == "signer.reject" || r.Action == "signer.revoke" {
		for _, c := range all {
			if c.signer == r.Object && !c.ended {
				c.ended = true
			}
		}
	}
	if family == "signer" {
		all.rotate(r, fields)
	}
	c := all[family+" "+id]
	if c == nil {
		c = &claim{fields: map[string]any{}}
		all[family+" "+id] = c
	}
	c.index = r.Index
	for key, value := range fields { // an end says no more of a secret
		c.fields[key] = value
	}
	if family == "key" {
		delete(c.fields, "name")
	}
	if family == "signer" {
		c.signer, c.ended = r.Object, fields["state"] != string(inventory.StateActive)
	}
	return nil
}

// rotate takes in that an approval in the place of another signer's ends that
// one's approvals, as replacing does.
func (all claims) rotate(r audit.Record, fields map[string]any) {
	old, until := fields["replaces"], fields["replaced_until"]
	if until == nil || fields["state"] != string(inventory.StateActive) {
		return
	}
	for _, c := range all {
		if c.signer == old && !c.ended && c.fields["decision"] == string(inventory.Approve) && later(c.fields["expires_at"], until) {
			c.fields["expires_at"], c.index = until, r.Index
		}
	}
}

// later reports whether an end, as JSON has it, comes after another one; none never
// comes.
func later(end, than any) bool {
	if end == nil {
		return true
	}
	a, aErr := time.Parse(time.RFC3339, fmt.Sprint(end))
	b, bErr := time.Parse(time.RFC3339, fmt.Sprint(than))
	return aErr == nil && bErr == nil && a.After(b)
}

// hold holds what is stored against its claim.
func (all claims) hold(name, what string, stored any, live bool, size int64) error {
	what = inventory.Visible(what)
	c := all[name]
	if c == nil {
		return &audit.Fault{Index: size, Message: what + " was put into the database by hand: no entry of the log made it."}
	}
	raw, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	is := map[string]any{}
	if err := json.Unmarshal(raw, &is); err != nil {
		return err
	}
	for _, fields := range []map[string]any{is, c.fields} {
		for key := range fields {
			if slices.Contains(notClaimed, key) || key == "secret" && c.fields["secret"] == nil { // entries of earlier versions don't say
				continue
			}
			if !alike(is[key], c.fields[key]) {
				return &audit.Fault{Index: c.index, Message: fmt.Sprintf("%s was changed by hand: its %s isn't what entry %d says.", what, key, c.index)}
			}
		}
	}
	if live && c.ended {
		return &audit.Fault{Index: c.index, Message: fmt.Sprintf("%s was put back into force by hand: the log says that it ended.", what)}
	}
	return nil
}

// alike reports whether two values of JSON say the same. What is empty says nothing.
func alike(a, b any) bool { return reflect.DeepEqual(plain(a), plain(b)) }

func plain(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return database.Clean(v)
	case float64:
		if v == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		fields := map[string]any{}
		for key, value := range v {
			if p := plain(value); p != nil {
				fields[key] = p
			}
		}
		return fields
	}
	return v
}
