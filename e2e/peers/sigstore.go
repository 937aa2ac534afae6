//go:build peers

package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sigstore is a whole private instance: a certificate authority with its
// transparency log, both kinds of signature log, and a timestamp authority.
type sigstore struct {
	dir     string
	issuer  *issuer
	tsaRoot *certificate

	fulcio, rekor1, rekor2, tsa, ctlog int // ports

	root, rekor1Root string            // trusted_root.json of all, and of Rekor v1 without a timestamp authority
	nothing          string            // a trusted root without anything, so that no tool asks the public one
	signing          map[string]string // signing configurations by the log they use
}

// The name that Rekor v2 signs its checkpoints with. Verifiers take it from the
// log's URL in the trusted root, wherever the log may listen.
const rekor2Origin = "rekor2.example.com"

// startSigstore starts the services in the order in which they ask each other,
// and writes the files that signers and verifiers want.
func (w *world) startSigstore(ctx context.Context) (err error) {
	s := &sigstore{dir: filepath.Join(w.dir, "sigstore")}
	w.sigstore = s
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.issuer, err = newIssuer(); err != nil {
		return err
	}
	if err := s.writeKeys(); err != nil {
		return err
	}
	ports, err := freePorts(11)
	if err != nil {
		return err
	}
	s.fulcio, s.rekor1, s.rekor2, s.tsa, s.ctlog = ports[0], ports[1], ports[2], ports[3], ports[4]
	at := func(port int) string { return "http://" + local(port) }
	num := func(port int) string { return fmt.Sprint(port) }

	if err := w.start(ctx,
		&service{name: "tsa", ready: answers(at(s.tsa) + "/api/v1/timestamp/certchain"), args: []string{
			"serve", "--host", "127.0.0.1", "--port", num(s.tsa), "--scheme", "http", "--disable-ntp-monitoring", "--timestamp-signer", "file",
			"--file-signer-key-path", s.file("tsa.key"), "--file-signer-passwd", password, "--certificate-chain-path", s.file("tsa.pem"),
		}},
		&service{name: "rekor2", ready: answers(at(s.rekor2) + "/healthz"), args: []string{
			"serve", "--http-port", num(s.rekor2), "--grpc-port", num(ports[5]), "--http-metrics-port", num(ports[6]), "--hostname", rekor2Origin,
			"--storage-dir", s.file("rekor2"), "--signer-filepath", s.file("rekor2.key"), "--checkpoint-interval", "500ms", "--persistent-antispam",
		}},
		&service{name: "ctlog", ready: answers(at(s.ctlog) + "/ct/v1/get-roots"), args: []string{
			"-listen", local(s.ctlog), "-key", s.file("ctlog.key"), "-roots", s.file("fulcio.pem"), "-origin", "ctlog.example.com", "-dir", s.file("ctlog"),
		}},
		&service{name: "trillian", ready: func(context.Context) error { _, err := s.tree(); return err }, args: []string{local(ports[7])}},
	); err != nil {
		return err
	}
	tree, err := s.tree()
	if err != nil {
		return err
	}
	if err := w.start(ctx,
		&service{name: "rekor1", ready: answers(at(s.rekor1) + "/api/v1/log"), args: []string{
			"serve", "--rekor_server.address", "127.0.0.1", "--port", num(s.rekor1), "--scheme", "http", "--rekor_server.hostname", "rekor1.example.com",
			"--rekor_server.signer", s.file("rekor1.key"), "--log_type", "prod", "--trillian_log_server.address", "127.0.0.1",
			"--trillian_log_server.port", num(ports[7]), "--trillian_log_server.tlog_id", tree,
			// Without its index of keys and digests, which only the search uses,
			// it needs no Redis.
			"--enable_retrieve_api=false", "--enabled_api_endpoints", "getLogInfo,getPublicKey,getLogProof,createLogEntry,getLogEntryByIndex,getLogEntryByUUID,searchLogQuery",
		}},
		// It asks the issuer and the certificate log while it starts.
		&service{name: "fulcio", ready: answers(at(s.fulcio) + "/api/v2/trustBundle"), args: []string{
			"serve", "--host", "127.0.0.1", "--port", num(s.fulcio), "--grpc-host", "127.0.0.1", "--grpc-port", num(ports[8]), "--metrics-port", num(ports[9]),
			"--legacy-unix-domain-socket", s.file("fulcio.sock"), "--ca", "fileca", "--fileca-cert", s.file("fulcio.pem"), "--fileca-key", s.file("fulcio.key"),
			"--fileca-key-passwd", password, "--fileca-watch=false", "--config-path", s.file("fulcio.json"), "--log_type", "prod",
			"--ct-log-url", at(s.ctlog), "--ct-log-public-key-path", s.file("ctlog.pub"),
		}},
	); err != nil {
		return err
	}
	return s.writeTrust(ctx, w)
}

func (s *sigstore) file(name string) string { return filepath.Join(s.dir, name) }

