package notation_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"testing"
	"time"

	corerevocation "github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/crl"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/signature"
	reference "github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
	"signboard/inventory/verify/verifytest"
)

const (
	verified     = inventory.OutcomeVerified
	invalid      = inventory.OutcomeInvalid
	unverifiable = inventory.OutcomeUnverifiable
	unread       = inventory.OutcomeError

	jws         = "application/jose+json"
	cose        = "application/cose"
	artifact    = "application/vnd.cncf.notary.signature"
	payloadType = "application/vnd.cncf.notary.payload.v1+json"
)

// inspect looks at an image and checks what is attached to it.
func inspect(tb testing.TB, c notation.Checker, source verify.Source, s inventory.Subject, now time.Time) inventory.Evidence {
	tb.Helper()
	in := verify.NewInspector(source, func() *verify.Keyring { return nil }, c)
	if !now.IsZero() {
		in.Now = func() time.Time { return now }
	}
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
	about := map[string]int{}
	for _, l := range s.Chain {
		for _, name := range l.Checks {
			about[name]++
		}
	}
	seen := map[string]bool{}
	for _, c := range s.Checks {
		failed = failed || c.Result == inventory.Fail
		errored = errored || c.Result == inventory.Errored
		if c.Message == "" || inventory.Visible(c.Message) != c.Message {
			tb.Errorf("check %s says %q", c.Name, c.Message)
		}
		if about[c.Name] != 1 {
			tb.Errorf("check %s hangs on %d links of the chain", c.Name, about[c.Name])
		}
		if seen[c.Name] {
			tb.Errorf("check %s was made twice", c.Name)
		}
		seen[c.Name] = true
	}
	if (s.Outcome == unread) != errored || s.Outcome == invalid && !failed || failed && s.Outcome != invalid && s.Outcome != unread {
		tb.Errorf("outcome %s with checks %+v", s.Outcome, s.Checks)
	}
	if s.Message == "" || inventory.Visible(s.Message) != s.Message || !s.Reason.Known() || (s.Reason == inventory.ReasonOK) != (s.Outcome == verified) {
		tb.Errorf("outcome %s, reason %s, message %q", s.Outcome, s.Reason, s.Message)
	}
	if s.Outcome != verified {
		return
	}
	if s.Signer == nil || !s.Signer.ID.Valid() || s.Domain == "" {
		tb.Errorf("verified for %+v under %q", s.Signer, s.Domain)
	}
	for _, name := range []string{verify.CheckManifestSubject, verify.CheckCertificate, verify.CheckSignature, verify.CheckCriticalAttributes,
		verify.CheckPayloadType, verify.CheckPayloadWellformed, verify.CheckPayloadDigest, verify.CheckTrustAnchor, verify.CheckValidity} {
		if check(s, name).Result != inventory.Pass {
			tb.Errorf("verified although %s is %+v", name, check(s, name))
		}
	}
	for _, name := range []string{verify.CheckExpiry, verify.CheckTimestamp, verify.CheckRevocation} {
		if r := check(s, name).Result; r != inventory.Pass && r != inventory.Skip {
			tb.Errorf("verified although %s is %+v", name, check(s, name))
		}
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

// --- certificates made here ---------------------------------------------------

// holder is a certificate with its key and everything above it, leaf first.
type holder struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

func (h holder) certificate() *x509.Certificate { return h.chain[0] }

func (h holder) root() *x509.Certificate { return h.chain[len(h.chain)-1] }

var epoch = time.Now().Truncate(time.Second)

// template is a certificate that is valid for an hour before and after now.
func template(name string) *x509.Certificate {
	number, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{Country: []string{"XX"}, Organization: []string{"Acme"}, CommonName: name},
		NotBefore: epoch.Add(-3 * time.Hour), NotAfter: epoch.Add(time.Hour),
	}
}

func ec(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	return key
}

// make issues a certificate from a template; without an issuer it signs itself.
func create(tb testing.TB, t *x509.Certificate, key crypto.Signer, issuer *holder) holder {
	tb.Helper()
	if issuer == nil {
		issuer = &holder{key: key, chain: []*x509.Certificate{t}}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer.certificate(), key.Public(), issuer.key)
	must(tb, err)
	c, err := x509.ParseCertificate(der)
	must(tb, err)
	h := holder{key: key, chain: []*x509.Certificate{c}}
	if issuer.certificate() != t {
		h.chain = append(h.chain, issuer.chain...)
	}
	return h
}

type change func(*x509.Certificate)

// authority makes a root, or an intermediate under issuer.
func authority(tb testing.TB, name string, issuer *holder, changes ...change) holder {
	tb.Helper()
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	for _, c := range changes {
		c(t)
	}
	return create(tb, t, ec(tb), issuer)
}

// signer makes a signing certificate.
func signer(tb testing.TB, name string, issuer *holder, changes ...change) holder {
	tb.Helper()
	t := template(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	for _, c := range changes {
		c(t)
	}
	return create(tb, t, ec(tb), issuer)
}

// stamper makes a timestamp authority's certificate.
func stamper(tb testing.TB, name string, issuer *holder, changes ...change) holder {
	tb.Helper()
	return signer(tb, name, issuer, append([]change{func(t *x509.Certificate) {
		t.ExtKeyUsage = nil
		t.ExtraExtensions = append(t.ExtraExtensions, extension([]int{2, 5, 29, 37}, true, []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8}))
	}}, changes...)...)
}

func extension(id []int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: id, Critical: critical, Value: value}
}

