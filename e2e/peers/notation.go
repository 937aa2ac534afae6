//go:build peers

package peers

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// notation is the Notary Project's trust: a CA that everybody knows and one
// that nobody does, each with a leaf to sign with.
type notation struct {
	known, unknown *certificate
	// What XDG_CONFIG_HOME is for notation: the first to sign and to verify with,
	// the second to verify with where every signature has to be timestamped.
	home, timely string
}

func (w *world) setUpNotation(ctx context.Context) (err error) {
	n := &notation{home: filepath.Join(w.dir, "notation"), timely: filepath.Join(w.dir, "notation-timely")}
	w.notation = n
	type object = map[string]any
	var keys []object
	for _, name := range []string{"known", "unknown"} {
		ca, err := issue(authority("notation-"+name), nil)
		if err != nil {
			return err
		}
		leaf, err := issue(x509.Certificate{
			Subject: named("notation-" + name + "-leaf"), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		}, ca)
		if err != nil {
			return err
		}
		dir := filepath.Join(n.home, "keys")
		if err := errors.Join(os.MkdirAll(dir, 0o700), writeKey(dir, name, leaf.key),
			writePEM(filepath.Join(dir, name+".pem"), "CERTIFICATE", leaf.Raw, ca.Raw), writePEM(filepath.Join(dir, name+"-ca.pem"), "CERTIFICATE", ca.Raw)); err != nil {
			return err
		}
		keys = append(keys, object{"name": name, "keyPath": filepath.Join(dir, name+".key"), "certPath": filepath.Join(dir, name+".pem")})
		if name == "known" {
			n.known = ca
		} else {
			n.unknown = ca
		}
	}
	signing, err := json.Marshal(object{"default": "known", "keys": keys})
	if err != nil {
		return err
	}
	errs := []error{}
	for home, timestamp := range map[string]string{n.home: "afterCertExpiry", n.timely: "always"} {
		config := filepath.Join(home, "notation")
		stores := filepath.Join(config, "truststore", "x509")
		policy, err := json.Marshal(object{"version": "1.0", "trustPolicies": []object{{
			"name": "peers", "registryScopes": []string{"*"}, "signatureVerification": object{"level": "strict", "verifyTimestamp": timestamp},
			"trustStores": []string{"ca:peers", "tsa:peers"}, "trustedIdentities": []string{"*"},
		}}})
		errs = append(errs, err,
			os.MkdirAll(filepath.Join(stores, "ca", "peers"), 0o700), os.MkdirAll(filepath.Join(stores, "tsa", "peers"), 0o700),
			writePEM(filepath.Join(stores, "ca", "peers", "ca.pem"), "CERTIFICATE", n.known.Raw),
			writePEM(filepath.Join(stores, "tsa", "peers", "tsa.pem"), "CERTIFICATE", w.sigstore.tsaRoot.Raw),
			os.WriteFile(filepath.Join(config, "signingkeys.json"), signing, 0o600),
			os.WriteFile(filepath.Join(config, "trustpolicy.json"), policy, 0o600),
		)
	}
	return errors.Join(errs...)
}
