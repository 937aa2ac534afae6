package demo

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
)

// identity is somebody whom a Sigstore instance's issuer vouches for: a
// workflow or a person.
type identity struct {
	issuer string
	// One of the two: a workflow has an address, a person an e-mail address.
	workflow, email string
	repository      string // of a workflow: where its source is
	ref             string
}

// sigstore is a whole Sigstore instance in one process: a certificate
// authority whose certificates a transparency log has seen, a log of
// signatures, and a timestamp authority.
type sigstore struct {
	name         string
	authority    *authority // the intermediate that issues
	certificates *authority // key of the certificates' log; its certificate isn't used
	signatures   *rekor
	timestamps   *stamper
}

func newSigstore(name, host string) (*sigstore, error) {
	s := &sigstore{name: name}
	root, err := newRoot(name + " root")
	if err != nil {
		return nil, err
	}
	if s.authority, err = root.intermediate(name+" signing", x509.ExtKeyUsageCodeSigning); err != nil {
		return nil, err
	}
	if s.certificates, err = newRoot(name + " certificate log"); err != nil {
		return nil, err
	}
	if s.signatures, err = newRekor("rekor." + host); err != nil {
		return nil, err
	}
	s.timestamps, err = newStamper(root, name+" timestamps")
	return s, err
}

// trustedRoot is what has to be known of the instance to verify what was signed
// with it, as trusted_root.json.
func (s *sigstore) trustedRoot(host string) ([]byte, error) {
	since := time.Now().AddDate(0, 0, -1)
	log := func(address string, public crypto.PublicKey) (map[string]*root.TransparencyLog, error) {
		id, err := keyID(public)
		return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
			BaseURL: address, ID: id[:], ValidityPeriodStart: since,
			HashFunc: crypto.SHA256, PublicKey: public, SignatureHashFunc: crypto.SHA256,
		}}, err
	}
	certificates, err := log("https://ct."+host, s.certificates.key.Public())
	if err != nil {
		return nil, err
	}
	signatures, err := log("https://"+s.signatures.host, s.signatures.key.Public())
	if err != nil {
		return nil, err
	}
	issuing, stamping := s.authority.chain(), s.timestamps.authority.chain()
	last := len(issuing) - 1
	made, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: issuing[last], Intermediates: issuing[:last], ValidityPeriodStart: since, URI: "https://fulcio." + host,
		}}, certificates,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: stamping[len(stamping)-1], Intermediates: stamping[1 : len(stamping)-1], Leaf: stamping[0],
			ValidityPeriodStart: since, URI: "https://timestamps." + host,
		}}, signatures)
	if err != nil {
		return nil, fmt.Errorf("making the trusted root of %s: %w", s.name, err)
	}
	return made.MarshalJSON()
}

// certificate gives an identity a certificate for ten minutes, as Fulcio does,
// with the certificate log's word in it.
func (s *sigstore) certificate(who identity, public crypto.PublicKey) (*x509.Certificate, error) {
	template := &x509.Certificate{
		NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	var err error
	if template.ExtraExtensions, err = who.extensions(); err != nil {
		return nil, err
	}
	if who.email != "" {
		template.EmailAddresses = []string{who.email}
	} else {
		address, err := url.Parse(who.workflow)
		if err != nil {
			return nil, fmt.Errorf("the workflow %q: %w", who.workflow, err)
		}
		template.URIs = []*url.URL{address}
	}
	seen, err := certify(template, s.authority.certificate, public, s.authority.key)
	if err != nil {
		return nil, err
	}
	promise, err := s.promise(seen)
	if err != nil {
		return nil, err
	}
	template.ExtraExtensions = append(template.ExtraExtensions, promise)
	return certify(template, s.authority.certificate, public, s.authority.key)
}

// extensions say what the issuer knows of the identity (Fulcio's
// docs/oid-info.md).
func (who identity) extensions() ([]pkix.Extension, error) {
	list := []pkix.Extension{{Id: fulcioOID(1), Value: []byte(who.issuer)}}
	for _, fact := range []struct {
		n     int
		value string
	}{
		{8, who.issuer},
		{9, who.workflow},
		{11, who.runner()},
		{12, who.repository},
		{13, who.commit()},
		{14, who.ref},
		{18, who.workflow},
		{20, who.trigger()},
		{21, who.run()},
	} {
		if fact.value == "" || who.email != "" && fact.n != 8 {
			continue
		}
		der, err := asn1.MarshalWithParams(fact.value, "utf8")
		if err != nil {
			return nil, fmt.Errorf("encoding a certificate's fact: %w", err)
		}
		list = append(list, pkix.Extension{Id: fulcioOID(fact.n), Value: der})
	}
	return list, nil
}

func (who identity) runner() string  { return "self-hosted" }
func (who identity) trigger() string { return "push" }

// commit is made up, and the same at every start.
func (who identity) commit() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(who.repository+who.ref)))[:40]
}

func (who identity) run() string {
	if who.repository == "" {
		return ""
	}
	return who.repository + "/actions/runs/" + fmt.Sprint(4_000_000_000+int(who.commit()[0])*7919) + "/attempts/1"
}

func fulcioOID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}
}

// promise is the certificate log's word that it has seen a certificate (RFC
// 6962, sections 3.2 and 3.3): the certificate without that word is what it saw.
func (s *sigstore) promise(seen *x509.Certificate) (pkix.Extension, error) {
	fail := func(err error) (pkix.Extension, error) {
		return pkix.Extension{}, fmt.Errorf("logging a certificate: %w", err)
	}
	id, err := keyID(s.certificates.key.Public())
	if err != nil {
		return fail(err)
	}
	issuer, err := keyID(s.authority.key.Public())
	if err != nil {
		return fail(err)
	}
	promise := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: id}, Timestamp: uint64(time.Now().UnixMilli())}
	input, err := ct.SerializeSCTSignatureInput(promise, ct.LogEntry{Leaf: ct.MerkleTreeLeaf{
		Version: ct.V1, LeafType: ct.TimestampedEntryLeafType,
		TimestampedEntry: &ct.TimestampedEntry{
			EntryType: ct.PrecertLogEntryType, Timestamp: promise.Timestamp,
			PrecertEntry: &ct.PreCert{IssuerKeyHash: issuer, TBSCertificate: seen.RawTBSCertificate},
		},
	}})
	if err != nil {
		return fail(err)
	}
	signed, err := tls.CreateSignature(*s.certificates.key, tls.SHA256, input)
	if err != nil {
		return fail(err)
	}
	promise.Signature = ct.DigitallySigned(signed)
	one, err := tls.Marshal(promise)
	if err != nil {
		return fail(err)
	}
	list, err := tls.Marshal(ctx509.SignedCertificateTimestampList{SCTList: []ctx509.SerializedSCT{{Val: one}}})
	if err != nil {
		return fail(err)
	}
	value, err := asn1.Marshal(list)
	if err != nil {
		return fail(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}, nil
}

// keyID is what logs are called by: the SHA-256 of their public key.
func keyID(public crypto.PublicKey) ([sha256.Size]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encoding a public key: %w", err)
	}
	return sha256.Sum256(der), nil
}

// issuance gives the bundles of sigstore-go's signer their certificates.
type issuance struct {
	instance *sigstore
	who      identity
}

// GetCertificate is sign.CertificateProvider's.
func (i issuance) GetCertificate(_ context.Context, pair sign.Keypair, _ *sign.CertificateProviderOptions) ([]byte, error) {
	made, err := i.instance.certificate(i.who, pair.GetPublicKey())
	if err != nil {
		return nil, err
	}
	return made.Raw, nil
}
