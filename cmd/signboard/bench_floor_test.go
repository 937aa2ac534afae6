//go:build bench

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// floor is the least that verifying an image can cost: read the same manifests
// and blobs with net/http, and check the signatures with crypto/ecdsa, as many
// at once as the registry client allows itself. No limits, no retries, no
// findings, no database.
type floor struct {
	registry *signedRegistry
	key      *ecdsa.PublicKey
	client   *http.Client
}

// measureFloor verifies every image once and says how long that took.
func measureFloor(ctx context.Context, t *testing.T, r *signedRegistry) time.Duration {
	t.Helper()
	block, _ := pem.Decode([]byte(r.pem))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: registry.DefaultConcurrent}
	defer transport.CloseIdleConnections()
	f := floor{registry: r, key: public.(*ecdsa.PublicKey), client: &http.Client{Transport: transport, Timeout: time.Minute}}
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(registry.DefaultConcurrent)
	for _, i := range r.images {
		group.Go(func() error {
			if err := f.verify(ctx, i); err != nil {
				return fmt.Errorf("%s:%s: %w", i.repository, i.tag, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func (f floor) verify(ctx context.Context, i signedImage) error {
	raw, err := f.read(ctx, i.repository+"/manifests/"+i.tag)
	if err != nil {
		return err
	}
	image := inventory.DigestOf(raw)
	if !f.registry.bundle {
		return f.verifyLegacy(ctx, i.repository, image)
	}
	listing := i.repository + "/manifests/" + image.TagPrefix()
	if f.registry.referrers {
		listing = i.repository + "/referrers/" + string(image)
	}
	var index, carrying inventory.Manifest
	if err := f.decode(ctx, listing, &index); err != nil {
		return err
	}
	if err := f.decode(ctx, i.repository+"/manifests/"+string(index.Manifests[0].Digest), &carrying); err != nil {
		return err
	}
	var bundle struct {
		DSSEEnvelope struct {
			Payload     []byte
			PayloadType string
			Signatures  []struct{ Sig []byte }
		}
	}
	if err := f.decode(ctx, i.repository+"/blobs/"+string(carrying.Layers[0].Digest), &bundle); err != nil {
		return err
	}
	e := bundle.DSSEEnvelope
	// DSSE version 1, "Pre-Authentication Encoding".
	signed := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
	var statement struct {
		Subject []struct{ Digest map[string]string }
	}
	if err := json.Unmarshal(e.Payload, &statement); err != nil {
		return err
	}
	return f.check(signed, e.Signatures[0].Sig, inventory.Digest("sha256:"+statement.Subject[0].Digest["sha256"]), image)
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

func (f floor) decode(ctx context.Context, path string, into any) error {
	raw, err := f.read(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (f floor) read(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.registry.url+"/v2/"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
