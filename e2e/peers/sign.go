//go:build peers

package peers

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tool runs a signer, which has to succeed.
func (s *stage) tool(env []string, name string, args ...string) {
	s.Helper()
	o, err := run(s.Context(), s.dir, env, s.bin[name], args...)
	s.must(err)
	if o.code != 0 {
		s.Fatalf("%s ends with %d:\n%s", o.command, o.code, o.output)
	}
}

// cosign is a version of it: 2 or 3.
type cosign int

func (c cosign) name() string { return "cosign" + strconv.Itoa(int(c)) }

var cosignEnv = []string{"COSIGN_PASSWORD=" + password}

// signKey signs with a key and no log.
func (s *stage) signKey(c cosign, key string, i image, more ...string) {
	s.Helper()
	args := []string{"sign", "-y", "--key", s.keys.private(key), "--allow-http-registry"}
	if c == 2 {
		args = append(args, "--tlog-upload=false")
	} else {
		// Without these two it asks the public instance how to sign with a key.
		args = append(args, "--signing-config", s.sigstore.signing["none"], "--trusted-root", s.sigstore.nothing)
	}
	s.tool(cosignEnv, c.name(), append(append(args, more...), i.at())...)
}

// signOutside signs with a key that cosign doesn't hold, as a key service does:
// cosign writes what is to be signed and attaches the signature.
func (s *stage) signOutside(key string, i image) {
	s.Helper()
	dir := s.TempDir()
	payload, file := filepath.Join(dir, "payload.json"), filepath.Join(dir, "signature")
	var text, said bytes.Buffer
	code, err := capture(s.Context(), s.dir, nil, &text, &said, s.bin["cosign2"], "generate", "--allow-http-registry", i.at())
	s.must(err)
	if code != 0 {
		s.Fatalf("cosign2 generate ends with %d:\n%s", code, &said)
	}
	der, err := readPEM(filepath.Join(s.keys.dir, key+".key"))
	s.must(err)
	private, err := x509.ParsePKCS8PrivateKey(der)
	s.must(err)
	signature, err := private.(crypto.Signer).Sign(rand.Reader, text.Bytes(), crypto.Hash(0))
	s.must(err)
	s.must(os.WriteFile(payload, text.Bytes(), 0o600))
	s.must(os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(signature)), 0o600))
	s.tool(nil, "cosign2", "attach", "signature", "--payload", payload, "--signature", file, "--allow-http-registry", i.at())
}

// signReferrer signs as cosign 2 does in its experiment with OCI 1.1.
func (s *stage) signReferrer(key string, i image) {
	s.Helper()
	s.tool(append(cosignEnv, "COSIGN_EXPERIMENTAL=1"), "cosign2", "sign", "-y", "--key", s.keys.private(key), "--allow-http-registry",
		"--tlog-upload=false", "--registry-referrers-mode", "oci-1-1", i.at())
}

// signLogged signs with a key and has the log note it.
func (s *stage) signLogged(c cosign, log, key string, i image) {
	s.Helper()
	args := []string{"sign", "-y", "--key", s.keys.private(key), "--allow-http-registry"}
	if c == 2 { // which knows no log but Rekor v1
		s.tool(s.cosign2Roots(), "cosign2", append(args, "--rekor-url", "http://"+local(s.sigstore.rekor1), i.at())...)
		return
	}
	s.tool(cosignEnv, "cosign3", append(args, "--signing-config", s.sigstore.signing[log], "--trusted-root", s.sigstore.root, i.at())...)
}

// signKeyless signs with the identity of an OpenID token.
func (s *stage) signKeyless(c cosign, log, token string, i image) {
	s.Helper()
	args := []string{"sign", "-y", "--identity-token", token, "--allow-http-registry"}
	if c == 2 {
		s.tool(s.cosign2Roots(), "cosign2", append(args, "--fulcio-url", "http://"+local(s.sigstore.fulcio),
			"--rekor-url", "http://"+local(s.sigstore.rekor1), i.at())...)
		return
	}
	s.tool(nil, "cosign3", append(args, "--signing-config", s.sigstore.signing[log], "--trusted-root", s.sigstore.root, i.at())...)
}

