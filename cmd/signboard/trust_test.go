package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"signboard/inventory"
)

// trustFiles goes to a folder with the files that a configuration may name:
// trusted_root.json, acme-root.pem, root.json, and some that are none of them.
func trustFiles(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "acme root", Organization: []string{"acme"}, Country: []string{"XX"}, Province: []string{"X"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	root := metadata.Root(time.Now().AddDate(0, 0, -1)) // ran out: no matter for one to begin with
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tufKey, err := metadata.KeyFromPublicKey(signing.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		if err := root.Signed.AddKey(tufKey, role); err != nil {
			t.Fatal(err)
		}
	}
	unsigned, err := root.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.LoadSigner(signing, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Sign(signer); err != nil {
		t.Fatal(err)
	}
	signed, err := root.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"acme-root.pem": certificate,
		"key.pem":       string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})),
		"both.pem":      certificate + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})),
		"text.txt":      "not a certificate\n",
		"trusted_root.json": fmt.Sprintf(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
			"certificateAuthorities":[{"uri":"https://fulcio.example.com","certChain":{"certificates":[{"rawBytes":%q}]},"validFor":{"start":"2025-01-01T00:00:00Z"}}]}`, base64.StdEncoding.EncodeToString(der)),
		"empty.json":    `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
		"root.json":     string(signed),
		"unsigned.json": string(unsigned),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoadConfig_refusesRootsOfTrust holds that each refusal names the file, the
