package inventory

import "time"

// AuditEntry records one thing that somebody did or was refused. Entries are
// only ever added, each in the transaction of what it records.
type AuditEntry struct {
	Index   int64     `json:"index"` // from 0, without gaps
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Action  string    `json:"action"` // signer.approve, image.quarantine, access.refused, …
	Object  string    `json:"object"`
	Reason  string    `json:"reason"`
	Before  string    `json:"before"` // JSON, or empty
	After   string    `json:"after"`  // JSON, or empty
	Address string    `json:"address"`
}