// over lets a certificate have run out an hour ago.
func over(t *x509.Certificate) { t.NotAfter = epoch.Add(-time.Hour) }

func pemOf(certificates ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certificates {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}

func store(tb testing.TB, kind, name string, certificates ...*x509.Certificate) notation.Store {
	tb.Helper()
	s, err := notation.ParseStore(name, kind, pemOf(certificates...))
	must(tb, err)
	return s
}

// --- signatures made here -----------------------------------------------------

// subject is an image in a repository of its own.
func subject(tb testing.TB) (*verifytest.Repo, inventory.Subject) {
	tb.Helper()
	r := verifytest.New("team/app")
	config := r.PutBlob([]byte("{}"))
	config.MediaType = inventory.MediaTypeOCIConfig
	r.PutManifest(tb, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest,
		"config": config, "layers": []any{}}, "v1")
	return r, r.Subject(tb, "v1")
}

func payload(d inventory.Descriptor) []byte {
	return fmt.Appendf(nil, `{"targetArtifact":{"mediaType":%q,"digest":%q,"size":%d}}`, d.MediaType, d.Digest, d.Size)
}

// sign has notation-core-go sign for an image.
func sign(tb testing.TB, mediaType string, h holder, content []byte, changes ...func(*signature.SignRequest)) []byte {
	tb.Helper()
	local, err := signature.NewLocalSigner(h.chain, h.key)
	must(tb, err)
	e, err := signature.NewEnvelope(mediaType)
	must(tb, err)
	request := &signature.SignRequest{Payload: signature.Payload{ContentType: payloadType, Content: content}, Signer: local,
		SigningTime: epoch.Add(-2 * time.Hour), SigningScheme: signature.SigningSchemeX509, SigningAgent: "test"}
	for _, c := range changes {
		c(request)
	}
	raw, err := e.Sign(request)
	must(tb, err)
	return raw
}

// forge makes a JWS by hand, of whatever is given; the ordinary headers are
// there unless they are overruled by one of the same name, and gone when that is
// nil.
func forge(tb testing.TB, h holder, content []byte, headers map[string]any) []byte {
	tb.Helper()
	all := map[string]any{"alg": "ES256", "cty": payloadType, "crit": []string{"io.cncf.notary.signingScheme"},
		"io.cncf.notary.signingScheme": "notary.x509", "io.cncf.notary.signingTime": epoch.Add(-2 * time.Hour).Format(time.RFC3339)}
	for name, value := range headers {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return forgeRaw(tb, h, content, marshal(tb, all))
}

func forgeRaw(tb testing.TB, h holder, content, protected []byte) []byte {
	tb.Helper()
	text := base64.RawURLEncoding.EncodeToString(protected) + "." + base64.RawURLEncoding.EncodeToString(content)
	hash := crypto.SHA256.New()
	hash.Write([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, h.key.(*ecdsa.PrivateKey), hash.Sum(nil))
	must(tb, err)
	var chain [][]byte
	for _, c := range h.chain {
		chain = append(chain, c.Raw)
	}
	return marshal(tb, map[string]any{
		"payload": base64.RawURLEncoding.EncodeToString(content), "protected": base64.RawURLEncoding.EncodeToString(protected),
		"header":    map[string]any{"x5c": chain},
		"signature": base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)),
	})
}

// edit changes an envelope's JSON.
func edit(tb testing.TB, raw []byte, f func(map[string]any)) []byte {
	tb.Helper()
	var e map[string]any
	must(tb, json.Unmarshal(raw, &e))
	f(e)
	return marshal(tb, e)
}

