//go:build bench

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"
	"golang.org/x/sync/errgroup"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// floor is the least that verifying an image can cost: read the same manifests
// and blobs with net/http, and check the signatures with crypto/ecdsa, or with
// nothing but sigstore-go where there is no key, as many at once as the registry
// client allows itself. No limits, no retries, no findings, no database.
type floor struct {
	registry *signedRegistry
	key      *ecdsa.PublicKey
	keyless  *sgo.Verifier
	client   *http.Client
}

func newFloor(t *testing.T, r *signedRegistry) floor {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: registry.DefaultConcurrent}
	t.Cleanup(transport.CloseIdleConnections)
	f := floor{registry: r, client: &http.Client{Transport: transport, Timeout: time.Minute}}
	if r.Keyless {
		trusted, err := root.NewTrustedRootFromJSON(r.Trusted)
		if err == nil {
			f.keyless, err = sgo.NewVerifier(trusted, sgo.WithTransparencyLog(1), sgo.WithObserverTimestamps(1),
				sgo.WithSignedCertificateTimestamps(1), sgo.WithoutStatementPredicate())
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	block, _ := pem.Decode([]byte(r.PEM))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	f.key = public.(*ecdsa.PublicKey)
	return f
}

// all does something to every image and says what that cost.
func (f floor) all(ctx context.Context, t *testing.T, do func(ctx context.Context, i signedImage) error) cost {
	t.Helper()
	return measured(t, func() {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(registry.DefaultConcurrent)
		for _, i := range f.registry.Images {
			group.Go(func() error {
				if err := do(ctx, i); err != nil {
					return fmt.Errorf("%s:%s: %w", i.Repository, i.Tag, err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// glance asks where an image's tag points, and where its companion tag does or
// what refers to it.
func (f floor) glance(ctx context.Context, i signedImage) error {
	answer, err := f.ask(ctx, http.MethodHead, i.Repository+"/manifests/"+i.Tag)
	if err != nil {
		return err
	}
	answer.Body.Close()
	image := inventory.Digest(answer.Header.Get("Docker-Content-Digest"))
	method, place := http.MethodHead, "/manifests/"+image.TagPrefix()
	switch {
	case f.registry.Referrers:
		method, place = http.MethodGet, "/referrers/"+string(image)
	case !f.registry.Bundle:
		place += ".sig"
	}
	if answer, err = f.ask(ctx, method, i.Repository+place); err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func (f floor) verify(ctx context.Context, i signedImage) error {
	raw, err := f.read(ctx, i.Repository+"/manifests/"+i.Tag)
	if err != nil {
		return err
	}
	image := inventory.DigestOf(raw)
	if !f.registry.Bundle {
		return f.verifyLegacy(ctx, i.Repository, image)
	}
	listing := i.Repository + "/manifests/" + image.TagPrefix()
	if f.registry.Referrers {
		listing = i.Repository + "/referrers/" + string(image)
	}
	var index, carrying inventory.Manifest
	if err := f.decode(ctx, listing, &index); err != nil {
		return err
	}
	if err := f.decode(ctx, i.Repository+"/manifests/"+string(index.Manifests[0].Digest), &carrying); err != nil {
		return err
	}
	raw, err = f.read(ctx, i.Repository+"/blobs/"+string(carrying.Layers[0].Digest))
	if err != nil {
		return err
	}
	if f.keyless != nil {
		return f.checkKeyless(raw, image)
	}
	var signed struct {
		DSSEEnvelope struct {
			Payload     []byte
			PayloadType string
			Signatures  []struct{ Sig []byte }
		}
	}
	if err := json.Unmarshal(raw, &signed); err != nil {
		return err
	}
	e := signed.DSSEEnvelope
	// DSSE version 1, "Pre-Authentication Encoding".
	message := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
	var statement struct {
		Subject []struct{ Digest map[string]string }
	}
	if err := json.Unmarshal(e.Payload, &statement); err != nil {
		return err
	}
	return f.check(message, e.Signatures[0].Sig, inventory.Digest("sha256:"+statement.Subject[0].Digest["sha256"]), image)
}

func (f floor) verifyLegacy(ctx context.Context, repository string, image inventory.Digest) error {
	var carrying inventory.Manifest
	if err := f.decode(ctx, repository+"/manifests/"+image.TagPrefix()+".sig", &carrying); err != nil {
		return err
	}
	layer := carrying.Layers[0]
	payload, err := f.read(ctx, repository+"/blobs/"+string(layer.Digest))
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(layer.Annotations[signatureAnnotation])
	if err != nil {
		return err
	}
	var said struct {
		Critical struct {
			Image struct {
				Digest inventory.Digest `json:"docker-manifest-digest"`
			}
		}
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return err
	}
	return f.check(payload, signature, said.Critical.Image.Digest, image)
}

func (f floor) check(signed, signature []byte, said, is inventory.Digest) error {
	sum := sha256.Sum256(signed)
	if !ecdsa.VerifyASN1(f.key, sum[:], signature) {
		return errors.New("the signature doesn't hold")
	}
	if said != is {
		return errors.New("the signature is for something else")
	}
	return nil
}

func (f floor) checkKeyless(raw []byte, image inventory.Digest) error {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return err
	}
	sum, err := hex.DecodeString(image.Hex())
	if err != nil {
		return err
	}
	_, err = f.keyless.Verify(&b, sgo.NewPolicy(sgo.WithArtifactDigest("sha256", sum), sgo.WithoutIdentitiesUnsafe()))
	return err
}

func (f floor) decode(ctx context.Context, path string, into any) error {
	raw, err := f.read(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (f floor) read(ctx context.Context, path string) ([]byte, error) {
	answer, err := f.ask(ctx, http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

func (f floor) ask(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, f.registry.url+"/v2/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", inventory.MediaTypeOCIManifest+", "+inventory.MediaTypeOCIIndex)
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s answered %s", path, answer.Status)
	}
	return answer, nil
}
