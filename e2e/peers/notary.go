//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// notary is a Docker Content Trust server with the signer that holds its
// timestamp and snapshot keys. Both keep everything in memory.
type notary struct {
	url, ca string
}

// addNotary finds Debian's notary, or takes it out of Debian's package: nothing
// is installed, so it needs no rights and starts no daemon.
func (w *world) addNotary(ctx context.Context, folder string) error {
	programs := []string{"notary", "notary-server", "notary-signer"}
	dir := filepath.Join(folder, "debian")
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			path = filepath.Join(dir, "usr", "bin", name)
		}
		w.bin[name] = path
	}
	missing := false
	for _, name := range programs {
		_, err := os.Stat(w.bin[name])
		missing = missing || err != nil
	}
	if !missing {
		say("%-12s %-8s is there", "notary", "debian")
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fetch := exec.CommandContext(ctx, "apt-get", "download", "notary")
	fetch.Dir = dir
	if out, err := fetch.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching Debian's package notary (is the list of packages there? apt-get update): %w\n%s", err, out)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "notary_*.deb"))
	if err != nil || len(packages) == 0 {
		return fmt.Errorf("apt-get download left no package in %s: %w", dir, err)
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", packages[len(packages)-1], dir).CombinedOutput(); err != nil {
		return fmt.Errorf("taking notary out of its package: %w\n%s", err, out)
	}
	say("%-12s %-8s fetched", "notary", "debian")
	return nil
}

func (w *world) startNotary(ctx context.Context) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	cert, err := tlsCertificate()
	if err != nil {
		return err
	}
	dir := filepath.Join(w.dir, "notary")
	crt, key := filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	w.notary = &notary{url: "https://" + local(ports[0]), ca: crt}
	type object = map[string]any
	files := map[string]any{
		"server.json": object{
			"server": object{"http_addr": local(ports[0]), "tls_cert_file": crt, "tls_key_file": key},
			"trust_service": object{"type": "remote", "hostname": "127.0.0.1", "port": fmt.Sprint(ports[1]), "key_algorithm": "ecdsa",
				"tls_ca_file": crt, "tls_client_cert": crt, "tls_client_key": key},
			"logging": object{"level": "warn"}, "storage": object{"backend": "memory"},
		},
		"signer.json": object{
			"server":  object{"grpc_addr": local(ports[1]), "tls_cert_file": crt, "tls_key_file": key, "client_ca_file": crt},
			"logging": object{"level": "warn"}, "storage": object{"backend": "memory"},
		},
	}
	errs := []error{os.MkdirAll(dir, 0o700), writeKey(dir, "tls", cert.key), writePEM(crt, "CERTIFICATE", cert.Raw)}
	for name, content := range files {
		raw, err := json.Marshal(content)
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := w.start(ctx, &service{name: "notary-signer", args: []string{"-config=" + filepath.Join(dir, "signer.json")}, ready: listens(ports[1]),
		env: []string{"NOTARY_SIGNER_DEFAULT_ALIAS=peers", "NOTARY_SIGNER_PEERS=" + password}}); err != nil {
		return err
	}
	return w.start(ctx, &service{name: "notary-server", args: []string{"-config=" + filepath.Join(dir, "server.json")}, ready: answers(w.notary.url + "/_notary_server/health")})
}
