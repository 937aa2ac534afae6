package cosign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/sigstore"
	"signboard/inventory/verify/verifytest"
)

// signedAt is when the tests' own instances sign, unless they say otherwise.
var signedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// instance is a Sigstore instance in memory that does whatever a test wants, as
// no real one would: it is for attacks.
type instance struct {
	name                string
	root, intermediate  *x509.Certificate
	rootKey, issuingKey *ecdsa.PrivateKey
	logKey              *ecdsa.PrivateKey
	tsaRoot, tsaLeaf    *x509.Certificate
	tsaKey              *ecdsa.PrivateKey

	logFrom, logUntil time.Time
	tsaFrom, tsaUntil time.Time
	caFrom, caUntil   time.Time
	noLog, noTSA      bool
	stale             bool
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	return key
}

func issue(tb testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	tb.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	must(tb, err)
	c, err := x509.ParseCertificate(der)
	must(tb, err)
	return c
}

// newInstance makes an instance; edit may change the intermediate certificate.
func newInstance(tb testing.TB, name string, edit func(intermediate *x509.Certificate)) *instance {
	tb.Helper()
	in := &instance{name: name, rootKey: newKey(tb), issuingKey: newKey(tb), logKey: newKey(tb), tsaKey: newKey(tb),
		logFrom: signedAt.AddDate(-1, 0, 0), tsaFrom: signedAt.AddDate(-1, 0, 0), caFrom: signedAt.AddDate(-1, 0, 0)}
	authority := func(common string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: common, Organization: []string{"example"}}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(100, 0, 0)}
	}
	// Every instance has the same names: only the keys tell them apart.
	template := authority("root")
	in.root = issue(tb, template, template, in.rootKey.Public(), in.rootKey)
	template = authority("intermediate")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	if edit != nil {
		edit(template)
	}
	in.intermediate = issue(tb, template, in.root, in.issuingKey.Public(), in.rootKey)
	tsaRootKey := newKey(tb)
	template = authority("tsa root")
	in.tsaRoot = issue(tb, template, template, tsaRootKey.Public(), tsaRootKey)
	use, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	must(tb, err)
	in.tsaLeaf = issue(tb, &x509.Certificate{Subject: pkix.Name{CommonName: "tsa"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(100, 0, 0),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: use}}}, in.tsaRoot, in.tsaKey.Public(), tsaRootKey)
	return in
}

func (in *instance) logID(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(in.logKey.Public())
	must(tb, err)
	sum := sha256.Sum256(der)
	return sum[:]
}

// domain is what a verifier would know of the instance.
func (in *instance) domain(tb testing.TB) *sigstore.Domain {
	tb.Helper()
	logs := map[string]*root.TransparencyLog{}
	if !in.noLog {
		logs[hex.EncodeToString(in.logID(tb))] = &root.TransparencyLog{BaseURL: "https://log." + in.name + ".example", ID: in.logID(tb), HashFunc: crypto.SHA256,
			PublicKey: in.logKey.Public(), SignatureHashFunc: crypto.SHA256, ValidityPeriodStart: in.logFrom, ValidityPeriodEnd: in.logUntil}
	}
	var stampers []root.TimestampingAuthority
	if !in.noTSA {
		stampers = append(stampers, &root.SigstoreTimestampingAuthority{Root: in.tsaRoot, Leaf: in.tsaLeaf, URI: "https://tsa." + in.name + ".example", ValidityPeriodStart: in.tsaFrom, ValidityPeriodEnd: in.tsaUntil})
	}
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: in.root, Intermediates: []*x509.Certificate{in.intermediate}, URI: "https://ca.example", ValidityPeriodStart: in.caFrom, ValidityPeriodEnd: in.caUntil}},
		map[string]*root.TransparencyLog{}, stampers, logs)
	must(tb, err)
	return &sigstore.Domain{Name: in.name, Root: r, Revision: inventory.DigestOf(in.root.Raw), Stale: in.stale}
}

// person is a certificate and its key.
type person struct {
	hand
	certificate *x509.Certificate
}

func (p person) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw}))
}

// extension is one of Fulcio's, with its value as a DER string.
func extension(tb testing.TB, n int, value string) pkix.Extension {
	tb.Helper()
	der, err := asn1.MarshalWithParams(value, "utf8")
	must(tb, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}, Value: der}
}

