package registry

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
)

// proxy is a real one: it connects, or forwards, everything to one server.
type proxy struct {
	*httptest.Server
	seen
	refuse int // answer this instead
}

func newProxy(t *testing.T, to string, secure bool) *proxy {
	t.Helper()
	p := &proxy{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.add(r)
		if p.refuse != 0 {
			w.WriteHeader(p.refuse)
			return
		}
		behind, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer behind.Close()
		if r.Method != http.MethodConnect { // one request to a connection
			r.Header.Del("Proxy-Authorization")
			r.Close = true
			if err := r.Write(behind); err != nil {
				t.Error(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(behind), r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			maps.Copy(w.Header(), resp.Header)
			w.WriteHeader(resp.StatusCode)
			io.Copy(w, resp.Body)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { io.Copy(behind, conn); behind.(*net.TCPConn).CloseWrite() })
		both.Go(func() { io.Copy(conn, behind); conn.Close() })
		both.Wait()
	}))
	if secure {
		p.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) withUser() string {
	return strings.Replace(p.URL, "://", "://proxy-user:proxy-secret@", 1)
}

// example is a registry that calls itself example.com and asks for a client
// certificate.
func example(t *testing.T) (*httptest.Server, *seen) {
	t.Helper()
	asked := &seen{}
	server := httptest.NewUnstartedServer(record(asked, map[string]http.HandlerFunc{
		"/v2/": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		},
		"/v2/a/tags/list":    jsonAnswer(`{"tags":["v1"]}`),
		"/v2/away/tags/list": redirectTo("https://169.254.169.254/latest"),
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, asked
}

// behind is a client of https://example.com that goes through a proxy, on a
// machine where names resolve so.
func behind(t *testing.T, server *httptest.Server, proxy string, names map[string]string, change ...func(*Config)) *Client {
	t.Helper()
	noDockerConfig(t)
	cfg, _ := configFor("https://example.com")
	cfg.AllowPrivate, cfg.Proxy, cfg.RootCAs = false, proxy, server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.guard.inner.(*route).lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if a, ok := names[host]; ok {
			return []netip.Addr{netip.MustParseAddr(a)}, nil
		}
		return nil, errors.New("no such name")
	}
	return c
}

func TestProxy_carriesEverythingAndKeepsCredentialsApart(t *testing.T) {
	for _, secure := range []bool{false, true} {
		server, asked := example(t)
		p := newProxy(t, server.Listener.Addr().String(), secure)
		certificate, key := clientPair(t, t.TempDir(), "robot")
		shown, err := ReadClientCertificate(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		c := behind(t, server, p.withUser(), nil, withPassword, func(cfg *Config) { cfg.ClientCertificate = shown })
		if tags, err := c.Tags(t.Context(), "a"); err != nil || len(tags) != 1 {
			t.Fatalf("Tags = %v, %v", tags, err)
		}
		for _, r := range p.all() {
			name, secret, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
			if r.Method != http.MethodConnect || r.Host != "example.com:443" || name != "proxy-user" || secret != "proxy-secret" {
				t.Errorf("the proxy was asked %s %s by %q", r.Method, r.Host, name)
			}
			if r.Header.Get("Authorization") != "" {
				t.Error("the proxy was shown the registry's credentials")
			}
			if r.TLS != nil && len(r.TLS.PeerCertificates) != 0 {
				t.Error("the proxy was shown the client certificate")
			}
		}
		for _, r := range asked.all() {
			if r.Header.Get("Proxy-Authorization") != "" {
				t.Error("the registry was shown the proxy's credentials")
			}
			if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].Subject.CommonName != "robot" {
				t.Error("the registry wasn't shown the client certificate")
			}
		}
		if len(p.all()) == 0 || len(asked.all()) == 0 {
			t.Error("nobody was asked")
		}
	}
}

func TestProxy_ofAPlainRegistry(t *testing.T) {
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":["v1"]}`)})
	p := newProxy(t, server.Listener.Addr().String(), false)
	tls, _ := example(t) // for its authorities
	c := behind(t, tls, p.withUser(), nil, func(cfg *Config) { cfg.URL = "http://example.com" })
	if _, err := c.Tags(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for _, r := range asked.all() {
		if r.Header.Get("Proxy-Authorization") != "" || r.Host != "example.com" {
			t.Errorf("the registry got %s with %v", r.Host, r.Header)
		}
	}
}

func TestProxy_isNotAskedForWhatMayNotBeDialled(t *testing.T) {
	server, _ := example(t)
	p := newProxy(t, server.Listener.Addr().String(), false)
	tests := map[string]struct {
		names      map[string]string
		repository string
		private    bool
		word       string
	}{
		"a literal":                            {nil, "away", true, "169.254.169.254"},
		"a name that is private here":          {map[string]string{"example.com": "10.1.2.3"}, "a", false, "allow_private"},
		"a name that is metadata, though":      {map[string]string{"example.com": "169.254.169.254"}, "a", true, "169.254.169.254"},
		"a name that is loopback, to a proxy":  {map[string]string{"example.com": "127.0.0.1"}, "a", false, "allow_private"},
		"a name that is a carried private one": {map[string]string{"example.com": "64:ff9b::a01:203"}, "a", false, "allow_private"},
	}
	for name, test := range tests {
		c := behind(t, server, p.URL, test.names, withPassword, func(cfg *Config) { cfg.AllowPrivate = test.private })
		before := len(p.all())
		_, err := c.Tags(t.Context(), test.repository)
		wantLook(t, err, inventory.ReasonRegistryUnreachable, test.word, "not contacted")
		for _, r := range p.all()[before:] {
			if r.Host != "example.com:443" || test.names != nil {
				t.Errorf("%s: the proxy was asked for %s", name, r.Host)
			}
		}
	}
	// What this machine can't resolve, the proxy can.
	c := behind(t, server, p.URL, map[string]string{"example.com": "93.184.216.34"}, withPassword)
	if _, err := c.Tags(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestProxy_ofTheEnvironment(t *testing.T) {
	server, _ := example(t)
	p := newProxy(t, server.Listener.Addr().String(), false)
	t.Setenv("HTTPS_PROXY", p.URL)
	t.Setenv("HTTP_PROXY", p.URL)
	t.Setenv("NO_PROXY", "internal.example.com")
	public := map[string]string{"example.com": "93.184.216.34"}
	if _, err := behind(t, server, "", public, withPassword).Tags(t.Context(), "a"); err != nil || len(p.all()) == 0 {
		t.Errorf("through the environment's proxy: %v, asked %d times", err, len(p.all()))
	}

	before := len(p.all())
	direct := func(name string, c *Client) {
		way := c.guard.inner.(*route)
		via, err := way.via(t.Context(), c.origin)
		if via != nil || err != nil {
			t.Errorf("%s goes through %v, %v", name, via, err)
		}
	}
	direct("proxy: none", behind(t, server, NoProxy, public))
	direct("NO_PROXY", behind(t, server, "", public, func(cfg *Config) { cfg.URL = "https://internal.example.com" }))
	direct("a name of loopback", behind(t, server, "", map[string]string{"example.com": "127.0.0.1"}, func(cfg *Config) { cfg.AllowPrivate = true }))
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
		direct(host, behind(t, server, "", nil, func(cfg *Config) { cfg.URL, cfg.AllowPrivate = "https://"+host, true }))
	}
	if n := len(p.all()) - before; n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestProxy_thatDoesNotHelpIsNamed(t *testing.T) {
	server, _ := example(t)
	p := newProxy(t, server.Listener.Addr().String(), false)
	for status, word := range map[int]string{http.StatusProxyAuthRequired: "password", http.StatusForbidden: "NO_PROXY", http.StatusBadGateway: "502"} {
		p.refuse = status
		_, err := behind(t, server, p.withUser(), nil).Tags(t.Context(), "a")
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "proxy", word, p.Listener.Addr().String())
		if strings.Contains(err.Error(), "proxy-secret") {
			t.Errorf("the password is in %v", err)
		}
	}
	plain, _ := serve(t, nil)
	p.refuse = http.StatusProxyAuthRequired
	_, err := behind(t, server, p.URL, nil, func(cfg *Config) { cfg.URL = strings.Replace(plain.URL, "127.0.0.1", "example.com", 1) }).Tags(t.Context(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "proxy", "password")
	secure := newProxy(t, server.Listener.Addr().String(), true)
	_, err = behind(t, server, secure.URL, nil, func(cfg *Config) { cfg.RootCAs = x509.NewCertPool() }).Tags(t.Context(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "proxy", "certificate", "ca of this registry")
	p.Close()
	_, err = behind(t, server, p.URL, nil).Tags(t.Context(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "proxy", "can't be reached")
}

func TestParseProxy(t *testing.T) {
	for _, text := range []string{"proxy:3128", "ftp://proxy", "http://", "http://user:secret@proxy/path", "http://proxy?x=secret", "://secret"} {
		if u, err := ParseProxy(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
	for _, text := range []string{"", "none", "http://proxy:3128", "https://u:p@proxy/", "socks5://proxy:1080"} {
		if _, err := ParseProxy(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// clientPair writes a self-signed certificate and its key.
func clientPair(t *testing.T, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