// key and what was expected.
func TestLoadConfig_refusesRootsOfTrust(t *testing.T) {
	trustFiles(t)
	for name, test := range map[string]struct{ trust, says string }{
		"a Sigstore without a name":          {"sigstore: [{tuf: public-good}]", "trust.sigstore[0].name: expected a short name"},
		"a Sigstore name that tricks":        {`sigstore: [{name: "a\u202e", tuf: public-good}]`, "trust.sigstore[0].name: expected a short name"},
		"two Sigstores of one name":          {"sigstore: [{name: a, tuf: public-good}, {name: a, trusted_root: trusted_root.json}]", `trust.sigstore[1].name: two entries are called "a"`},
		"a Sigstore from nowhere":            {"sigstore: [{name: a}]", "trust.sigstore[0]: expected trusted_root"},
		"a Sigstore from two places":         {"sigstore: [{name: a, tuf: public-good, trusted_root: trusted_root.json}]", "trust.sigstore[0]: give either tuf or trusted_root, not both"},
		"a tuf word that nobody knows":       {"sigstore: [{name: a, tuf: public-bad}]", "trust.sigstore[0].tuf: expected public-good or the address"},
		"a tuf address of another scheme":    {"sigstore: [{name: a, tuf: 'ftp://x', tuf_root: root.json}]", "trust.sigstore[0].tuf: expected public-good or the address"},
		"a tuf address with a password":      {"sigstore: [{name: a, tuf: 'https://u:p@x', tuf_root: root.json}]", "trust.sigstore[0].tuf: expected public-good or the address"},
		"a mirror without root metadata":     {"sigstore: [{name: a, tuf: 'https://x.example'}]", "trust.sigstore[0].tuf_root: expected the root.json"},
		"root metadata for public-good":      {"sigstore: [{name: a, tuf: public-good, tuf_root: root.json}]", "trust.sigstore[0].tuf_root: it goes with the address"},
		"root metadata that isn't there":     {"sigstore: [{name: a, tuf: 'https://x.example', tuf_root: none.json}]", "trust.sigstore[0].tuf_root: the file none.json can't be read: no such file"},
		"root metadata that isn't":           {"sigstore: [{name: a, tuf: 'https://x.example', tuf_root: trusted_root.json}]", "trust.sigstore[0].tuf_root: expected a TUF root.json"},
		"root metadata that nobody signed":   {"sigstore: [{name: a, tuf: 'https://x.example', tuf_root: unsigned.json}]", "trust.sigstore[0].tuf_root: expected a TUF root.json"},
		"a trusted root that isn't there":    {"sigstore: [{name: a, trusted_root: none.json}]", "trust.sigstore[0].trusted_root: expected a trusted_root.json; The trusted root none.json can't be read: no such file"},
		"a trusted root that isn't":          {"sigstore: [{name: a, trusted_root: acme-root.pem}]", "trust.sigstore[0].trusted_root: expected a trusted_root.json"},
		"a trusted root with nothing in it":  {"sigstore: [{name: a, trusted_root: empty.json}]", "no certificate authority"},
		"a trusted root that is a folder":    {"sigstore: [{name: a, trusted_root: .}]", "is not a file"},
		"an unknown key":                     {"sigstore: [{name: a, url: x}]", "trust.sigstore[0].url: there is no such key; expected one of allow_private, name, trusted_root, tuf, tuf_root"},
		"a trust store without a name":       {"notation: [{type: ca, certificates: acme-root.pem}]", "trust.notation[0].name: expected a short name"},
		"two trust stores of one name":       {"notation: [{name: a, type: ca, certificates: acme-root.pem}, {name: a, type: tsa, certificates: acme-root.pem}]", `trust.notation[1].name: two entries are called "a"`},
		"a trust store of no known type":     {"notation: [{name: a, type: CA, certificates: acme-root.pem}]", `trust.notation[0].type: expected ca, signingAuthority or tsa, found "CA"`},
		"a trust store without certificates": {"notation: [{name: a, type: ca}]", "trust.notation[0].certificates: expected the name of a PEM file"},
		"a trust store that isn't there":     {"notation: [{name: a, type: ca, certificates: none.pem}]", "trust.notation[0].certificates: the file none.pem can't be read: no such file"},
		"a trust store of a key":             {"notation: [{name: a, type: ca, certificates: key.pem}]", "trust.notation[0].certificates: key.pem: "},
		"a trust store of no PEM":            {"notation: [{name: a, type: ca, certificates: text.txt}]", "it holds no certificate"},
		"a notary of an unknown registry":    {"notary: [{registry: other, url: 'https://x.example'}]", `trust.notary[0].registry: expected the name of a registry that is configured, found "other"`},
		"two notaries of one registry":       {"notary: [{registry: hub, url: 'https://x.example'}, {registry: hub, url: 'https://y.example'}]", `trust.notary[1].registry: "hub" has a notary server already`},
		"a notary without an address":        {"notary: [{registry: hub}]", "trust.notary[0].url: expected the address of a notary server"},
		"a notary's authority that isn't":    {"notary: [{registry: hub, url: 'https://x.example', ca: text.txt}]", "trust.notary[0].ca: expected a PEM file"},
		"a notary's authority and a key":     {"notary: [{registry: hub, url: 'https://x.example', ca: both.pem}]", "trust.notary[0].ca: expected certificates only, found a PUBLIC KEY"},
		"a pin for nothing":                  {"notary: [{registry: hub, url: 'https://x.example', pins: [{root_keys: [ab]}]}]", "trust.notary[0].pins[0].repositories: expected"},
		"a pin of nothing":                   {"notary: [{registry: hub, url: 'https://x.example', pins: [{repositories: ['**']}]}]", "trust.notary[0].pins[0]: expected root_keys or ca"},
		"a pin of half a key":                {"notary: [{registry: hub, url: 'https://x.example', pins: [{repositories: ['**'], root_keys: [abcd]}]}]", "trust.notary[0].pins[0].root_keys: expected 64 hexadecimal"},
		"a pin of a pattern nobody can read": {"notary: [{registry: hub, url: 'https://x.example', pins: [{repositories: ['a**'], ca: acme-root.pem}]}]", "trust.notary[0].pins[0].repositories:"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "signboard.yaml")
			text := "registries: [{name: hub, url: 'https://registry.example.com'}]\ntrust:\n  " + test.trust + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(file, nil)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %q, not the file and %q", err, test.says)
			}
		})
	}
}

func TestPrivate_goesByWhatTheOperatorWrote(t *testing.T) {
	for address, want := range map[string]bool{
		"https://127.0.0.1:4443": true, "http://localhost:8080": true, "https://10.1.2.3": true, "https://[fd00::1]": true, "https://[::1]:1": true, "https://[::ffff:192.168.0.1]": true,
		"https://tuf.internal": false, "https://8.8.8.8": false, "public-good": false, "https://127.0.0.1.example.com": false, "": false, "https://169.254.169.254": false,
	} {
		if got := private(address); got != want {
			t.Errorf("private(%q) = %v", address, got)
		}
	}
}