// cosign2Roots are the roots of the private Sigstore, which cosign 2 takes from
// its environment.
func (s *stage) cosign2Roots() []string {
	return append(cosignEnv,
		"SIGSTORE_ROOT_FILE="+s.sigstore.file("fulcio.pem"),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE="+s.sigstore.file("ctlog.pub"),
		"SIGSTORE_REKOR_PUBLIC_KEY="+s.sigstore.file("rekor1.pub"),
	)
}

// person is the token of somebody, from one of the issuers.
func (s *stage) person(path, email string) string {
	s.Helper()
	token, err := s.sigstore.issuer.person(path, email)
	s.must(err)
	return token
}

// Predicates to attest.
var predicates = map[string]string{
	"slsaprovenance1": `{"buildDefinition":{"buildType":"https://ci.example.com/build/v1","externalParameters":{"ref":"refs/tags/v1"},` +
		`"resolvedDependencies":[{"uri":"git+` + source + `","digest":{"gitCommit":"` + commit + `"}}]},` +
		`"runDetails":{"builder":{"id":"https://ci.example.com/builder"},"metadata":{"invocationId":"42"}}}`,
	"cyclonedx": `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"left","version":"1.0.0"}]}`,
}

// attest attests a predicate, with a key and no log.
func (s *stage) attest(c cosign, kind, key string, i image) {
	s.Helper()
	file := filepath.Join(s.TempDir(), "predicate.json")
	s.must(os.WriteFile(file, []byte(predicates[kind]), 0o600))
	args := []string{"attest", "-y", "--key", s.keys.private(key), "--type", kind, "--predicate", file, "--allow-http-registry"}
	if c == 2 {
		args = append(args, "--tlog-upload=false")
	} else {
		args = append(args, "--signing-config", s.sigstore.signing["none"], "--trusted-root", s.sigstore.nothing)
	}
	s.tool(cosignEnv, c.name(), append(args, i.at())...)
}

// signNotation signs with one of notation's keys. Left alone it would write the
// fallback tag even where there is a referrers API.
func (s *stage) signNotation(format, key string, i image, more ...string) {
	s.Helper()
	args := []string{"sign", "--key", key, "--signature-format", format, "--insecure-registry", "--force-referrers-tag=false"}
	s.tool([]string{"XDG_CONFIG_HOME=" + s.notation.home}, "notation", append(append(args, more...), i.at())...)
}

// timestamped has notation ask the timestamp authority.
func (s *stage) timestamped() []string {
	return []string{"--timestamp-url", fmt.Sprintf("http://%s/api/v1/timestamp", local(s.sigstore.tsa)), "--timestamp-root-cert", s.sigstore.file("tsa-root.pem")}
}

// notaryEnv holds the passphrases of the roles' keys.
var notaryEnv = []string{"NOTARY_ROOT_PASSPHRASE=" + password, "NOTARY_TARGETS_PASSPHRASE=" + password,
	"NOTARY_SNAPSHOT_PASSPHRASE=" + password, "NOTARY_DELEGATION_PASSPHRASE=" + password}

// notaryArgs are the flags of the notary client; state is where it keeps keys
// and what it saw last.
func (s *stage) notaryArgs(state string, args ...string) []string {
	return append([]string{"-s", s.notary.url, "--tlscacert", s.notary.ca, "-d", state}, args...)
}

// signTag signs a tag in the way of Docker Content Trust.
func (s *stage) signTag(i image) {
	s.Helper()
	state := filepath.Join(s.dir, "notary", "client", strings.NewReplacer("/", "_", ":", "_").Replace(i.repo()))
	manifest, ok := s.fetch(i.repository, "manifests/"+i.digest)
	if !ok {
		s.Fatalf("%s isn't there", i.at())
	}
	if _, err := os.Stat(state); err != nil {
		s.tool(notaryEnv, "notary", s.notaryArgs(state, "init", i.repo(), "--publish")...)
	}
	s.tool(notaryEnv, "notary", s.notaryArgs(state, "addhash", i.repo(), i.tag, strconv.Itoa(len(manifest)),
		"--sha256", strings.TrimPrefix(i.digest, "sha256:"), "--publish")...)
}
