package api

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/mod/sumdb/tlog"

	"signboard/inventory"
	"signboard/inventory/audit"
)

// Proof shows that an entry is in the audit log, to whoever has the log's public
// key and this: the hash of the leaf, and the hashes beside its way to the root
// that the checkpoint signs (RFC 6962, section 2.1.1).
type Proof struct {
	Index      int64    `json:"index"`
	Leaf       string   `json:"leaf" doc:"The entry as it was hashed: JSON in the form of RFC 8785. Its hash is SHA-256 over a zero byte and this."`
	Hashes     []string `json:"hashes" doc:"Base64, from the leaf to the root."`
	Checkpoint string   `json:"checkpoint" doc:"The signed checkpoint that this is a proof for."`
}

// NewProof makes the object from a proof.
func NewProof(p audit.Proof) Proof {
	return Proof{Index: p.Index, Leaf: string(p.Leaf), Checkpoint: string(p.Checkpoint),
		Hashes: list(p.Hashes, func(h tlog.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) })}
}

// ProofStore is what the calls about proofs read.
type ProofStore interface {
	AuditEntry(ctx context.Context, index int64) (inventory.AuditEntry, error)
	AuditProof(ctx context.Context, index int64) (audit.Proof, error)
	Checkpoint(ctx context.Context) ([]byte, error)
}

type entryPath struct {
	Index int64 `path:"index" minimum:"0" doc:"The entry's index."`
}

// note is an answer that is text word for word.
type note struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// proofs adds the calls that show that the audit log is what was written.
func (s *surface) proofs() {
	text := &huma.Response{Description: "A signed note.", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/audit/checkpoint", OperationID: "get-audit-checkpoint", Tags: []string{"Audit"},
		Summary:     "Get the audit log's checkpoint",
		Description: "How many entries the log has and the root of their tree, signed (C2SP tlog-checkpoint). Kept elsewhere, it shows later that nothing before it was changed: signboard audit verify --checkpoint FILE.",
		Responses:   map[string]*huma.Response{"200": text},
	}, func(ctx context.Context, _ *struct{}) (*note, error) {
		signed, err := s.Proofs.Checkpoint(ctx)
		return &note{"text/plain; charset=utf-8", signed}, err
	}, http.StatusNotFound)
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/audit/proof/{index}", OperationID: "get-audit-proof", Tags: []string{"Audit"},
		Summary:     "Prove an entry of the audit log",
		Description: "What shows, with the log's public key and nothing else, that the entry is in the log of the checkpoint.",
	}, func(ctx context.Context, in *entryPath) (*answer[Proof], error) {
		p, err := s.Proofs.AuditProof(ctx, in.Index)
		return &answer[Proof]{NewProof(p)}, err
	}, http.StatusNotFound)
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/audit/{index}", OperationID: "get-audit-entry", Tags: []string{"Audit"},
		Summary:     "Get an entry of the audit log",
		Description: "An entry never changes, so this is its permanent address.",
	}, func(ctx context.Context, in *entryPath) (*answer[AuditEntry], error) {
		e, err := s.Proofs.AuditEntry(ctx, in.Index)
		return &answer[AuditEntry]{NewAuditEntry(e)}, err
	}, http.StatusNotFound)
}
