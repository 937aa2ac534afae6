package demo

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/sign"
)

// stamper is a timestamp authority (RFC 3161) that is reached without a
// network: it is the http.RoundTripper of the client that asks it.
type stamper struct{ authority *authority }

func newStamper(root *authority, name string) (*stamper, error) {
	use, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return nil, fmt.Errorf("encoding a use of keys: %w", err)
	}
	above, err := root.intermediate(name+" authority", x509.ExtKeyUsageTimeStamping)
	if err != nil {
		return nil, err
	}
	a, err := above.issue(&x509.Certificate{
		Subject: subjectOf(name), KeyUsage: x509.KeyUsageDigitalSignature, NotAfter: time.Now().AddDate(1, 0, 0),
		// Critical and alone, as RFC 3161, section 2.3, has it.
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: use}},
	})
	if err != nil {
		return nil, err
	}
	return &stamper{authority: a}, nil
}

// client is how sigstore-go's signer asks for timestamps.
func (s *stamper) client() *sign.TimestampAuthority {
	return sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: "https://timestamps.invalid/", Transport: s})
}

// RoundTrip answers a timestamp query.
func (s *stamper) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading a timestamp query: %w", err)
	}
	query, err := timestamp.ParseRequest(raw)
	if err != nil {
		return nil, fmt.Errorf("reading a timestamp query: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	answer := timestamp.Timestamp{
		HashAlgorithm: query.HashAlgorithm, HashedMessage: query.HashedMessage, Nonce: query.Nonce,
		Time: time.Now(), SerialNumber: serial, Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
		AddTSACertificate: true,
	}
	body, err := answer.CreateResponseWithOpts(s.authority.certificate, s.authority.key, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("making a timestamp: %w", err)
	}
	return &http.Response{StatusCode: http.StatusCreated, Body: io.NopCloser(bytes.NewReader(body)), Request: r,
		Header: http.Header{"Content-Type": {"application/timestamp-reply"}}}, nil
}
