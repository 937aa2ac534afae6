package notation_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// responder is the server of certificate authorities, on loopback. What it
// answers is set for each path, and what it was asked is counted.
type responder struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	asked   map[string]int
}

func newResponder(tb testing.TB) *responder {
	r := &responder{answers: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		first := "/" + strings.Split(request.URL.Path, "/")[1] // notation-go asks OCSP by GET
		r.mu.Lock()
		r.asked[first]++
		answer := r.answers[first]
		r.mu.Unlock()
		if answer == nil {
			http.NotFound(w, request)
			return
		}
		answer(w, request)
	}))
	tb.Cleanup(r.Close)
	return r
}

func (r *responder) answer(path string, f http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[path] = f
}

func (r *responder) count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[path]
}

// lists names revocation lists here in a certificate, and asks a responder.
func (r *responder) lists(paths ...string) change {
	return func(c *x509.Certificate) {
		for _, p := range paths {
			c.CRLDistributionPoints = append(c.CRLDistributionPoints, r.URL+p)
		}
	}
}

func (r *responder) asks(paths ...string) change {
	return func(c *x509.Certificate) {
		for _, p := range paths {
			c.OCSPServer = append(c.OCSPServer, r.URL+p)
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func body(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
}

// list serves a revocation list of an authority.
func (r *responder) list(issuer holder, changes ...func(*x509.RevocationList)) http.HandlerFunc {
	l := &x509.RevocationList{Number: big.NewInt(5), ThisUpdate: epoch.Add(-time.Hour), NextUpdate: epoch.Add(time.Hour)}
	for _, c := range changes {
		c(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, issuer.certificate(), issuer.key)
	if err != nil {
		panic(err)
	}
	return body(der)
}

func revoking(c *x509.Certificate, extensions ...pkix.Extension) func(*x509.RevocationList) {
	return revokingFor(0, c, extensions...)
}

func revokingFor(reason int, c *x509.Certificate, extensions ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: epoch.Add(-time.Hour), ReasonCode: reason, ExtraExtensions: extensions})
	}
}

func extended(e pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, e) }
}

func until(at time.Time) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.NextUpdate = at }
}

// says answers OCSP questions about any certificate, signed by by. It answers
// GET, which notation-go asks with, and POST.
func says(issuer, by holder, response ocsp.Response) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		raw, _ := io.ReadAll(io.LimitReader(request.Body, 10_000))
		if request.Method == http.MethodGet {
			text, _ := url.QueryUnescape(path.Base(request.URL.EscapedPath()))
			raw, _ = decode(text)
		}
		question, err := ocsp.ParseRequest(raw)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := response
		answer.SerialNumber = question.SerialNumber
		if answer.NextUpdate.IsZero() {
			answer.NextUpdate = epoch.Add(time.Hour)
		}
		if answer.ThisUpdate.IsZero() {
			answer.ThisUpdate = epoch.Add(-time.Hour)
		}
		answer.RevokedAt = epoch.Add(-time.Hour)
		if !by.certificate().Equal(issuer.certificate()) {
			answer.Certificate = by.certificate()
		}
		der, err := ocsp.CreateResponse(issuer.certificate(), by.certificate(), answer, by.key)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(der)
	}
}

// delegate is a certificate for answering OCSP questions.
func delegate(tb testing.TB, issuer *holder, changes ...change) holder {
	return signer(tb, "OCSP", issuer, append([]change{func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }}, changes...)...)
}

func scope(value any) pkix.Extension {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err)
	}
	return extension([]int{2, 5, 29, 28}, true, der)
}

type point struct {
	Name        pointName `asn1:"optional,tag:0"`
	Users       bool      `asn1:"optional,tag:1"`
	Authorities bool      `asn1:"optional,tag:2"`
	Indirect    bool      `asn1:"optional,tag:4"`
}

type pointName struct {
	Full []asn1.RawValue `asn1:"optional,tag:0"`
}

func named(address string) pointName {
	return pointName{Full: []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(address)}}}
}

func freshest(address string) pkix.Extension {
	der, err := asn1.Marshal([]struct {
		Name pointName `asn1:"optional,tag:0"`
	}{{named(address)}})
	if err != nil {
		panic(err)
	}
	return extension([]int{2, 5, 29, 46}, false, der)
}

func delta(base int64) pkix.Extension {
	der, _ := asn1.Marshal(big.NewInt(base))
	return extension([]int{2, 5, 29, 27}, true, der)
}

func number(n int64) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.Number = big.NewInt(n) }
}

func invalidityDate(at time.Time) pkix.Extension {
	der, err := asn1.MarshalWithParams(at.UTC(), "generalized")
	if err != nil {
		panic(err)
	}
	return extension([]int{2, 5, 29, 24}, false, der)
}