// tree is the number that trillian printed, as the first line of its log.
func (s *sigstore) tree() (string, error) {
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "trillian.log"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if tree := strings.TrimSpace(line); tree != "" && strings.Trim(tree, "0123456789") == "" {
			return tree, nil
		}
	}
	return "", errors.New("no tree yet")
}

func (s *sigstore) writeKeys() error {
	root := authority("fulcio")
	root.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	fulcio, err := issue(root, nil)
	if err != nil {
		return err
	}
	if s.tsaRoot, err = issue(authority("tsa-root"), nil); err != nil {
		return err
	}
	usage, err := timestamping()
	if err != nil {
		return err
	}
	tsa, err := issue(x509.Certificate{Subject: named("tsa"), KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage}}, s.tsaRoot)
	if err != nil {
		return err
	}
	config, err := s.issuer.fulcioConfig()
	if err != nil {
		return err
	}
	errs := []error{
		writeLocked(s.file("fulcio.key"), fulcio.key), writePEM(s.file("fulcio.pem"), "CERTIFICATE", fulcio.Raw),
		writeLocked(s.file("tsa.key"), tsa.key), writePEM(s.file("tsa.pem"), "CERTIFICATE", tsa.Raw, s.tsaRoot.Raw),
		writePEM(s.file("tsa-root.pem"), "CERTIFICATE", s.tsaRoot.Raw),
		os.WriteFile(s.file("fulcio.json"), config, 0o600),
	}
	for name, kind := range map[string]string{"ctlog": "ecdsa-p256", "rekor1": "ecdsa-p256", "rekor2": "ed25519"} {
		key, err := newKey(kind)
		if err != nil {
			return err
		}
		errs = append(errs, writeKey(s.dir, name, key))
		if ec, ok := key.(*ecdsa.PrivateKey); ok {
			// TesseraCT and Rekor v1 read the older form.
			der, err := x509.MarshalECPrivateKey(ec)
			errs = append(errs, err, writePEM(s.file(name+".key"), "EC PRIVATE KEY", der))
		}
	}
	return errors.Join(errs...)
}

// writeTrust has cosign write the trusted roots, and writes the signing
// configurations itself.
func (s *sigstore) writeTrust(ctx context.Context, w *world) error {
	const since = "start-time=2020-01-01T00:00:00Z"
	s.root, s.rekor1Root, s.nothing = s.file("trusted_root.json"), s.file("rekor1_root.json"), s.file("no_root.json")
	common := []string{"trusted-root", "create",
		"--fulcio", fmt.Sprintf("url=http://%s,certificate-chain=%s,%s", local(s.fulcio), s.file("fulcio.pem"), since),
		"--ctfe", fmt.Sprintf("url=http://%s,public-key=%s,%s", local(s.ctlog), s.file("ctlog.pub"), since),
		"--rekor", fmt.Sprintf("url=http://%s,public-key=%s,%s", local(s.rekor1), s.file("rekor1.pub"), since),
	}
	all := append(common[:len(common):len(common)],
		"--rekor", fmt.Sprintf("url=http://%s,public-key=%s,%s,origin=%s", rekor2Origin, s.file("rekor2.pub"), since, rekor2Origin),
		"--tsa", fmt.Sprintf("url=http://%s/api/v1/timestamp,certificate-chain=%s,%s", local(s.tsa), s.file("tsa.pem"), since))
	for out, args := range map[string][]string{s.root: all, s.rekor1Root: common} {
		o, err := run(ctx, w.dir, nil, w.bin["cosign3"], append(args[:len(args):len(args)], "--out", out)...)
		if err != nil || o.code != 0 {
			return fmt.Errorf("%s: %v\n%s", o.command, err, o.output)
		}
	}
	if err := os.WriteFile(s.nothing, []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}`), 0o600); err != nil {
		return err
	}
	service := func(url string, version int) []map[string]any {
		return []map[string]any{{"url": url, "majorApiVersion": version, "operator": "peers", "validFor": map[string]any{"start": "2020-01-01T00:00:00Z"}}}
	}
	none, one := map[string]any{}, map[string]any{"selector": "ANY"}
	s.signing = map[string]string{}
	for name, config := range map[string]map[string]any{
		"none": {"rekorTlogConfig": none, "tsaConfig": none},
		"rekor1": {"caUrls": service("http://"+local(s.fulcio), 1), "rekorTlogUrls": service("http://"+local(s.rekor1), 1),
			"rekorTlogConfig": one, "tsaConfig": none},
		"rekor2": {"caUrls": service("http://"+local(s.fulcio), 1), "rekorTlogUrls": service("http://"+local(s.rekor2), 2),
			"rekorTlogConfig": one, "tsaUrls": service("http://"+local(s.tsa)+"/api/v1/timestamp", 1), "tsaConfig": one},
	} {
		config["mediaType"] = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
		raw, err := json.Marshal(config)
		if err != nil {
			return err
		}
		s.signing[name] = s.file("signing_" + name + ".json")
		if err := os.WriteFile(s.signing[name], raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// readPEM returns the DER of a file's first block.
func readPEM(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	return block.Bytes, nil
}
