package demo

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/pki"
	"github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/types/hashedrekord"
	rekorutil "github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/sumdb/tlog"
)

// rekor is a transparency log of signatures, in memory, that answers as Rekor
// version 1 does: with a signed promise and a proof of inclusion. It is a
// sign.RekorClient.
type rekor struct {
	host string
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	size   int64
	hashes []tlog.Hash
}

const treeID = 4711

func newRekor(host string) (*rekor, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a log's key: %w", err)
	}
	return &rekor{host: host, key: key}, nil
}

// ReadHashes is tlog.HashReader's.
func (r *rekor) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for n, i := range indexes {
		list[n] = r.hashes[i]
	}
	return list, nil
}

// CreateLogEntry adds an entry.
func (r *rekor) CreateLogEntry(params *entries.CreateLogEntryParams, _ ...entries.ClientOption) (*entries.CreateLogEntryCreated, error) {
	ctx := params.Context
	if ctx == nil {
		ctx = context.Background()
	}
	made, id, err := r.add(ctx, params.ProposedEntry)
	if err != nil {
		return nil, err
	}
	return &entries.CreateLogEntryCreated{ETag: id, Payload: models.LogEntry{id: made}}, nil
}

// GetLogEntryByUUID is asked only about entries that were there already, and
// none ever is.
func (r *rekor) GetLogEntryByUUID(*entries.GetLogEntryByUUIDParams, ...entries.ClientOption) (*entries.GetLogEntryByUUIDOK, error) {
	return nil, fmt.Errorf("the demo's log has no such entry")
}

// record adds an entry about a signature over a digest.
func (r *rekor) record(ctx context.Context, digest [sha256.Size]byte, signature, certificate []byte) (models.LogEntryAnon, error) {
	proposed, err := hashedrekord.New().CreateProposedEntry(ctx, "", types.ArtifactProperties{
		PKIFormat: string(pki.X509), PublicKeyBytes: [][]byte{certificate},
		SignatureBytes: signature, ArtifactHash: "sha256:" + hex.EncodeToString(digest[:]),
	})
	if err != nil {
		return models.LogEntryAnon{}, fmt.Errorf("proposing a log entry: %w", err)
	}
	made, _, err := r.add(ctx, proposed)
	return made, err
}

func (r *rekor) add(ctx context.Context, proposed models.ProposedEntry) (models.LogEntryAnon, string, error) {
	fail := func(err error) (models.LogEntryAnon, string, error) {
		return models.LogEntryAnon{}, "", fmt.Errorf("adding a log entry: %w", err)
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return fail(err)
	}
	body, err := types.CanonicalizeEntry(ctx, entry)
	if err != nil {
		return fail(err)
	}
	signer, err := signature.LoadECDSASigner(r.key, crypto.SHA256)
	if err != nil {
		return fail(err)
	}
	id, err := keyID(r.key.Public())
	if err != nil {
		return fail(err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	index := r.size
	added, err := tlog.StoredHashesForRecordHash(index, tlog.RecordHash(body), r)
	if err != nil {
		return fail(err)
	}
	r.hashes = append(r.hashes, added...)
	r.size++
	tree, err := tlog.TreeHash(r.size, r)
	if err != nil {
		return fail(err)
	}
	proof, err := tlog.ProveRecord(r.size, index, r)
	if err != nil {
		return fail(err)
	}
	checkpoint, err := rekorutil.CreateAndSignCheckpoint(ctx, r.host, treeID, uint64(r.size), tree[:], signer)
	if err != nil {
		return fail(err)
	}

	logID, at := hex.EncodeToString(id[:]), time.Now().Unix()
	// The promise is over the canonical form of these four (RFC 8785), which is
	// what encoding/json makes of a map of plain text and whole numbers.
	promised, err := json.Marshal(map[string]any{
		"body": base64.StdEncoding.EncodeToString(body), "integratedTime": at, "logIndex": index, "logID": logID,
	})
	if err != nil {
		return fail(err)
	}
	digest := sha256.Sum256(promised)
	promise, err := ecdsa.SignASN1(rand.Reader, r.key, digest[:])
	if err != nil {
		return fail(err)
	}
	size, rootHash, text := r.size, hex.EncodeToString(tree[:]), string(checkpoint)
	hashes := make([]string, len(proof))
	for n, h := range proof {
		hashes[n] = hex.EncodeToString(h[:])
	}
	leaf := tlog.RecordHash(body)
	return models.LogEntryAnon{
		Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: &at, LogID: &logID, LogIndex: &index,
		Verification: &models.LogEntryAnonVerification{
			SignedEntryTimestamp: promise,
			InclusionProof:       &models.InclusionProof{Checkpoint: &text, Hashes: hashes, LogIndex: &index, RootHash: &rootHash, TreeSize: &size},
		},
	}, fmt.Sprintf("%016x", treeID) + hex.EncodeToString(leaf[:]), nil
}