// person issues a certificate for ten minutes around signedAt.
func (in *instance) person(tb testing.TB, edit func(c *x509.Certificate)) person {
	tb.Helper()
	h := newHand(tb, false)
	c := &x509.Certificate{NotBefore: signedAt.Add(-time.Minute), NotAfter: signedAt.Add(9 * time.Minute), EmailAddresses: []string{"dev@example.com"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{extension(tb, 8, "https://issuer.example")}}
	if edit != nil {
		edit(c)
	}
	return person{h, issue(tb, c, in.intermediate, h.private.Public(), in.issuingKey)}
}

// workflow issues a certificate as a CI system's identity gets one.
func (in *instance) workflow(tb testing.TB) person {
	tb.Helper()
	return in.person(tb, func(c *x509.Certificate) {
		c.EmailAddresses = nil
		u, err := url.Parse("https://git.example/team/app/.workflows/release.yml@refs/heads/main")
		must(tb, err)
		c.URIs = []*url.URL{u}
		c.ExtraExtensions = nil
		for n, value := range map[int]string{8: "https://token.ci.example", 9: "https://git.example/team/ci/.workflows/sign.yml@refs/tags/v1", 11: "self-hosted",
			12: "https://git.example/team/app", 13: "3f0c2a7e", 14: "refs/heads/main", 18: u.String(), 20: "push", 21: "https://git.example/team/app/runs/17"} {
			c.ExtraExtensions = append(c.ExtraExtensions, extension(tb, n, value))
		}
	})
}

// log makes an entry with the log's promise, as cosign's bundle annotation. The
// log signs whatever it is given.
func (in *instance) log(tb testing.TB, body []byte, at time.Time, index int64) string {
	tb.Helper()
	payload := map[string]any{"body": body, "integratedTime": at.Unix(), "logIndex": index, "logID": hex.EncodeToString(in.logID(tb))}
	sum := sha256.Sum256(marshal(tb, payload)) // keys sorted, nothing to escape: canonical
	promise, err := ecdsa.SignASN1(rand.Reader, in.logKey, sum[:])
	must(tb, err)
	return string(marshal(tb, map[string]any{"SignedEntryTimestamp": promise, "Payload": payload}))
}

// record is the body of a hashedrekord entry.
func record(tb testing.TB, content, signature []byte, verifier string) []byte {
	tb.Helper()
	sum := sha256.Sum256(content)
	return marshal(tb, map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": signature, "publicKey": map[string]any{"content": []byte(verifier)}},
	}})
}

// stamp makes a timestamp over content.
func (in *instance) stamp(tb testing.TB, content []byte, at time.Time) []byte {
	tb.Helper()
	sum := sha256.Sum256(content)
	token, err := (&timestamp.Timestamp{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 2, 3},
		AddTSACertificate: true}).CreateResponseWithOpts(in.tsaLeaf, in.tsaKey, crypto.SHA256)
	must(tb, err)
	return token
}

func stampAnnotation(tb testing.TB, token []byte) string {
	tb.Helper()
	return string(marshal(tb, map[string]any{"SignedRFC3161Timestamp": token}))
}

// sealed is a simple-signing signature with what came along with it.
type sealed struct {
	payload, signature []byte
	annotations        map[string]string
}

// seal signs this image as p, with the log entry of in.
func (in *instance) seal(tb testing.TB, p person, d inventory.Digest) sealed {
	tb.Helper()
	s := sealed{payload: []byte(simple(d)), annotations: map[string]string{"dev.sigstore.cosign/certificate": p.pem()}}
	s.signature = p.sign(tb, s.payload)
	s.annotations["dev.sigstore.cosign/bundle"] = in.log(tb, record(tb, s.payload, s.signature, p.pem()), signedAt, 7)
	return s
}

// put attaches signatures to v1 of an otherwise unsigned repository.
func put(tb testing.TB, r *verifytest.Repo, list ...sealed) {
	tb.Helper()
	var layers []inventory.Descriptor
	for _, s := range list {
		layer := r.PutBlob(s.payload)
		layer.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
		layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(s.signature)}
		for k, v := range s.annotations {
			layer.Annotations[k] = v
		}
		layers = append(layers, layer)
	}
	config := r.PutBlob([]byte("{}"))
	config.MediaType = inventory.MediaTypeOCIConfig
	r.PutManifest(tb, inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": layers}, r.Tags["v1"].TagPrefix()+".sig")
}

// judged checks one signature of this image with the domains of some instances.
func judged(tb testing.TB, s sealed, domains ...*sigstore.Domain) inventory.Signature {
	tb.Helper()
	r := fixture(tb, "unsigned")
	put(tb, r, s)
	return only(tb, inspectIn(tb, r, r.Subject(tb, "v1"), nil, time.Time{}, domains...))
}

// inspectIn looks at an image with domains, at a moment; zero is long after.
func inspectIn(tb testing.TB, source verify.Source, s inventory.Subject, ring *verify.Keyring, now time.Time, domains ...*sigstore.Domain) inventory.Evidence {
	tb.Helper()
	in := verify.NewInspector(source, func() *verify.Keyring { return ring }, cosign.New(func() []*sigstore.Domain { return domains }))
	if now.IsZero() {
		now = signedAt.AddDate(1, 0, 0)
	}
	in.Now = func() time.Time { return now }
	e := in.Verify(tb.Context(), s, in.Discover(tb.Context(), s))
	for _, signature := range e.Signatures {
		consistent(tb, signature)
	}
	return e
}

// private is the domain of the instance that the fixtures were made with, after
// edit has changed its trusted root.
func private(tb testing.TB, edit func(trusted map[string]any)) *sigstore.Domain {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "domains", "private.json"))
	must(tb, err)
	if edit != nil {
		var trusted map[string]any
		must(tb, json.Unmarshal(raw, &trusted))
		edit(trusted)
		raw = marshal(tb, trusted)
	}
	d, err := sigstore.ParseDomain("private", raw)
	must(tb, err)
	return d
}

// without leaves a section of a trusted root empty.
func without(sections ...string) func(map[string]any) {
	return func(trusted map[string]any) {
		for _, s := range sections {
			trusted[s] = []any{}
		}
	}
}

func image(tb testing.TB) inventory.Digest { return fixture(tb, "unsigned").Tags["v1"] }

func altered(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}
