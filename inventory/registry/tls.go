package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// ReadCA reads a file with PEM certificates and adds them to the authorities
// that the system trusts. Its errors say what is wrong with the file.
func ReadCA(file string) (*x509.CertPool, error) {
	raw, err := readFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a machine without any
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("expected a file with PEM certificates (-----BEGIN CERTIFICATE-----), and %s holds none", file)
	}
	return pool, nil
}

// ReadClientCertificate reads a certificate, with any intermediates after it,
// and its private key, both PEM. Its errors say what is wrong with them. What it
// returns reads the files again when they have changed, as certificates that
// live for hours do, and answers with the last good pair while they don't match.
func ReadClientCertificate(certificate, key string) (func() (*tls.Certificate, error), error) {
	c := &clientCertificate{files: [2]string{certificate, key}}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c.certificate, nil
}

type clientCertificate struct {
	files [2]string // certificate, key

	mu   sync.Mutex
	read [2]fs.FileInfo
	pair *tls.Certificate
}

func (c *clientCertificate) certificate() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, file := range c.files {
		if now, err := os.Stat(file); err == nil && (now.ModTime() != c.read[i].ModTime() || now.Size() != c.read[i].Size()) {
			_ = c.load() // one of the two may not be written yet
			break
		}
	}
	return c.pair, nil
}

func (c *clientCertificate) load() error {
	var (
		raw  [2][]byte
		info [2]fs.FileInfo
		err  error
	)
	for i, file := range c.files {
		if info[i], err = os.Stat(file); err == nil {
			raw[i], err = os.ReadFile(file)
		}
		if err != nil {
			return unreadable(file, err)
		}
	}
	pair, err := tls.X509KeyPair(raw[0], raw[1])
	if err != nil {
		return fmt.Errorf("expected a PEM certificate and its private key in %s and %s: %s", c.files[0], c.files[1], strings.TrimPrefix(err.Error(), "tls: "))
	}
	c.read, c.pair = info, &pair
	return nil
}

func readFile(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	return raw, nil
}

func unreadable(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", file)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not read %s", file)
	}
	return fmt.Errorf("%s can't be read: %w", file, err)
}

// newTransport makes the pool of connections under one RoundTripper. A client
// certificate is shown to whoever asks for one, so the pools with and without it
// are kept apart.
func newTransport(cfg Config, limits Limits, dial dialFunc, certificate func() (*tls.Certificate, error)) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate() }
	}
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // a digest is of the bytes as they are, and nothing can unfold in memory
		MaxIdleConns:           4 * limits.Concurrent,
		MaxIdleConnsPerHost:    2 * limits.Concurrent,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// clientCertificateProblem says what a server that ended the handshake has
// against us, "" when that isn't what happened (RFC 8446, section 6.2).
func clientCertificateProblem(err error) string {
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" {
		return ""
	}
	switch text := remote.Err.Error(); {
	case strings.HasSuffix(text, "certificate required"), strings.HasSuffix(text, "handshake failure"):
		return "asks for a client certificate: configure client_certificate and client_key of this registry"
	case strings.HasSuffix(text, "certificate"), strings.Contains(text, "certificate authority"), strings.HasSuffix(text, "access denied"):
		return "doesn't accept the client certificate: check client_certificate and client_key of this registry"
	}
	return ""
}
