// Package notation checks the signatures of the Notary Project (signature
// specification and trust store specification, version 1.1), in JWS and in COSE
// envelopes, down to the configured trust stores, with countersignatures and
// revocation. Parsing and the cryptography are notation-core-go's and
// tspclient-go's; each demand of the specification is a check of its own here,
// so that the evidence shows which one failed. It holds a signature at least to
// what notation-go's verifier holds it to under the policy "strict" with
// verifyTimestamp "afterCertExpiry"; where it is stricter, the code says so.
//
// Plugins are never executed, and nothing is asked of an address in a
// certificate before the chain has led to a trust store.
package notation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"

	"signboard/inventory"
	"signboard/inventory/verify"
)

const (
	typeArtifact = "application/vnd.cncf.notary.signature"
	typePayload  = "application/vnd.cncf.notary.payload.v1+json"
	typeJWS      = "application/jose+json"
	typeCOSE     = "application/cose"

	maxEnvelope = 1 << 20 // bytes of an envelope; real ones have some ten thousand
)

// rules is raised whenever a signature could come to something else than it did
// by the rules before.
const rules = 1

// Checker is the verify.Checker of Notation's formats. It is safe for use by
// several goroutines.
type Checker struct {
	stores     []Store
	tsa        *x509.CertPool // nil: no timestamp authority is known
	revocation *revocation    // nil: not checked
	revision   string
}

// New makes a Checker that checks with the given trust stores. revocation is
// how the servers of certificate authorities are asked whether a certificate
// was revoked; their addresses come out of certificates, so it should be one
// that registry.NewOutsideClient made. When it is nil revocation isn't checked,
// and every signature's checks say so.
func New(stores []Store, revocation *http.Client) Checker {
	c := Checker{stores: slices.Clone(stores), tsa: authorities(stores)}
	h := sha256.New()
	for _, s := range stores {
		fmt.Fprintf(h, "%q %q\n", s.Type, s.Name)
		for _, certificate := range s.Certificates {
			fmt.Fprintf(h, "%x\n", sha256.Sum256(certificate.Raw))
		}
	}
	asked := "not asked"
	if revocation != nil {
		c.revocation, asked = newRevocation(revocation), "asked"
	}
	c.revision = fmt.Sprintf("notation %d: stores %s, revocation %s", rules, hex.EncodeToString(h.Sum(nil)), asked)
	return c
}

// Family says that Notation's signatures are referrers, under no tags of their
// own.
func (c Checker) Family() verify.Family {
	return verify.Family{
		Revision: c.revision,
		Likely:   func(d inventory.Descriptor) bool { return d.ArtifactType == typeArtifact },
	}
}

// Claims goes by the manifest's type, in either of the places it can stand.
func (Checker) Claims(i *verify.Item) bool {
	return i.Manifest.ArtifactType == typeArtifact || i.Manifest.Config.MediaType == typeArtifact
}

// Check checks the one signature that a manifest of this family carries
// (signature specification, "OCI Signatures").
func (c Checker) Check(ctx context.Context, i *verify.Item) verify.Findings {
	x := newExam(c, i)
	x.run(ctx)
	return verify.Findings{Signatures: []inventory.Signature{x.signature()}}
}
