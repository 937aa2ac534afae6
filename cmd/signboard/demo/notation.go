package demo

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"

	"signboard/inventory"
)

// NotationStore is what the trust store of the organisation's own certificate
// authority is to be called in the product's configuration.
const NotationStore = "larkfield-signing"

const (
	notationType    = "application/vnd.cncf.notary.signature"
	notationPayload = "application/vnd.cncf.notary.payload.v1+json"
)

// notary signs as Notation does, with certificates of the organisation's own
// authority or of one that nobody here knows.
type notary struct {
	authority *authority // its root is the trust store
	release   *authority
	vendor    *authority
}

func newNotary() (*notary, error) {
	n := &notary{}
	var err error
	if n.authority, err = newRoot("Larkfield Signing CA"); err != nil {
		return nil, err
	}
	unknown, err := newRoot("Badgeworks Root")
	if err != nil {
		return nil, err
	}
	for _, who := range []struct {
		leaf  **authority
		above *authority
		name  string
	}{{&n.release, n.authority, "Larkfield partner releases"}, {&n.vendor, unknown, "Badgeworks firmware"}} {
		*who.leaf, err = who.above.issue(&x509.Certificate{
			Subject: subjectOf(who.name), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, NotAfter: time.Now().AddDate(1, 0, 0),
		})
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

// signer is the id of the one whom the organisation's authority vouches for.
func (n *notary) signer() inventory.SignerID {
	return inventory.X509ID(inventory.DigestOf(n.authority.certificate.Raw), n.release.certificate.Subject.String())
}

// signNotation makes what `notation sign` pushes for an image: a manifest whose
// subject is the image and whose one layer is the envelope. expired is for a
// signature that was made a month ago, for a week.
func (n *notary) sign(ctx context.Context, on v1.Descriptor, by *authority, mediaType string, expired bool) (v1.Manifest, [][]byte, error) {
	fail := func(err error) (v1.Manifest, [][]byte, error) {
		return v1.Manifest{}, nil, fmt.Errorf("signing with a certificate: %w", err)
	}
	payload, err := json.Marshal(map[string]any{"targetArtifact": map[string]any{
		"mediaType": on.MediaType, "digest": on.Digest.String(), "size": on.Size,
	}})
	if err != nil {
		return fail(err)
	}
	signer, err := signature.NewLocalSigner(by.chain(), by.key)
	if err != nil {
		return fail(err)
	}
	request := &signature.SignRequest{
		Payload: signature.Payload{ContentType: notationPayload, Content: payload}, Signer: signer,
		SigningTime: time.Now(), SigningScheme: signature.SigningSchemeX509, SigningAgent: "signboard-demo/1",
	}
	if expired {
		request.SigningTime = time.Now().Add(-12 * time.Hour)
		request.Expiry = time.Now().Add(-time.Hour)
	}
	envelope, err := signature.NewEnvelope(mediaType)
	if err != nil {
		return fail(err)
	}
	blob, err := envelope.Sign(request.WithContext(ctx))
	if err != nil {
		return fail(err)
	}
	empty := []byte("{}")
	return v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: notationType,
		Config:      v1.Descriptor{MediaType: emptyType, ArtifactType: notationType, Digest: hashOf(empty), Size: int64(len(empty))},
		Layers:      []v1.Descriptor{{MediaType: types.MediaType(mediaType), Digest: hashOf(blob), Size: int64(len(blob))}},
		Subject:     &v1.Descriptor{MediaType: on.MediaType, Digest: on.Digest, Size: on.Size},
		Annotations: map[string]string{"org.opencontainers.image.created": request.SigningTime.UTC().Format(time.RFC3339)},
	}, [][]byte{blob, empty}, nil
}

// Media types of the two envelopes.
const (
	notationJWS  = jws.MediaTypeEnvelope
	notationCOSE = cose.MediaTypeEnvelope
)