func TestImageHost_isWhatImageNamesBeginWith(t *testing.T) {
	for registry, want := range map[string]string{
		"https://index.docker.io": "docker.io", "https://registry-1.docker.io": "docker.io",
		"https://registry.example.com:5000": "registry.example.com:5000",
	} {
		if got := imageHost(registry); got != want {
			t.Errorf("imageHost(%s) = %s", registry, got)
		}
	}
}

// TestOpen_wiresTheRootsOfTrust: what the configuration names is what is
// checked with and shown, and nobody is asked before there is a reason to.
func TestOpen_wiresTheRootsOfTrust(t *testing.T) {
	trustFiles(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; http.NotFound(w, r) }))
	t.Cleanup(server.Close)
	file := write(t, `
database: sqlite:signboard.db
registries:
  - {name: hub, url: `+server.URL+`, allow_private: true}
  - {name: other, url: `+server.URL+`, allow_private: true}
trust:
  sigstore:
    - {name: private, trusted_root: trusted_root.json}
    - {name: mirrored, tuf: `+server.URL+`, tuf_root: root.json}
  notation: [{name: acme, type: ca, certificates: acme-root.pem}]
  notary: [{registry: hub, url: `+server.URL+`}]
`)
	config, err := loadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	if asked != 0 {
		t.Error("opening asked somebody")
	}
	var got []string
	for _, r := range a.trustRoots() {
		got = append(got, fmt.Sprintf("%s/%s stale:%v", r.Kind, r.Name, r.Stale))
	}
	want := "sigstore/private stale:false sigstore/mirrored stale:true notation/acme stale:false notary/hub stale:false"
	if strings.Join(got, " ") != want {
		t.Errorf("the roots are\n%s, want\n%s", strings.Join(got, " "), want)
	}
	if outside := a.trust.inspector(nil, config.Registries[0], a.keys.Load).Outside; len(outside) != 1 {
		t.Errorf("%d places are asked beside hub", len(outside))
	}
	if outside := a.trust.inspector(nil, config.Registries[1], a.keys.Load).Outside; len(outside) != 0 {
		t.Errorf("%d places are asked beside the registry that has none", len(outside))
	}

	var log strings.Builder
	a.trust.refresh(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	if asked == 0 || !strings.Contains(log.String(), "stays in use") {
		t.Errorf("%d requests; a failed refresh is logged as %q", asked, log.String())
	}
}

// TestOpen_revisionFollowsTheRoots: what was checked with other roots is checked
// again, and what was checked with the same isn't.
func TestOpen_revisionFollowsTheRoots(t *testing.T) {
	trustFiles(t)
	revision := func(trust string) int64 {
		t.Helper()
		config, err := loadConfig(write(t, "database: sqlite:signboard.db\nregistries: [{name: hub, url: 'https://registry.example.com'}]\n"+trust), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := open(t.Context(), config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		return a.trust.inspector(nil, config.Registries[0], a.keys.Load).TrustRevision()
	}
	const root = "trust: {sigstore: [{name: private, trusted_root: trusted_root.json}]}\n"
	none, one := revision(""), revision(root)
	if none == one {
		t.Error("a new Sigstore instance changes nothing")
	}
	if again := revision(root); again != one {
		t.Error("after a restart with the same roots everything would be checked again")
	}
	for name, trust := range map[string]string{
		"a trust store":   "trust: {notation: [{name: acme, type: ca, certificates: acme-root.pem}]}\n",
		"a notary server": "trust: {notary: [{registry: hub, url: 'https://notary.example.com'}]}\n",
	} {
		if revision(trust) == none {
			t.Errorf("%s changes nothing", name)
		}
	}
}

// TestUnwritten_keepsNothing: a command that only looks writes nothing.
func TestUnwritten_keepsNothing(t *testing.T) {
	var m unwritten // whatever it is over is not asked
	if err := m.KeepTrustRoot(context.Background(), "a", nil, time.Time{}); err != nil {
		t.Error(err)
	}
	if err := m.KeepTUF(context.Background(), "a", nil); err != nil {
		t.Error(err)
	}
}
