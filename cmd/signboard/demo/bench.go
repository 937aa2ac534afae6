//go:build bench

package demo

import (
	"context"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"
)

// Signer is a Sigstore instance of the demo's kind that signs for measurements.
type Signer struct{ instance *sigstore }

const signerHost = "larkfield.example"

// NewSigner makes an instance with keys of its own.
func NewSigner() (Signer, error) {
	s, err := newSigstore(SigstoreName, signerHost)
	return Signer{s}, err
}

// TrustedRoot is what has to be known of the instance, as trusted_root.json.
func (s Signer) TrustedRoot() ([]byte, error) { return s.instance.trustedRoot(signerHost) }

// Bundle signs an in-toto statement without a key, as a workflow does, and
// returns the bundle: version 0.3, with a log entry, its promise and its proof.
func (s Signer) Bundle(ctx context.Context, payloadType string, statement []byte) ([]byte, error) {
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: payloadType}, pair, sign.BundleOptions{
		Context: ctx, CertificateProvider: issuance{s.instance, identities[edgeWorkflow]}, TransparencyLogs: s.instance.logs(),
	})
	if err != nil {
		return nil, fmt.Errorf("signing a statement: %w", err)
	}
	return protojson.Marshal(made)
}

// KeylessSigner is the issuer and the name that Bundle signs as.
func (Signer) KeylessSigner() (issuer, name string) {
	who := identities[edgeWorkflow]
	return who.issuer, who.name()
}