// attach hangs an envelope on an image as notation does.
func attach(tb testing.TB, r *verifytest.Repo, s inventory.Subject, mediaType string, envelope []byte) inventory.Descriptor {
	tb.Helper()
	layer := r.PutBlob(envelope)
	layer.MediaType = mediaType
	return attachLayers(tb, r, s, layer)
}

func attachLayers(tb testing.TB, r *verifytest.Repo, s inventory.Subject, layers ...inventory.Descriptor) inventory.Descriptor {
	tb.Helper()
	config := r.PutBlob([]byte("{}"))
	config.MediaType = artifact
	return r.PutManifest(tb, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest,
		"config": config, "layers": layers, "subject": s.Manifest}, "")
}

// examine puts one envelope on an image and checks it.
func examine(tb testing.TB, c notation.Checker, mediaType string, envelope func(inventory.Descriptor) []byte) inventory.Signature {
	tb.Helper()
	r, s := subject(tb)
	attach(tb, r, s, mediaType, envelope(s.Manifest))
	return only(tb, inspect(tb, c, r, s, time.Time{}))
}

// --- the reference --------------------------------------------------------------

// shelf is the trust stores as notation-go reads them.
type shelf []notation.Store

func (s shelf) GetCertificates(_ context.Context, kind truststore.Type, name string) ([]*x509.Certificate, error) {
	for _, store := range s {
		if store.Type == string(kind) && store.Name == name {
			return store.Certificates, truststore.ValidateCertificates(store.Certificates)
		}
	}
	return nil, fmt.Errorf("no store %s of type %s", name, kind)
}

// refuses is what notation-go's own verifier says to a signature, under a policy
// that enforces everything and demands a countersignature only of a certificate
// that has run out. Nil means that it accepts.
func refuses(tb testing.TB, stores []notation.Store, client *http.Client, mediaType string, envelope []byte, image inventory.Descriptor) error {
	tb.Helper()
	policy := trustpolicy.TrustPolicy{Name: "strict", RegistryScopes: []string{"*"}, TrustedIdentities: []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict", VerifyTimestamp: trustpolicy.OptionAfterCertExpiry}}
	for _, s := range stores {
		policy.TrustStores = append(policy.TrustStores, s.Type+":"+s.Name)
	}
	if len(stores) == 0 {
		return fmt.Errorf("no trust stores")
	}
	if client == nil {
		client = http.DefaultClient
	}
	fetcher, err := crl.NewHTTPFetcher(client)
	must(tb, err)
	var validators [2]corerevocation.Validator
	for i, p := range []purpose.Purpose{purpose.CodeSigning, purpose.Timestamping} {
		validators[i], err = corerevocation.NewWithOptions(corerevocation.Options{OCSPHTTPClient: client, CRLFetcher: fetcher, CertChainPurpose: p})
		must(tb, err)
	}
	v, err := verifier.NewWithOptions(&trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{policy}}, shelf(stores), nil,
		verifier.VerifierOptions{RevocationCodeSigningValidator: validators[0], RevocationTimestampingValidator: validators[1]})
	must(tb, err)
	outcome, err := v.Verify(tb.Context(), ocispec.Descriptor{MediaType: image.MediaType, Digest: digest.Digest(image.Digest), Size: image.Size}, envelope,
		reference.VerifierVerifyOptions{ArtifactReference: "registry.example/team/app@" + string(image.Digest), SignatureMediaType: mediaType})
	if err != nil {
		return err
	}
	for _, r := range outcome.VerificationResults { // a nil error alone proves nothing
		if r.Error != nil {
			return r.Error
		}
	}
	return nil
}

// agree holds what we say of a signature against the reference: what it refuses
// never verifies here, and what it accepts does, unless stricter says why not.
func agree(tb testing.TB, s inventory.Signature, refusal error, stricter string) {
	tb.Helper()
	switch {
	case s.Outcome == verified && refusal != nil:
		tb.Errorf("verified here, and notation-go says: %v", refusal)
	case s.Outcome != verified && refusal == nil && stricter == "":
		tb.Errorf("notation-go accepts it, and here it is %s/%s: %s", s.Outcome, s.Reason, s.Message)
	case stricter != "" && (s.Outcome == verified || refusal != nil):
		tb.Errorf("we aren't stricter (%s): %s here, %v there", stricter, s.Outcome, refusal)
	}
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

// chainOf is the chain in an envelope.
func chainOf(tb testing.TB, mediaType string, raw []byte) []*x509.Certificate {
	tb.Helper()
	e, err := signature.ParseEnvelope(mediaType, raw)
	must(tb, err)
	content, err := e.Content()
	must(tb, err)
	return content.SignerInfo.CertificateChain
}

func decode(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
