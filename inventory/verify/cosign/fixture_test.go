package cosign_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/verifytest"
)

var registered = []string{"p256", "p384", "p521", "rsa", "ed25519"} // "other" never is

// keyring holds the fixtures' keys of the given names.
func keyring(tb testing.TB, names ...string) *verify.Keyring {
	tb.Helper()
	var signers []inventory.Signer
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "keys", name+".pub"))
		if err != nil {
			tb.Fatal(err)
		}
		s, err := verify.NewKeySigner(name, text)
		if err != nil {
			tb.Fatal(err)
		}
		signers = append(signers, s)
	}
	ring, err := verify.NewKeyring(signers)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func fixture(tb testing.TB, name string) *verifytest.Repo {
	tb.Helper()
	return verifytest.Load(tb, filepath.Join("..", "testdata", name))
}

// inspect looks at an image and checks what is attached to it.
func inspect(tb testing.TB, source verify.Source, s inventory.Subject, ring *verify.Keyring) inventory.Evidence {
	tb.Helper()
	in := verify.NewInspector(source, func() *verify.Keyring { return ring }, cosign.New(nil))
	e := in.Verify(tb.Context(), s, in.Discover(tb.Context(), s))
	for _, signature := range e.Signatures {
		consistent(tb, signature)
	}
	return e
}

// consistent holds what is true of every signature, whatever it came to.
func consistent(tb testing.TB, s inventory.Signature) {
	tb.Helper()
	failed, errored := false, false
	about := map[string]bool{}
	for _, l := range s.Chain {
		for _, name := range l.Checks {
			about[name] = true
		}
	}
	for _, c := range s.Checks {
		failed = failed || c.Result == inventory.Fail
		errored = errored || c.Result == inventory.Errored
		if c.Message == "" {
			tb.Errorf("check %s has no message", c.Name)
		}
		if !about[c.Name] {
			tb.Errorf("check %s hangs on no link of the chain", c.Name)
		}
	}
	if (s.Outcome == inventory.OutcomeError) != errored || s.Outcome == inventory.OutcomeInvalid && !failed ||
		failed && s.Outcome != inventory.OutcomeInvalid && s.Outcome != inventory.OutcomeError {
		tb.Errorf("outcome %s with checks %+v", s.Outcome, s.Checks)
	}
	if s.Message == "" || !s.Reason.Known() || (s.Reason == inventory.ReasonOK) != (s.Outcome == inventory.OutcomeVerified) {
		tb.Errorf("outcome %s, reason %s, message %q", s.Outcome, s.Reason, s.Message)
	}
	if s.Outcome == inventory.OutcomeVerified && s.Signer == nil {
		tb.Error("verified, and nobody signed")
	}
}

// only is the single signature of the evidence.
func only(tb testing.TB, e inventory.Evidence) inventory.Signature {
	tb.Helper()
	if len(e.Signatures) != 1 {
		tb.Fatalf("%d signatures, want 1: %+v", len(e.Signatures), e)
	}
	return e.Signatures[0]
}

func expect(tb testing.TB, s inventory.Signature, o inventory.Outcome, r inventory.Reason) {
	tb.Helper()
	if s.Outcome != o || s.Reason != r {
		tb.Errorf("got %s/%s (%s), want %s/%s\n%+v", s.Outcome, s.Reason, s.Message, o, r, s.Checks)
	}
}

func check(s inventory.Signature, name string) inventory.Check {
	for _, c := range s.Checks {
		if c.Name == name {
			return c
		}
	}
	return inventory.Check{}
}

// editLegacy writes the .sig manifest of v1 again after edit has changed it, with
// the payload of the layer edited too.
func editLegacy(tb testing.TB, r *verifytest.Repo, edit func(layer *inventory.Descriptor, payload []byte) []byte) {
	tb.Helper()
	tag := r.Tags["v1"].TagPrefix() + ".sig"
	var manifest map[string]json.RawMessage
	must(tb, json.Unmarshal(r.Blobs[r.Tags[tag]], &manifest))
	var layers []inventory.Descriptor
	must(tb, json.Unmarshal(manifest["layers"], &layers))
	for i := range layers {
		payload := edit(&layers[i], append([]byte(nil), r.Blobs[layers[i].Digest]...))
		d := r.PutBlob(payload)
		layers[i].Digest, layers[i].Size = d.Digest, d.Size
	}
	manifest["layers"] = marshal(tb, layers)
	r.PutManifest(tb, inventory.MediaTypeOCIManifest, manifest, tag)
}

// editBundle replaces the bundle attached to v1 by what edit makes of it.
func editBundle(tb testing.TB, r *verifytest.Repo, edit func(bundle map[string]any) any) {
	tb.Helper()
	editRawBundle(tb, r, func(raw []byte) []byte {
		var bundle map[string]any
		must(tb, json.Unmarshal(raw, &bundle))
		return marshal(tb, edit(bundle))
	})
}

func editRawBundle(tb testing.TB, r *verifytest.Repo, edit func(raw []byte) []byte) {
	tb.Helper()
	refs, _, err := r.Referrers(tb.Context(), r.Name, r.Tags["v1"])
	must(tb, err)
	if len(refs) != 1 {
		tb.Fatalf("%d referrers, want 1", len(refs))
	}
	var manifest map[string]json.RawMessage
	must(tb, json.Unmarshal(r.Blobs[refs[0].Digest], &manifest))
	var layers []inventory.Descriptor
	must(tb, json.Unmarshal(manifest["layers"], &layers))
	d := r.PutBlob(edit(r.Blobs[layers[0].Digest]))
	layers[0].Digest, layers[0].Size = d.Digest, d.Size
	manifest["layers"] = marshal(tb, layers)
	delete(r.Manifests, refs[0].Digest)
	r.PutManifest(tb, inventory.MediaTypeOCIManifest, manifest, "")
}

// attach puts a bundle on v1 as cosign 3 does.
func attach(tb testing.TB, r *verifytest.Repo, artifactType, layerType string, content []byte) inventory.Descriptor {
	tb.Helper()
	layer := r.PutBlob(content)
	layer.MediaType = layerType
	empty := r.PutBlob([]byte("{}"))
	empty.MediaType = "application/vnd.oci.empty.v1+json"
	subject := r.Subject(tb, "v1").Manifest
	return r.PutManifest(tb, inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "artifactType": artifactType,
		"config": empty, "layers": []inventory.Descriptor{layer}, "subject": subject,
	}, "")
}

func envelopeOf(bundle map[string]any) map[string]any { return bundle["dsseEnvelope"].(map[string]any) }

func statementOf(tb testing.TB, bundle map[string]any) map[string]any {
	tb.Helper()
	raw, err := base64.StdEncoding.DecodeString(envelopeOf(bundle)["payload"].(string))
	must(tb, err)
	var s map[string]any
	must(tb, json.Unmarshal(raw, &s))
	return s
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	must(tb, err)
	return b
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func decodeHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	must(tb, err)
	return b
}
